"""What the numbers of a report mean: one entry for each metric and quantity that the page mentions."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from braincodec.errors import BraincodecError
from braincodec.evaluation.definition import Definition

OF = {"unit": "each unit", "stimulus": "each stimulus", "set": "all stimuli together"}

# of the comparison of two models
DIFFERENCE = Definition(
    "difference",
    "Difference of two models",
    "both",
    "set",
    "Score of the first model minus that of the second, with the interval of the differences of paired bootstrap "
    "samples: in every sample both models are scored on the same stimuli.",
    (-math.inf, math.inf),
    None,
    "neither",
    "Efron and Tibshirani 1993, An Introduction to the Bootstrap, section 13.3",
)
P_OF_DIFFERENCE = Definition(
    "p_value_difference",
    "p of a difference",
    "both",
    "set",
    "Two-sided: twice the smaller part of the paired bootstrap samples in which the difference lies on either side of "
    "zero, the observed one counted in.",
    (0, 1),
    None,
    "neither",
    "Efron and Tibshirani 1993, An Introduction to the Bootstrap, section 16",
)
COMPARED = {definition.name: definition for definition in (DIFFERENCE, P_OF_DIFFERENCE)}


@dataclass(frozen=True)
class Entry:
    """A definition, ready to be shown.

    Attributes
    ----------
    id : str
        Of the HTML element.
    title, text : str
    facts : list of (str, str)
    """

    id: str
    title: str
    text: str
    facts: list[tuple[str, str]]


@dataclass
class Glossary:
    """Entries in the order in which the page first mentions them.

    Examples
    --------
    >>> Glossary().mention("no such thing") is None
    True
    """

    entries: dict[str, Entry] = field(default_factory=dict)

    def mention(self, name: str) -> Entry | None:
        """The entry of a metric or quantity; None where nothing is known about it."""
        if name not in self.entries:
            definition = find_definition(name)
            if definition is None:
                return None
            place = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
            self.entries[name] = Entry(f"define-{place}", definition.title, definition.text, facts(definition))
        return self.entries[name]

    def title(self, name: str) -> str:
        """Title of a metric, or its name in words."""
        entry = self.mention(name)
        return entry.title if entry else name.replace("_", " ")


def find_definition(name: str) -> Definition | None:
    """Definition of a metric or another reported quantity; None for an unknown name, or where its packages lack."""
    from braincodec.evaluation.metric import METRICS
    from braincodec.evaluation.quantities import QUANTITIES

    if name in COMPARED or name in QUANTITIES:
        return COMPARED.get(name) or QUANTITIES[name]
    if name not in METRICS:
        return None
    try:
        definition: Definition = METRICS.get(name).definition
    except BraincodecError:
        return None
    return definition


def facts(definition: Definition) -> list[tuple[str, str]]:
    """Range, chance level, direction and source of a definition, in words.

    Examples
    --------
    >>> from braincodec.evaluation.definition import Definition
    >>> snr = Definition("snr", "Signal to noise", "decoding", "stimulus", "In decibels.", (-math.inf, math.inf), None,
    ...                  "higher", "textbook")
    >>> facts(snr)[:3]
    [('one value for', 'each stimulus'), ('range', 'any number'), ('better', 'higher')]
    """
    found = [("one value for", OF[definition.of]), ("range", range_in_words(definition.range))]
    if definition.chance is not None:
        found.append(("chance level", f"{definition.chance:g}"))
    if definition.better != "neither":
        found.append(("better", definition.better))
    if definition.source:
        found.append(("source", definition.source))
    return found


def range_in_words(ends: tuple[float, float]) -> str:
    """Lowest and highest possible value.

    Examples
    --------
    >>> range_in_words((-1, 1)), range_in_words((0, math.inf)), range_in_words((-math.inf, 1))
    ('-1 to 1', 'from 0', 'up to 1')
    """
    low, high = ends
    if math.isinf(low):
        return "any number" if math.isinf(high) else f"up to {high:g}"
    return f"from {low:g}" if math.isinf(high) else f"{low:g} to {high:g}"
