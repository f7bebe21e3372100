"""Definitions of metrics and of the quantities beside them."""

from __future__ import annotations

from collections.abc import Iterable

from braincodec.evaluation import METRICS, QUANTITIES
from braincodec.evaluation.definition import Definition
from braincodec.report.glossary import COMPARED, OF, facts, range_in_words
from from_code.markdown import table


def encoding_metrics() -> str:
    """Metrics of predicted responses."""
    return entries(_of("encoding") + _of("both"))


def decoding_metrics() -> str:
    """Metrics of decoded images."""
    return entries(_of("decoding"))


def quantities() -> str:
    """What a table of scores says beside its metrics."""
    return entries([*QUANTITIES.values(), *COMPARED.values()])


def _of(direction: str) -> list[Definition]:
    found = [METRICS.get(name).definition for name in METRICS.names()]
    return [definition for definition in found if definition.direction == direction]


def metric_table() -> str:
    """A row for each metric."""
    rows = (
        (f"`{one.name}`", one.title, OF[one.of], range_in_words(one.range), one.better)
        for one in [*_of("encoding"), *_of("both"), *_of("decoding")]
    )
    return table(("metric", "what it is", "one value for", "range", "better"), rows)


def entries(definitions: Iterable[Definition]) -> str:
    """A heading, the text and the facts of each."""
    return "\n\n".join(entry(definition) for definition in definitions)


def entry(definition: Definition) -> str:
    """One definition."""
    told = dict(facts(definition))
    source = told.pop("source", "")
    words = " · ".join(f"{what}: {value}" for what, value in told.items())
    lines = [
        f"(definition-{definition.name})=",
        f"### {definition.title}",
        "",
        f"`{definition.name}` · {words}",
        "",
        definition.text,
    ]
    return "\n".join([*lines, "", f"*Source: {source}.*"] if source else lines)
