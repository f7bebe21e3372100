"""What commands write: results to stdout, remarks to stderr."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import typer

from braincodec.subjects import ranges as ranges

PROGRAM = "braincodec"
WIDTH_WITHOUT_TERMINAL = 160


def say(text: str) -> None:
    """Write a line of the result to stdout."""
    typer.echo(text)


def note(text: str) -> None:
    """Write a remark to stderr."""
    typer.echo(text, err=True)


def program() -> str:
    """The program as the reader can type it: by its name where a shell finds it, else by the path it was called by."""
    called = sys.argv[0]
    if Path(called).name != PROGRAM or shutil.which(PROGRAM):
        return PROGRAM
    return called


def say_json(value: Any) -> None:
    """Write the result to stdout as JSON that every reader takes: NaN and infinities become null."""
    typer.echo(json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False))


def plain(value: Any) -> Any:
    """A copy made of JSON's own types.

    Examples
    --------
    >>> plain({1: (float("nan"), 2.5)})
    {'1': [None, 2.5]}
    """
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and value - value != 0:
        return None
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def say_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "") -> None:
    """Write a table to stdout; names with a trailing ``>`` are aligned to the right, without names no header."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    if title:
        say(title)
    named = any(columns)
    table = Table(box=box.SIMPLE_HEAD if named else None, show_header=named, pad_edge=False, padding=(0, 2, 0, 0))
    for name in columns:
        table.add_column(name.rstrip(">"), justify="right" if name.endswith(">") else "left", overflow="fold")
    for row in rows:
        table.add_row(*[shown(cell) for cell in row])
    width = None if sys.stdout.isatty() else WIDTH_WITHOUT_TERMINAL
    Console(file=sys.stdout, width=width, markup=False, highlight=False).print(table)


def shown(value: object) -> str:
    """A value as a cell of a table.

    Examples
    --------
    >>> shown(None), shown(0.5), shown(["V1", "V2"])
    ('', '0.500', 'V1, V2')
    """
    if value is None or value == "":
        return ""
    if isinstance(value, float):
        return f"{value:.3f}" if value == value else ""
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return str(value)


def size(count: int | None) -> str:
    """Bytes in words.

    Examples
    --------
    >>> size(3_700_000_000), size(12_000), size(None)
    ('3.70 GB', '12.0 kB', '')
    """
    if count is None:
        return ""
    if count >= 1e9:
        return f"{count / 1e9:.2f} GB"
    return f"{count / 1e6:,.1f} MB" if count >= 1e6 else f"{count / 1e3:,.1f} kB"
