"""Trials made into responses: z-scored within sessions by training trials, averaged over the repetitions there are."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braincodec.datasets.trial_rows import BLOCK_BYTES, Columns, StimulusRows, TrialStore
from braincodec.errors import InputValueError
from braincodec.stimuli.sources.base import consecutive_runs

FEWEST_TRIALS = 2  # that have a standard deviation
ROUNDING = 1e-14  # of a mean: what a constant unit may seem to vary


class PresentRows(StimulusRows):
    """As `StimulusRows`, but a mean is over the repetitions that have a value, for each unit."""

    def _gather(self, table: NDArray[np.int64], columns: Columns, width: int) -> NDArray[Any]:
        if not self._average or table.shape[1] == 1:
            return super()._gather(table, columns, width)
        each = StimulusRows(self._trials, self._trial_of, average=False)
        values = np.empty((len(table), width), self.dtype)
        step = max(BLOCK_BYTES // max(table.shape[1] * width * self.dtype.itemsize, 1), 1)
        for begin in range(0, len(table), step):
            block = each._gather(table[begin : begin + step], columns, width)  # (stimuli, repetitions, units)
            values[begin : begin + step] = mean_of_present(block)
        return values


def mean_of_present(values: NDArray[Any]) -> NDArray[Any]:
    """Mean over the second axis of the values that there are; NaN where there is none.

    Examples
    --------
    >>> mean_of_present(np.array([[[1.0], [3.0], [np.nan]], [[np.nan], [np.nan], [np.nan]]])).ravel().tolist()
    [2.0, nan]
    """
    present = ~np.isnan(values)
    count = present.sum(axis=1)
    total = np.where(present, values, 0).sum(axis=1, dtype=np.float64)
    return np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0).astype(values.dtype)


class SessionScaled(TrialStore):
    """Trials z-scored within their session, for each unit, by mean and standard deviation over its training trials.

    Parameters
    ----------
    trials : TrialStore
    session : array of int, shape (trials,)
        -1 for trials that are not used: they come back as NaN.
    training : array of bool, shape (trials,)
    names : list of str
        Of sessions, for messages.

    Raises
    ------
    InputValueError
        When a session has fewer than two training trials.

    Notes
    -----
    The standard deviation is that of the training trials themselves (divided by their number). A unit that does not
    vary in a session becomes 0 there.
    """

    def __init__(
        self, trials: TrialStore, session: NDArray[np.int64], training: NDArray[np.bool_], names: list[str]
    ) -> None:
        self._trials, self._session, self._training = trials, session, training
        self.shape, self.chunks = trials.shape, trials.chunks
        self.dtype = np.result_type(trials.dtype, np.float32)
        for number, name in enumerate(names):
            count = int((training & (session == number)).sum())
            if count < FEWEST_TRIALS:
                raise InputValueError(
                    f"session {name!r} has {count} training trial{'' if count == 1 else 's'}, so it cannot be z-scored "
                    "by them; at least 2 are needed"
                )

    def read(self, rows: slice, columns: Columns) -> NDArray[Any]:
        """A copy."""
        means, deviations = self._statistics
        session = self._session[rows]
        values = np.array(self._trials.read(rows, columns), self.dtype)
        for number in np.unique(session):
            own = session == number
            if number < 0:
                values[own] = np.nan
            else:
                values[own] = (values[own] - means[number, columns]) / deviations[number, columns]
        return values

    @functools.cached_property
    def _statistics(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and standard deviation, shape (sessions, units); read once, NaN passed over."""
        sessions = int(self._session.max()) + 1
        means, deviations = np.full((2, sessions, self.shape[1]), np.nan)
        for number in range(sessions):
            rows = np.flatnonzero(self._training & (self._session == number))
            means[number], deviations[number] = unit_statistics(self._trials, rows)
        deviations[deviations <= ROUNDING * np.abs(means)] = 1
        return means, deviations


def unit_statistics(trials: TrialStore, rows: NDArray[np.integer]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each unit over some trials, NaN passed over.

    Notes
    -----
    Blocks are merged by their means and co-moments (Chan, Golub, LeVeque 1983), so nothing is read twice or held.

    Examples
    --------
    >>> from braincodec.datasets.trial_rows import ArrayTrials
    >>> mean, deviation = unit_statistics(ArrayTrials(np.array([[1.0], [3.0], [np.nan]])), np.arange(3))
    >>> mean.tolist(), deviation.tolist()
    ([2.0], [1.0])
    """
    width = trials.shape[1]
    count, mean, moment = np.zeros((3, width))
    most = max(BLOCK_BYTES // max(width * 8, 1), 1)
    for run in consecutive_runs(np.unique(rows)):
        for begin in range(run.start, run.stop, most):
            block = trials.read(slice(begin, min(begin + most, run.stop)), slice(0, width)).astype(np.float64)
            present = ~np.isnan(block)
            own = present.sum(axis=0)
            centre = np.divide(np.where(present, block, 0).sum(axis=0), own, out=np.zeros(width), where=own > 0)
            spread = (np.where(present, block - centre, 0) ** 2).sum(axis=0)
            both = np.maximum(count + own, 1)
            moment += spread + (centre - mean) ** 2 * count * own / both
            mean += (centre - mean) * own / both
            count += own
    deviation = np.sqrt(moment / np.maximum(count, 1))
    empty = count == 0
    mean[empty], deviation[empty] = np.nan, np.nan
    return mean, deviation
