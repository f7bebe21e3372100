"""Trials of several files as one: stacked, rescaled, some units of them; and which trials show which stimulus."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braincodec.datasets.trial_rows import Columns, TrialStore, as_columns
from braincodec.stimuli.sources.base import consecutive_runs

BLOCK_BYTES = 32 * 2**20  # read at a time, when all values are looked at


class Stacked(TrialStore):
    """The trials of one store after those of another, all of the same units."""

    def __init__(self, *parts: TrialStore) -> None:
        self._parts = parts
        self._ends = np.cumsum([part.shape[0] for part in parts])
        self.shape = (int(self._ends[-1]), parts[0].shape[1])
        self.chunks = (max(part.chunks[0] for part in parts), max(part.chunks[1] for part in parts))
        self.dtype = np.result_type(*(part.dtype for part in parts))

    def read(self, rows: slice, columns: Columns) -> NDArray[Any]:
        """Rows may lie in several parts."""
        begin, end, _ = rows.indices(self.shape[0])
        blocks = []
        for part, stop in zip(self._parts, self._ends, strict=True):
            start = stop - part.shape[0]
            first, last = max(begin, start), min(end, stop)
            if first < last:
                blocks.append(part.read(slice(int(first - start), int(last - start)), columns))
        if not blocks:
            return self._parts[0].read(slice(0, 0), columns)
        return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)


class ChosenUnits(TrialStore):
    """Some units of a store, in another order."""

    def __init__(self, trials: TrialStore, columns: NDArray[np.int64]) -> None:
        self._trials, self._columns = trials, columns
        self.shape = (trials.shape[0], len(columns))
        self.chunks, self.dtype = (trials.chunks[0], min(trials.chunks[1], len(columns))), trials.dtype

    def read(self, rows: slice, columns: Columns) -> NDArray[Any]:
        """Units in the order asked for."""
        return self._trials.read(rows, as_columns(self._columns[columns]))


class Rescaled(TrialStore):
    """``(value - mean) / deviation``, the same two numbers for all units."""

    def __init__(self, trials: TrialStore, mean: float, deviation: float) -> None:
        self._trials, self._mean, self._deviation = trials, mean, deviation
        self.shape, self.chunks = trials.shape, trials.chunks
        self.dtype = np.result_type(trials.dtype, np.float32)

    def read(self, rows: slice, columns: Columns) -> NDArray[Any]:
        """Rescaled in the precision of the file."""
        values = self._trials.read(rows, columns).astype(self.dtype)
        values -= self._mean
        values /= self._deviation
        return values


def blocks_of(trials: TrialStore, rows: NDArray[np.integer]) -> Iterator[NDArray[Any]]:
    """Some trials with all their units, a bounded number at a time."""
    most = max(BLOCK_BYTES // max(trials.shape[1] * trials.dtype.itemsize, 1), 1)
    for run in consecutive_runs(np.unique(rows)):
        for first in range(run.start, run.stop, most):
            yield trials.read(slice(first, min(first + most, run.stop)), slice(0, trials.shape[1]))


def mean_and_deviation(trials: TrialStore, rows: NDArray[np.integer]) -> tuple[float, float]:
    """Mean and standard deviation of all values of some trials together, NaN passed over.

    Notes
    -----
    Blocks are merged by their means and co-moments (Chan, Golub, LeVeque 1983), so nothing is read twice or held.

    Examples
    --------
    >>> from braincodec.datasets.trial_rows import ArrayTrials
    >>> mean_and_deviation(ArrayTrials(np.array([[1.0, 3.0], [9.0, 9.0]])), np.array([0]))
    (2.0, 1.0)
    """
    count, mean, moment = 0, 0.0, 0.0
    for block in blocks_of(trials, rows):
        values = block[~np.isnan(block)].astype(np.float64)
        if not values.size:
            continue
        own, both = values.mean(), count + values.size
        moment += ((values - own) ** 2).sum() + (own - mean) ** 2 * count * values.size / both
        mean += (own - mean) * values.size / both
        count = both
    return float(mean), float(np.sqrt(moment / count)) if count else np.nan


def trial_table(shown: Sequence[str]) -> tuple[list[str], NDArray[np.int64]]:
    """Which trials show which stimulus.

    Parameters
    ----------
    shown : sequence of str
        The stimulus of each trial.

    Returns
    -------
    ids : list of str
        In the order in which they were first shown.
    trial_of : array of int, shape (stimuli, repetitions)
        Trials in the order in which they were shown; -1 where a stimulus was shown less often.

    Examples
    --------
    >>> ids, table = trial_table(["b", "a", "b"])
    >>> ids, table.tolist()
    (['b', 'a'], [[0, 2], [1, -1]])
    """
    trials: dict[str, list[int]] = {}
    for trial, name in enumerate(shown):
        trials.setdefault(name, []).append(trial)
    most = max(map(len, trials.values()), default=0)
    table = np.full((len(trials), most), -1, np.int64)
    for row, own in enumerate(trials.values()):
        table[row, : len(own)] = own
    return list(trials), table


def stacked_tables(*tables: NDArray[np.int64]) -> NDArray[np.int64]:
    """Tables of further stimuli below each other, padded with -1 to the most repetitions.

    Examples
    --------
    >>> stacked_tables(np.array([[0]]), np.array([[1, 2]])).tolist()
    [[0, -1], [1, 2]]
    """
    most = max(table.shape[1] for table in tables)
    return np.concatenate([np.pad(t, ((0, 0), (0, most - t.shape[1])), constant_values=-1) for t in tables])
