"""Ridge regression on feature maps whose weights are smooth over space and lie within a window, one for each unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from braincodec.device import resolve_device
from braincodec.errors import InputValueError
from braincodec.progress import progress_bar
from braincodec.readouts.alphas import check_alphas
from braincodec.readouts.field_prior import MapLayer, check_maps, check_windows, field_windows
from braincodec.readouts.folds import make_folds
from braincodec.readouts.left_out import KernelRidge, rows_left_out
from braincodec.readouts.principal import precise_device
from braincodec.readouts.results import warn_about_units
from braincodec.readouts.targets import Responses, Targets, open_targets
from braincodec.readouts.tiles import best_alphas

Doubles = NDArray[np.float64]
# for a kernel with a mean diagonal of 1
DEFAULT_ALPHAS = np.logspace(-2, 4, 13)


@dataclass(frozen=True, eq=False, repr=False)
class FieldRidgeFit:
    """Linear readouts of feature maps, each unit with the window that suits it best.

    Attributes
    ----------
    windows : array of float64, shape (windows, 3)
        Those tried: centre to the right of the image's and above it, and standard deviation, in image widths.
    window : array of int, shape (units,)
        Which of them predicts a unit best; -1 for a unit without data.
    averaged : array of int, shape (averaged, units)
        All that a unit uses, the best first.
    weights : dict of str to array of float32, each of shape (channels, height, width, units)
        Of every layer's maps.
    intercept, alpha : array of float64, shape (units,)
        The strength is that of the best window.
    score : array of float64, shape (units,)
        Of the best window: negative mean squared error on held-out stimuli, averaged over folds. Being the best of
        several, it is slightly too good.
    scores : array of float64, shape (windows, units)
        The same for each window, at its best strength.
    missing, constant : array of bool, shape (units,)
        Units that are NaN for every stimulus; units that do not vary.
    residuals : array of float32, shape (stimuli, units), optional
        Of held-out stimuli, where they were asked for: responses less what the same windows at the same strengths
        predict when the stimulus's fold is left out. The windows were chosen with all folds, so they are slightly too
        small.
    """

    windows: Doubles
    window: NDArray[np.int64]
    averaged: NDArray[np.int64]
    weights: dict[str, NDArray[np.float32]]
    intercept: Doubles
    alpha: Doubles
    score: Doubles
    scores: Doubles
    missing: NDArray[np.bool_]
    constant: NDArray[np.bool_]
    residuals: NDArray[np.float32] | None = None

    def predict(self, maps: Mapping[str, ArrayLike]) -> NDArray[np.float32]:
        """Responses to maps of every layer, each (stimuli, channels, height, width); shape (stimuli, units).

        Raises
        ------
        InputTypeError, InputValueError
            When a layer is missing, unknown, or has maps of another shape.
        """
        arrays = check_maps(maps)
        shapes = {name: values.shape[1:] for name, values in arrays.items()}
        expected = {name: weights.shape[:3] for name, weights in self.weights.items()}
        if shapes != expected:
            raise InputValueError(f"maps (channels, height, width) are {shapes}; the readout was fitted on {expected}")
        found = np.tile(self.intercept.astype(np.float32), (len(next(iter(arrays.values()))), 1))
        for name, values in arrays.items():
            found += values.reshape(len(values), -1) @ self.weights[name].reshape(-1, found.shape[1])
        return found

    def __repr__(self) -> str:
        used = np.unique(self.averaged[self.averaged >= 0])
        return f"<FieldRidgeFit: {len(self.window):,} units, {len(used)} of {len(self.windows)} windows in use>"


def field_ridge_cv(
    maps: Mapping[str, ArrayLike],
    responses: Responses,
    alphas: ArrayLike | None = None,
    *,
    windows: ArrayLike | None = None,
    smoothness: float = 0.15,
    average: int = 3,
    folds: Any = 5,
    groups: ArrayLike | None = None,
    shuffle: bool = True,
    seed: int = 0,
    units: int | None = None,
    residuals: bool = False,
    device: str = "auto",
    progress: bool | None = None,
) -> FieldRidgeFit:
    """Ridge regression on maps; window and strength of each unit are chosen by cross-validation.

    Parameters
    ----------
    maps : mapping of str to array_like, each of shape (stimuli, channels, height, width)
        Of one or several layers; sizes may differ, all show the whole image. Layers have equal total variance.
    responses : array_like or callable, shape (stimuli, units)
        As in `ridge_cv`; read once for each window.
    alphas : array_like, shape (alphas,), optional
        Strengths to try, for a kernel of mean diagonal 1. Default: two a decade from 0.01 to 10,000.
    windows : array_like, shape (windows, 3), optional
        Centre to the right of the image's and above it, standard deviation, in image widths. Default: `field_windows`.
    smoothness : float
        Distance in image widths over which weights are alike; infinite for weights that are the window itself, which
        is the feature-weighted receptive field.
    average : int
        How many of a unit's best windows are averaged, each with its own strength: neighbouring ones predict about as
        well, and their mean better than any of them. At most as many as there are.
    folds, groups, shuffle, seed, units, device, progress
        As in `ridge_cv`; every fold is fitted on all stimuli that it leaves in.
    residuals : bool
        Keep those of held-out stimuli: as much memory again as the responses, `average` times while it computes.

    Returns
    -------
    FieldRidgeFit

    Raises
    ------
    InputTypeError, InputValueError
        As `ridge_cv`; also for maps that are not maps, and for `windows`, `smoothness` or `average` that are not
        positive.

    Notes
    -----
    A unit's weights of one channel are drawn from a Gaussian process over positions p and q, with covariance
    ``w(p) w(q) exp(-|p - q|^2 / (2 smoothness^2))`` and ``w(p)^2`` the window; ridge regression is its maximum a
    posteriori. With a window that spans the image and a small smoothness it is the ridge on all positions, with an
    infinite smoothness the model of St-Yves and Naselaris (2018). Works on kernels of stimuli: the cost grows with the
    cube of their number, and hardly with that of features.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> maps = random.normal(size=(120, 2, 5, 5))
    >>> upper_left = maps[:, 0, :2, :2].sum((1, 2))[:, None]
    >>> corners = [[-0.3, 0.3, 0.2], [0.3, 0.3, 0.2], [-0.3, -0.3, 0.2], [0.3, -0.3, 0.2]]
    >>> fit = field_ridge_cv({"conv": maps}, upper_left, windows=corners)
    >>> fit.windows[fit.window[0]].tolist()
    [-0.3, 0.3, 0.2]
    """
    arrays = check_maps(maps)
    stimuli = len(next(iter(arrays.values())))
    tried = check_windows(field_windows() if windows is None else windows)
    if not smoothness > 0:
        raise InputValueError(f"smoothness must be positive, in image widths, not {smoothness}")
    if average < 1:
        raise InputValueError(f"average must be at least 1 window, not {average}")
    targets = open_targets(responses, stimuli, units)
    strengths = DEFAULT_ALPHAS if alphas is None else check_alphas(alphas)
    folds = make_folds(stimuli, folds, groups=groups, shuffle=shuffle, seed=seed, least=2)
    place = precise_device(resolve_device(device))
    left_out = [rows.to(place) for rows in rows_left_out(folds, stimuli)]
    layers = [MapLayer(name, values, smoothness, place) for name, values in arrays.items()]
    choice = _Choice(len(tried), min(average, len(tried)), targets, strengths, left_out, residuals)
    with torch.inference_mode(), progress_bar("windows", len(tried), show=progress) as advance:
        for number, window in enumerate(tried):
            choice.consider(number, torch.stack([layer.kernel(window) for layer in layers]).sum(0))
            advance(1)
        choice.sort()
        weights = {layer.name: choice.weights_of(layer, tried) for layer in layers}
    warn_about_units(choice.missing, choice.constant)
    intercept = choice.intercept - sum(
        layer.mean @ weights[layer.name].reshape(layer.mean.size, -1) for layer in layers
    )
    return FieldRidgeFit(
        tried,
        choice.window[0],
        choice.window,
        weights,
        intercept,
        choice.alpha[0],
        choice.score[0],
        choice.scores,
        choice.missing,
        choice.constant,
        choice.mean_residuals(),
    )


class _Choice:
    """The best windows so far of each unit, and their readouts as weights of stimuli."""

    def __init__(
        self,
        windows: int,
        kept: int,
        targets: Targets,
        alphas: Doubles,
        left_out: list[torch.Tensor],
        residuals: bool = False,
    ) -> None:
        self.targets, self.alphas, self.left_out = targets, alphas, left_out
        self.scores = np.full((windows, targets.units), np.nan)
        self.intercept = np.full(targets.units, np.nan)
        # one row for each window that is kept, in no order
        self.window = np.full((kept, targets.units), -1)
        self.alpha, self.score = np.full((2, kept, targets.units), np.nan)
        self.dual = np.full((kept, targets.stimuli, targets.units), np.nan)
        self.residuals = np.full_like(self.dual, np.nan, np.float32) if residuals else None
        self.missing, self.constant = np.zeros((2, targets.units), bool)

    def consider(self, number: int, kernel: torch.Tensor) -> None:
        """Keep a window for the units that it predicts better than the worst kept; of equals the first stays."""
        mean = float(kernel.trace()) / len(kernel)
        if not mean > 0:
            raise InputValueError(f"all maps are constant over the {len(kernel)} stimuli; there is nothing to fit")
        ridge = KernelRidge(kernel / mean)
        for units in self.targets.blocks():
            values, missing = self.targets.block(units)
            responses = torch.as_tensor(np.where(missing, 0, values), dtype=torch.float64, device=kernel.device)
            intercept = responses.mean(0)
            responses = responses - intercept
            loss, alpha = self._search(ridge, responses)
            self.missing[units], self.constant[units] = missing, (np.ptp(values, axis=0) == 0) & ~missing
            self.scores[number, units] = np.where(missing, np.nan, -loss)
            row = np.nan_to_num(self.score[:, units], nan=-np.inf).argmin(0)  # the worst kept, or a free one
            worst = np.take_along_axis(self.score[:, units], row[None], 0)[0]
            better = ~missing & ~(-loss <= worst)  # a comparison with NaN is False
            dual = ridge.dual(responses[:, better], torch.as_tensor(alpha[better], device=kernel.device)) / mean
            at, row = np.arange(units.start, units.stop)[better], row[better]
            self.window[row, at], self.alpha[row, at], self.score[row, at] = number, alpha[better], -loss[better]
            self.intercept[at] = intercept.cpu().numpy()[better]
            self.dual[row, :, at] = dual.cpu().numpy().T
            if self.residuals is not None:
                self.residuals[row, :, at] = self._left_out(ridge, responses[:, better], alpha[better]).T

    def _left_out(self, ridge: KernelRidge, responses: torch.Tensor, alpha: Doubles) -> Doubles:
        """Residuals of held-out stimuli, each unit with its own strength."""
        found = np.empty(responses.shape)
        for strength in np.unique(alpha):
            here = alpha == strength
            found[:, here] = ridge.left_out(responses[:, here], self.left_out, float(strength)).cpu().numpy()
        return found

    def _search(self, ridge: KernelRidge, responses: torch.Tensor) -> tuple[Doubles, Doubles]:
        """Least mean squared error over folds of each unit, and the strength that gives it."""
        losses = np.empty((len(self.alphas), responses.shape[1]))
        for number, alpha in enumerate(self.alphas):
            squares = ridge.left_out(responses, self.left_out, float(alpha)) ** 2
            losses[number] = torch.stack([squares[rows].mean(0) for rows in self.left_out]).mean(0).cpu().numpy()
        best = best_alphas(-losses, self.alphas)
        return np.take_along_axis(losses, best[None], axis=0)[0], self.alphas[best]

    def sort(self) -> None:
        """Order what is kept by its score, the best first; of equals the earlier window."""
        order = np.lexsort((self.window, -self.score), axis=0)
        self.window, self.alpha, self.score = (
            np.take_along_axis(values, order, 0) for values in (self.window, self.alpha, self.score)
        )
        self.dual = np.take_along_axis(self.dual, order[:, None], 0)

    def mean_residuals(self) -> NDArray[np.float32] | None:
        """Of held-out stimuli, averaged over the windows that are kept, as weights are."""
        if self.residuals is None:
            return None
        found: NDArray[np.float32] = self.residuals.mean(0)
        return found

    def weights_of(self, layer: MapLayer, windows: Doubles) -> NDArray[np.float32]:
        """Weights of a layer's maps, (channels, height, width, units): the mean over the windows that are kept."""
        weights = np.where(self.missing, np.nan, np.zeros((*layer.shape, len(self.missing)), np.float32))
        weights = weights.astype(np.float32, copy=False)
        for kept, dual in zip(self.window, self.dual, strict=True):
            for number in np.unique(kept[kept >= 0]):
                here = kept == number
                weights[..., here] += layer.weights(windows[number], dual[:, here]) / len(self.window)
        return weights
