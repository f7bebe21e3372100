"""The accuracy that belongs beside EEG's noise ceilings: correlation with random halves of the repetitions."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braincodec.evaluation.definition import UndefinedScoreWarning
from braincodec.evaluation.encoding.weighted import weighted_correlation
from braincodec.evaluation.judging.null import derangements
from braincodec.evaluation.judging.regions import Regions
from braincodec.evaluation.judging.replicates import ReplicateTable
from braincodec.evaluation.judging.subject import SubjectScores, better_floor
from braincodec.evaluation.judging.unit_blocks import any_repeated, mean_over_axis
from braincodec.evaluation.judging.unit_metrics import Floats
from braincodec.evaluation.judging.unit_rows import median
from braincodec.evaluation.judging.unit_scores import SHUFFLED, UnitScores, UnitTask
from braincodec.evaluation.noise_ceiling.eeg import eeg_accuracy, shared_halves
from braincodec.evaluation.statistics import percentile_interval

NAME = "accuracy_half"
# the interval is from fewer divisions than the score: which half it was matters little beside which stimuli
DIVISIONS = 5
SHUFFLES = 3


def half_accuracy_row(task: UnitTask, scores: UnitScores, regions: Regions, level: float, found: SubjectScores) -> None:
    """Add a row for each region: accuracy with halves, its lower bound as ceiling, and an interval."""
    accuracy, lower = scores.extra[NAME], scores.extra["noise_ceiling_lower"]
    draws = len(task.weights)
    chosen = {region: np.flatnonzero(members & np.isfinite(accuracy)) for region, members in regions.items()}

    def same(block: Floats) -> Floats:
        return block

    floor = np.full((SHUFFLES, task.measured.units), np.nan)
    with ReplicateTable(draws, task.measured.units) as table:
        for tile in task.measured.tiles(task.prediction, replicates=draws):
            responses, prediction = task.measured.read(tile), task.prediction.read_mean(tile)
            table.write(tile, _replicates(task, responses, prediction, accuracy[tile]))
            if any_repeated(responses):
                floor[:, tile] = _shuffled(task, responses, prediction)
        medians = table.medians({region: (members, same) for region, members in chosen.items()})
    for region, members in chosen.items():
        row: dict[str, Any] = {"roi": region, "metric": NAME, "summary": "median over units", "level": level}
        row |= {"value": median(accuracy[members]), "n_units": len(members), "chance": 0.0}
        row |= {"n_excluded": int(regions[region].sum()) - len(members), "ceiling": median(lower[members])}
        row |= better_floor(None, {SHUFFLED: float(np.mean([median(repeat[members]) for repeat in floor]))})
        replicates = medians[region]
        if draws and np.isfinite(replicates).any():
            low, high = percentile_interval(replicates, level)
            row |= {"low": float(low), "high": float(high)}
        found.add(row, replicates)


def _shuffled(task: UnitTask, responses: NDArray[Any], prediction: NDArray[Any]) -> Floats:
    """The same accuracy of predictions for other stimuli, shape (repeats, units)."""
    orders = derangements(len(prediction), SHUFFLES, task.seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedScoreWarning)
        return np.stack([eeg_accuracy(prediction[order], responses, seed=task.seed) for order in orders])


def _replicates(task: UnitTask, responses: NDArray[Any], prediction: NDArray[Any], accuracy: Floats) -> Floats:
    """Mean over some divisions of the correlation with the first half, in every bootstrap sample: (draws, units).

    What these divisions give for the stimuli as they are differs from the `accuracy` of all divisions: by as much the
    replicates are moved, so that the interval belongs to the score.
    """
    once = np.ones((1, len(prediction)))
    total: NDArray[Any] = np.zeros((len(task.weights), prediction.shape[1]))
    observed = np.zeros(prediction.shape[1])
    if not len(task.weights):
        return total
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedScoreWarning)
        for half in shared_halves(responses.shape[1], DIVISIONS, task.seed):
            target = mean_over_axis(responses[:, half])
            # where repetitions are missing a stimulus may have none in this half: such units get no interval
            complete = np.isfinite(target).all(axis=0)
            total[:, ~complete] = np.nan
            if complete.any():
                pair = prediction[:, complete], target[:, complete]
                total[:, complete] += weighted_correlation(*pair, task.weights)
                observed[complete] += weighted_correlation(*pair, once)[0]
    return np.asarray((total - observed) / DIVISIONS + accuracy)
