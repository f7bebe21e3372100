"""Ridge regression of every unit on the same features, each unit's strength chosen by cross-validation."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from braincodec.device import fast_matmul, keep_freed_memory, resolve_device
from braincodec.progress import progress_bar
from braincodec.readouts.folds import make_folds
from braincodec.readouts.principal import Form
from braincodec.readouts.problem import RidgeProblem, prepare, rounding_remark
from braincodec.readouts.results import RidgeFit, edge_remark, warn_about_units
from braincodec.readouts.targets import Responses, Sink, Targets, as_features, check_sink, open_targets
from braincodec.readouts.tiles import Piece, Tile, best_alphas, make_tile, pieces, refit, score
from braincodec.readouts.torch_dtype import readout_dtype
from braincodec.readouts.workers import Workers


def ridge_cv(
    features: ArrayLike,
    responses: Responses,
    alphas: ArrayLike | None = None,
    *,
    folds: Any = 5,
    groups: ArrayLike | None = None,
    shuffle: bool = True,
    seed: int = 0,
    fit_intercept: bool = True,
    one_alpha: bool = False,
    form: Form = "auto",
    units: int | None = None,
    weights_out: Sink | None = None,
    device: str = "auto",
    dtype: str = "float32",
    progress: bool | None = None,
) -> RidgeFit:
    """Ridge regression with a strength for each unit, chosen by cross-validation.

    Parameters
    ----------
    features : array_like, shape (stimuli, features)
    responses : array_like or callable, shape (stimuli, units)
        An array, or something stored (memory map, HDF5, Zarr, lazy DataArray), or ``responses(slice)`` which gives the
        units of a slice. Read once, a block of units at a time. A unit that is NaN for every stimulus stays NaN.
    alphas : array_like, shape (alphas,), optional
        Strengths to try. Default: twenty over eight decades around the mean eigenvalue of the features.
    folds : int, array of shape (stimuli,), pairs of rows, or splitter
    groups : array_like, shape (stimuli,), optional
    shuffle : bool
    seed : int
        These four: see `make_folds`.
    fit_intercept : bool
        Whether to subtract means, in each fold those of its training stimuli.
    one_alpha : bool
        One strength for all units, that of the best mean score; responses are then read twice.
    form : {"auto", "primal", "kernel"}
        Solve in the space of features or of stimuli; by default in the smaller.
    units : int, optional
        How many there are, when responses are a function.
    weights_out : array-like, shape (features, units), optional
        Where to write weights tile by tile, such as a memory map or Zarr array; default: a new array.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"mps"``.
    dtype : {"float32", "float64"}
        Of what grows with the number of units. Scatter matrices and eigenvectors are float64 in any case.
    progress : bool, optional
        Default: a bar when stderr is a terminal.

    Returns
    -------
    RidgeFit

    Raises
    ------
    InputTypeError, InputValueError
        When shapes do not fit, something is missing for some stimuli only, all features are constant, or folds are
        impossible.

    Notes
    -----
    The score is the negative mean squared error on held-out stimuli, averaged over folds, as himalaya's default. Of
    each fold, only the eigenvectors of its scatter matrix are found; the loss of a strength is a quadratic form of the
    unit's moments in them, and the forms of all strengths follow from those of a few (see `skeleton`).

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> features = random.normal(size=(100, 3))
    >>> responses = features @ [[1.0], [2.0], [0.0]] + 5 + 0.1 * random.normal(size=(100, 1))
    >>> fit = ridge_cv(features, responses, alphas=[0.001, 0.01, 1.0, 100.0])
    >>> fit.alpha.tolist(), fit.predict([[1.0, 1.0, 1.0]]).round(1).tolist()
    ([0.01], [[8.0]])
    """
    array = as_features("features", features)
    targets = open_targets(responses, len(array), units)
    check_sink(weights_out, array.shape[1], targets.units)
    splits = make_folds(len(array), folds, groups=groups, shuffle=shuffle, seed=seed, least=1 + bool(fit_intercept))
    place = resolve_device(device)
    number = readout_dtype(dtype, place)
    keep_freed_memory()
    bar = progress_bar("ridge", targets.units * (2 if one_alpha else 1), show=progress)
    with torch.inference_mode(), fast_matmul(place), Workers(place) as workers, bar as advance:
        problem = prepare(
            array, splits, alphas, centre=fit_intercept, form=form, device=place, dtype=number, workers=workers
        )
        result = _Result(problem, targets, array.shape[1], weights_out)
        passes = [result.search, result.refit] if one_alpha else [result.search_and_refit]
        for run in passes:
            for piece in workers.map(run, pieces(problem, targets)):
                advance(piece.stop - piece.start)
            result.share_alpha(one_alpha)
    fit = result.fit()
    warn_about_units(fit.missing, fit.constant, edge_remark(fit), rounding_remark(problem))
    return fit


class _Result:
    """What `ridge_cv` gives, filled tile by tile."""

    def __init__(self, problem: RidgeProblem, targets: Targets, features: int, sink: Sink | None) -> None:
        self.problem = problem
        self._writing = threading.Lock()
        single = problem.axes.coordinates.dtype == torch.float32
        self.weights: Any = sink
        if sink is None:
            self.weights = np.empty((features, targets.units), np.float32 if single else np.float64)
        self.scores = np.full((len(problem.alphas), targets.units), np.nan)
        self.alpha, self.intercept, self.variance = np.full((3, targets.units), np.nan)
        self.missing, self.constant = np.zeros((2, targets.units), bool)

    # each worker writes to units of its own
    def search(self, piece: Piece) -> slice:
        """Score a tile and note each unit's best strength."""
        return self._add_scores(make_tile(self.problem, piece))

    def refit(self, piece: Piece) -> slice:
        """Weights of a tile whose strengths are known."""
        return self._add_weights(make_tile(self.problem, piece))

    def search_and_refit(self, piece: Piece) -> slice:
        """Both, reading once."""
        tile = make_tile(self.problem, piece)
        self._add_scores(tile)
        return self._add_weights(tile)

    def _add_scores(self, tile: Tile) -> slice:
        found = score(self.problem, tile)
        found[:, tile.missing] = np.nan
        self.scores[:, tile.units] = found
        self.missing[tile.units], self.constant[tile.units] = tile.missing, tile.constant
        self.variance[tile.units] = np.where(tile.missing, np.nan, tile.variance)
        best = self.problem.alphas[best_alphas(found, self.problem.alphas)]
        self.alpha[tile.units] = np.where(tile.missing, np.nan, best)
        return tile.units

    def _add_weights(self, tile: Tile) -> slice:
        weights, intercept = refit(self.problem, tile, self.alpha[tile.units])
        with self._writing:  # files and stores need not bear two writers
            self.weights[:, tile.units] = weights.T
        self.intercept[tile.units] = intercept
        return tile.units

    def share_alpha(self, wanted: bool) -> None:
        """Give all units the strength of the best mean score."""
        valid = ~self.missing
        if wanted and valid.any():
            mean = self.scores[:, valid].mean(axis=1, keepdims=True)
            self.alpha[valid] = self.problem.alphas[best_alphas(mean, self.problem.alphas)]

    def fit(self) -> RidgeFit:
        at = np.searchsorted(self.problem.alphas, np.where(self.missing, self.problem.alphas[0], self.alpha))
        best = np.take_along_axis(self.scores, at[None], axis=0)[0]
        return RidgeFit(
            weights=self.weights,
            intercept=self.intercept,
            alpha=self.alpha,
            score=best,
            scores=self.scores,
            alphas=self.problem.alphas,
            variance=self.variance,
            missing=self.missing,
            constant=self.constant,
        )
