"""Pieces of Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; what cells say stays on one line."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell(value) for value in line)} |" for line in lines)


def cell(value: object) -> str:
    """Text that a table's cell can hold."""
    return re.sub(r"\s+", " ", str(value)).replace("|", "\\|").strip()


def linked(text: str) -> str:
    """The same text with its addresses as links."""
    return re.sub(r"(?<![<(])https?://[^\s,;)\]]*[^\s,;)\].:]", lambda found: f"<{found[0]}>", text)


def code(*names: object) -> str:
    """Names as code, separated by commas."""
    return ", ".join(f"`{name}`" for name in names)


def first_line(text: str | None) -> str:
    """The first line of a docstring."""
    return (text or "").strip().partition("\n")[0].replace("``", "`")
