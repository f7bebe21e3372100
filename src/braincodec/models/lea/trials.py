"""Training patterns of one recording: trial by trial, voxels in the order of the regions."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from braincodec.errors import InputValueError
from braincodec.models.lea.given_patterns import MOST_NAMED, unit_name
from braincodec.models.lea.regions import Regions, kept_voxels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from braincodec.models.training_data import Examples

Repetitions = Literal["single", "average"]


class UnmeasuredVoxelWarning(UserWarning):
    """Some voxels have no value in any training trial, and are left out of a model."""


class Trials(NamedTuple):
    """Patterns, and what was seen.

    Parameters
    ----------
    patterns : array of float32, shape (trials, voxels)
    stimulus : array of int64, shape (trials,)
        Row of each trial's stimulus.
    """

    patterns: NDArray[np.float32]
    stimulus: NDArray[np.int64]


def read_trials(examples: Examples, columns: NDArray[np.int64], repetitions: Repetitions = "single") -> Trials:
    """All trials of a part of a recording, or the means over those of each stimulus.

    Parameters
    ----------
    examples : Examples
    columns : array of int64, shape (voxels,)
        Units, in the order of a pattern.
    repetitions : {"single", "average"}

    Returns
    -------
    Trials
        Stimuli in their order; where they are trials, first repetitions before second ones.

    Raises
    ------
    InputValueError
        When a pattern lacks some voxels, or a stimulus has none at all.
    """
    trials = _shown_trials(examples, columns, repetitions)
    _refuse_gaps(trials, examples, columns)
    return trials


def read_measured(examples: Examples, wanted: Regions, repetitions: Repetitions = "single") -> tuple[Regions, Trials]:
    """Regions without the voxels that are NaN in every trial, such as those beyond the slices, and trials of the rest.

    Parameters
    ----------
    examples : Examples
    wanted : Regions
    repetitions : {"single", "average"}

    Returns
    -------
    Regions
    Trials

    Raises
    ------
    InputValueError
        As `read_trials`.

    Warns
    -----
    UnmeasuredVoxelWarning
        Once, where voxels are left out.
    """
    trials = _shown_trials(examples, wanted.columns, repetitions)
    measured = ~np.all(np.isnan(trials.patterns), axis=0)
    regions = wanted
    if len(trials.patterns) and not measured.all():
        usable = np.zeros(examples.outputs, bool)
        usable[wanted.columns[measured]] = True
        regions = kept_voxels(wanted, usable)
        trials = trials._replace(patterns=np.ascontiguousarray(trials.patterns[:, measured]))
        _warn_of_unmeasured(len(wanted.columns) - len(regions.columns), len(wanted.columns), _whose(examples))
    _refuse_gaps(trials, examples, regions.columns)
    return regions, trials


def _warn_of_unmeasured(count: int, of: int, whose: str) -> None:
    warnings.warn(
        f"{count:,} of {of:,} voxels of {whose} are NaN in every training trial; they are left out of the model, which "
        "predicts NaN for them",
        UnmeasuredVoxelWarning,
        stacklevel=2,
    )


def _shown_trials(examples: Examples, columns: NDArray[np.int64], repetitions: Repetitions) -> Trials:
    """All trials in which some voxel has a value."""
    times = examples.repetitions if repetitions == "single" and "repetition" in examples.responses.dims else 1
    parts, rows = [], []
    for number in range(times):
        block = examples.block(repetition=number if times > 1 else None)[:, columns]  # (stimuli, voxels)
        shown = ~np.isnan(block).all(1)
        parts.append(block[shown])
        rows.append(np.flatnonzero(shown))
    return Trials(np.concatenate(parts), np.concatenate(rows))


def _whose(examples: Examples) -> str:
    return f"{examples.recording.dataset}, subject {examples.subject}"


def _refuse_gaps(trials: Trials, examples: Examples, columns: NDArray[np.int64]) -> None:
    whose = _whose(examples)
    unseen = np.setdiff1d(np.arange(len(examples.stimuli)), trials.stimulus)
    if len(unseen):
        first = str(examples.stimuli.ids[unseen[0]])
        raise InputValueError(
            f"{len(unseen):,} of {len(examples.stimuli):,} stimuli of {whose} have no response, in any trial; "
            f"the first is {first!r}. Leave them out of the recording"
        )
    finite = np.isfinite(trials.patterns)
    if finite.all():
        return
    bad = columns[~finite.all(0)]
    named = "; ".join(unit_name(examples.units, int(column)) for column in bad[:MOST_NAMED])
    more = f" and {len(bad) - MOST_NAMED:,} more" if len(bad) > MOST_NAMED else ""
    raise InputValueError(
        f"{len(bad):,} of {len(columns):,} voxels of {whose} hold NaN or infinity in {int((~finite.all(1)).sum()):,} "
        f"of {len(finite):,} trials: {named}{more}. Leave these voxels out of the recording, or choose other regions"
    )
