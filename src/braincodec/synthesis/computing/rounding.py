"""Responses as they are stored: float32 as computed, or float16 with its rounding error stated."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Self

import numpy as np
from numpy.typing import NDArray

from braincodec.config import Config
from braincodec.errors import InputValueError

LARGEST_FLOAT16 = float(np.finfo(np.float16).max)


class Rounding(Config):
    """What float16 lost of some responses, as sums that can be added up over blocks.

    Parameters
    ----------
    values : int
        Finite ones.
    largest : float
        Largest absolute error, in the responses' units.
    squared_error : float
        Sum over the values.
    total, squares : float
        Sums of the values and of their squares.
    """

    values: int = 0
    largest: float = 0.0
    squared_error: float = 0.0
    total: float = 0.0
    squares: float = 0.0

    @property
    def relative(self) -> float:
        """Root mean square error relative to the values' standard deviation; NaN where they do not vary.

        Examples
        --------
        >>> Rounding(values=4, squared_error=0.04, total=0, squares=4).relative
        0.1
        """
        if not self.values:
            return math.nan
        variance = self.squares / self.values - (self.total / self.values) ** 2
        return math.sqrt(self.squared_error / self.values / variance) if variance > 0 else math.nan

    @classmethod
    def merged(cls, parts: Iterable[Rounding]) -> Self:
        """Of several blocks together."""
        known = list(parts)
        return cls(
            values=sum(part.values for part in known),
            largest=max((part.largest for part in known), default=0.0),
            squared_error=math.fsum(part.squared_error for part in known),
            total=math.fsum(part.total for part in known),
            squares=math.fsum(part.squares for part in known),
        )


def to_float16(values: NDArray[np.float32], out: NDArray[np.float16], name: str) -> Rounding:
    """Round responses into `out`.

    Parameters
    ----------
    values : array of float32
        NaN stays NaN.
    out : array of float16, the same shape
    name : str
        Of what was computed, for the error.

    Returns
    -------
    Rounding

    Raises
    ------
    InputValueError
        When a value is too large for float16, which ends at 65,504.

    Examples
    --------
    >>> out = np.empty(2, np.float16)
    >>> to_float16(np.array([1.0, 1.0001], np.float32), out, "a model").largest < 2e-4
    True
    """
    with np.errstate(over="ignore"):
        np.copyto(out, values, casting="same_kind")
    if np.isinf(out).any():
        largest = float(np.nanmax(np.abs(values)))
        raise InputValueError(
            f"{name} gives responses of up to {largest:.6g}, and float16 ends at {LARGEST_FLOAT16:,.0f}: "
            "store them as float32"
        )
    exact = values.astype(np.float64)
    error = out.astype(np.float64) - exact
    finite = np.isfinite(exact)
    count = int(finite.sum())
    if not count:
        return Rounding()
    if count < exact.size:
        exact, error = exact[finite], error[finite]
    exact, error = exact.ravel(), error.ravel()
    return Rounding(
        values=count,
        largest=float(np.abs(error).max()),
        squared_error=float(error @ error),
        total=float(exact.sum()),
        squares=float(exact @ exact),
    )
