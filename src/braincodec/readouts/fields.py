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
        Which of them a unit uses; -1 for a unit without data.
    weights : dict of str to array of float32, each of shape (channels, height, width, units)
        Of every layer's maps.
    intercept, alpha : array of float64, shape (units,)
    score : array of float64, shape (units,)
        Negative mean squared error on held-out stimuli, averaged over folds. The best of several: slightly too good.
    scores : array of float64, shape (windows, units)
        The same for each window, at its best strength.
    missing, constant : array of bool, shape (units,)
        Units that are NaN for every stimulus; units that do not vary.
    """

    windows: Doubles
    window: NDArray[np.int64]
    weights: dict[str, NDArray[np.float32]]
    intercept: Doubles
    alpha: Doubles
    score: Doubles
    scores: Doubles
    missing: NDArray[np.bool_]
    constant: NDArray[np.bool_]

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
        used = np.unique(self.window[self.window >= 0])
        return f"<FieldRidgeFit: {len(self.window):,} units, {len(used)} of {len(self.windows)} windows in use>"


def field_ridge_cv(
    maps: Mapping[str, ArrayLike],
    responses: Responses,
    alphas: ArrayLike | None = None,
    *,
    windows: ArrayLike | None = None,
    smoothness: float = 0.15,
    folds: Any = 5,
    groups: ArrayLike | None = None,
    shuffle: bool = True,
    seed: int = 0,
    units: int | None = None,
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
    folds, groups, shuffle, seed, units, device, progress
        As in `ridge_cv`; every fold is fitted on all stimuli that it leaves in.

    Returns
    -------
    FieldRidgeFit

    Raises
    ------
    InputTypeError, InputValueError
        As `ridge_cv`; also for maps that are not maps, and windows or smoothness that are not positive.

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
    targets = open_targets(responses, stimuli, units)
    strengths = DEFAULT_ALPHAS if alphas is None else check_alphas(alphas)
    folds = make_folds(stimuli, folds, groups=groups, shuffle=shuffle, seed=seed, least=2)
    place = precise_device(resolve_device(device))
    left_out = [rows.to(place) for rows in rows_left_out(folds, stimuli)]
    layers = [MapLayer(name, values, smoothness, place) for name, values in arrays.items()]
    choice = _Choice(len(tried), targets, strengths, left_out)
    with torch.inference_mode(), progress_bar("windows", len(tried), show=progress) as advance:
        for number, window in enumerate(tried):
            choice.consider(number, torch.stack([layer.kernel(window) for layer in layers]).sum(0))
            advance(1)
        weights = {layer.name: choice.weights_of(layer, tried) for layer in layers}
    warn_about_units(choice.missing, choice.constant)
    intercept = choice.intercept - sum(
        layer.mean @ weights[layer.name].reshape(layer.mean.size, -1) for layer in layers
    )
    return FieldRidgeFit(
        tried,
        choice.window,
        weights,
        intercept,
        choice.alpha,
        choice.score,
        choice.scores,
        choice.missing,
        choice.constant,
    )


class _Choice:
    """The best window so far of each unit, and its readout as weights of stimuli."""

    def __init__(self, windows: int, targets: Targets, alphas: Doubles, left_out: list[torch.Tensor]) -> None:
        self.targets, self.alphas, self.left_out = targets, alphas, left_out
        self.scores = np.full((windows, targets.units), np.nan)
        self.window = np.full(targets.units, -1)
        self.alpha, self.intercept, self.score = np.full((3, targets.units), np.nan)
        self.dual = np.full((targets.stimuli, targets.units), np.nan)
        self.missing, self.constant = np.zeros((2, targets.units), bool)

    def consider(self, number: int, kernel: torch.Tensor) -> None:
        """Take a window for the units that it predicts better; of equals the first stays."""
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
            better = ~missing & ~(-loss <= self.score[units])  # a comparison with NaN is False
            dual = ridge.dual(responses[:, better], torch.as_tensor(alpha[better], device=kernel.device)) / mean
            at = np.arange(units.start, units.stop)[better]
            self.window[at], self.alpha[at], self.score[at] = number, alpha[better], -loss[better]
            self.intercept[at] = intercept.cpu().numpy()[better]
            self.dual[:, at] = dual.cpu().numpy()

    def _search(self, ridge: KernelRidge, responses: torch.Tensor) -> tuple[Doubles, Doubles]:
        """Least mean squared error over folds of each unit, and the strength that gives it."""
        losses = np.empty((len(self.alphas), responses.shape[1]))
        for number, alpha in enumerate(self.alphas):
            squares = ridge.left_out(responses, self.left_out, float(alpha)) ** 2
            losses[number] = torch.stack([squares[rows].mean(0) for rows in self.left_out]).mean(0).cpu().numpy()
        best = best_alphas(-losses, self.alphas)
        return np.take_along_axis(losses, best[None], axis=0)[0], self.alphas[best]

    def weights_of(self, layer: MapLayer, windows: Doubles) -> NDArray[np.float32]:
        """Weights of a layer's maps, (channels, height, width, units)."""
        weights = np.full((*layer.shape, len(self.window)), np.nan, np.float32)
        for number in np.unique(self.window[self.window >= 0]):
            here = self.window == number
            weights[..., here] = layer.weights(windows[number], self.dual[:, here])
        return weights
