"""A map between two latent spaces by ridge regression, its strengths chosen by cross-validation."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from braincodec.errors import InputValueError
from braincodec.models.lea.alignment.latent_map import LatentMap
from braincodec.models.lea.alignment.scaling import LatentStatistics
from braincodec.readouts.folds import Fold, make_folds
from braincodec.readouts.principal import principal_axes
from braincodec.readouts.results import ReadoutWarning
from braincodec.readouts.ridge import ridge_cv
from braincodec.readouts.targets import as_features

Doubles = NDArray[np.float64]


def fit_alignment(
    source: ArrayLike,
    target: ArrayLike,
    *,
    alphas: float | ArrayLike | None = None,
    intercept: bool = True,
    one_alpha: bool = False,
    folds: Any = 5,
    groups: ArrayLike | None = None,
    seed: int = 0,
) -> LatentMap:
    """Ridge regression from one latent space to another.

    Parameters
    ----------
    source : array_like, shape (stimuli, source)
    target : array_like, shape (stimuli, target)
        Latents of the same training stimuli, in the same order.
    alphas : float or array_like, optional
        One strength, as scikit-learn's Ridge means it (500 is LEA's published one), or several to choose from. Default:
        twenty over eight decades around the mean eigenvalue of the sources.
    intercept : bool
        Published: without from fMRI to CLIP, with it from CLIP to fMRI.
    one_alpha : bool
        One strength for all target dimensions, instead of one for each.
    folds : int, array of shape (stimuli,), pairs of rows, or splitter
        As `braincodec.readouts.make_folds` takes them; they choose strengths, and make the out-of-fold predictions.
    groups : array_like, shape (stimuli,), optional
        Stimuli of one group, such as repetitions, stay in one fold.
    seed : int
        Of the folds.

    Returns
    -------
    LatentMap

    Raises
    ------
    InputTypeError, InputValueError
        When rows do not pair, values are not finite, sources do not vary, or strengths or folds are impossible.

    Notes
    -----
    Computed in float64 on the CPU: small, and equal wherever it is computed. Out-of-fold predictions are made with the
    strengths that were chosen with all folds.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> fmri = random.normal(size=(200, 6))
    >>> embeddings = fmri @ random.normal(size=(6, 3)) + 0.1 * random.normal(size=(200, 3))
    >>> found = fit_alignment(fmri, embeddings)
    >>> bool((found.r2 > 0.95).all()), found.predict(fmri[:1]).shape
    (True, (1, 3))
    """
    sources, targets = check_pairs(source, target)
    splits = whole_folds(len(sources), folds, groups=groups, seed=seed, intercept=intercept)
    with warnings.catch_warnings():
        # dimensions that do not vary are predicted as what they are, and others may well say nothing
        warnings.simplefilter("ignore", ReadoutWarning)
        fit = ridge_cv(
            sources,
            targets,
            alphas,
            folds=splits,
            fit_intercept=intercept,
            one_alpha=one_alpha,
            device="cpu",
            dtype="float64",
            progress=False,
        )
    predicted = out_of_fold_predictions(sources, targets, fit.alpha, splits, intercept=intercept)
    return latent_map(sources, targets, fit.weights, fit.intercept, alpha=fit.alpha, out_of_fold=predicted)


def out_of_fold_predictions(
    source: ArrayLike, target: ArrayLike, alpha: float | ArrayLike, folds: Sequence[Fold], *, intercept: bool = True
) -> Doubles:
    """Predictions for each stimulus by a ridge regression that was fitted without its fold.

    Parameters
    ----------
    source : array_like, shape (stimuli, source)
    target : array_like, shape (stimuli, target)
    alpha : float or array_like, shape (target,)
    folds : sequence of Fold
        Each stimulus is held out once.
    intercept : bool

    Returns
    -------
    array of float64, shape (stimuli, target)

    Raises
    ------
    InputTypeError, InputValueError
        As `fit_alignment`.

    Examples
    --------
    >>> from braincodec.readouts import make_folds
    >>> line = np.arange(4.0)[:, None]
    >>> out_of_fold_predictions(line, 2 * line, 1e-9, make_folds(4, 2, shuffle=False)).round(3).ravel().tolist()
    [0.0, 2.0, 4.0, 6.0]
    """
    sources, targets = check_pairs(source, target)
    _check_held_out_once(folds, len(sources))
    found = np.empty(targets.shape)
    for fold in folds:
        weights, mean, offset = ridge_weights(sources[fold.train], targets[fold.train], alpha, intercept=intercept)
        found[fold.validation] = (sources[fold.validation] - mean) @ weights + offset
    return found


def ridge_weights(
    source: NDArray[Any], target: NDArray[Any], alpha: float | ArrayLike, *, intercept: bool = True
) -> tuple[Doubles, Doubles, Doubles]:
    """Ridge regression with a strength for each target dimension.

    Parameters
    ----------
    source, target : array, shape (stimuli, source) and (stimuli, target)
    alpha : float or array_like, shape (target,)
    intercept : bool

    Returns
    -------
    weights : array of float64, shape (source, target)
    mean, offset : array of float64, shape (source,) and (target,)
        Predictions are ``(source - mean) @ weights + offset``; both are 0 without intercept.

    Examples
    --------
    >>> line = np.arange(4.0)[:, None]
    >>> [part.round(3).tolist() for part in ridge_weights(line, 2 * line, 1e-9)]
    [[[2.0]], [1.5], [3.0]]
    """
    axes = principal_axes(source, centre=intercept, dtype=torch.float64, what="source dimensions")
    known = target.astype(np.float64)
    offset = known.mean(0) if intercept else np.zeros(known.shape[1])
    moments = axes.coordinates.T @ torch.from_numpy(known - offset)  # (components, target)
    shrunk = moments / (axes.eigenvalues[:, None] + torch.from_numpy(np.asarray(alpha, np.float64)))
    return axes.weights(shrunk.T).numpy().T, axes.mean, offset


def latent_map(
    source: NDArray[Any],
    target: NDArray[Any],
    weights: NDArray[Any],
    intercept: NDArray[Any],
    *,
    alpha: NDArray[Any],
    out_of_fold: NDArray[Any],
) -> LatentMap:
    """A `LatentMap` of weights and intercept, described by its training latents and out-of-fold predictions.

    Parameters
    ----------
    source, target : array, shape (stimuli, source) and (stimuli, target)
    weights : array, shape (source, target)
    intercept, alpha : array, shape (target,)
    out_of_fold : array, shape (stimuli, target)

    Examples
    --------
    >>> rows, zero = np.array([[1.0], [3.0]]), np.zeros(1)
    >>> latent_map(rows, rows, np.ones((1, 1)), zero, alpha=zero, out_of_fold=rows).r2
    array([1.], dtype=float32)
    """
    mean, single = source.mean(0, dtype=np.float64).astype(np.float32), weights.astype(np.float32)
    # of the numbers as they are kept, so that what is rounded away from the weights comes back at the mean
    offset = mean.astype(np.float64) @ weights.astype(np.float64) + intercept
    deviation = target.astype(np.float64) - target.mean(0, dtype=np.float64)
    varies = target.max(0) > target.min(0)
    r2 = np.full(target.shape[1], np.nan)
    np.divide(((target - out_of_fold) ** 2).sum(0), (deviation**2).sum(0), out=r2, where=varies)
    return LatentMap(
        source_mean=mean,
        weights=single,
        offset=offset.astype(np.float32),
        alpha=np.asarray(alpha, np.float32),
        r2=(1 - r2).astype(np.float32),
        out_of_fold=LatentStatistics.of(out_of_fold),
        target=LatentStatistics.of(target),
    )


def check_pairs(source: ArrayLike, target: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    """Latents of the same stimuli in two spaces, as arrays of floats.

    Raises
    ------
    InputTypeError, InputValueError
        When values are not finite, numbers of rows differ, or no source dimension varies.

    Examples
    --------
    >>> check_pairs(np.eye(3), np.eye(2))
    Traceback (most recent call last):
    braincodec.errors.InputValueError: source has 3 rows and target 2; row i of both must be of the same stimulus
    """
    sources, targets = as_features("source latents", source), as_features("target latents", target)
    if len(sources) != len(targets):
        raise InputValueError(
            f"source has {len(sources)} rows and target {len(targets)}; row i of both must be of the same stimulus"
        )
    if (sources == sources[0]).all():
        raise InputValueError(f"source latents are the same for all {len(sources)} stimuli; there is nothing to learn")
    return sources, targets


def whole_folds(stimuli: int, folds: Any, *, groups: ArrayLike | None, seed: int, intercept: bool = True) -> list[Fold]:
    """Folds as `make_folds` makes them, in which each stimulus is held out once.

    Raises
    ------
    InputTypeError, InputValueError

    Examples
    --------
    >>> len(whole_folds(10, 5, groups=None, seed=0))
    5
    """
    splits = make_folds(stimuli, folds, groups=groups, seed=seed, least=1 + bool(intercept))
    _check_held_out_once(splits, stimuli)
    return splits


def _check_held_out_once(folds: Sequence[Fold], stimuli: int) -> None:
    times = np.bincount(np.concatenate([fold.validation for fold in folds]), minlength=stimuli)
    if len(times) != stimuli or (times != 1).any():
        stray = int(np.flatnonzero(times != 1)[0])
        raise InputValueError(
            f"out-of-fold predictions need folds that hold each of {stimuli} stimuli out once; stimulus {stray} is "
            f"held out {times[stray]} times"
        )
