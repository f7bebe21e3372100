"""Rows of measurements as a Markdown table, printed as soon as they are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np


def print_rows(rows: Sequence[Mapping[str, object]], header: bool = True) -> None:
    """A Markdown table; its head from the keys of the first row."""
    if header:
        print("\n| " + " | ".join(rows[0]) + " |\n|" + " --- |" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join(_text(value) for value in row.values()) + " |", flush=True)


def _text(value: object) -> str:
    if isinstance(value, float | np.floating):
        number = float(value)
        return f"{number:.1e}" if abs(number) < 0.01 else f"{number:,.2f}" if abs(number) < 10 else f"{number:,.0f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
