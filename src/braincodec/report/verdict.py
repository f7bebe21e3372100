"""The first thing a reader reads: what was found, in words, and what to beware of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from braincodec.report.glossary import find_definition
from braincodec.report.numbers import count, interval, number, percent, probability
from braincodec.report.tables import region_in_words

if TYPE_CHECKING:
    import pandas as pd

    from braincodec.evaluation.scores import Scores

# the first of these that was computed is the one in the verdict
HEADLINES = (
    "correlation",
    "two_way_efficientnet_lite",
    "two_way_clip",
    "two_way_pixels",
    "pixel_correlation",
    "pattern_correlation",
)
SIGNIFICANT = 0.05
# of an evaluation's own warnings, those that `cautions` words itself begin like this
SAID_ALREADY = ("scored on the ", "predictions were rescaled ", "preprocessing='published': ")
# more subjects than this are summed up by the least and the greatest
MOST_SUBJECTS_NAMED = 3


@dataclass(frozen=True)
class Phrase:
    """A piece of a sentence: plain, strong, or opening a definition, with the punctuation that clings to it."""

    text: str
    define: str | None = None
    strong: bool = False
    before: str = ""
    after: str = ""


@dataclass(frozen=True)
class Tile:
    """A number to be seen at first sight."""

    label: str
    value: str
    beside: str
    define: str | None


def headline_rows(scores: Scores) -> pd.DataFrame:
    """One row a subject: the metric that stands for the others, over all units where that was computed."""
    table = scores.table
    present = list(dict.fromkeys(table["metric"]))
    chosen = next((name for name in HEADLINES if name in present), present[0] if present else "")
    rows = table[table["metric"] == chosen]
    everywhere = rows[rows["roi"] == "all"]
    return (everywhere if len(everywhere) else rows).drop_duplicates("subject")


def verdict(scores: Scores, *, whole: bool = True) -> list[Phrase]:
    """A paragraph: the headline score of each subject, against its floor and its ceiling; then the leakage check.

    Parameters
    ----------
    scores : Scores
        Of one direction.
    whole : bool
        With the leakage check, which is said once where there are paragraphs of both directions.
    """
    rows = headline_rows(scores).to_dict("records")
    if not rows:
        return [Phrase("No metric could be computed; what was left out, and why, is said below.")]
    first, about = rows[0], scores.about
    verb = "reconstructs what was seen" if scores.direction == "decoding" else "predicts responses"
    dataset, part = about.get("dataset", {}).get("name", ""), about.get("split", {}).get("part", "test")
    adverb, _, over = first["summary"].partition(" ")
    phrases = [
        Phrase(scores.name, strong=True),
        Phrase(f" {verb}{f' of the data set {dataset}' if dataset else ''} with a {adverb} "),
        Phrase(_title(first["metric"]), first["metric"]),
        Phrase(f" {over} of " if over else " of "),
        *_values(rows),
        Phrase(f". {_sizes(rows, part)}"),
        *_against_floor(rows),
        *_against_ceiling(rows),
        Phrase(f" {_split_in_words(about)}" if whole else ""),
    ]
    return [phrase for phrase in phrases if phrase.text]


def _title(metric: str) -> str:
    definition = find_definition(metric)
    title = definition.title if definition else metric.replace("_", " ")
    # the first word is lowered, unless it is a name or an abbreviation
    return title[0].lower() + title[1:] if title[1:2].islower() and not title.startswith("Pearson") else title


def _values(rows: list[dict[str, Any]]) -> list[Phrase]:
    if len(rows) > MOST_SUBJECTS_NAMED:
        ordered = sorted(rows, key=lambda row: row["value"] if math.isfinite(row["value"]) else -math.inf)
        least, greatest = ordered[0], ordered[-1]
        return [
            Phrase(f"{number(least['value'])} (subject {least['subject']}) to ", strong=True),
            Phrase(f"{number(greatest['value'])} (subject {greatest['subject']})", strong=True),
            Phrase(f" in {len(rows)} subjects"),
        ]
    phrases: list[Phrase] = []
    for place, row in enumerate(rows):
        joint = "" if place == 0 else (" and " if place == len(rows) - 1 else ", ")
        phrases += [Phrase(joint), Phrase(number(row["value"]), strong=True)]
        ends = interval(row["low"], row["high"])
        if ends:
            phrases += [
                Phrase(" "),
                Phrase(f"{100 * row['level']:g} % interval", "interval", before="("),
                Phrase(f" {ends})"),
            ]
        if len(rows) > 1:
            phrases.append(Phrase(f" in subject {row['subject']}"))
    return phrases


def _sizes(rows: list[dict[str, Any]], part: str) -> str:
    stimuli, units = ({count(row[name]) for row in rows} for name in ("n_stimuli", "n_units"))
    places = {region_in_words(row["roi"]) for row in rows}
    where = "" if places == {"all units"} else f" of {', '.join(sorted(places))}"
    of_units = "" if units == {"0"} else f" and {_span(units)} units{where}"
    each = " of each subject" if len(rows) > 1 else ""
    return f"This rests on {_span(stimuli)} {part} stimuli{of_units}{each}. "


def _span(texts: set[str]) -> str:
    ordered = sorted(texts, key=lambda text: int(text.replace(",", "")))
    return ordered[0] if len(ordered) == 1 else f"{ordered[0]} to {ordered[-1]}"


def beats_floor(row: dict[str, Any]) -> bool | None:
    """Whether a score's whole interval is better than its floor and chance; None where that cannot be said.

    Examples
    --------
    >>> row = {"metric": "correlation", "low": 0.2, "high": 0.3, "floor": 0.0, "chance": 0.0, "p_value": 0.001}
    >>> beats_floor(row), beats_floor(row | {"low": -0.1}), beats_floor(row | {"p_value": 0.3})
    (True, False, False)
    """
    trivial = [row[name] for name in ("floor", "chance") if math.isfinite(row[name])]
    if not trivial or not math.isfinite(row["low"]) or not math.isfinite(row["high"]):
        return None
    definition = find_definition(row["metric"])
    if definition is not None and definition.better == "lower":
        clear = row["high"] < min(trivial)
    else:
        clear = row["low"] > max(trivial)
    return clear and not (math.isfinite(row["p_value"]) and row["p_value"] >= SIGNIFICANT)


def _against_floor(rows: list[dict[str, Any]]) -> list[Phrase]:
    judged = [(row, beats_floor(row)) for row in rows]
    failed = [row for row, clear in judged if clear is False]
    if any(clear is None for _, clear in judged):
        return [Phrase("Whether this is better than nothing was not tested.")]
    floors = [number(row["floor"]) for row in rows if math.isfinite(row["floor"])]
    names = " or ".join(dict.fromkeys(row["floor_of"] for row in rows if row["floor_of"]))
    reached = f" ({names} reach{'' if names.endswith('pairs') else 'es'} {' and '.join(floors)})" if floors else ""
    if len(floors) > MOST_SUBJECTS_NAMED:
        reached = f" ({names})"
    p_values = [row["p_value"] for row in rows if math.isfinite(row["p_value"])]
    test = [Phrase(", "), Phrase("p", "p_value"), Phrase(f" {_p_in_words(p_values)}")] if p_values else []
    if failed:
        whom = ", ".join(row["subject"] for row in failed)
        who = f" in subject {whom}" if len(rows) > 1 else ""
        return [
            Phrase("It is "),
            Phrase("not distinguishable", strong=True),
            Phrase(" from a "),
            Phrase("trivial predictor", "floor"),
            Phrase(f"{who}{reached}"),
            *test,
            Phrase("."),
        ]
    return [
        Phrase("It lies clearly beyond what a "),
        Phrase("trivial predictor", "floor"),
        Phrase(f" gives{reached}"),
        *test,
        Phrase("."),
    ]


def _p_in_words(p_values: list[float]) -> str:
    words = probability(max(p_values))
    return words if words.startswith("<") else f"{'=' if len(p_values) == 1 else '≤'} {words}"


def _against_ceiling(rows: list[dict[str, Any]]) -> list[Phrase]:
    known = [row for row in rows if math.isfinite(row["normalised"])]
    if not known:
        return []
    parts = [percent(row["normalised"]) for row in known]
    words = " and ".join(parts)
    if len(parts) > MOST_SUBJECTS_NAMED:
        least, greatest = min(row["normalised"] for row in known), max(row["normalised"] for row in known)
        words = f"{percent(least)} to {percent(greatest)}"
    return [
        Phrase(" Of what any model could reach, the "),
        Phrase("noise ceiling", "ceiling", after=","),
        Phrase(" it attains "),
        Phrase(words, "normalised", strong=True, after="."),
    ]


def _split_in_words(about: dict[str, Any]) -> str:
    """What the leakage check found, shortly; nothing where it found something, which is a caution of its own."""
    leakage = about.get("leakage") or {}
    if leakage.get("passed") is False:
        return ""
    if leakage.get("passed") is True and leakage.get("n_test") and not leakage.get("subjects"):
        return f"None of the {count(leakage['n_test'])} test images was found among the training images."
    return leakage_in_words(about)


def leakage_in_words(about: dict[str, Any]) -> str:
    """What the leakage check found, or that there was none."""
    leakage = about.get("leakage") or {}
    if not leakage.get("summary"):
        return "Whether test stimuli also served for training was not checked."
    return str(leakage["summary"])


def cautions(scores: Scores) -> list[str]:
    """What a reader must know before believing the numbers; nothing for a clean evaluation."""
    about, found = scores.about, []
    leakage = about.get("leakage") or {}
    if leakage.get("passed") is False:
        found.append(f"Leakage: {leakage.get('summary', 'test stimuli are among those of training.')}")
    part = about.get("split", {}).get("part", "test")
    if part != "test":
        found.append(f"These are scores of the {part} stimuli, not of the test stimuli.")
    if about.get("rescale") == "transductive":
        found.append(
            "Transductive: predictions were rescaled with the mean and deviation that they have over the test set "
            "itself, which a model in use does not know. Scores like these are not comparable with others."
        )
    if about.get("preprocessing"):
        found.append(f"Published preprocessing: {about['preprocessing']}. By default training responses alone decide.")
    return found


def remarks(scores: Scores) -> list[str]:
    """What else the evaluation found worth saying."""
    leakage = scores.about.get("leakage") or {}
    texts = [str(warning) for warning in scores.about.get("warnings", [])]
    return [text for text in texts if not text.startswith(SAID_ALREADY) and text != leakage.get("summary", "")]


def tiles(views: Sequence[Scores]) -> list[Tile]:
    """Headline score of each direction and subject, and how much it rests on."""
    of_views = [headline_rows(view).to_dict("records") for view in views]
    shown = [tile for rows in of_views for tile in _headline_tiles(rows)]
    rows = [row for part in of_views for row in part]
    if rows:
        sizes = [{count(row[name]) for row in rows} for name in ("n_stimuli", "n_units")]
        sizes[1].discard("0")  # images have no units
        each = len({row["subject"] for row in rows}) > 1
        shown.append(Tile("Test stimuli", _span(sizes[0]), "", "n_stimuli"))
        if sizes[1]:
            shown.append(Tile("Units", _span(sizes[1]), "each subject" if each else "", "n_units"))
    return shown


def _headline_tiles(rows: list[dict[str, Any]]) -> list[Tile]:
    shown = []
    for row in rows:
        who = f", subject {row['subject']}" if len(rows) > 1 else ""
        shown.append(Tile(f"{_capital(_title(row['metric']))}{who}", number(row["value"]), _beside(row), row["metric"]))
    if len(rows) == 1 and math.isfinite(rows[0]["normalised"]):
        row = rows[0]
        ends = interval(row["normalised_low"], row["normalised_high"])
        shown.append(Tile("Of its noise ceiling", percent(row["normalised"]), ends, "normalised"))
    return shown


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _beside(row: dict[str, Any]) -> str:
    parts = [interval(row["low"], row["high"])]
    parts += [f"{name} {number(row[name])}" for name in ("floor", "ceiling") if math.isfinite(row[name])]
    return " · ".join(part for part in parts if part)
