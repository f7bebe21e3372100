"""How a model was made and what it scored, as sections of its card."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

EPOCHS_SHOWN = 8
IDS_SHOWN = 16  # hexadecimal digits of the hash of a part's ids
BARS = "▁▂▃▄▅▆▇█"
CURVE = {
    "epoch": "epoch",
    "loss": "training loss",
    "validation_loss": "validation loss",
    "validation_correlation": "validation correlation",
}
# told in sections of their own
SECTIONS = ("split", "scores", "scored_on", "curve", "warnings")
TABLES = ("settings", "software")


def training_sections(training: Mapping[str, Any]) -> list[str]:
    """Markdown lines on the data's split, the scores, the training and the software; nothing on what is not known.

    Parameters
    ----------
    training : mapping
        ``training`` of a `ModelDescription`. ``split``: ids by part, or by subject and part. ``scores``: rows of
        ``Scores.table``. ``curve``: an entry for each epoch. ``settings``, ``software``: plain values by name. Whatever
        else there is goes into one table.

    Examples
    --------
    >>> for line in training_sections({"split": {"train": ["a", "b"], "validation": [], "test": ["c"]}}):
    ...     print(line)
    ## Stimuli
    <BLANKLINE>
    | part | stimuli | SHA-256 of the sorted ids |
    | --- | --- | --- |
    | train | 2 | 7e18f737311b2dc3 |
    | test | 1 | 2e7d2c03a9507ae2 |
    <BLANKLINE>
    """
    tables = {name: training[name] for name in TABLES if isinstance(training.get(name), Mapping)}
    other = {name: value for name, value in training.items() if name not in SECTIONS and name not in tables}
    return [
        *_scores(training.get("scores"), str(training.get("scored_on", "test"))),
        *_split(training.get("split")),
        *_curve(training.get("curve")),
        *_facts("Training", other),
        *_facts("Settings", tables.get("settings")),
        *_facts("Software", tables.get("software")),
        *_warnings(training.get("warnings")),
    ]


def cell(text: object) -> str:
    r"""Text that cannot end a table's cell or line.

    Examples
    --------
    >>> cell("a | b")
    'a \\| b'
    """
    return " ".join(str(text).split()).replace("|", "\\|")


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """A Markdown table and an empty line."""
    lines = [" | ".join(map(cell, row)) for row in rows]
    return [
        f"| {' | '.join(header)} |",
        f"| {' | '.join('---' for _ in header)} |",
        *(f"| {one} |" for one in lines),
        "",
    ]


def ids_sum(ids: Iterable[object]) -> str:
    """Hash of a set of ids, equal whatever their order."""
    return hashlib.sha256("\n".join(sorted(map(str, ids))).encode()).hexdigest()


def _split(split: Any) -> list[str]:
    if not isinstance(split, Mapping) or not split:
        return []
    of_subjects = all(isinstance(parts, Mapping) for parts in split.values())
    named = split.items() if of_subjects else [("", split)]
    rows = [
        (f"subject {subject}: {part}" if subject else part, f"{len(ids):,}", ids_sum(ids)[:IDS_SHOWN])
        for subject, parts in named
        for part, ids in parts.items()
        if isinstance(ids, Sequence) and len(ids)
    ]
    return ["## Stimuli", "", *table(["part", "stimuli", "SHA-256 of the sorted ids"], rows)]


def _scores(rows: Any, part: str) -> list[str]:
    if not isinstance(rows, Sequence) or not rows:
        return []
    header = ["region", "score", "value", "interval", "floor", "ceiling", "normalised", "stimuli", "units"]
    shown = [
        (
            row.get("roi") or "all",
            " ".join(filter(None, (_words(row.get("metric", "")), _in_brackets(row.get("summary"))))),
            _number(row.get("value")),
            _interval(row),
            " ".join(filter(None, (_number(row.get("floor")), _in_brackets(row.get("floor_of"))))),
            _number(row.get("ceiling")),
            _number(row.get("normalised")),
            _count(row.get("n_stimuli")),
            _count(row.get("n_units")),
        )
        for row in rows
    ]
    explained = (
        f"Measured on the {part} part. The floor is what a trivial predictor scores, the ceiling what noise in the "
        "responses allows; empty where it is not known."
    )
    return ["## Scores", "", *table(header, shown), explained, ""]


def _curve(curve: Any) -> list[str]:
    if not isinstance(curve, Sequence) or not curve:
        return []
    lines = ["## Learning curve", ""]
    networks = dict.fromkeys(str(entry.get("roi", "")) for entry in curve)
    for name in networks:
        entries = [entry for entry in curve if str(entry.get("roi", "")) == name]
        lines += [f"{f'**{cell(name)}**: ' if name else ''}{_in_words(entries)}", ""]
        if len(networks) == 1:
            lines += _epochs(entries)
    return lines


def _in_words(entries: Sequence[Mapping[str, Any]]) -> str:
    values = [_float(entry.get("validation_correlation")) for entry in entries]
    known = [value for value in values if math.isfinite(value)]
    words = f"{len(entries)} epoch{'s' if len(entries) != 1 else ''}"
    if not known:
        return f"{words}."
    best = max(range(len(values)), key=lambda place: values[place] if math.isfinite(values[place]) else -math.inf)
    words += f", best validation correlation {values[best]:.3f} in epoch {entries[best].get('epoch', best + 1)}"
    return f"{words}: `{_sparkline(values)}`" if len(known) > 1 else f"{words}."


def _sparkline(values: Sequence[float], most: int = 60) -> str:
    """A line of bars, the lowest value the lowest bar; of many values some."""
    chosen = [values[place] for place in _spread(len(values), most)]
    known = [value for value in chosen if math.isfinite(value)]
    low, span = min(known), (max(known) - min(known)) or 1.0
    return "".join(BARS[round((v - low) / span * (len(BARS) - 1))] if math.isfinite(v) else " " for v in chosen)


def _epochs(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    names = [name for name in CURVE if any(name in entry for entry in entries)]
    places = _spread(len(entries), EPOCHS_SHOWN)
    rows = [
        [entries[place].get(name, "") if name == "epoch" else _number(entries[place].get(name)) for name in names]
        for place in places
    ]
    return table([CURVE[name] for name in names], rows)


def _spread(count: int, most: int) -> list[int]:
    """Places evenly over a sequence, its first and last among them.

    Examples
    --------
    >>> _spread(3, 8), _spread(10, 4)
    ([0, 1, 2], [0, 3, 6, 9])
    """
    if count <= most:
        return list(range(count))
    return [round(place * (count - 1) / (most - 1)) for place in range(most)]


def _facts(title: str, values: Mapping[str, Any] | None) -> list[str]:
    """One table of names and values; of long lists only how many entries there are."""
    rows = [(name, _shown(value)) for name, value in (values or {}).items() if value is not None]
    return [f"## {title}", "", *table(["", ""], rows)] if rows else []


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        plain = len(value) <= EPOCHS_SHOWN and all(isinstance(one, str | int | float) for one in value)
        return ", ".join(map(str, value)) if plain else f"{len(value):,} entries"
    if isinstance(value, Mapping):
        return json.dumps(_abridged(value), ensure_ascii=False, default=str)
    return str(value)


def _abridged(value: Any) -> Any:
    """The same with the number of entries in place of long lists.

    Examples
    --------
    >>> _abridged({"curve": list(range(50)), "best": {"epoch": 3}})
    {'curve': '50 entries', 'best': {'epoch': 3}}
    """
    if isinstance(value, Mapping):
        return {name: _abridged(one) for name, one in value.items()}
    if isinstance(value, list | tuple) and len(value) > EPOCHS_SHOWN:
        return f"{len(value):,} entries"
    return value


def _warnings(words: Any) -> list[str]:
    return ["## Warnings", "", *(f"- {cell(one)}" for one in words), ""] if words else []


def _float(value: Any) -> float:
    try:
        return float("nan" if value is None else value)
    except (TypeError, ValueError):
        return math.nan


def _number(value: Any) -> str:
    number = _float(value)
    return f"{number:.3f}" if math.isfinite(number) else ""


def _count(value: Any) -> str:
    number = _float(value)
    return f"{int(number):,}" if math.isfinite(number) else ""


def _interval(row: Mapping[str, Any]) -> str:
    low, high, level = _number(row.get("low")), _number(row.get("high")), _float(row.get("level"))
    if not low or not high:
        return ""
    return f"{low} to {high}" + (f" ({level:.0%})" if math.isfinite(level) else "")


def _words(name: object) -> str:
    return str(name).replace("_", " ")


def _in_brackets(text: object) -> str:
    return f"({text})" if text else ""
