"""Banded ridge regression: every unit weighs the feature spaces by itself, found by random search."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from braincodec.device import fast_matmul, keep_freed_memory, resolve_device
from braincodec.errors import InputTypeError, InputValueError
from braincodec.progress import progress_bar
from braincodec.readouts.alphas import check_alphas
from braincodec.readouts.centring import CentredResponses, centre_responses
from braincodec.readouts.draw_solver import draw_losses, draw_weights, fold_targets
from braincodec.readouts.draws import dirichlet_draws
from braincodec.readouts.folds import make_folds
from braincodec.readouts.results import predict, warn_about_units
from braincodec.readouts.spaces import BandedFold, Bands, check_spaces, make_bands, make_fold
from braincodec.readouts.targets import Responses, Sink, Targets, check_sink, open_targets
from braincodec.readouts.tiles import best_alphas, refuse_overflow
from braincodec.readouts.torch_dtype import readout_dtype
from braincodec.readouts.workers import Workers

if TYPE_CHECKING:
    import xarray as xr

Doubles = NDArray[np.float64]
# of moments and responses of the units that are searched at once: each block factorises all draws anew
BLOCK_BYTES = 2**30
# of the features' weights that are made at once
WEIGHT_BYTES = 128 * 2**20


@dataclass(frozen=True, eq=False, repr=False)
class BandedRidgeFit:
    """A banded ridge regression with what the search found.

    Attributes
    ----------
    spaces : dict of str to slice
        Where the features of each space are in `weights`.
    weights : array, shape (features, units)
        Of the features of all spaces, one space after another; or what they were written to.
    intercept : array of float64, shape (units,)
    draw : array of int, shape (units,)
        Which of `draws` is best; -1 for a unit without data.
    alpha : array of float64, shape (units,)
    score : array of float64, shape (units,)
        Negative mean squared error on held-out stimuli, averaged over folds. The best of many: too good.
    scores : array of float32, shape (draws, units)
        The same for each draw, at the draw's best strength.
    draws : array, shape (draws, spaces)
        Weights of spaces that were tried.
    alphas : array, shape (alphas,)
    missing, constant : array of bool, shape (units,)
        Units that are NaN for every stimulus; units that do not vary.
    """

    spaces: dict[str, slice]
    weights: Any
    intercept: Doubles
    draw: NDArray[np.int64]
    alpha: Doubles
    score: Doubles
    scores: NDArray[np.float32]
    draws: Doubles
    alphas: Doubles
    missing: NDArray[np.bool_]
    constant: NDArray[np.bool_]

    def __repr__(self) -> str:
        spaces = ", ".join(f"{name} ({cut.stop - cut.start:,})" for name, cut in self.spaces.items())
        return f"<BandedRidgeFit: {len(self.intercept):,} units on {spaces}, {len(self.draws):,} draws>"

    @property
    def space_weights(self) -> Doubles:
        """Weight of each space for each unit, shape (spaces, units); sums to 1 where draws do."""
        found = self.draws[self.draw].T.copy()
        found[:, self.missing] = np.nan
        return found

    def predict(self, features: Mapping[str, ArrayLike]) -> NDArray[Any]:
        """Responses to features of all spaces, each (stimuli, features); shape (stimuli, units)."""
        parts = self.partial_predictions(features)
        return parts.sum(axis=0) + self.intercept.astype(parts.dtype)

    def partial_predictions(self, features: Mapping[str, ArrayLike]) -> NDArray[Any]:
        """What each space adds to the prediction, shape (spaces, stimuli, units); the intercept is in none.

        Raises
        ------
        InputTypeError, InputValueError
            When a space is missing, unknown, or has another number of features.
        """
        arrays = check_spaces(features)
        if set(arrays) != set(self.spaces):
            raise InputValueError(
                f"features are of the spaces {', '.join(sorted(arrays))}; expected {', '.join(sorted(self.spaces))}"
            )
        nothing = np.zeros(len(self.intercept))
        return np.stack([predict(arrays[name], self.weights[cut], nothing) for name, cut in self.spaces.items()])

    def variance_partition(self, features: Mapping[str, ArrayLike], responses: ArrayLike) -> xr.DataArray:
        """How much each space explains of new responses: `braincodec.evaluation.variance_partition`.

        Parameters
        ----------
        features : mapping of str to array_like, each of shape (stimuli, features)
        responses : array_like, shape (stimuli, units)

        Returns
        -------
        DataArray, dims (space, unit)
        """
        from braincodec.evaluation import variance_partition

        parts = dict(zip(self.spaces, self.partial_predictions(features), strict=True))
        return variance_partition(parts, responses, np.nan_to_num(self.intercept))


def banded_ridge_cv(
    features: Mapping[str, ArrayLike],
    responses: Responses,
    alphas: ArrayLike = 1.0,
    *,
    draws: int | ArrayLike = 100,
    concentration: float | tuple[float, ...] = (0.1, 1.0),
    folds: Any = 5,
    groups: ArrayLike | None = None,
    shuffle: bool = True,
    seed: int = 0,
    fit_intercept: bool = True,
    units: int | None = None,
    weights_out: Sink | None = None,
    device: str = "auto",
    dtype: str = "float32",
    progress: bool | None = None,
) -> BandedRidgeFit:
    """Ridge regression on several feature spaces, each with a strength of its own for each unit.

    Parameters
    ----------
    features : mapping of str to array_like, each of shape (stimuli, features)
    responses : array_like or callable, shape (stimuli, units)
        As in `ridge_cv`.
    alphas : array_like, shape (alphas,)
        Strengths tried for each draw. The strength of a space is alpha / its weight in the draw.
    draws : int or array, shape (draws, spaces)
        How many random weights of the spaces, or the weights themselves: an identity matrix picks one space.
    concentration : float or tuple of float
        See `dirichlet_draws`.
    folds, groups, shuffle, seed
        See `make_folds`; the seed also draws.
    fit_intercept, units, weights_out, device, dtype, progress
        As in `ridge_cv`; weights have the features of all spaces, one space after another.

    Returns
    -------
    BandedRidgeFit

    Raises
    ------
    InputTypeError, InputValueError
        As `ridge_cv`; also when draws are negative or do not fit the spaces.

    Notes
    -----
    The search of himalaya's banded ridge, with the same draws for the same seed: the features of a space are scaled
    by the square root of its weight. A draw only scales the scatter matrix of all features, which is made once; its
    predictions of held-out stimuli are one small matrix times moments that are made once for each unit. Dupre la
    Tour, Eickenberg, Nunez-Elizalde and Gallant, NeuroImage 264, 2022.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> spaces = {"edges": random.normal(size=(60, 3)), "noise": random.normal(size=(60, 3))}
    >>> fit = banded_ridge_cv(spaces, spaces["edges"].sum(axis=1, keepdims=True), draws=20)
    >>> bool(fit.space_weights[0, 0] > 0.9)
    True
    """
    arrays = check_spaces(features)
    sizes = [values.shape[1] for values in arrays.values()]
    stimuli = len(next(iter(arrays.values())))
    grid = check_alphas(alphas)
    weighed = _check_draws(draws, concentration, len(arrays), seed)
    targets = open_targets(responses, stimuli, units)
    check_sink(weights_out, sum(sizes), targets.units)
    splits = make_folds(stimuli, folds, groups=groups, shuffle=shuffle, seed=seed, least=1 + bool(fit_intercept))
    place = resolve_device(device)
    number = readout_dtype(dtype, place)
    weights = np.empty((sum(sizes), targets.units), np.dtype(dtype)) if weights_out is None else weights_out
    keep_freed_memory()
    with torch.inference_mode(), fast_matmul(place), Workers(place) as workers:
        bands = make_bands(arrays, centre=fit_intercept, device=place, dtype=number)
        parts = [make_fold(bands, split) for split in splits]
        search = _Search(bands, parts, weighed, grid, targets, weights, workers)
        blocks = list(search.blocks())
        with progress_bar("banded ridge", len(blocks) * len(weighed), show=progress) as advance:
            for block in blocks:
                search.run(block, advance)
    ends = np.cumsum([0, *sizes])
    fit = BandedRidgeFit(
        spaces={name: slice(int(a), int(b)) for name, a, b in zip(arrays, ends[:-1], ends[1:], strict=True)},
        weights=weights,
        intercept=search.intercept,
        draw=search.draw,
        alpha=search.alpha,
        score=search.score,
        scores=search.scores,
        draws=weighed,
        alphas=grid,
        missing=search.missing,
        constant=search.constant,
    )
    warn_about_units(fit.missing, fit.constant)
    return fit


def _check_draws(draws: Any, concentration: Any, spaces: int, seed: int) -> Doubles:
    if isinstance(draws, Integral) and not isinstance(draws, bool):
        return dirichlet_draws(int(draws), spaces, concentration, seed)
    found = np.asarray(draws)
    if found.dtype.kind not in "iuf" or not found.ndim:
        raise InputTypeError(f"draws must be a whole number, or an array of weights of spaces; not {draws!r}")
    found = found.astype(np.float64)
    if found.ndim != 2 or found.shape[1] != spaces or not len(found):
        raise InputValueError(f"draws must have shape (draws, {spaces}), a column for each space; not {found.shape}")
    if not np.isfinite(found).all() or (found < 0).any() or not found.any(axis=1).all():
        raise InputValueError("draws must be finite weights of at least 0, and not all 0 in one draw")
    return found


class _Search:
    """The random search, a block of units at a time."""

    def __init__(
        self,
        bands: Bands,
        folds: list[BandedFold],
        draws: Doubles,
        alphas: Doubles,
        targets: Targets,
        weights: Any,
        workers: Workers,
    ) -> None:
        self.bands, self.folds, self.draws, self.alphas = bands, folds, draws, alphas
        self.targets, self.weights, self.workers = targets, weights, workers
        self.scores = np.full((len(draws), targets.units), np.nan, np.float32)
        self.alpha, self.intercept, self.score = np.full((3, targets.units), np.nan)
        self.draw = np.full(targets.units, -1)
        self.missing, self.constant = np.zeros((2, targets.units), bool)

    def blocks(self) -> list[slice]:
        """Slices of units whose moments of all folds fit into memory."""
        stimuli, components = self.bands.coordinates.shape
        # moments of every fold, weights of the components and two copies of the responses in float32, and twice the
        # responses in float64 meanwhile
        each = 4 * (len(self.folds) * min(stimuli, components) + components + 2 * stimuli) + 16 * stimuli
        count = -(-self.targets.units // max(1, BLOCK_BYTES // each))
        size = -(-self.targets.units // count)
        return [slice(a, min(self.targets.units, a + size)) for a in range(0, self.targets.units, size)]

    def run(self, block: slice, advance: Any) -> None:
        """Search and fit the units of a block."""
        like = self.bands.coordinates
        dtype = np.dtype(np.float32 if like.dtype == torch.float32 else np.float64)
        centred = centre_responses(*self.targets.block(block), centre=self.bands.centre, dtype=dtype)
        responses, gone, units = torch.as_tensor(centred.values).to(like.device), centred.missing, len(centred.mean)
        parts = [fold_targets(self.bands, fold, responses) for fold in self.folds]

        def run(task: tuple[int, int]) -> Doubles:
            number, fold = task
            return draw_losses(self.bands, self.folds[fold], parts[fold], self.draws[number], self.alphas)

        best, draw, alpha = np.full(units, -np.inf), np.zeros(units, np.int64), np.ones(units)
        losses = self.workers.map(run, itertools.product(range(len(self.draws)), range(len(self.folds))))
        for number in range(len(self.draws)):
            scores = -np.mean(list(itertools.islice(losses, len(self.folds))), axis=0)  # (alphas, units)
            refuse_overflow(scores)
            at = best_alphas(scores, self.alphas)
            found = np.take_along_axis(scores, at[None], axis=0)[0]
            self.scores[number, block] = np.where(gone, np.nan, found * centred.scale**2)
            better = found > best
            best[better], draw[better], alpha[better] = found[better], number, self.alphas[at[better]]
            advance(1)
        self._fit(block, responses, draw, alpha, centred)
        self.missing[block], self.constant[block] = gone, centred.constant
        self.draw[block] = np.where(gone, -1, draw)
        self.alpha[block] = np.where(gone, np.nan, alpha)
        self.score[block] = np.where(gone, np.nan, best * centred.scale**2)

    def _fit(
        self, block: slice, responses: torch.Tensor, draw: NDArray[Any], alpha: Doubles, centred: CentredResponses
    ) -> None:
        axes, space = self.bands.axes, self.bands.space
        along = responses.new_empty(len(space), len(draw))  # (components, units)

        def run(number: int) -> None:
            columns = np.flatnonzero(draw == number)
            place = torch.as_tensor(columns, device=responses.device)
            along[:, place] = draw_weights(self.bands, responses[:, place], self.draws[number], alpha[columns])

        list(self.workers.map(run, np.unique(draw)))
        means = np.concatenate([one.mean for one in axes])
        step = max(1, WEIGHT_BYTES // (2 * len(means) * along.element_size()))
        for begin in range(0, len(draw), step):
            cut = slice(begin, min(len(draw), begin + step))
            parts = [one.weights(along[space == number, cut].T) for number, one in enumerate(axes)]
            found = torch.cat(parts, dim=1).T.cpu().numpy() * centred.scale[cut].astype(centred.values.dtype)
            found[:, centred.missing[cut]] = np.nan
            units = slice(block.start + cut.start, block.start + cut.stop)
            self.weights[:, units] = found
            self.intercept[units] = np.where(centred.missing[cut], np.nan, centred.mean[cut] - means @ found)
