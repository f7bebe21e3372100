"""Numbers as a reader sees them: few digits, the same everywhere."""

from __future__ import annotations

import math

ABSENT, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"
SMALLEST_P = 0.001


def number(value: object) -> str:
    """A number with three decimals, fewer where it is large.

    Examples
    --------
    >>> number(0.41234), number(-0.1), number(-0.00001), number(5321.7), number(float("nan")), number(None)
    ('0.412', '−0.100', '0.000', '5,322', '–', '–')
    """
    if value is None or not isinstance(value, (int, float)) or not math.isfinite(value):
        return ABSENT
    size = abs(value)
    if size >= 1000:
        text = f"{size:,.0f}"
    elif size >= 10:
        text = f"{size:.1f}"
    else:
        text = f"{size:.3f}"
    return f"{MINUS}{text}" if value < 0 and text != "0.000" else text


def interval(low: object, high: object) -> str:
    """Two ends of an interval; nothing where either is unknown.

    Examples
    --------
    >>> interval(0.1, 0.25), interval(0.1, float("nan"))
    ('0.100 to 0.250', '')
    """
    ends = number(low), number(high)
    return "" if ABSENT in ends else " to ".join(ends)


def count(value: object) -> str:
    """A whole number with its thousands apart.

    Examples
    --------
    >>> count(327684), count(200.0), count(None)
    ('327,684', '200', '–')
    """
    if value is None or not isinstance(value, (int, float)) or not math.isfinite(value):
        return ABSENT
    return f"{int(value):,}"


def probability(value: object) -> str:
    """A p value; the smallest that permutations commonly reach is not spelled out.

    Examples
    --------
    >>> probability(0.000999), probability(0.04213), probability(None)
    ('< 0.001', '0.042', '–')
    """
    if value is None or not isinstance(value, (int, float)) or not math.isfinite(value):
        return ABSENT
    return f"< {SMALLEST_P}" if value < SMALLEST_P else f"{value:.3f}"


def percent(part: float) -> str:
    """A part of one, in whole percent.

    Examples
    --------
    >>> percent(0.623)
    '62%'
    """
    return f"{100 * part:.0f}%"
