"""``braincodec metrics``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from braincodec.cli.options import AsJson
from braincodec.cli.output import note, say, say_json, say_table
from braincodec.errors import BraincodecError, UnknownNameError

if TYPE_CHECKING:
    from braincodec.evaluation.definition import Definition

DIRECTIONS = ("encoding", "decoding")


def metrics(
    name: Annotated[str | None, typer.Argument(help="One metric, in full.", show_default=False)] = None,
    direction: Annotated[str | None, typer.Option("--direction", help="encoding or decoding.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the metrics. Definition, range, chance level, which way is better, and source of each."""
    if direction is not None and direction not in DIRECTIONS:
        raise UnknownNameError("direction", direction, DIRECTIONS)
    from braincodec.evaluation.metric import METRICS

    if name is not None:
        _show(METRICS.get(name).definition, as_json)
        return
    found, failed = [], {}
    for item in METRICS.names():
        try:
            found.append(METRICS.get(item).definition)
        except BraincodecError as error:
            failed[item] = str(error)
    found = [item for item in found if direction in (None, item.direction) or item.direction == "both"]
    found.sort(key=lambda item: (DIRECTIONS.index(item.direction) if item.direction in DIRECTIONS else -1, item.name))
    if as_json:
        say_json([_plain(item) for item in found])
    else:
        _list(found)
    for item, reason in failed.items():
        note(f"{item}: {reason}")


def _list(definitions: list[Definition]) -> None:
    from braincodec.report.glossary import range_in_words

    rows = [
        (d.name, d.direction, d.of, range_in_words(d.range), _chance(d), d.better, d.text, d.source)
        for d in definitions
    ]
    say_table(["metric", "direction", "one value for each", "range", "chance>", "better", "definition", "source"], rows)


def _show(definition: Definition, as_json: bool) -> None:
    if as_json:
        say_json(_plain(definition))
        return
    from braincodec.report.glossary import facts

    say(f"{definition.name}: {definition.title}")
    say(definition.text)
    say_table(["", ""], [("direction", definition.direction), *facts(definition)])


def _chance(definition: Definition) -> str:
    return "" if definition.chance is None else f"{definition.chance:g}"


def _plain(definition: Definition) -> dict[str, Any]:
    """A definition for JSON: an end of the range that is infinite becomes null."""
    low, high = definition.range
    return {
        "name": definition.name,
        "title": definition.title,
        "direction": definition.direction,
        "of": definition.of,
        "definition": definition.text,
        "range": [end if math.isfinite(end) else None for end in (low, high)],
        "chance": definition.chance,
        "better": definition.better,
        "source": definition.source,
    }
