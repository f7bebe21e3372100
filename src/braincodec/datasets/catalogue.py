"""What a data set says of itself, and whether what lies on disk is what it says; made from its declared facts."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from braincodec.errors import BraincodecError

if TYPE_CHECKING:
    from braincodec.datasets.base import Counts, Dataset, Recording

LABEL_WIDTH = 12
READ_AT_ONCE = 64  # stimuli


def describe_dataset(dataset: Dataset) -> str:
    """The facts of a data set as a few lines of text; see `Dataset.info`."""
    names = dataset.subjects()
    facts = {
        "modality": dataset.modality,
        "species": dataset.species,
        "subjects": "\n".join(_subject_line(name, dataset.expected.get(name)) for name in names) or "none",
        "absent": ", ".join(sorted(set(dataset.expected) - set(names))),
        "split": dataset.split_origin,
        "on disk": _size_line(dataset, names),
        "licence": dataset.licence,
        "citation": dataset.citation,
        "to get it": dataset.how_to_get,
        "fetched": _fetch_line(dataset),
    }
    lines = [dataset.name]
    for label, text in facts.items():
        if text:
            block = textwrap.indent(text, " " * (LABEL_WIDTH + 2))
            lines.append(f"  {label:<{LABEL_WIDTH}}{block.lstrip()}")
    return "\n".join(lines)


def verify_dataset(dataset: Dataset, *, read_stimuli: bool) -> list[str]:
    """Everything that is not as declared, in words; see `Dataset.verify`."""
    names = dataset.subjects()
    problems = [f"subject {name}: absent" for name in sorted(set(dataset.expected) - set(names))]
    for name in names:
        try:
            recording = dataset.subject(name)
            found = count_problems(recording, dataset.expected.get(name))
            if read_stimuli:
                found += _unreadable(recording)
        except BraincodecError as error:
            found = [str(error)]
        problems += [f"subject {name}: {problem}" for problem in found]
    return problems


def count_problems(recording: Recording, expected: Counts | None) -> list[str]:
    """How a recording differs from the declared counts, one sentence each; none when nothing was declared."""
    if expected is None:
        return []
    sizes = recording.responses.sizes
    units = sizes["unit"] if "unit" in sizes else sizes.get("channel", 0) * sizes.get("time", 0)
    times_shown = recording.responses.coords.get("repetitions")  # known of averages too
    repetitions = sizes.get("repetition", 1) if times_shown is None else int(times_shown.max())
    found = {"stimuli": sizes["stimulus"], "units": units, "repetitions": repetitions}
    declared = {"stimuli": expected.stimuli, "repetitions": expected.repetitions or 1}
    if expected.units is not None:
        declared["units"] = expected.units
    return [
        f"{found[what]:,} {what}, expected {declared[what]:,}"
        for what in found
        if what in declared and found[what] != declared[what]
    ]


def _unreadable(recording: Recording) -> list[str]:
    used = recording.stimuli[recording.responses["stimulus"].values.tolist()]
    # one row an image, because images of one set may differ in size
    batches = used.batches(READ_AT_ONCE, transform=lambda images: images[:, 0, 0], on_bad="skip")
    return [f"stimulus {bad.id}: {bad.reason}" for batch in batches for bad in batch.bad]


def _subject_line(name: str, counts: Counts | None) -> str:
    if counts is None:
        return name
    repeated = f", up to {counts.repetitions} repetitions" if counts.repetitions else ""
    units = "" if counts.units is None else f"{counts.units:,} units, "
    return f"{name}: {units}{counts.stimuli:,} stimuli{repeated}"


def _size_line(dataset: Dataset, names: Iterable[str]) -> str:
    files: set[Path] = {path for name in names for path in dataset.files(name) if path.is_file()}
    if not files:
        return ""
    return f"{sum(path.stat().st_size for path in files) / 1e6:,.1f} MB in {len(files)} files"


def _fetch_line(dataset: Dataset) -> str:
    count = len(dataset.downloads)
    return f"{count} files by braincodec.datasets.fetch({dataset.name!r}, root)" if count else ""
