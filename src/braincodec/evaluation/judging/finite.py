"""Values that should be there and are not: how many, and where the first is, by the names that people know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braincodec.errors import InputValueError


def refuse_stray(
    what: str, values: NDArray[Any], ids: Sequence[str], begin: int = 0, *, repeated: bool = False
) -> None:
    """Raise for infinities, and for NaN that is neither a missing repetition nor a unit without any data.

    Parameters
    ----------
    what : str
    values : array, shape (stimuli, units) or, `repeated`, (stimuli, repetitions, units)
    ids : sequence of str
        Of the stimuli.
    begin : int
        Number of the first unit.
    repeated : bool
        NaN is a missing repetition, as long as each stimulus has one for each unit that has any.

    Raises
    ------
    InputValueError

    Examples
    --------
    >>> refuse_stray("predictions", np.array([[1.0, np.nan], [2.0, 3.0]]), ["a", "b"])
    Traceback (most recent call last):
    braincodec.errors.InputValueError: predictions have 1 value that is NaN, the first for stimulus 'a', unit 1
    """
    if values.dtype.kind != "f":
        return
    infinite = np.isinf(values)
    if infinite.any():
        stimulus, *_, unit = np.argwhere(infinite)[0]
        raise InputValueError(_sentence(what, int(infinite.sum()), "infinite", ids[stimulus], begin + unit))
    missing = np.isnan(values)
    if not missing.any():
        return
    if repeated:
        missing = missing.all(axis=1)
    stray = missing & ~missing.all(axis=0)
    if stray.any():
        stimulus, unit = np.argwhere(stray)[0]
        raise InputValueError(_sentence(what, int(stray.sum()), "NaN", ids[stimulus], begin + unit))


def _sentence(what: str, count: int, kind: str, stimulus: str, unit: int) -> str:
    which = f"{count:,} values that are" if count > 1 else "1 value that is"
    return f"{what} have {which} {kind}, the first for stimulus {stimulus!r}, unit {unit}"
