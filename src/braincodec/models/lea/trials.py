"""Training patterns of one recording: trial by trial, voxels in the order of the regions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from braincodec.errors import InputValueError
from braincodec.models.lea.given_patterns import MOST_NAMED, unit_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from braincodec.models.training_data import Examples

Repetitions = Literal["single", "average"]


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
    times = examples.repetitions if repetitions == "single" and "repetition" in examples.responses.dims else 1
    parts, rows = [], []
    for number in range(times):
        block = examples.block(repetition=number if times > 1 else None)[:, columns]  # (stimuli, voxels)
        shown = ~np.isnan(block).all(1)
        parts.append(block[shown])
        rows.append(np.flatnonzero(shown))
    trials = Trials(np.concatenate(parts), np.concatenate(rows))
    _refuse_gaps(trials, examples, columns)
    return trials


def _refuse_gaps(trials: Trials, examples: Examples, columns: NDArray[np.int64]) -> None:
    whose = f"{examples.recording.dataset}, subject {examples.subject}"
    unseen = len(examples.stimuli) - len(np.unique(trials.stimulus))
    if unseen:
        raise InputValueError(f"{unseen:,} of {len(examples.stimuli):,} stimuli of {whose} have no response")
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
