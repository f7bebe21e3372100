"""Where the numbers come from: data, split, leakage, settings, and the lines that make them again."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from braincodec import __version__

if TYPE_CHECKING:
    from braincodec.evaluation.scores import Scores

SOFTWARE = "The braincodec developers. braincodec: images to brain responses, and brain responses to images"
# settings of `evaluate` that the command has as options of the same name, with what they are when not given
OPTIONS = {
    "part": "test",
    "metrics": None,
    "rois": None,
    "noise_ceiling": "auto",
    "draws": 1000,
    "permutations": 1000,
    "level": 0.95,
    "seed": 0,
    "leakage": "hash",
    "rescale": None,
    "direction": "auto",
    "samples": 1,
}
OPTION_OF_SETTING = {"rois": "roi", "noise_ceiling": "noise-ceiling"}
# of a leakage check, these are in its summary
SAID_ELSEWHERE = ("passed", "summary", "subjects", "compared")
# longer lists are counted in tables of facts
MOST_SHOWN = 12


def dataset_facts(scores: Scores) -> list[tuple[str, str]]:
    """Name and value of what is known about the data set."""
    return _facts(scores.about.get("dataset", {}), ("name", "subjects", "modality", "species", "licence", "citation"))


def split_facts(scores: Scores) -> list[tuple[str, str]]:
    """Counts of the split's parts, over all subjects and of each, and which part was scored."""
    split = scores.about.get("split", {})
    found = [("scored part", str(split["part"]))] if "part" in split else []
    found += [(f"{part} stimuli", in_words(split[part])) for part in ("train", "validation", "test") if part in split]
    of_subjects = split.get("of_subjects") or {}
    if len(of_subjects) > 1:
        found += [(f"stimuli of subject {name}", in_words(counts)) for name, counts in of_subjects.items()]
    return found


def leakage_facts(scores: Scores) -> list[tuple[str, str]]:
    """What the leakage check looked at and found, pairs aside; of several subjects, what was found in each."""
    leakage = scores.about.get("leakage") or {}
    subjects = leakage.get("subjects") or {}
    if len(subjects) > 1:
        return [(f"subject {name}", str(check.get("summary", ""))) for name, check in subjects.items()]
    known = {**leakage, **next(iter(subjects.values()), {})}
    return [
        (name.replace("_", " "), in_words(value))
        for name, value in known.items()
        if name not in SAID_ELSEWHERE and value not in (None, [], {}) and not _is_pairs(value)
    ]


def leaking_pairs(scores: Scores) -> list[tuple[str, list[dict[str, Any]]]]:
    """Subject and pairs of stimuli that were found on both sides of its split."""
    leakage = scores.about.get("leakage") or {}
    checks = leakage.get("subjects") or {"": leakage}
    found = []
    for subject, check in checks.items():
        pairs = [pair for value in check.values() if _is_pairs(value) for pair in value]
        if pairs:
            found.append((subject if len(checks) > 1 else "", pairs))
    return found


def _is_pairs(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def by_value(facts: dict[str, Any] | None) -> list[tuple[list[str], str]]:
    """Names with what is said of them, together where the same is said of several.

    Examples
    --------
    >>> by_value({"lpips": "no weights", "fid": "too few images", "two_way_lpips": "no weights"})
    [(['lpips', 'two_way_lpips'], 'no weights'), (['fid'], 'too few images')]
    """
    names_of_value: dict[str, list[str]] = {}
    for name, value in (facts or {}).items():
        names_of_value.setdefault(in_words(value), []).append(name)
    return [(names, value) for value, names in names_of_value.items()]


def model_facts(scores: Scores) -> list[tuple[str, str]]:
    """Name and value of what is known about the model, its card aside."""
    return _facts(scores.about.get("model", {}), ("id", "kind", "licence", "citation"))


def setting_facts(scores: Scores) -> list[tuple[str, str]]:
    """Every argument of the evaluation, and what made it."""
    about = scores.about
    found = [(name.replace("_", " "), in_words(value)) for name, value in about.get("settings", {}).items()]
    words = about.get("noise_ceiling", {}).get("words")
    found += [("noise ceiling, in words", str(words))] if words else []
    return [*found, ("braincodec", str(about.get("braincodec_version", "")))]


def _facts(values: dict[str, Any], names: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(name, in_words(values[name])) for name in names if values.get(name) not in (None, "", [])]


def in_words(value: Any) -> str:
    """A setting as text.

    Examples
    --------
    >>> in_words(None), in_words([1, 2]), in_words(160), in_words({"a": 1})
    ('not given', '1, 2', '160', 'a: 1')
    """
    if value is None:
        return "not given"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return "; ".join(f"{name}: {in_words(item)}" for name, item in value.items())
    if isinstance(value, list | tuple):
        more = f" and {len(value) - MOST_SHOWN:,} more" if len(value) > MOST_SHOWN else ""
        return ", ".join(map(str, value[:MOST_SHOWN])) + more
    return f"{value:,}" if isinstance(value, int) else str(value)


def command(scores: Scores) -> str:
    """The line that makes these scores again."""
    about = scores.about
    dataset = about.get("dataset", {})
    words = ["braincodec", "evaluate", "PREDICTIONS_OR_MODEL", "--dataset", str(dataset.get("name", "NAME"))]
    if dataset.get("subjects"):
        words += ["--subject", ",".join(map(str, dataset["subjects"]))]
    for name, usual in OPTIONS.items():
        value = about.get("settings", {}).get(name, usual)
        if value != usual:
            text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
            words += [f"--{OPTION_OF_SETTING.get(name, name)}", text]
    return " ".join(shlex.quote(word) for word in [*words, "--html", "report.html"])


def citations(scores: Scores) -> list[tuple[str, str]]:
    """What to cite: the model, the data set, the software."""
    found = [
        (what, str(scores.about.get(key, {}).get("citation") or ""))
        for what, key in (("Model", "model"), ("Data set", "dataset"))
    ]
    version = scores.about.get("braincodec_version") or __version__
    return [(what, text) for what, text in found if text] + [("Software", f"{SOFTWARE}, version {version}.")]
