"""Standardise responses session by session and keep the trials on disk; memory holds one session at a time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from braincodec.datasets.nsd.sessions import Session
from braincodec.datasets.trial_rows import TrialStore, ZarrTrials
from braincodec.errors import DamagedFileError, InputValueError
from braincodec.progress import progress_bar
from braincodec.responses import ResponseWriter, empty_responses

BLOCK_BYTES = 64 * 2**20
"""Of trials in float64 that are standardised at a time."""
VERSION = 1
"""Of the way of preparing: another number makes other files."""

Floats = NDArray[np.float64]
OpenSession = Callable[[int], Session]


def prepare_trials(
    path: Path,
    plan: Mapping[str, Any],
    units: xr.Dataset,
    sessions: Sequence[int],
    trials: int,
    open_session: OpenSession,
    reference: NDArray[np.bool_] | None,
    *,
    show: bool | None = None,
) -> TrialStore:
    """Standardised trials of all sessions, from `path` where they are there already.

    Parameters
    ----------
    path : Path
        Ends in ``.zarr``. An interrupted run goes on where it stopped.
    plan : mapping
        Everything that decides the values.
    units : Dataset
    sessions : sequence of int
    trials : int
        Of a session.
    open_session : function
        From the number of a session.
    reference : array of bool, shape (all trials,), optional
        The trials that mean and standard deviation of a session are taken from; None leaves percent of signal change.
    show : bool, optional
        A progress bar; default: when there is a terminal.

    Returns
    -------
    TrialStore
        Shape (all trials, units), float32; NaN where a unit has no data, or no variance, in a session.

    Raises
    ------
    OutputError
        When the disk is too small, or another process is writing there.
    DamagedFileError
        When a session cannot be read to its end.
    """
    total = len(sessions) * trials
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        writer = ResponseWriter(path, empty_responses(units), plan=plan, expected_stimuli=total)
        with writer, progress_bar("prepare NSD", total, done=writer.next_position, show=show) as advance:
            while writer.next_position < total:
                turn, start = divmod(writer.next_position, trials)
                of_session = slice(turn * trials, (turn + 1) * trials)
                own = None if reference is None else reference[of_session]
                _write_session(writer, open_session(sessions[turn]), sessions[turn], of_session, start, own, advance)
            writer.commit()
    store = ZarrTrials(path)
    if store.shape != (total, units.sizes["unit"]):
        raise DamagedFileError(
            f"{path} holds {store.shape} trials and units, expected {(total, units.sizes['unit'])}; remove it"
        )
    return store


def plan_name(plan: Mapping[str, Any]) -> str:
    """A short name that differs when anything in the plan differs.

    Examples
    --------
    >>> plan_name({"subject": "1"}) == plan_name({"subject": "2"})
    False
    """
    return hashlib.sha256(json.dumps(dict(plan), sort_keys=True).encode()).hexdigest()[:16]


def units_without_data(store: TrialStore, sessions: int, trials: int) -> NDArray[np.bool_]:
    """Units that lack data in at least one session: what a session lacks it lacks in all its trials."""
    missing = np.zeros(store.shape[1], bool)
    for turn in range(sessions):
        missing |= np.isnan(store.read(slice(turn * trials, turn * trials + 1), slice(None))[0])
    return missing


def session_moments(session: Session, reference: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Mean and standard deviation of each unit over the chosen trials of a session.

    The standard deviation divides by the number of trials, as published. It is NaN for a unit that holds NaN in any
    trial, or is constant.

    Parameters
    ----------
    session : Session
    reference : array of bool, shape (trials,)

    Raises
    ------
    InputValueError
        When fewer than two trials are chosen.
    """
    count = int(reference.sum())
    if count < 2:
        raise InputValueError(
            f"a session has {count} training trials, too few to standardise by; standardise='published' takes all"
        )
    first = int(np.flatnonzero(reference)[0])
    # sums about a value of each unit's own lose no digits, and are exactly 0 for a constant unit
    origin = np.array(session[first : first + 1][0], np.float64)
    total, squares, everywhere = np.zeros_like(origin), np.zeros_like(origin), np.zeros_like(origin)
    with np.errstate(invalid="ignore"):  # missing data are NaN
        for block, rows in _blocks(session):
            block -= origin
            everywhere += block.sum(axis=0)
            own = block[reference[rows]]
            total += own.sum(axis=0)
            squares += np.square(own, out=own).sum(axis=0)
        mean = total / count
        deviation = np.sqrt(np.maximum(squares / count - mean**2, 0))
        known = np.isfinite(everywhere) & np.isfinite(deviation) & (deviation > 0)
    return mean + origin, np.where(known, deviation, np.nan)


def _write_session(
    writer: ResponseWriter,
    session: Session,
    number: int,
    of_session: slice,
    start: int,
    reference: NDArray[np.bool_] | None,
    advance: Callable[[int], None],
) -> None:
    everything = np.ones(session.trials, bool)
    mean, deviation = session_moments(session, everything if reference is None else reference)
    if reference is None:  # percent of signal change, but what has no data is NaN all the same
        mean, deviation = np.zeros_like(mean), np.where(np.isnan(deviation), np.nan, 1 / session.scale)
    for block, rows in _blocks(session, start):
        with np.errstate(invalid="ignore"):
            block -= mean
            block /= deviation
        ids = [f"session-{number:02d}_trial-{trial + 1:03d}" for trial in range(rows.start, rows.stop)]
        writer.write(block.astype(np.float32), ids, next_position=of_session.start + rows.stop)
        advance(len(ids))


def _blocks(session: Session, start: int = 0) -> Iterator[tuple[Floats, slice]]:
    """Consecutive trials as float64, with their place in the session."""
    step = max(BLOCK_BYTES // max(8 * session[0:1].shape[1], 1), 1)
    for begin in range(start, session.trials, step):
        rows = slice(begin, min(begin + step, session.trials))
        yield np.array(session[rows], np.float64), rows
