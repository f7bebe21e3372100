"""Data sets: what each declares of itself."""

from __future__ import annotations

import inspect
import textwrap

from braincodec.datasets import DATASETS, Counts, Dataset
from from_code.markdown import code, first_line, linked, table


def declared() -> dict[str, type[Dataset]]:
    """Data sets by name."""
    return {name: DATASETS.get(name) for name in DATASETS.names()}


def dataset_table() -> str:
    """A row for each data set."""
    return table(
        ("data set", "what it is", "modality", "species", "subjects", "fetched by us"),
        (
            (
                f"[`{name}`](#{anchor(name)})",
                first_line(kind.__doc__).rstrip("."),
                kind.modality if name != "own" else "any",
                kind.species if name != "own" else "any",
                len(kind.expected) or "any number",
                counted(len(kind.downloads), "file") if kind.downloads else "no",
            )
            for name, kind in declared().items()
        ),
    )


def counted(number: int, what: str) -> str:
    """A number of things."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def dataset_sections() -> str:
    """A section for each data set."""
    return "\n\n".join(section(name, kind) for name, kind in declared().items())


def anchor(name: str) -> str:
    """The anchor that a heading of this name gets."""
    return name.lower()


def section(name: str, kind: type[Dataset]) -> str:
    """All that a data set declares."""
    facts = {
        "Split": kind.split_origin,
        "Licence": kind.licence,
        "Cite": kind.citation,
        "Options": code(*options(kind)),
    }
    lines = [f"### {name}", first_line(kind.__doc__)]
    lines.append("\n".join(f"- **{what}:** {linked(words)}" for what, words in facts.items() if words))
    if kind.expected:
        lines.append(expected_table(kind.expected))
    lines.append(how_to_get(kind.how_to_get))
    return "\n\n".join(line for line in lines if line)


def options(kind: type[Dataset]) -> list[str]:
    """Arguments of `load_dataset` that this data set knows."""
    parameters = inspect.signature(kind).parameters.values()
    return [item.name for item in parameters if item.kind in (item.POSITIONAL_OR_KEYWORD, item.KEYWORD_ONLY)]


def expected_table(expected: dict[str, Counts] | object) -> str:
    """How much there should be of each subject; subjects of whom the same is declared share a row."""
    assert hasattr(expected, "items")
    alike: dict[Counts, list[str]] = {}
    for subject, counts in expected.items():
        alike.setdefault(counts, []).append(subject)
    rows = (
        (code(*subjects), f"{c.stimuli:,}", f"{c.units:,}" if c.units else "depends on options", c.repetitions or "")
        for c, subjects in alike.items()
    )
    return table(("subject", "stimuli", "units", "repetitions, at most"), rows)


def how_to_get(text: str) -> str:
    """Where the files are to be had, as declared: in lines where they are lines."""
    if "\n" not in text:
        return f"**To get it:** {linked(text)}." if text else ""
    first, _, rest = textwrap.dedent(text).strip().partition("\n")
    return f"**To get it:** {linked(first)}\n\n```text\n{textwrap.dedent(rest).strip()}\n```"
