"""Several files of one subject as one: sessions one after the other, all of the same units."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from braincodec.datasets.own.trials import KeptTrials, Trials
from braincodec.datasets.trial_arrangement import Stacked
from braincodec.datasets.trial_rows import TrialStore
from braincodec.errors import InputValueError

MANY = 50  # files, from which opening them again and again takes longer than reading them


def joined(parts: Sequence[Trials]) -> Trials:
    """The trials of further files after those of the first.

    Raises
    ------
    InputValueError
        When they have other units, channels, times or repetitions than the first.
    """
    first = parts[0]
    for other in parts[1:]:
        if other.store.shape[1] != first.store.shape[1]:
            raise InputValueError(
                f"{first.where} has {first.store.shape[1]:,} units, but {other.where} has {other.store.shape[1]:,}; "
                "sessions of one subject must have the same units"
            )
        if other.repetitions != first.repetitions:
            raise InputValueError(
                f"{first.where} has {first.repetitions} repetitions, but {other.where} has {other.repetitions}"
            )
        same_times = (other.times is None) == (first.times is None) and (
            other.times is None or first.times is None or np.allclose(other.times, first.times)
        )
        if other.channels != first.channels or not same_times:
            raise InputValueError(f"{first.where} and {other.where} have different channels or times")
        if first.units is not None and other.units is not None and not _same_voxels(first, other):
            raise InputValueError(f"{first.where} and {other.where} have different voxels; give one mask= for both")
    tables = [part.table for part in parts]
    store: TrialStore = Stacked(*(part.store for part in parts))
    return Trials(
        KeptTrials(store) if len(parts) > MANY else store,
        f"{first.where} and {len(parts) - 1} further files",
        repetitions=first.repetitions,
        units=first.units,
        table=None if any(table is None for table in tables) else pd.concat(tables, ignore_index=True),
        channels=first.channels,
        times=first.times,
        modality=first.modality,
        response_units=first.response_units,
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
        paths=tuple(path for part in parts for path in part.paths),
    )


def _same_voxels(first: Trials, other: Trials) -> bool:
    assert first.units is not None
    assert other.units is not None
    names = [name for name in ("i", "j", "k", "vertex", "hemisphere", "name") if name in first.units]
    return all(name in other.units and (first.units[name].values == other.units[name].values).all() for name in names)
