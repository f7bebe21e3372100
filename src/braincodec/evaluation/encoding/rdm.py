"""Representational dissimilarity matrices: how unlike the response patterns of each pair of stimuli are."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braincodec.errors import InputValueError, UnknownNameError
from braincodec.evaluation.checks import as_floats, check_finite, tiles, warn_undefined
from braincodec.evaluation.noise_ceiling.repetitions import mean_over_repetitions

Floats = NDArray[np.float64]
Distance = Literal["correlation", "cosine", "euclidean", "mahalanobis", "crossnobis"]
DISTANCES: tuple[str, ...] = ("correlation", "cosine", "euclidean", "mahalanobis", "crossnobis")
WHITENED = ("mahalanobis", "crossnobis")
REPEATED = ("stimuli", "repetitions", "units")
# a covariance of 20,000 units takes 3.2 GB, and many times the repetitions that anybody has
MOST_UNITS_WITH_COVARIANCE = 20_000
# a pattern varies less than this part of its size: rounding, not variance
ROUNDING = 1e-12


def rdm(
    responses: ArrayLike, distance: Distance = "correlation", *, noise_covariance: ArrayLike | None = None
) -> Floats:
    """Dissimilarity of the response patterns of each pair of stimuli.

    Parameters
    ----------
    responses : array_like, shape (stimuli, units) or (stimuli, repetitions, units)
        Repetitions, NaN where missing, are averaged; "crossnobis" compares them with one another instead. Units that
        are NaN for every stimulus are left out.
    distance : str
        - ``"correlation"``: 1 - Pearson correlation of the two patterns over units, 0 to 2;
        - ``"cosine"``: 1 - cosine of the angle between them, 0 to 2;
        - ``"euclidean"``: length of their difference;
        - ``"mahalanobis"``: squared length of their difference after whitening the noise, divided by the number of
          units;
        - ``"crossnobis"``: the same between differences in independent repetitions, averaged over all pairs of
          repetitions: its expectation is the distance without noise, so it can be negative.
    noise_covariance : array_like, shape (units, units), optional
        For the last two. Default: `noise_covariance` of the repetitions. The identity leaves units as they are.

    Returns
    -------
    array of float64, shape (pairs,)
        Pairs (0, 1), (0, 2), ..., (1, 2), ... as `scipy.spatial.distance.squareform` takes them. NaN, with one
        `UndefinedScoreWarning`, for pairs of a stimulus without the pattern that the distance needs.

    Raises
    ------
    InputTypeError, InputValueError
        When shapes do not fit, values are missing or infinite for some stimuli only, or repetitions that a distance
        needs are not there.
    UnknownNameError
        For another distance.

    Notes
    -----
    Units are taken in tiles, so memory beyond the responses grows with the square of the number of stimuli only
    (and with that of units where there is a covariance). Sources: Kriegeskorte, Mur, Bandettini 2008; Walther et al.
    2016 for the whitened and the cross-validated distance.

    Examples
    --------
    >>> rdm([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [3.0, 2.0, 1.0]]).round(6)
    array([0., 2., 2.])
    """
    if distance not in DISTANCES:
        raise UnknownNameError("distance", distance, DISTANCES)
    array = np.asarray(responses)
    repeated = array.ndim == 3
    values = as_floats("responses", array, REPEATED if repeated else ("stimuli", "units"))
    if len(values) < 2:
        raise InputValueError(f"a dissimilarity needs at least two stimuli, got responses of shape {values.shape}")
    if distance == "crossnobis" and not repeated:
        raise InputValueError(
            f"crossnobis compares independent repetitions: responses must have shape (stimuli, repetitions, units), "
            f"not {values.shape}"
        )
    patterns = _without_absent(mean_over_repetitions(values) if repeated else values, values)
    if distance in WHITENED:
        return _whitened_distances(distance, patterns[0], patterns[1], repeated, noise_covariance)
    return _plain_distances(distance, patterns[0])


def _without_absent(means: NDArray[Any], values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Means and all values without the units that are missing for every stimulus."""
    absent = check_finite("responses", means)
    if absent.all():
        raise InputValueError("responses are NaN for all units")
    return (means[:, ~absent], values[..., ~absent]) if absent.any() else (means, values)


def _plain_distances(distance: str, patterns: NDArray[Any]) -> Floats:
    if distance == "euclidean":
        # distances do not change, and less is lost to rounding
        products = _products(patterns, patterns.mean(axis=0, dtype=np.float64))
        return np.sqrt(_squared_distances(products))
    centre = patterns.mean(axis=1, dtype=np.float64, keepdims=True) if distance == "correlation" else 0.0
    products = _products(patterns, centre)
    size = np.sqrt(np.einsum("su,su->s", patterns, patterns, dtype=np.float64))
    length = np.sqrt(products.diagonal())
    undefined = length <= ROUNDING * np.maximum(size, np.finfo(np.float64).tiny)
    reason = "their patterns do not vary over units" if distance == "correlation" else "their patterns are zero"
    warn_undefined(f"{distance} distance", undefined, reason, of="stimuli", stacklevel=4)
    length[undefined] = np.nan
    cosines = products / length / length[:, None]
    return np.clip(1 - _pairs_of(cosines), 0, 2)


def _products(patterns: NDArray[Any], centre: Floats | float) -> Floats:
    """Products of patterns minus a centre of shape (units,) or (stimuli, 1), in float64; shape (stimuli, stimuli)."""
    count = len(patterns)
    products = np.zeros((count, count))
    by_unit = np.ndim(centre) == 1
    for units in tiles(patterns.shape[1], 8 * count):
        shift = np.asarray(centre)[units] if by_unit else centre
        block = patterns[:, units].astype(np.float64) - shift
        products += block @ block.T
    return products


def _squared_distances(products: Floats) -> Floats:
    squares = products.diagonal()
    return np.clip(_pairs_of(squares[:, None] + squares - 2 * products), 0, None)


def _pairs_of(square: Floats) -> Floats:
    return square[np.triu_indices(len(square), 1)]


def _whitened_distances(
    distance: str, means: NDArray[Any], values: NDArray[Any], repeated: bool, covariance: ArrayLike | None
) -> Floats:
    units = means.shape[1]
    if covariance is None:
        if not repeated:
            raise InputValueError(
                f"{distance} needs the covariance of the noise: give noise_covariance, or responses with repetitions"
            )
        matrix = noise_covariance(values)
    else:
        matrix = _checked_covariance(covariance, units)
    import scipy.linalg

    try:
        factor = scipy.linalg.cholesky(matrix, lower=True)
    except np.linalg.LinAlgError:
        raise InputValueError(
            "noise_covariance is not positive definite; shrink it, as noise_covariance(responses) does"
        ) from None

    def whitened(patterns: NDArray[Any]) -> Floats:
        found: Floats = scipy.linalg.solve_triangular(factor, patterns.T.astype(np.float64), lower=True).T
        return found

    if distance == "mahalanobis":
        return _squared_distances(_products(whitened(means - means.mean(axis=0)), 0.0)) / units
    return _crossvalidated(values, whitened) / units


def _crossvalidated(values: NDArray[Any], whitened: Any) -> Floats:
    """Distances from products of different repetitions alone; any repetitions may be missing."""
    present = present_repetitions(values)  # (stimuli, repetitions)
    if (present.sum(axis=1) < 2).any():
        lacking = int(np.argmax(present.sum(axis=1) < 2))
        raise InputValueError(f"crossnobis needs two repetitions of every stimulus; stimulus {lacking} has fewer")
    # a constant pattern cancels in the distances; without it less is lost to rounding
    centre = np.nanmean(values, axis=(0, 1), dtype=np.float64)
    stimuli = len(values)
    total = np.zeros((stimuli, values.shape[2]))
    same = np.zeros((stimuli, stimuli))  # products within a repetition, which share its noise
    both = np.zeros((stimuli, stimuli))
    for number in range(values.shape[1]):
        here = present[:, number]
        patterns = whitened(np.where(here[:, None], values[:, number] - centre, 0))
        total += patterns
        same += patterns @ patterns.T
        both += np.outer(here, here)
    counts = present.sum(axis=1).astype(np.float64)
    # between two stimuli that share no repetition index every product is independent
    products = (total @ total.T - same) / (np.outer(counts, counts) - both)
    squares = products.diagonal()
    return _pairs_of(squares[:, None] + squares - 2 * products)


def present_repetitions(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Which repetitions exist, shape (stimuli, repetitions); refused where one exists for some units only."""
    missing = np.isnan(values)
    present: NDArray[np.bool_] = ~missing.all(axis=2)
    if (missing.any(axis=2) & present).any():
        raise InputValueError(
            "some repetitions are missing for some units only; patterns need all units: choose units or repetitions"
        )
    return present


def _checked_covariance(covariance: ArrayLike, units: int) -> Floats:
    matrix = np.asarray(covariance, dtype=np.float64)
    if matrix.shape != (units, units):
        raise InputValueError(f"noise_covariance must have shape ({units}, {units}), not {matrix.shape}")
    if not np.isfinite(matrix).all() or not np.allclose(matrix, matrix.T):
        raise InputValueError("noise_covariance must be finite and symmetric")
    return matrix


def noise_covariance(responses: ArrayLike, shrinkage: float | None = None) -> Floats:
    """Covariance over units of what differs between repetitions of a stimulus.

    Parameters
    ----------
    responses : array_like, shape (stimuli, repetitions, units)
        NaN where a repetition is missing.
    shrinkage : float, optional
        0 is the covariance of the residuals, 1 a multiple of the identity. Default: as much as Ledoit and Wolf's
        estimate of the best.

    Returns
    -------
    array of float64, shape (units, units)

    Raises
    ------
    InputValueError
        When no stimulus was repeated, there are more than 20,000 units, or `shrinkage` is not in 0 to 1.

    Notes
    -----
    Residuals of a stimulus with m repetitions are enlarged by sqrt(m / (m - 1)), because its own mean was subtracted.
    Source: Ledoit, Wolf 2004; Walther et al. 2016 for its use.

    Examples
    --------
    >>> noise = np.random.default_rng(0).standard_normal((2000, 3, 2))
    >>> noise_covariance(noise + 5).round(1) + 0.0
    array([[1., 0.],
           [0., 1.]])
    """
    values = as_floats("responses", responses, REPEATED)
    units = values.shape[2]
    if units > MOST_UNITS_WITH_COVARIANCE:
        raise InputValueError(
            f"a covariance of {units:,} units takes {8 * units**2 / 1e9:.0f} GB; choose a region of at most "
            f"{MOST_UNITS_WITH_COVARIANCE:,} units"
        )
    if shrinkage is not None and not 0 <= shrinkage <= 1:
        raise InputValueError(f"shrinkage must be in 0 to 1, not {shrinkage}")
    present = present_repetitions(values)
    counts = present.sum(axis=1)
    repeated = counts > 1
    if not repeated.any():
        raise InputValueError("no stimulus was repeated, so the noise cannot be seen")
    residuals = values[repeated] - np.nanmean(values[repeated], axis=1, dtype=np.float64, keepdims=True)
    residuals *= np.sqrt(counts[repeated] / (counts[repeated] - 1))[:, None, None]
    residuals = residuals[present[repeated]]  # (existing repetitions, units)
    from sklearn.covariance import empirical_covariance, ledoit_wolf, shrunk_covariance

    if shrinkage is None:
        found = ledoit_wolf(residuals, assume_centered=True)[0]
    else:
        found = shrunk_covariance(empirical_covariance(residuals, assume_centered=True), shrinkage)
    return np.asarray(found, dtype=np.float64)
