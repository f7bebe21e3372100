"""Scores of every unit over stimuli, with replicates, floors and ceilings: one pass over tiles of units."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braincodec.evaluation.definition import UndefinedScoreWarning
from braincodec.evaluation.encoding.correlation import correlation
from braincodec.evaluation.encoding.r2 import r2_determination
from braincodec.evaluation.encoding.weighted import weighted_correlation, weighted_r2_determination
from braincodec.evaluation.judging.ceilings import CeilingSource
from braincodec.evaluation.judging.finite import refuse_stray
from braincodec.evaluation.judging.null import derangements, shuffled_correlations
from braincodec.evaluation.judging.replicates import ReplicateTable
from braincodec.evaluation.judging.unit_blocks import UnitBlocks, any_repeated, mean_over_axis
from braincodec.evaluation.judging.unit_metrics import CORRELATION, DETERMINATION, Floats
from braincodec.evaluation.metric import METRICS
from braincodec.evaluation.noise_ceiling.eeg import eeg_accuracy, eeg_noise_ceiling

SHUFFLED, MEAN_RESPONSE = "shuffled pairs", "mean training response"
# random pairings whose scores are averaged for the floor
SHUFFLES = 10
EEG_BOUNDS = ("accuracy_half", "noise_ceiling_lower", "noise_ceiling_upper")
FEWEST_STIMULI = 4  # for the bounds


@dataclass(frozen=True, eq=False)
class UnitTask:
    """What is scored, and how.

    Attributes
    ----------
    prediction, measured : UnitBlocks
        The same stimuli and units.
    training : UnitBlocks or None
        Measured responses to the training stimuli; None where they are not needed or there are none.
    ids : tuple of str
    bases : sequence of str
        What to compute for each unit: `CORRELATION`, `DETERMINATION`, or names of registered metrics.
    ceiling : CeilingSource
    weights : array, shape (draws, stimuli)
        How often each stimulus is in each bootstrap sample.
    permutations, seed : int
    rescale : bool
        Give each unit's predictions the training responses' mean and deviation in place of their own over the stimuli
        that are judged.
    """

    prediction: UnitBlocks
    measured: UnitBlocks
    training: UnitBlocks | None
    ids: tuple[str, ...]
    bases: Sequence[str]
    ceiling: CeilingSource
    weights: NDArray[Any]
    permutations: int
    seed: int
    rescale: bool = False

    def pairings(self) -> NDArray[np.int64]:
        """Random orders of the stimuli for the floor, shape (repeats, stimuli); no stimulus keeps its place."""
        return derangements(len(self.ids), SHUFFLES, self.seed)

    def training_moments(self, units: slice) -> tuple[Floats | None, Floats | None]:
        """Mean and deviation of some units over the training stimuli; None where there are none."""
        return (None, None) if self.training is None else _moments(self.training.read_mean(units))

    def predicted(self, units: slice, mean: Floats | None, deviation: Floats | None) -> NDArray[np.floating]:
        """Predictions for some units, (stimuli, units), checked and rescaled where that was asked for."""
        values = self.prediction.read_mean(units)
        refuse_stray("predictions", values, self.ids, units.start)
        if self.rescale and mean is not None and deviation is not None:
            own = values.std(axis=0, dtype=np.float64)
            values = (values - values.mean(axis=0, dtype=np.float64)) / np.where(own > 0, own, 1) * deviation + mean
        return values


@dataclass(eq=False)
class UnitScores:
    """What `score_units` found; arrays over all units.

    Attributes
    ----------
    values : dict of base to array, shape (units,)
    noise_ceiling : array, shape (units,)
    extra : dict of name to array, shape (units,)
        Of EEG: the accuracy with halves of the repetitions, and both bounds.
    floors : dict of (base, trivial predictor) to array, shape (repeats, units)
    replicates : dict of base to ReplicateTable
    null : ReplicateTable or None
        Correlations with shuffled pairings.
    p_value : array, shape (units,)
    training_mean : array, shape (units,)
    """

    values: dict[str, Floats]
    noise_ceiling: Floats
    p_value: Floats
    training_mean: Floats
    extra: dict[str, Floats] = field(default_factory=dict)
    floors: dict[tuple[str, str], NDArray[np.float32]] = field(default_factory=dict)
    replicates: dict[str, ReplicateTable] = field(default_factory=dict)
    null: ReplicateTable | None = None

    def close(self) -> None:
        """Give the tables of replicates back."""
        for table in [*self.replicates.values(), *([self.null] if self.null else [])]:
            table.close()


def score_units(task: UnitTask, advance: Callable[[int], None] = lambda _: None) -> UnitScores:
    """Read each tile of units once and score it.

    Parameters
    ----------
    task : UnitTask
    advance : callable
        Told how many units are done.

    Raises
    ------
    InputValueError
        For values that are NaN or infinite where they should not be.
    """
    units = task.measured.units
    found = _empty_scores(task, units)
    try:
        with warnings.catch_warnings():
            # one warning for all tiles comes at the end
            warnings.simplefilter("ignore", UndefinedScoreWarning)
            for tile in task.measured.tiles(
                task.prediction, task.training, replicates=len(task.weights) + task.permutations
            ):
                _score_tile(task, found, tile)
                advance(tile.stop - tile.start)
    except BaseException:
        found.close()
        raise
    return found


def _empty_scores(task: UnitTask, units: int) -> UnitScores:
    draws = len(task.weights)
    found = UnitScores(
        values={base: np.full(units, np.nan) for base in task.bases},
        noise_ceiling=np.full(units, np.nan),
        p_value=np.full(units, np.nan),
        training_mean=np.full(units, np.nan),
    )
    for base in task.bases:
        found.floors[base, SHUFFLED] = np.full((SHUFFLES, units), np.nan, np.float32)
        if task.training is not None and base != CORRELATION:  # a constant has no correlation
            found.floors[base, MEAN_RESPONSE] = np.full((1, units), np.nan, np.float32)
        if draws:
            found.replicates[base] = ReplicateTable(draws, units)
    if task.permutations and CORRELATION in task.bases:
        found.null = ReplicateTable(task.permutations, units)
    if _has_bounds(task):
        found.extra = {name: np.full(units, np.nan) for name in EEG_BOUNDS}
    return found


def _has_bounds(task: UnitTask) -> bool:
    enough = len(task.ids) >= FEWEST_STIMULI
    return enough and "channel" in task.measured.unit_dims and task.measured.repeated


def _score_tile(task: UnitTask, found: UnitScores, tile: slice) -> None:
    responses = task.measured.read(tile)
    refuse_stray("measured responses", responses, task.ids, tile.start, repeated=responses.ndim == 3)
    target = mean_over_axis(responses) if responses.ndim == 3 else responses
    mean, deviation = task.training_moments(tile)
    if mean is not None:
        found.training_mean[tile] = mean
    prediction = task.predicted(tile, mean, deviation)
    found.noise_ceiling[tile] = task.ceiling.of_tile(responses, tile, task.seed)
    for base in task.bases:
        score, weighted = functions_of(base)
        found.values[base][tile] = score(prediction, target)
        for repeat, order in enumerate(task.pairings()):
            found.floors[base, SHUFFLED][repeat, tile] = score(prediction[order], target)
        if (base, MEAN_RESPONSE) in found.floors and mean is not None:
            constant = np.broadcast_to(mean, target.shape).astype(target.dtype)
            found.floors[base, MEAN_RESPONSE][0, tile] = score(constant, target)
        if base in found.replicates:
            found.replicates[base].write(tile, weighted(prediction, target, task.weights))
    if found.null is not None:
        null, found.p_value[tile] = shuffled_correlations(prediction, target, task.permutations, task.seed)
        found.null.write(tile, null)
    if found.extra and any_repeated(responses):
        bounds = eeg_noise_ceiling(responses, seed=task.seed)
        accuracy = eeg_accuracy(prediction, responses, seed=task.seed)
        for name, values in zip(EEG_BOUNDS, (accuracy, bounds.lower, bounds.upper), strict=True):
            found.extra[name][tile] = values


def _moments(values: NDArray[np.floating]) -> tuple[Floats, Floats]:
    """Mean and deviation over the stimuli that have a value, for each unit."""
    present = np.isfinite(values)
    count = np.maximum(present.sum(axis=0), 1)
    mean = np.where(present, values, 0).sum(axis=0, dtype=np.float64) / count
    squares = np.where(present, (values - mean) ** 2, 0).sum(axis=0)
    known = present.any(axis=0)
    return np.where(known, mean, np.nan), np.where(known, np.sqrt(squares / count), np.nan)


def functions_of(base: str) -> tuple[Callable[..., Floats], Callable[..., Floats]]:
    """The score of each unit, and the same in every bootstrap sample.

    Returns
    -------
    score : callable (prediction, target) -> (units,)
    weighted : callable (prediction, target, weights) -> (draws, units)
    """
    if base == CORRELATION:
        return correlation, weighted_correlation
    if base == DETERMINATION:
        return r2_determination, weighted_r2_determination

    def score(prediction: NDArray[Any], target: NDArray[Any]) -> Floats:
        return np.asarray(METRICS.get(base)().update(prediction, target).compute(), np.float64)

    def weighted(prediction: NDArray[Any], target: NDArray[Any], weights: NDArray[Any]) -> Floats:
        rows = np.arange(len(prediction))
        samples = (np.repeat(rows, counts.astype(np.int64)) for counts in weights)
        return np.stack([score(prediction[sample], target[sample]) for sample in samples])

    return score, weighted
