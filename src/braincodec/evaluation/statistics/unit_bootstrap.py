"""Bootstrap of a score that every unit has: intervals of units, and medians over sets of units."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braincodec.errors import InputValueError
from braincodec.evaluation.checks import TILE_BYTES, tiles
from braincodec.evaluation.statistics.intervals import bootstrap_p_value, percentile_interval

Floats = NDArray[np.float64]
# replicates of all units that are kept at once; beyond, they are computed twice instead
REPLICATE_BYTES = 256 * 2**20


@dataclass(frozen=True)
class UnitBootstrap:
    """Bootstrap of a score that every unit has.

    Parameters
    ----------
    low, high : array, shape (units,)
        Percentile interval of each unit.
    p_values : array, shape (units,)
        Two-sided p that the score is zero: twice the share of replicates on the smaller side of zero. NaN for units
        whose replicates are all NaN.
    medians : array, shape (draws, sets)
        Replicates of the median over the units of each set; NaN units are left out.
    """

    low: Floats
    high: Floats
    p_values: Floats
    medians: Floats


def bootstrap_units(
    replicate: Callable[[NDArray[Any], slice], NDArray[Any]],
    units: int,
    weights: NDArray[Any],
    sets: NDArray[np.bool_] | None = None,
    level: float = 0.95,
    replicate_bytes: int = REPLICATE_BYTES,
) -> UnitBootstrap:
    """Intervals of every unit's score, and replicates of its median over units, in bounded memory.

    Parameters
    ----------
    replicate : callable
        Given weights (draws, stimuli) and a slice of units, the replicates (draws, units of the slice).
    units : int
    weights : array, shape (draws, stimuli)
        From `bootstrap_weights`.
    sets : array of bool, shape (sets, units), optional
        Which units each median is over, such as regions. Default: one set of all units.
    level : float
        Coverage of the intervals.
    replicate_bytes : int
        Where all replicates would take more, they are computed twice: all draws for a tile of units at a time, for
        the intervals, and all units for a block of draws at a time, for the medians.

    Returns
    -------
    UnitBootstrap

    Examples
    --------
    >>> values = np.random.default_rng(0).normal(size=(50, 3)) + [0, 1, 2]
    >>> def mean(weights, units): return bootstrap_mean(values[:, units], weights)
    >>> from braincodec.evaluation.statistics import bootstrap_mean, bootstrap_weights
    >>> bootstrap = bootstrap_units(mean, 3, bootstrap_weights(50, draws=200))
    >>> bootstrap.low.shape, bootstrap.medians.shape
    ((3,), (200, 1))
    """
    draws = len(weights)
    sets = check_sets(sets, units)
    low, high, p_values = np.empty(units), np.empty(units), np.empty(units)
    medians = np.empty((draws, len(sets)))
    at_once = 8 * draws * units <= replicate_bytes
    for part in [slice(0, units)] if at_once else tiles(units, 8 * draws, replicate_bytes // 4):
        replicates = np.asarray(replicate(weights, part))
        low[part], high[part] = percentile_interval(replicates, level)
        p_values[part] = bootstrap_p_value(replicates)
        if at_once:
            medians[:] = medians_over_units(replicates, sets)
    for block in [] if at_once else tiles(draws, 8 * units, replicate_bytes // 4):
        medians[block] = medians_over_units(np.asarray(replicate(weights[block], slice(0, units))), sets)
    return UnitBootstrap(low, high, p_values, medians)


def medians_over_units(values: NDArray[Any], sets: NDArray[np.bool_], tile_bytes: int = TILE_BYTES) -> Floats:
    """Median of each row over each set of units.

    Parameters
    ----------
    values : array, shape (rows, units)
    sets : array of bool, shape (sets, units)
    tile_bytes : int
        What is sorted at a time.

    Returns
    -------
    array, shape (rows, sets)
        NaN units are left out; NaN for a set without any unit that has a value.

    Examples
    --------
    >>> medians_over_units(np.array([[1.0, np.nan, 3.0]]), np.array([[True] * 3, [False, True, False]]))
    array([[ 2., nan]])
    """
    medians = np.full((len(values), len(sets)), np.nan)
    for index, members in enumerate(sets):
        # units that are always NaN, as those without data, must not make every row take the slow way
        chosen = members & ~np.isnan(values).all(axis=0)
        if not chosen.any():
            continue
        for rows in tiles(len(values), 8 * int(chosen.sum()), tile_bytes):
            block = values[rows][:, chosen]
            medians[rows, index] = np.median(block, axis=1)
            partly = np.isnan(block).any(axis=1) & ~np.isnan(block).all(axis=1)
            if partly.any():
                medians[rows, index][partly] = np.nanmedian(block[partly], axis=1)
    return medians


def check_sets(sets: ArrayLike | None, units: int) -> NDArray[np.bool_]:
    """Sets of units, shape (sets, units); None is one set of all.

    Raises
    ------
    InputValueError
        When the shape does not fit.

    Examples
    --------
    >>> check_sets(None, 3)
    array([[ True,  True,  True]])
    """
    if sets is None:
        return np.ones((1, units), bool)
    members = np.asarray(sets, bool)
    if members.ndim != 2 or members.shape[1] != units:
        raise InputValueError(f"sets have shape {members.shape}; for {units} units it must be (sets, {units})")
    return members
