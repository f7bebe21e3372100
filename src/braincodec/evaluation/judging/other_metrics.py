"""Metrics that others registered, of patterns or of whole sets: computed on a region's responses in memory."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braincodec.evaluation.definition import UndefinedScoreWarning
from braincodec.evaluation.judging.choose import definition_of
from braincodec.evaluation.judging.null import derangements
from braincodec.evaluation.judging.pattern_rows import PATTERN_METRICS, mean_of_known, mean_row
from braincodec.evaluation.judging.regions import Regions
from braincodec.evaluation.judging.rsa_rows import RSA
from braincodec.evaluation.judging.subject import SubjectScores, better_floor
from braincodec.evaluation.judging.unit_metrics import Floats
from braincodec.evaluation.judging.unit_scores import MEAN_RESPONSE, SHUFFLED, UnitTask
from braincodec.evaluation.metric import METRICS
from braincodec.evaluation.statistics import bootstrap_mean, percentile_interval

# of predictions and responses of one region together, float32
MOST_BYTES = 2**30
SHUFFLES = 5


def other_rows(
    names: Sequence[str], task: UnitTask, training_mean: Floats, regions: Regions, level: float, found: SubjectScores
) -> None:
    """Add rows for metrics of stimuli or of the set that this package does not stream itself."""
    for name in names:
        if name in (*PATTERN_METRICS, RSA):
            continue
        for region, members in regions.items():
            units = np.flatnonzero(members)
            if 8 * len(task.ids) * len(units) > MOST_BYTES:
                found.skipped[name] = f"needs all {len(units):,} units of {region} in memory at once"
                continue
            prediction, target = _in_memory(task, units)
            known = np.isfinite(prediction).all(axis=0) & np.isfinite(target).all(axis=0)
            _add(name, region, prediction[:, known], target[:, known], training_mean[units][known], task, level, found)


def _add(
    name: str,
    region: str,
    prediction: NDArray[Any],
    target: NDArray[Any],
    training_mean: Floats,
    task: UnitTask,
    level: float,
    found: SubjectScores,
) -> None:
    definition = definition_of(name)
    row: dict[str, Any] = {"roi": region, "metric": name, "n_units": prediction.shape[1], "level": level}
    row["chance"] = np.nan if definition.chance is None else definition.chance

    def score(predicted: NDArray[Any], measured: NDArray[Any] = target) -> Floats:
        return np.atleast_1d(np.asarray(METRICS.get(name)().update(predicted, measured).compute(), np.float64))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedScoreWarning)
        values = score(prediction)
        orders = derangements(len(task.ids), SHUFFLES, task.seed)
        floors = {SHUFFLED: float(np.mean([mean_of_known(score(prediction[order])) for order in orders]))}
        if np.isfinite(training_mean).all():
            floors[MEAN_RESPONSE] = mean_of_known(score(np.broadcast_to(training_mean, target.shape).copy()))
        if definition.of == "stimulus":
            replicates = bootstrap_mean(values, task.weights)
            row |= mean_row(values, replicates, level)
        else:
            rows = np.arange(len(task.ids))
            samples = [np.repeat(rows, counts.astype(np.int64)) for counts in task.weights]
            replicates = np.array([score(prediction[sample], target[sample])[0] for sample in samples])
            row |= {"summary": "over all stimuli", "value": float(values[0])}
            if np.isfinite(replicates).any():
                low, high = percentile_interval(replicates, level)
                row |= {"low": float(low), "high": float(high)}
    found.add(row | better_floor(definition, floors), replicates)
    if definition.of == "stimulus" and name not in found.stimuli:
        found.stimuli = found.stimuli.assign_coords(stimulus=np.asarray(task.ids, str))
        found.stimuli[name] = ("stimulus", values, {"roi": region})


def _in_memory(task: UnitTask, units: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Predictions and targets of some units, (stimuli, units), float32."""
    prediction, target = (np.empty((len(task.ids), len(units)), np.float32) for _ in range(2))
    for tile in task.measured.tiles(task.prediction):
        inside = np.flatnonzero((units >= tile.start) & (units < tile.stop))
        if len(inside):
            columns = units[inside] - tile.start
            prediction[:, inside] = task.predicted(tile, *task.training_moments(tile))[:, columns]
            target[:, inside] = task.measured.read_mean(tile)[:, columns]
    return prediction, target
