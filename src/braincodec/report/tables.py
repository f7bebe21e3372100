"""The table of scores, cut into tables that a page can show."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from braincodec.report.numbers import ABSENT, count, interval, number, probability

if TYPE_CHECKING:
    import pandas as pd

    from braincodec.evaluation.scores import Comparison
    from braincodec.report.glossary import Glossary

# in parts of a bar's width, so that dots at its ends are whole
MARGIN = 0.04


@dataclass(frozen=True)
class Column:
    """Head of a column: its words, and the definition that they open."""

    title: str
    define: str | None = None
    is_number: bool = True


@dataclass(frozen=True)
class Cell:
    """A cell: what is shown, what stands beside it in grey, and what the column is sorted by."""

    text: str
    beside: str = ""
    sort: float | str = ""
    define: str | None = None
    heads: bool = False


@dataclass(frozen=True)
class Bar:
    """One row's score drawn on a line, all in parts of its width; None where there is no such value."""

    value: float | None
    low: float | None
    high: float | None
    floor: float | None
    ceiling: float | None


@dataclass
class ShownTable:
    """A table of the page.

    Attributes
    ----------
    title : str
    define : str or None
        Name of the metric, where all rows are of one.
    note : str
        How values are summarised, and what the floor is.
    chance : str
        Chance level, where it is the same for all rows.
    bar_after : int
        In rows with a bar, how many columns come before it.
    columns : list of Column
    rows : list of (list of Cell, Bar or None)
    compact : bool
        Rows have short names, so that on a phone the first two numbers stand beside them.
    """

    title: str
    define: str | None
    note: str
    columns: list[Column]
    rows: list[tuple[list[Cell], Bar | None]] = field(default_factory=list)
    chance: str = ""
    bar_after: int = 2
    compact: bool = False

    @property
    def has_bars(self) -> bool:
        """Whether any row is drawn."""
        return any(bar is not None for _, bar in self.rows)


def score_tables(table: pd.DataFrame, glossary: Glossary) -> list[ShownTable]:
    """Tables of one metric each, or of one subject and region each, whichever are fewer.

    Parameters
    ----------
    table : DataFrame
        Of `Scores`.
    glossary : Glossary
        Learns what is mentioned.
    """
    if not len(table):
        return []
    metrics, places = table["metric"].nunique(), len(table[["subject", "roi"]].drop_duplicates())
    if metrics <= places:
        return [_of_metric(name, rows, glossary) for name, rows in table.groupby("metric", sort=False)]
    return [_of_place(place, rows, glossary) for place, rows in table.groupby(["subject", "roi"], sort=False)]


def _of_metric(metric: str, rows: pd.DataFrame, glossary: Glossary) -> ShownTable:
    shown = ShownTable(glossary.title(metric), metric, _note(rows), [])
    heads = [Column("Subject", is_number=False), Column("Region", is_number=False)]
    columns = _columns(rows, ("ceiling", "floor"))
    chances = rows["chance"].dropna().unique()
    shown.chance = f"{float(chances[0]):g}" if len(chances) == 1 else ""
    shown.columns = heads + [column for column, _ in columns]
    ends = _ends(rows)
    for row in rows.to_dict("records"):
        names = [Cell(row["subject"], sort=row["subject"], heads=True), Cell(row["roi"], sort=row["roi"], heads=True)]
        shown.rows.append((names + [make(row) for _, make in columns], _bar(row, ends)))
    return shown


def _of_place(place: Any, rows: pd.DataFrame, glossary: Glossary) -> ShownTable:
    subject, roi = place
    of_images = set(rows["direction"]) == {"decoding"}
    what = "decoded images" if of_images and roi == "all" else region_in_words(roi)
    shown = ShownTable(f"Subject {subject}, {what}", None, _note(rows), [])
    columns = _columns(rows, ("ceiling", "floor", "chance"))
    shown.columns = [Column("Metric", is_number=False)] + [column for column, _ in columns]
    for row in rows.to_dict("records"):
        title = glossary.title(row["metric"])
        shown.rows.append(
            ([Cell(title, sort=title, define=row["metric"], heads=True)] + [m(row) for _, m in columns], None)
        )
    return shown


def region_in_words(roi: str) -> str:
    """A region, or all of them.

    Examples
    --------
    >>> region_in_words("all"), region_in_words("V1")
    ('all units', 'V1')
    """
    return "all units" if roi == "all" else roi


def _columns(rows: pd.DataFrame, plain_numbers: tuple[str, ...]) -> list[tuple[Column, Any]]:
    """Heads, and how each makes a cell of a row; what no row has is left out."""

    def with_interval(value: str, low: str, high: str) -> Any:
        return lambda row: Cell(number(row[value]), interval(row[low], row[high]), sort_key(row[value]))

    def plain(name: str, words: Any) -> Any:
        return lambda row: Cell(words(row[name]), sort=sort_key(row[name]))

    levels = sorted({100 * level for level in rows["level"].dropna()})
    value = "Value" + (f", {' / '.join(f'{level:g}' for level in levels)} % interval" if levels else "")
    columns = [(Column(value, "interval"), with_interval("value", "low", "high"))]
    if rows["normalised"].notna().any():
        make = with_interval("normalised", "normalised_low", "normalised_high")
        columns.append((Column("Normalised", "normalised"), make))
    several_floors = rows.loc[rows["floor_of"] != "", "floor_of"].nunique() > 1
    for name in plain_numbers:
        if rows[name].notna().any():
            make = plain(name, number)
            if name == "floor" and several_floors:
                make = _floor_with_its_kind
            columns.append((Column(name.capitalize(), name), make))
    if rows["p_value"].notna().any():
        columns.append((Column("p", "p_value"), plain("p_value", probability)))
    columns.append((Column("Stimuli", "n_stimuli"), plain("n_stimuli", count)))
    for name, title in (("n_units", "Units"), ("n_excluded", "Excluded")):
        if rows[name].any():
            columns.append((Column(title, name), plain(name, count)))
    return columns


def _floor_with_its_kind(row: dict[str, Any]) -> Cell:
    return Cell(number(row["floor"]), row["floor_of"], sort_key(row["floor"]))


def _note(rows: pd.DataFrame) -> str:
    parts = [text for text in dict.fromkeys(rows["summary"]) if text]
    floors = [text for text in dict.fromkeys(rows["floor_of"]) if text]
    words = " / ".join(parts)
    return words + (f"; floor: {floors[0]}" if len(floors) == 1 else "")


def sort_key(value: float) -> float | str:
    """What a number is sorted by; unknown ones come last.

    Examples
    --------
    >>> sort_key(0.5), sort_key(float("nan"))
    (0.5, '')
    """
    return float(value) if math.isfinite(value) else ""


def _ends(rows: pd.DataFrame) -> tuple[float, float]:
    """What the bars of a table span: everything drawn, and zero."""
    drawn = rows[["value", "low", "high", "floor", "ceiling"]].to_numpy(float).ravel()
    drawn = drawn[[math.isfinite(value) for value in drawn]]
    low, high = min([0.0, *drawn]), max([0.0, *drawn])
    return low, high if high > low else low + 1.0


def _bar(row: dict[str, Any], ends: tuple[float, float]) -> Bar | None:
    low, high = ends

    def place(name: str) -> float | None:
        value = row[name]
        if not math.isfinite(value):
            return None
        return round(100 * (MARGIN + (1 - 2 * MARGIN) * ((value - low) / (high - low))), 2)

    names = ("value", "low", "high", "floor", "ceiling")
    return Bar(*(place(name) for name in names)) if math.isfinite(row["value"]) else None


def comparison_table(comparison: Comparison, glossary: Glossary) -> ShownTable:
    """Differences of two models as a table of the page."""
    level = f", {100 * comparison.level:g} % interval" if math.isfinite(comparison.level) else ""
    several = comparison.table["direction"].nunique() > 1
    columns = [
        Column("Subject", is_number=False),
        *([Column("Direction", is_number=False)] if several else []),
        Column("Region", is_number=False),
        Column("Metric", is_number=False),
        Column(f"Difference{level}", "difference"),
        Column("p", "p_value_difference"),
        Column("Stimuli", "n_stimuli"),
    ]
    shown = ShownTable(f"{comparison.first} minus {comparison.second}", None, "paired bootstrap over stimuli", columns)
    for row in comparison.table.to_dict("records"):
        title = glossary.title(row["metric"])
        cells = [
            Cell(row["subject"], sort=row["subject"], heads=True),
            *([Cell(row["direction"], sort=row["direction"], heads=True)] if several else []),
            Cell(row["roi"], sort=row["roi"], heads=True),
            Cell(title, sort=title, define=row["metric"], heads=True),
            Cell(number(row["difference"]), interval(row["low"], row["high"]), sort_key(row["difference"])),
            Cell(probability(row["p_value"]), sort=sort_key(row["p_value"])),
            Cell(count(row["n"]), sort=sort_key(row["n"])),
        ]
        shown.rows.append((cells, None))
    return shown


def plain_table(table: pd.DataFrame, title: str, glossary: Glossary) -> ShownTable:
    """Any other table: numbers as numbers, words as words."""
    names = [str(name) for name in table.columns]
    numeric = {name: table[name].dtype.kind in "fiu" for name in names}
    columns = [
        Column(name.replace("_", " ").capitalize(), name if glossary.mention(name) else None, numeric[name])
        for name in names
    ]
    shown = ShownTable(title, None, "", columns)
    for row in table.to_dict("records"):
        cells = []
        for place, name in enumerate(names):
            value = row[name]
            if numeric[name]:
                text = count(value) if table[name].dtype.kind in "iu" else number(float(value))
                cells.append(Cell(text, sort=sort_key(float(value))))
            else:
                text = ABSENT if value is None else str(value)
                define = text if name == "metric" and glossary.mention(text) else None
                title_of = glossary.title(text) if define else text
                cells.append(Cell(title_of, sort=title_of, define=define, heads=place == 0))
        shown.rows.append((cells, None))
    return shown
