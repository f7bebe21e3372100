"""From scores of units to rows of the table: medians over regions, with interval, floor, ceiling and p."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braincodec.evaluation.judging.choose import definition_of
from braincodec.evaluation.judging.null import ROUNDING
from braincodec.evaluation.judging.regions import Regions
from braincodec.evaluation.judging.subject import better_floor
from braincodec.evaluation.judging.unit_metrics import CORRELATION, Floats, UnitMetric, unit_metric
from braincodec.evaluation.judging.unit_scores import UnitScores
from braincodec.evaluation.statistics import percentile_interval, permutation_p_value

SUMMARY = "median over units"
Row = tuple[dict[str, Any], Floats]
Advance = Callable[[int], None]


def unit_rows(
    names: Sequence[str],
    scores: UnitScores,
    regions: Regions,
    level: float,
    draws: int,
    advance: Advance = lambda _: None,
) -> list[Row]:
    """Rows of all metrics of units and all regions, region by region.

    Parameters
    ----------
    names : sequence of str
        Metrics, all with a score for each unit.
    scores : UnitScores
    regions : dict of region to array of bool, shape (units,)
    level : float
        Of intervals.
    draws : int
        Bootstrap samples; 0 leaves intervals out.
    advance : callable
        Told how many draws of how many tables of replicates are done.

    Returns
    -------
    list of (row, replicates)
    """
    rules = {name: unit_metric(name) for name in names}
    values = {name: rule.transform(scores.values[rule.base], scores.noise_ceiling) for name, rule in rules.items()}
    ceilings = {name: rule.ceiling(scores.noise_ceiling) if rule.ceiling else None for name, rule in rules.items()}
    replicates = _replicates(rules, scores, regions, values, ceilings, advance)
    null = _null_medians(scores, regions, advance)
    rows = []
    for region, members in regions.items():
        for name, rule in rules.items():
            row: dict[str, Any] = {"roi": region, "metric": name, "summary": SUMMARY, "level": level}
            row |= _values(values[name], ceilings[name], members, scores.noise_ceiling)
            row |= better_floor(definition_of(name), _floors(rule, scores, np.flatnonzero(members)))
            of_value = replicates.get((region, name, "value"), np.full(draws, np.nan))
            row |= _ends("", of_value, level)
            row |= _ends("normalised_", replicates.get((region, name, "normalised"), np.full(draws, np.nan)), level)
            chance = definition_of(name).chance
            row["chance"] = np.nan if chance is None else chance
            if name == CORRELATION and region in null:
                # shuffled pairs are summed in float32: what is equal to the value must not come out below it
                row["p_value"] = float(permutation_p_value(row["value"] - ROUNDING, null[region]))
            rows.append((row, of_value))
    return rows


def median(values: Floats) -> float:
    """Median of what is not NaN; NaN where nothing is known.

    Examples
    --------
    >>> median(np.array([1.0, np.nan, 5.0]))
    3.0
    """
    known = values[~np.isnan(values)]
    return float(np.median(known)) if known.size else np.nan


def _values(
    values: Floats, ceiling: Floats | None, members: NDArray[np.bool_], noise_ceiling: Floats
) -> dict[str, Any]:
    inside = values[members]
    row = {"value": median(inside), "n_units": int(np.isfinite(inside).sum())}
    if ceiling is None or np.isnan(noise_ceiling).all():  # nothing to normalise by, so nothing is left out of that
        return row | {"n_excluded": int(np.isnan(inside).sum())}
    normalised = inside / ceiling[members]
    reachable = np.where(noise_ceiling[members] <= 0, 0, ceiling[members])  # of units without signal, nothing
    return row | {
        "ceiling": median(np.where(np.isnan(inside), np.nan, reachable)),  # of the units that the value is of
        "normalised": median(normalised),
        "n_excluded": int(np.isnan(normalised).sum()),
    }


def _floors(rule: UnitMetric, scores: UnitScores, members: NDArray[np.int64]) -> dict[str, float]:
    """What each trivial predictor reaches: the median over units, averaged over pairings."""
    floors = {}
    for (base, predictor), table in scores.floors.items():
        if base == rule.base:
            values = rule.transform(table[:, members].astype(np.float64), scores.noise_ceiling[members])
            medians = np.array([median(row) for row in values])
            known = medians[~np.isnan(medians)]
            floors[predictor] = float(known.mean()) if known.size else np.nan
    return floors


def _ends(prefix: str, replicates: Floats, level: float) -> dict[str, float]:
    if not replicates.size or np.isnan(replicates).all():
        return {}
    low, high = percentile_interval(replicates, level)
    return {f"{prefix}low": float(low), f"{prefix}high": float(high)}


def _replicates(
    rules: Mapping[str, UnitMetric],
    scores: UnitScores,
    regions: Regions,
    values: Mapping[str, Floats],
    ceilings: Mapping[str, Floats | None],
    advance: Advance,
) -> dict[tuple[str, str, str], Floats]:
    """Medians over regions in every bootstrap sample, of scores and of scores in parts of their ceilings."""
    found: dict[tuple[str, str, str], Floats] = {}
    for base, table in scores.replicates.items():
        wanted: dict[tuple[str, str, str], tuple[NDArray[np.int64], Callable[[Floats], Floats]]] = {}
        for name, rule in rules.items():
            if rule.base != base:
                continue
            value, normalised = _transforms(rule, scores.noise_ceiling, ceilings[name])
            for region, members in regions.items():
                wanted[region, name, "value"] = np.flatnonzero(members & np.isfinite(values[name])), value
                ceiling = ceilings[name]
                if normalised is not None and ceiling is not None:
                    usable = members & np.isfinite(values[name] / ceiling)
                    wanted[region, name, "normalised"] = np.flatnonzero(usable), normalised
        found |= table.medians(wanted, advance)
    return found


def _transforms(
    rule: UnitMetric, noise_ceiling: Floats, ceiling: Floats | None
) -> tuple[Callable[[Floats], Floats], Callable[[Floats], Floats] | None]:
    def value(block: Floats) -> Floats:
        return rule.transform(block, noise_ceiling)

    if ceiling is None or np.isnan(ceiling).all():
        return value, None
    best = ceiling

    def normalised(block: Floats) -> Floats:
        return rule.transform(block, noise_ceiling) / best

    return value, normalised


def _null_medians(scores: UnitScores, regions: Regions, advance: Advance) -> dict[str, Floats]:
    if scores.null is None:
        return {}
    defined = np.isfinite(scores.values[CORRELATION])

    def same(block: Floats) -> Floats:
        return block

    wanted = {region: (np.flatnonzero(members & defined), same) for region, members in regions.items()}
    return scores.null.medians(wanted, advance)
