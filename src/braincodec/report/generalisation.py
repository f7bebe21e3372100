"""Scores under splits that test generalisation, as a table whose gap is in sight on a phone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from braincodec.report.glossary import Glossary
from braincodec.report.numbers import count, interval, number
from braincodec.report.tables import Cell, Column, ShownTable, plain_table, sort_key

if TYPE_CHECKING:
    import pandas as pd

TITLE = "Scores under each split"
# what `compare_splits` writes
NEEDED = {"scheme", "splits", "n_train", "n_test", "score", "low", "high", "lowest", "highest"}
NEEDED |= {"gap", "gap_low", "gap_high"}


def generalisation_table(table: pd.DataFrame, glossary: Glossary) -> ShownTable:
    """The table of a `SplitComparison`, what matters first; any other table as it is.

    Parameters
    ----------
    table : DataFrame
    glossary : Glossary
        Learns what is mentioned.
    """
    if not set(table.columns) >= NEEDED:
        return plain_table(table, TITLE, glossary)
    columns = [
        Column("Scheme", is_number=False),
        _column("Score", "score", glossary),
        _column("Gap to random", "gap", glossary),
        Column("Lowest and highest"),
        Column("Splits"),
        Column("Training / test stimuli"),
    ]
    metrics = [str(name) for name in dict.fromkeys(table.get("metric", ()))]
    named = metrics[0] if len(metrics) == 1 else None
    title = f"{TITLE}: {glossary.title(named)}" if named else TITLE
    shown = ShownTable(title, named if named and glossary.mention(named) else None, _note(table), columns, compact=True)
    for row in table.to_dict("records"):
        shown.rows.append((_cells(row), None))
    return shown


def _column(title: str, name: str, glossary: Glossary) -> Column:
    return Column(title, name if glossary.mention(name) else None)


def _cells(row: dict[str, Any]) -> list[Cell]:
    return [
        Cell(str(row["scheme"]), sort=str(row["scheme"]), heads=True),
        Cell(number(row["score"]), interval(row["low"], row["high"]), sort_key(row["score"])),
        Cell(number(row["gap"]), interval(row["gap_low"], row["gap_high"]), sort_key(row["gap"])),
        Cell(interval(row["lowest"], row["highest"]), sort=sort_key(row["lowest"])),
        Cell(count(row["splits"]), sort=sort_key(row["splits"])),
        Cell(f"{count(row['n_train'])} / {count(row['n_test'])}", sort=sort_key(row["n_train"])),
    ]


def _note(table: pd.DataFrame) -> str:
    parts = [str(text) for text in dict.fromkeys(table.get("summary", ())) if text]
    levels = [float(level) for level in dict.fromkeys(table.get("level", ())) if math.isfinite(level)]
    parts += [f"{100 * levels[0]:g} % intervals"] if len(levels) == 1 else []
    return ", ".join(parts)
