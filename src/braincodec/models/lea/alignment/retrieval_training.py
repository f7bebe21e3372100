"""Training of a retrieval head: projections of two latent spaces into one, by a contrastive loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from braincodec.errors import InputValueError
from braincodec.models.lea.alignment.changed_map import ChangedMap, Space, ridge_inside
from braincodec.models.lea.alignment.contrastive import Temperature, cosines, info_nce, least_info_nce
from braincodec.models.lea.alignment.retrieval import Floats, RetrievalHead
from braincodec.models.lea.alignment.ridge import check_pairs, fit_alignment, whole_folds
from braincodec.models.lea.alignment.side_by_side import DescentSettings, FoldNetwork, train_side_by_side


class RetrievalSettings(DescentSettings):
    """Settings of `fit_retrieval_head`.

    Attributes
    ----------
    dimension : int, optional
        Of the common space, which starts as the largest principal components of the targets. Default: that of targets.
    """

    dimension: int | None = Field(None, ge=1)


def fit_retrieval_head(
    source: ArrayLike,
    target: ArrayLike,
    *,
    alphas: float | ArrayLike | None = None,
    folds: Any = 5,
    groups: ArrayLike | None = None,
    settings: RetrievalSettings | dict[str, Any] | None = None,
    progress: bool | None = None,
) -> RetrievalHead:
    """Learn projections of both latents into one space by a contrastive loss, from the cosine of aligned latents on.

    Parameters
    ----------
    source, target : array_like, shape (stimuli, source) and (stimuli, target)
        Latents of the same training stimuli, in the same order.
    alphas, folds, groups
        As `fit_alignment` takes them; the folds are also the validation that chooses epoch and weight decay.
    settings : RetrievalSettings or dict, optional
    progress : bool, optional
        Show bars; default: when stderr is a terminal.

    Returns
    -------
    RetrievalHead
        Not trained, and so the cosine of aligned latents, where no epoch has a smaller validation loss.

    Raises
    ------
    InputTypeError, InputValueError
        As `fit_alignment`; also when targets do not vary, or settings are impossible.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> fmri = random.normal(size=(60, 6))
    >>> embeddings = fmri[:, :3] + random.normal(size=(60, 3))
    >>> head = fit_retrieval_head(fmri, embeddings, settings={"epochs": 2, "weight_decays": [0]}, progress=False)
    >>> head.retrieve(fmri, embeddings, k=5).indices.shape
    (60, 5)
    """
    chosen = RetrievalSettings.parse(settings or {})
    sources, targets = check_pairs(source, target)
    check_pairs(targets, sources)
    dimension = chosen.dimension or targets.shape[1]
    if dimension > targets.shape[1]:
        raise InputValueError(f"dimension must be at most that of the targets, {targets.shape[1]}; got {dimension}")
    splits = whole_folds(len(sources), folds, groups=groups, seed=chosen.seed)
    alignment = fit_alignment(sources, targets, alphas=alphas, folds=splits)
    here, there = Space.of(sources), Space.of(targets)
    inside = torch.from_numpy(there.inside(targets))
    axes = torch.eye(targets.shape[1]) if dimension == targets.shape[1] else _largest_axes(inside, dimension)

    def begin(rows: NDArray[np.int64]) -> _HeadNetwork:
        weights, offset = ridge_inside(sources[rows], targets[rows], here, there, alignment.alpha)
        return _HeadNetwork(ChangedMap(weights @ axes, offset @ axes), ChangedMap(axes, torch.zeros(dimension)))

    first = torch.from_numpy(here.inside(sources))
    descent = train_side_by_side(begin, first, inside, splits, chosen, title="retrieval", progress=progress)
    if not descent.best_epoch and dimension == targets.shape[1]:
        return RetrievalHead(alignment, report=descent.report())
    network: _HeadNetwork = descent.network
    query, gallery = (_outside(one, space) for one, space in ((network.query, here), (network.gallery, there)))
    return RetrievalHead(alignment, query, gallery, network.temperature().item(), descent.report())


class _HeadNetwork(FoldNetwork):
    def __init__(self, query: ChangedMap, gallery: ChangedMap) -> None:
        super().__init__()
        self.query, self.gallery = query, gallery
        self.temperature = Temperature(1)

    def losses(self, source: torch.Tensor, target: torch.Tensor) -> dict[str, torch.Tensor]:
        """The contrastive loss at the temperature that is learnt with it."""
        return {"loss": info_nce(self._similarity(source, target), self.temperature())}

    def judged(self, source: torch.Tensor, target: torch.Tensor) -> dict[str, torch.Tensor]:
        """The same at the best temperature."""
        return {"loss": least_info_nce(self._similarity(source, target))}

    def _similarity(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return cosines(self.query(source), self.gallery(target))  # (n, n)


def _largest_axes(inside: torch.Tensor, dimension: int) -> torch.Tensor:
    """Largest principal axes of latents without their mean, shape (target, dimension)."""
    _, vectors = torch.linalg.eigh(inside.double().T @ inside.double())
    return vectors.flip(1)[:, :dimension].float().contiguous()


def _outside(learnt: ChangedMap, space: Space) -> tuple[Floats, Floats]:
    """Weights and offset for latents from which only the mean is taken; lengths in the common space do not matter."""
    with torch.no_grad():
        return (learnt.weights.double() / space.scale).float().numpy(), learnt.offset.numpy().copy()
