"""Maps between two latent spaces, both directions learnt together from the ridge solution on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from braincodec.models.lea.alignment.changed_map import ChangedMap, Space, ridge_inside
from braincodec.models.lea.alignment.contrastive import Temperature, cosines, info_nce, least_info_nce
from braincodec.models.lea.alignment.latent_map import LatentMap
from braincodec.models.lea.alignment.ridge import check_pairs, fit_alignment, latent_map, whole_folds
from braincodec.models.lea.alignment.side_by_side import Descent, DescentSettings, FoldNetwork, train_side_by_side
from braincodec.readouts.folds import Fold

DIRECTIONS = ("forward", "backward")


class JointSettings(DescentSettings):
    """Settings of `fit_joint_alignment`.

    Attributes
    ----------
    contrastive : float
        Weight of the symmetric InfoNCE between predicted and true latents, mean of both directions.
    regression : float
        Weight of the squared error of predictions, in shares of the variance of their targets.
    cycle : float
        Weight of the squared error of latents that went to the other space and back.
    """

    contrastive: float = Field(1.0, ge=0, allow_inf_nan=False)
    regression: float = Field(1.0, ge=0, allow_inf_nan=False)
    cycle: float = Field(0.1, ge=0, allow_inf_nan=False)


@dataclass(frozen=True, eq=False, repr=False)
class JointAlignment:
    """Maps in both directions between two latent spaces.

    Parameters
    ----------
    forward, backward : LatentMap
        From source to target, and from target to source.
    report : dict
        ``best_epoch`` (0: no epoch was better than ridge in validation, and the maps are ridge's), ``weight_decay``,
        validation loss of ridge (``start``) and of what is kept (``best``), and the ``curve`` of all epochs.
    """

    forward: LatentMap
    backward: LatentMap
    report: dict[str, Any] = field(default_factory=dict)

    def tensors(self) -> dict[str, torch.Tensor]:
        """All of it by name, but `report`, which is for JSON."""
        return {
            f"{direction}.{name}": tensor
            for direction in DIRECTIONS
            for name, tensor in getattr(self, direction).tensors().items()
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, torch.Tensor], report: dict[str, Any] | None = None) -> Self:
        """The maps that `tensors` of earlier ones make up.

        Raises
        ------
        InputValueError
            When one is missing, or they do not fit together.
        """
        forward, backward = (
            LatentMap.from_tensors(
                {
                    name.removeprefix(f"{direction}."): tensor
                    for name, tensor in tensors.items()
                    if name.startswith(f"{direction}.")
                }
            )
            for direction in DIRECTIONS
        )
        return cls(forward, backward, report or {})

    def summary(self) -> str:
        """One sentence: what was learnt, and what it is worth beside ridge."""
        if not self.report.get("best_epoch"):
            return "ridge in both directions: no epoch of joint training was better in validation"
        return (
            f"epoch {self.report['best_epoch']} of joint training; validation loss {self.report['best']:.4f}, that of "
            f"ridge {self.report['start']:.4f}"
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.summary()}>"


def fit_joint_alignment(
    source: ArrayLike,
    target: ArrayLike,
    *,
    alphas: float | ArrayLike | None = None,
    folds: Any = 5,
    groups: ArrayLike | None = None,
    settings: JointSettings | dict[str, Any] | None = None,
    progress: bool | None = None,
) -> JointAlignment:
    """Learn maps in both directions together: contrastive, regression and cycle terms, from the ridge solution on.

    Parameters
    ----------
    source, target : array_like, shape (stimuli, source) and (stimuli, target)
        Latents of the same training stimuli, in the same order.
    alphas : float or array_like, optional
        Of the ridge regressions that training starts from; see `fit_alignment`.
    folds : int, array of shape (stimuli,), pairs of rows, or splitter
        Validation inside the training stimuli: chooses strengths, epoch and weight decay.
    groups : array_like, shape (stimuli,), optional
        Stimuli of one group stay in one fold.
    settings : JointSettings or dict, optional
    progress : bool, optional
        Show bars; default: when stderr is a terminal.

    Returns
    -------
    JointAlignment
        That of ridge, bit by bit, where no epoch has a smaller validation loss.

    Raises
    ------
    InputTypeError, InputValueError
        As `fit_alignment`; also when targets do not vary, or settings are impossible.

    Notes
    -----
    Float32 on the CPU; equal input and settings give equal maps. Contrastive loss: CLIP (Radford et al. 2021); cycle
    consistency: Zhu et al. 2017. The validation loss uses the best temperature of a grid, so that it does not judge how
    well a temperature is tuned. Being the least of several, it is slightly too good.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> fmri = random.normal(size=(60, 6))
    >>> embeddings = fmri[:, :3] + random.normal(size=(60, 3))
    >>> found = fit_joint_alignment(fmri, embeddings, settings={"epochs": 2, "weight_decays": [0]}, progress=False)
    >>> found.report["best"] <= found.report["start"], found.backward.predict(embeddings).shape
    (True, (60, 6))
    """
    chosen = JointSettings.parse(settings or {})
    sources, targets = check_pairs(source, target)
    check_pairs(targets, sources)
    splits = whole_folds(len(sources), folds, groups=groups, seed=chosen.seed)
    forward = fit_alignment(sources, targets, alphas=alphas, folds=splits)
    backward = fit_alignment(targets, sources, alphas=alphas, folds=splits)
    spaces = Space.of(sources), Space.of(targets)

    def begin(rows: NDArray[np.int64]) -> JointNetwork:
        return JointNetwork.from_ridge(sources[rows], targets[rows], spaces, (forward.alpha, backward.alpha), chosen)

    first, second = (
        torch.from_numpy(space.inside(rows)) for space, rows in zip(spaces, (sources, targets), strict=True)
    )
    descent = train_side_by_side(begin, first, second, splits, chosen, title="align jointly", progress=progress)
    if descent.best_epoch:
        forward, backward = _learnt(descent, splits, spaces, (sources, targets), (forward.alpha, backward.alpha))
    return JointAlignment(forward, backward, descent.report())


class JointNetwork(FoldNetwork):
    """Both maps and their temperatures.

    Parameters
    ----------
    forward_map, backward_map : ChangedMap
    settings : JointSettings
    """

    def __init__(self, forward_map: ChangedMap, backward_map: ChangedMap, settings: JointSettings) -> None:
        super().__init__()
        self.forward_map, self.backward_map, self.settings = forward_map, backward_map, settings
        self.temperature = Temperature(2)

    @classmethod
    def from_ridge(
        cls,
        source: NDArray[Any],
        target: NDArray[Any],
        spaces: tuple[Space, Space],
        alphas: tuple[NDArray[Any], NDArray[Any]],
        settings: JointSettings,
    ) -> Self:
        """The ridge solution for these stimuli, shapes (stimuli, source) and (stimuli, target)."""
        pairs = ((source, target, spaces), (target, source, spaces[::-1]))
        forward_map, backward_map = (
            ChangedMap(*ridge_inside(here, there, *of, alpha))
            for (here, there, of), alpha in zip(pairs, alphas, strict=True)
        )
        return cls(forward_map, backward_map, settings)

    def losses(self, source: torch.Tensor, target: torch.Tensor) -> dict[str, torch.Tensor]:
        """Weighted sum ``loss``, and its terms."""
        to_target, to_source = self.temperature()
        return self._terms(
            source, target, lambda one: info_nce(one, to_target), lambda other: info_nce(other, to_source)
        )

    def judged(self, source: torch.Tensor, target: torch.Tensor) -> dict[str, torch.Tensor]:
        """The same with the best temperatures."""
        return self._terms(source, target, least_info_nce, least_info_nce)

    def _terms(self, source: torch.Tensor, target: torch.Tensor, one: Any, other: Any) -> dict[str, torch.Tensor]:
        there, back = self.forward_map(source), self.backward_map(target)  # (n, target), (n, source)
        again = self.backward_map(there), self.forward_map(back)  # (n, source), (n, target)
        terms = {
            "contrastive": (one(cosines(there, target)) + other(cosines(back, source))) / 2,
            "regression": ((there - target).square().mean() + (back - source).square().mean()) / 2,
            "cycle": ((again[0] - source).square().mean() + (again[1] - target).square().mean()) / 2,
        }
        loss = torch.stack([getattr(self.settings, name) * value for name, value in terms.items()]).sum()
        return {"loss": loss, **terms}


def _learnt(
    descent: Descent,
    folds: list[Fold],
    spaces: tuple[Space, Space],
    latents: tuple[NDArray[Any], NDArray[Any]],
    alphas: tuple[NDArray[Any], NDArray[Any]],
) -> list[LatentMap]:
    """Maps of the network of all stimuli, described by predictions of those of the folds."""
    found = []
    for number, name in enumerate(("forward_map", "backward_map")):
        here, there = (spaces, spaces[::-1])[number]
        source, target = (latents, latents[::-1])[number]
        predicted = np.empty(target.shape)
        with torch.no_grad():
            for network, fold in zip(descent.of_folds, folds, strict=True):
                inside = getattr(network, name)(torch.from_numpy(here.inside(source[fold.validation])))
                predicted[fold.validation] = inside.numpy() * there.scale + there.mean
            learnt = getattr(descent.network, name)
            weights = learnt.weights.double().numpy() * there.scale / here.scale
            intercept = learnt.offset.double().numpy() * there.scale + there.mean - here.mean @ weights
        found.append(latent_map(source, target, weights, intercept, alpha=alphas[number], out_of_fold=predicted))
    return found
