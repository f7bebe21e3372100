"""Predicted responses of one subject against measured ones: units, patterns, dissimilarities, EEG curves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from braincodec.datasets.base import Recording
from braincodec.errors import InputValueError
from braincodec.evaluation.judging.alignment import measured_blocks, predicted_blocks
from braincodec.evaluation.judging.ceilings import CeilingSource, choose_ceiling
from braincodec.evaluation.judging.choose import definition_of
from braincodec.evaluation.judging.curves import eeg_curves
from braincodec.evaluation.judging.half_accuracy import half_accuracy_row
from braincodec.evaluation.judging.other_metrics import other_rows
from braincodec.evaluation.judging.pattern_ceilings import PatternCeilings, pattern_ceilings
from braincodec.evaluation.judging.pattern_rows import PATTERN_CORRELATION, PATTERN_METRICS, pattern_rows
from braincodec.evaluation.judging.patterns import MOST_STIMULI, PatternMatrices, passes, pattern_matrices
from braincodec.evaluation.judging.regions import Regions, regions_of
from braincodec.evaluation.judging.rsa_rows import RSA, rdm_dataset, rsa_row
from braincodec.evaluation.judging.settings import Settings
from braincodec.evaluation.judging.subject import SubjectScores
from braincodec.evaluation.judging.unit_blocks import UnitBlocks
from braincodec.evaluation.judging.unit_metrics import CORRELATION, Floats, unit_metric
from braincodec.evaluation.judging.unit_rows import unit_rows
from braincodec.evaluation.judging.unit_scores import UnitScores, UnitTask, score_units
from braincodec.evaluation.statistics import bootstrap_weights, false_discovery_rate
from braincodec.progress import progress_bar

FEWEST_STIMULI = 3
# what describes a unit beside its scores
DESCRIPTIONS = ("vertex", "hemisphere", "i", "j", "k", "model_roi", "roi_membership")


@dataclass(frozen=True, eq=False)
class EncodingTask:
    """One subject's predictions and everything needed to judge them.

    Attributes
    ----------
    recording : Recording
    prediction : DataArray or ndarray
    names : list of str
        Metrics.
    settings : Settings
    rois : sequence, mapping or None
        See `regions_of`.
    noise_ceiling : str or array
        See `choose_ceiling`.
    show : bool or None
        Progress bars.
    """

    recording: Recording
    prediction: Any
    names: list[str]
    settings: Settings
    rois: Any
    noise_ceiling: Any
    show: bool | None

    @property
    def ids(self) -> tuple[str, ...]:
        """Stimuli that are judged."""
        return self.recording.split.ids(self.settings.part)


def score_encoding(task: EncodingTask) -> SubjectScores:
    """Judge one subject's predicted responses.

    Raises
    ------
    InputTypeError, InputValueError
        When predictions and measurements do not fit each other, or hold what they should not.
    """
    recording, settings, ids = task.recording, task.settings, task.ids
    if len(ids) < FEWEST_STIMULI:
        raise InputValueError(
            f"subject {recording.subject} has {len(ids)} {settings.part} stimuli; a score over stimuli needs at least "
            f"{FEWEST_STIMULI}"
        )
    measured = measured_blocks(recording.responses, ids)
    prediction = predicted_blocks(task.prediction, ids, measured, recording.units, recording.subject)
    regions = regions_of(recording.units, measured, task.rois)
    ceiling = choose_ceiling(task.noise_ceiling, measured, recording.units, settings.part)
    found = SubjectScores(recording.subject, ids, ceiling={"method": ceiling.method, "words": ceiling.words})
    if prediction.repetitions is not None and prediction.repetitions > 1:
        found.notes.append(f"predictions of {prediction.repetitions} repetitions were averaged over them")
    by_kind = {
        kind: [name for name in task.names if definition_of(name).of == kind] for kind in ("unit", "stimulus", "set")
    }
    unit_task = _unit_task(task, prediction, measured, ceiling, by_kind)
    with progress_bar("score units", measured.units, show=task.show) as advance:
        scores = score_units(unit_task, advance)
    try:
        _add_units(task, by_kind["unit"], scores, regions, found)
        if scores.extra:
            half_accuracy_row(unit_task, scores, regions, settings.level, found)
    finally:
        scores.close()
    _add_patterns(task, unit_task, scores.training_mean, regions, found)
    other_rows([*by_kind["stimulus"], *by_kind["set"]], unit_task, scores.training_mean, regions, settings.level, found)
    found.units = _unit_dataset(recording, measured, scores, by_kind["unit"])
    if "channel" in measured.unit_dims:
        found.curves = eeg_curves(unit_task, settings.level, task.show, found)
    return found


def _unit_task(
    task: EncodingTask,
    prediction: UnitBlocks,
    measured: UnitBlocks,
    ceiling: CeilingSource,
    by_kind: Mapping[str, list[str]],
) -> UnitTask:
    settings, split = task.settings, task.recording.split
    bases = list(dict.fromkeys([CORRELATION, *(unit_metric(name).base for name in by_kind["unit"])]))
    needed = bool(by_kind["stimulus"] or by_kind["set"]) or bases != [CORRELATION] or settings.rescale is not None
    if settings.rescale and not split.train:
        raise InputValueError("rescale='transductive' needs training responses, and the split has no training stimuli")
    training = measured_blocks(task.recording.responses, split.train) if needed and split.train else None
    count = len(task.ids)
    weights = (
        bootstrap_weights(count, settings.draws, settings.seed) if settings.draws else np.empty((0, count), np.float32)
    )
    return UnitTask(
        prediction=prediction,
        measured=measured,
        training=training,
        ids=task.ids,
        bases=bases,
        ceiling=ceiling,
        weights=weights,
        permutations=settings.permutations,
        seed=settings.seed,
        rescale=settings.rescale is not None,
    )


def _add_units(
    task: EncodingTask, names: list[str], scores: UnitScores, regions: Regions, found: SubjectScores
) -> None:
    settings = task.settings
    steps = settings.draws * len(scores.replicates) + (settings.permutations if scores.null else 0)
    with progress_bar("medians over regions", steps, show=task.show) as advance:
        for row, replicates in unit_rows(names, scores, regions, settings.level, settings.draws, advance):
            found.add(row, replicates)
    undefined = np.isnan(scores.values[CORRELATION])
    if undefined.any():
        found.notes.append(
            f"subject {found.subject}: {undefined.sum():,} of {undefined.size:,} units have no correlation, because "
            "prediction or response does not vary or is missing"
        )


def _add_patterns(
    task: EncodingTask, unit_task: UnitTask, training_mean: Floats, regions: Regions, found: SubjectScores
) -> None:
    names = [name for name in task.names if name in (*PATTERN_METRICS, RSA)]
    if not names:
        return
    if len(task.ids) > MOST_STIMULI:
        reason = f"compares all stimuli with each other, and {len(task.ids):,} are more than {MOST_STIMULI:,}"
        found.skipped |= dict.fromkeys(names, reason)
        return
    settings, measured = task.settings, unit_task.measured
    matrices: dict[str, PatternMatrices] = {}
    ceilings: dict[str, PatternCeilings] = {}
    of_stimuli: dict[str, NDArray[Any]] = {}
    steps = passes(len(regions), len(task.ids)) * measured.units
    with progress_bar("compare patterns", steps, show=task.show) as advance:
        predicted = _predictor(unit_task)
        for region, found_matrices in pattern_matrices(predicted, measured, training_mean, regions, advance):
            chosen = [name for name in names if name != RSA]
            rows = pattern_rows(
                chosen,
                region,
                found_matrices,
                unit_task.weights,
                level=settings.level,
                permutations=settings.permutations,
                seed=settings.seed,
            )
            ceilings[region] = _ceilings(task, unit_task, regions[region], names)
            for row, replicates, own in rows:
                if row["metric"] == PATTERN_CORRELATION:
                    row |= in_parts(row, ceilings[region].pattern)
                found.add(row, replicates)
                of_stimuli.setdefault(row["metric"], own)  # of the first region
            if RSA in names:
                row, replicates = rsa_row(region, found_matrices, unit_task, settings)
                found.add(row | in_parts(row, ceilings[region].rsa), replicates)
                matrices[region] = found_matrices
    found.stimuli = xr.Dataset(
        {name: ("stimulus", own, {"roi": next(iter(regions))}) for name, own in of_stimuli.items()},
        {"stimulus": np.asarray(task.ids, str)},
    )
    found.rdms = rdm_dataset(matrices, ceilings, task.ids)


def _ceilings(task: EncodingTask, unit_task: UnitTask, members: NDArray[np.bool_], names: list[str]) -> PatternCeilings:
    if not {PATTERN_CORRELATION, RSA} & set(names) or task.settings.noise_ceiling == "none":
        return PatternCeilings()
    return pattern_ceilings(
        unit_task.measured, unit_task.prediction, members, task.settings.seed, with_rsa=RSA in names
    )


def in_parts(row: dict[str, Any], ceiling: float) -> dict[str, float]:
    """A row's value and interval in parts of a ceiling; nothing where that is not known.

    Examples
    --------
    >>> in_parts({"value": 0.3, "low": 0.2, "high": 0.4}, 0.5)["normalised"]
    0.6
    """
    if not np.isfinite(ceiling):
        return {}
    ends = {"normalised": "value", "normalised_low": "low", "normalised_high": "high"}
    return {"ceiling": ceiling} | {name: row[end] / ceiling for name, end in ends.items() if end in row}


def _predictor(task: UnitTask) -> Callable[[slice], NDArray[np.floating]]:
    if not task.rescale:
        return task.prediction.read_mean

    def rescaled(units: slice) -> NDArray[np.floating]:
        return task.predicted(units, *task.training_moments(units))

    return rescaled


def _unit_dataset(recording: Recording, measured: UnitBlocks, scores: UnitScores, names: list[str]) -> xr.Dataset:
    dims, shape = measured.unit_dims, measured.unit_shape
    given = recording.units
    units = given[[name for name in DESCRIPTIONS if name in given.variables]].reset_coords(drop=True)
    units = units.assign_coords({name: given[name] for name in (*dims, "roi") if name in given.coords})
    if dims == ("unit",):
        units["subject"] = ("unit", np.full(shape, recording.subject))
    for name in names:
        rule = unit_metric(name)
        units[name] = (dims, rule.transform(scores.values[rule.base], scores.noise_ceiling).reshape(shape))
    units["noise_ceiling"] = (dims, scores.noise_ceiling.reshape(shape))
    if scores.null is not None:
        units["p_value"] = (dims, scores.p_value.reshape(shape))
        units["q_value"] = (dims, false_discovery_rate(scores.p_value).reshape(shape))
    for name, values in scores.extra.items():
        units[name] = (dims, values.reshape(shape))
    return units.assign_attrs(given.attrs)
