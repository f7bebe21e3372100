"""Which trial of the response files belongs to which row of the table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from braincodec.datasets.own.sources import SHARED, Source
from braincodec.datasets.own.table import ROW
from braincodec.datasets.own.trials import Trials
from braincodec.errors import InputValueError, MissingFileError

MOST_SHOWN = 3


def same_name(one: str, other: str) -> bool:
    """Whether two names of a subject or session are the same, as numbers where they are.

    Examples
    --------
    >>> same_name("01", "1"), same_name("a", "b")
    (True, False)
    """
    return one == other or (one.isdecimal() and other.isdecimal() and int(one) == int(other))


def sources_of(sources: Sequence[Source], subject: str) -> list[Source]:
    """The responses of one subject; those that name nobody belong to everybody.

    Raises
    ------
    InputValueError
        When there are none.
    """
    found = [source for source in sources if source.subject == SHARED or same_name(source.subject, subject)]
    if not found:
        known = ", ".join(dict.fromkeys(source.subject for source in sources))
        raise InputValueError(f"there are no responses of subject {subject!r}; there are those of {known}")
    return found


def names_files(table: pd.DataFrame) -> bool:
    """Whether the column `response` names files; otherwise it numbers trials."""
    return "response" in table and not all(text.removeprefix("-").isdecimal() for text in table["response"])


def files_of(rows: pd.DataFrame, places: Sequence[Path], where: str) -> list[Path]:
    """The files that the column `response` names, one a trial.

    Raises
    ------
    MissingFileError
        Saying how many do not exist, and the first three.
    """
    found, missing = [], []
    for text in rows["response"]:
        path = next((place / text for place in places if text and (place / text).is_file()), None)
        if path is None:
            missing.append(text or "(empty)")
        else:
            found.append(path)
    if missing:
        named = ", ".join(missing[:MOST_SHOWN]) + (", ..." if len(missing) > MOST_SHOWN else "")
        looked = ", ".join(str(place) for place in places)
        raise MissingFileError(named, f"{len(missing)} of {len(rows)} responses that {where} names", f"in {looked}")
    return found


def positions(
    rows: pd.DataFrame,
    whole: pd.DataFrame,
    trials: Trials,
    sources: Sequence[Source],
    counts: Sequence[int],
    where: str,
) -> NDArray[np.int64]:
    """Which row of the response files each row of a subject's table is.

    Parameters
    ----------
    rows, whole : DataFrame
        Rows of the subject, and of everybody.
    trials : Trials
        Of the subject.
    sources : sequence of Source
        What `trials` were joined from.
    counts : sequence of int
        Rows of each of them.
    where : str
        Name of the table.

    Returns
    -------
    array of int, shape (rows of the table,)
        From 0.

    Raises
    ------
    InputValueError
        When numbers of rows disagree, or the column `response` points outside the files or twice to a trial.
    """
    numbered = "response" in rows and not names_files(whole)
    by_session = len(sources) > 1 and "session" in rows and all(source.session for source in sources)
    if by_session:
        return _by_session(rows, sources, counts, where, numbered=numbered)
    if numbered:
        return _checked_numbers(rows, trials.rows, trials.where, where)
    shared = len(rows) < len(whole) and all(source.subject == SHARED for source in sources) and "response" not in rows
    expected = whole if shared else rows
    if len(expected) != trials.rows:
        raise InputValueError(_disagreement(trials, len(expected), where, rows, shared=shared))
    return rows[ROW].to_numpy(np.int64) if shared else np.arange(len(rows))


def _by_session(
    rows: pd.DataFrame, sources: Sequence[Source], counts: Sequence[int], where: str, *, numbered: bool
) -> NDArray[np.int64]:
    found = np.full(len(rows), -1, np.int64)
    session = rows["session"].to_numpy(str)
    start = 0
    for source, count in zip(sources, counts, strict=True):
        own = np.flatnonzero([same_name(name, source.session) for name in session])
        if numbered:
            found[own] = start + _checked_numbers(rows.iloc[own], count, f"session {source.session}", where)
        elif len(own) != count:
            raise InputValueError(
                f"{where} has {len(own)} rows of subject {source.subject or '1'}, session {source.session}, but its "
                f"responses have {count} trials"
            )
        else:
            found[own] = start + np.arange(count)
        start += count
    if (found < 0).any():
        name = session[found < 0][0]
        known = ", ".join(source.session for source in sources)
        raise InputValueError(f"there are no responses of session {name!r}; there are those of {known}")
    return found


def _checked_numbers(rows: pd.DataFrame, count: int, file: str, where: str) -> NDArray[np.int64]:
    numbers = rows["response"].astype(int).to_numpy(np.int64)
    outside = (numbers < 0) | (numbers >= count)
    if outside.any():
        raise InputValueError(
            f"{int(outside.sum())} rows of {where} name trials that {file} does not have, such as "
            f"{numbers[outside][0]}; it has {count:,}, numbered from 0"
        )
    unique, times = np.unique(numbers, return_counts=True)
    if (times > 1).any():
        raise InputValueError(f"{where} names trial {unique[times > 1][0]} of {file} {times.max()} times")
    return numbers


def _disagreement(trials: Trials, expected: int, where: str, rows: pd.DataFrame, *, shared: bool) -> str:
    whose = "" if shared or "subject" not in rows else f" of subject {rows['subject'].iloc[0]!r}"
    units = trials.store.shape[1]
    text = f"{where} has {expected:,} rows{whose}, but {trials.where} has {trials.rows:,} trials of {units:,} units"
    if units == expected:
        text += '; is its first dimension the unit? Then say layout="unit,trial"'
    elif "response" not in rows:
        text += "; a column `response` can say which trial (from 0) each row is"
    return text
