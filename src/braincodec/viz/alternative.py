"""Figures in words: the text alternative that every figure carries, with its numbers."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

# names spelled out before the rest is counted
MOST_NAMED = 12

_TEXTS: weakref.WeakKeyDictionary[Artist, str] = weakref.WeakKeyDictionary()


def describe(artist: Axes | Figure, text: str) -> None:
    """Give axes or a figure a text alternative, in place of the one it had.

    Parameters
    ----------
    artist : matplotlib.axes.Axes or matplotlib.figure.Figure
    text : str
        What the picture shows, with its numbers.
    """
    _TEXTS[artist] = text.strip()


def text_alternative(artist: Figure | Axes) -> str:
    """A figure in words: its own text, then those of its axes in the order in which they were made.

    Parameters
    ----------
    artist : matplotlib.figure.Figure or matplotlib.axes.Axes
        Of axes, only what they show.

    Returns
    -------
    str
        Empty when nothing was described.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> figure = Figure()
    >>> describe(figure, "Two panels.")
    >>> describe(figure.add_subplot(), "A line that rises.")
    >>> text_alternative(figure)
    'Two panels. A line that rises.'
    """
    parts: list[Axes | Figure] = [artist, *getattr(artist, "axes", [])] if hasattr(artist, "subfigs") else [artist]
    return " ".join(_TEXTS[part] for part in parts if _TEXTS.get(part))


def number(value: float, digits: int = 2) -> str:
    """A number as text; unknown when NaN.

    Examples
    --------
    >>> number(0.4271), number(float("nan")), number(-0.001), number(12345.6)
    ('0.43', 'unknown', '0.00', '12,346')
    """
    if not np.isfinite(value):
        return "unknown"
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text.replace(",", "")) == 0 else text


def count(amount: int, thing: str) -> str:
    """An amount with its noun.

    Examples
    --------
    >>> count(1, "unit"), count(1200, "unit"), count(2, "stimulus")
    ('1 unit', '1,200 units', '2 stimuli')
    """
    plural = "stimuli" if thing == "stimulus" else f"{thing}s"
    return f"{amount:,} {thing if amount == 1 else plural}"


def interval(low: float, high: float, level: float = 0.95, digits: int = 2) -> str:
    """A confidence interval as text; empty when unknown.

    Examples
    --------
    >>> interval(0.1, 0.2), interval(float("nan"), 0.2)
    ('95 % interval 0.10 to 0.20', '')
    """
    if not (np.isfinite(low) and np.isfinite(high)):
        return ""
    level = level if np.isfinite(level) else 0.95
    return f"{100 * level:g} % interval {number(low, digits)} to {number(high, digits)}"


def distribution(values: ArrayLike) -> str:
    """Median and middle half of values; NaN are left out.

    Examples
    --------
    >>> distribution([0.0, 0.5, 1.0, float("nan")])
    'median 0.50, middle half 0.25 to 0.75'
    """
    known = np.asarray(values, dtype=float)
    known = known[np.isfinite(known)]
    if not known.size:
        return "no known value"
    low, middle, high = np.percentile(known, [25, 50, 75])
    return f"median {number(middle)}, middle half {number(low)} to {number(high)}"


def listed(items: Sequence[str], most: int = MOST_NAMED) -> str:
    """Names in a row; beyond `most`, how many more there are.

    Examples
    --------
    >>> listed(["V1", "V2"]), listed(["a", "b", "c"], most=2)
    ('V1; V2', 'a; b; and 1 more')
    """
    shown = "; ".join(items[:most])
    return shown if len(items) <= most else f"{shown}; and {len(items) - most:,} more"
