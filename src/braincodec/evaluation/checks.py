"""What every metric asks of its arrays: real numbers, shapes that fit, nothing missing that should be there."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braincodec.errors import InputTypeError, InputValueError
from braincodec.evaluation.definition import UndefinedScoreWarning
from braincodec.memory import TILE_BYTES as TILE_BYTES
from braincodec.memory import tiles as tiles

Floats = NDArray[Any]  # float32 or float64
STIMULI_AND_UNITS = ("stimuli", "units")


def as_floats(name: str, values: ArrayLike, dims: Sequence[str] = STIMULI_AND_UNITS) -> Floats:
    """A float32 or float64 array with the stated dimensions; nothing is copied that has such a dtype already.

    Parameters
    ----------
    name : str
        For messages, such as ``"prediction"``.
    values : array_like
        Real numbers: float16 becomes float32; integers and booleans become float64; in the machine's byte order.
    dims : sequence of str
        What each dimension is.

    Raises
    ------
    InputTypeError
        When the values are not real numbers.
    InputValueError
        When there are more or fewer dimensions.

    Examples
    --------
    >>> as_floats("prediction", [[1, 2], [3, 4]]).dtype
    dtype('float64')
    >>> as_floats("prediction", [1.0, 2.0])
    Traceback (most recent call last):
    braincodec.errors.InputValueError: prediction must have shape (stimuli, units), not (2,)
    """
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise InputTypeError(f"{name} must hold real numbers, not {array.dtype}")
    if array.ndim != len(dims):
        raise InputValueError(f"{name} must have shape ({', '.join(dims)}), not {array.shape}")
    few_digits = array.dtype.kind == "f" and array.dtype.itemsize <= np.dtype(np.float32).itemsize
    return array.astype(np.float32 if few_digits else np.float64, copy=False)


def check_pair(
    prediction: ArrayLike,
    response: ArrayLike,
    dims: Sequence[str] = STIMULI_AND_UNITS,
    names: tuple[str, str] = ("prediction", "response"),
) -> tuple[Floats, Floats]:
    """Two arrays of real numbers and of one shape.

    Parameters
    ----------
    prediction, response : array_like
    dims : sequence of str
        What each dimension is.
    names : (str, str)
        What the two are called in messages.

    Returns
    -------
    prediction, response : array, float32 or float64

    Raises
    ------
    InputTypeError, InputValueError
        As `as_floats`; also when the shapes differ, naming both.

    Examples
    --------
    >>> check_pair([[1.0, 2.0]], [[1.0]])
    Traceback (most recent call last):
    braincodec.errors.InputValueError: prediction has shape (1, 2) and response (1, 1); both must have the same shape (stimuli, units)
    """  # noqa: E501
    first, second = as_floats(names[0], prediction, dims), as_floats(names[1], response, dims)
    if first.shape != second.shape:
        raise InputValueError(
            f"{names[0]} has shape {first.shape} and {names[1]} {second.shape}; "
            f"both must have the same shape ({', '.join(dims)})"
        )
    return first, second


def check_finite(name: str, values: Floats) -> NDArray[np.bool_]:
    """Refuse infinities and stray NaN; say which units are NaN for every stimulus, as vertices without data are.

    Parameters
    ----------
    name : str
        For messages.
    values : array, shape (stimuli, units) or (stimuli, channels, times)

    Returns
    -------
    absent : array of bool, shape (units,) or (channels, times)

    Raises
    ------
    InputValueError
        With how many values are not finite and where the first is.

    Examples
    --------
    >>> import numpy as np
    >>> check_finite("response", np.array([[1.0, np.nan], [2.0, np.nan]]))
    array([False,  True])
    >>> check_finite("response", np.array([[1.0, np.nan], [2.0, 5.0]]))
    Traceback (most recent call last):
    braincodec.errors.InputValueError: response has 1 value that is NaN or infinite, the first at stimulus 0, unit 1
    """
    not_finite = np.zeros(values.shape[1:], np.int64)
    missing = np.zeros(values.shape[1:], np.int64)
    for rows in tiles(len(values), bytes_each=max(1, not_finite.size)):
        wrong = ~np.isfinite(values[rows])
        if wrong.any():
            not_finite += wrong.sum(axis=0)
            missing += np.isnan(values[rows]).sum(axis=0)
    absent: NDArray[np.bool_] = (missing == len(values)) & (len(values) > 0)
    stray = (not_finite > 0) & ~absent
    if stray.any():
        _refuse_stray(name, values, stray, int(not_finite[stray].sum()))
    return absent


def _refuse_stray(name: str, values: Floats, stray: NDArray[np.bool_], count: int) -> None:
    columns = np.argwhere(stray)
    # among the units concerned, the earliest stimulus
    first_stimuli = [int(np.argmin(np.isfinite(values[(slice(None), *column)]))) for column in columns[:1000]]
    nearest = int(np.argmin(first_stimuli))
    words = ("unit",) if stray.ndim == 1 else ("channel", "time")
    place = ", ".join(f"{word} {index}" for word, index in zip(words, columns[nearest], strict=False))
    what = "value that is" if count == 1 else "values that are"
    raise InputValueError(
        f"{name} has {count} {what} NaN or infinite, the first at stimulus {first_stimuli[nearest]}, {place}"
    )


def warn_undefined(
    what: str, undefined: NDArray[np.bool_], reason: str, of: str = "units", stacklevel: int = 3
) -> None:
    """One `UndefinedScoreWarning` for all scores that are NaN; none when there are none.

    Parameters
    ----------
    what : str
        The score, such as ``"correlation"``.
    undefined : array of bool
        True where it is NaN.
    reason : str
        Why, such as ``"prediction or response does not vary"``.
    of : str
        What has one score each: ``"units"``, ``"stimuli"``.
    stacklevel : int
        As in `warnings.warn`; 3 names the caller of the function that calls this one.

    Examples
    --------
    >>> import numpy as np
    >>> warn_undefined("correlation", np.array([False, False]), "prediction or response does not vary")
    """
    count = int(undefined.sum())
    if count:
        text = f"{what} is NaN for {count} of {undefined.size} {of}: {reason}"
        warnings.warn(text, UndefinedScoreWarning, stacklevel=stacklevel)
