"""Is one model better than another: differences on the same stimuli, with the same bootstrap samples."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braincodec.evaluation.checks import check_pair, warn_undefined
from braincodec.evaluation.definition import UndefinedScoreWarning
from braincodec.evaluation.encoding.correlation import correlation
from braincodec.evaluation.encoding.weighted import weighted_correlation
from braincodec.evaluation.statistics.bootstrap import bootstrap_weights
from braincodec.evaluation.statistics.false_discovery import false_discovery_rate
from braincodec.evaluation.statistics.intervals import bootstrap_p_value, percentile_interval
from braincodec.evaluation.statistics.unit_bootstrap import bootstrap_units, check_sets, medians_over_units

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PairedComparison:
    """Correlation of model A less that of model B.

    Parameters
    ----------
    difference, low, high : array, shape (units,)
        Difference of each unit and its bootstrap interval over stimuli.
    p_values, q_values : array, shape (units,)
        Two-sided p that the difference is zero, and its false-discovery rate over units.
    median_difference, median_low, median_high, median_p_values : array, shape (sets,)
        The same for the median of the differences over the units of each set (not the difference of the medians).
    stimuli : int
    level : float
    """

    difference: Floats
    low: Floats
    high: Floats
    p_values: Floats
    q_values: Floats
    median_difference: Floats
    median_low: Floats
    median_high: Floats
    median_p_values: Floats
    stimuli: int
    level: float


def compare_predictions(
    a: ArrayLike,
    b: ArrayLike,
    response: ArrayLike,
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    sets: NDArray[np.bool_] | None = None,
) -> PairedComparison:
    """Compare the correlations of two models' predictions with the same responses.

    Parameters
    ----------
    a, b, response : array_like, shape (stimuli, units)
    draws, seed : int
        As in `bootstrap_weights`.
    level : float
        Coverage of the intervals.
    sets : array of bool, shape (sets, units), optional
        Units over which medians are taken, such as regions. Default: one set of all units.

    Returns
    -------
    PairedComparison
        Positive where A is better. NaN, with one warning, for units where a correlation is undefined.

    Raises
    ------
    InputTypeError, InputValueError
        When shapes differ or values are not finite.

    Notes
    -----
    Both models are scored on the same samples of stimuli, so what the stimuli have in common for both cancels, and
    the interval is narrower than two separate ones suggest. Source: Efron, Tibshirani 1993.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> response = rng.normal(size=(300, 5))
    >>> good, bad = response + rng.normal(size=(300, 5)), response + 3 * rng.normal(size=(300, 5))
    >>> comparison = compare_predictions(good, bad, response, draws=200)
    >>> bool((comparison.low > 0).all()), comparison.median_difference.round(1)
    (True, array([0.4]))
    """
    first, measured = check_pair(a, response, names=("prediction A", "response"))
    second, _ = check_pair(b, response, names=("prediction B", "response"))
    stimuli, units = measured.shape
    sets = check_sets(sets, units)

    def replicate(weights: NDArray[Any], part: slice) -> NDArray[Any]:
        correlations = [weighted_correlation(model[:, part], measured[:, part], weights) for model in (first, second)]
        return correlations[0] - correlations[1]

    with warnings.catch_warnings():  # one warning for all of it follows
        warnings.simplefilter("ignore", UndefinedScoreWarning)
        difference = correlation(first, measured) - correlation(second, measured)
        bootstrap = bootstrap_units(replicate, units, bootstrap_weights(stimuli, draws, seed), sets, level)
    warn_undefined("difference", np.isnan(difference), "a prediction or the response does not vary")
    median_low, median_high = percentile_interval(bootstrap.medians, level)
    return PairedComparison(
        difference=difference,
        low=bootstrap.low,
        high=bootstrap.high,
        p_values=bootstrap.p_values,
        q_values=false_discovery_rate(bootstrap.p_values),
        median_difference=medians_over_units(difference[None], sets)[0],
        median_low=median_low,
        median_high=median_high,
        median_p_values=bootstrap_p_value(bootstrap.medians),
        stimuli=stimuli,
        level=level,
    )
