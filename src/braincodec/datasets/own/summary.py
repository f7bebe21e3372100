"""What was found of one's own data set, and what is wrong with it, in words."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from braincodec.datasets.base import Recording, Split
from braincodec.datasets.catalogue import LABEL_WIDTH
from braincodec.errors import BraincodecError

if TYPE_CHECKING:
    from braincodec.datasets.own.dataset import Own

BLOCK_VALUES = 2**22  # responses looked at together
MOST_SHOWN = 5


def describe(data: Own) -> str:
    """The facts of the data set, a line each; images are read where near copies are looked for, responses are not."""
    facts = {
        "modality": data.modality,
        "species": data.species,
        "images": data.study.stimuli.describe(),
        "table": data.study.table_in_words(),
        "subjects": "\n".join(_subject_line(data, name) for name in data.subjects()),
        "surface": data.settings.space or "",
        "simulated": "yes: the subjects never existed" if data.settings.simulated else "",
        "split": data.split_origin,
        "z-scored": "within sessions, by training trials" if data.settings.standardise == "session" else "",
        "licence": data.licence,
        "citation": data.citation,
        "notes": "\n".join(data.study.notes()),
    }
    lines = [f"{data.settings.title} (one's own data)"]
    for label, text in facts.items():
        if text:
            lines.append(f"  {label:<{LABEL_WIDTH}}{textwrap.indent(text, ' ' * (LABEL_WIDTH + 2)).lstrip()}")
    return "\n".join(lines)


def response_problems(recording: Recording) -> list[str]:
    """What is wrong with the values of a recording; all of them are read, a block at a time."""
    counts = _Counts(recording.responses)
    for values in _blocks(recording.responses):
        counts.add(values)
    found = []
    words = _Units(recording.responses)
    if counts.infinite:
        found.append(f"{counts.infinite:,} responses are infinite")
    if counts.absent.any():
        found.append(f"{words.some(counts.absent)} NaN in every trial: NaN in a model, too, and left out of summaries")
    constant = ~counts.absent & (counts.least == counts.most)
    if constant.any():
        found.append(f"{words.some(constant)} without variance: no model can predict them, and their scores are NaN")
    if counts.incomplete:
        found.append(
            f"{counts.incomplete:,} trials have NaN in {counts.missing:,} values of units that others have, the first "
            f"of stimulus {counts.first!r}; means over repetitions leave them out"
        )
    if counts.unseen:
        found.append(
            f"{len(counts.unseen)} stimuli have no response at all, the first is {counts.unseen[0]!r}; take them out "
            "of the table"
        )
    return found


class _Counts:
    """Running counts of what is missing, infinite or constant."""

    def __init__(self, responses: xr.DataArray) -> None:
        width = int(np.prod([size for dim, size in responses.sizes.items() if dim not in ("stimulus", "repetition")]))
        self.absent = np.ones(width, bool)
        self.least, self.most = np.full(width, np.inf), np.full(width, -np.inf)
        self.infinite = 0
        self._lacking: list[tuple[str, int]] = []  # stimulus, and how many units have no value, of each trial
        self.unseen: list[str] = []

    def add(self, block: tuple[list[str], NDArray[np.floating]]) -> None:
        ids, values = block  # (stimuli, repetitions, units)
        present = ~np.isnan(values)
        self.infinite += int(np.isinf(values).sum())
        self.absent &= ~present.any((0, 1))
        self.least = np.minimum(self.least, np.where(present, values, np.inf).min((0, 1)))
        self.most = np.maximum(self.most, np.where(present, values, -np.inf).max((0, 1)))
        trials = present.any(2)
        self.unseen += [name for name, seen in zip(ids, trials.any(1), strict=True) if not seen]
        lacking = (~present).sum(2)
        self._lacking += [(ids[row], int(lacking[row, repetition])) for row, repetition in np.argwhere(trials)]

    @property
    def _real_holes(self) -> list[tuple[str, int]]:
        never = int(self.absent.sum())
        return [(name, count - never) for name, count in self._lacking if count > never]

    @property
    def incomplete(self) -> int:
        """Trials in which some units have no value, beside those that never have."""
        return len(self._real_holes)

    @property
    def missing(self) -> int:
        """Values that are missing in them."""
        return sum(count for _, count in self._real_holes)

    @property
    def first(self) -> str:
        """Stimulus of the first of them."""
        return self._real_holes[0][0]


class _Units:
    """Names of units."""

    def __init__(self, responses: xr.DataArray) -> None:
        if "channel" in responses.dims:
            times = responses["time"].values
            self._names = [f"{name} at {time:.3g} s" for name in responses["channel"].values for time in times]
            self._what = "pairs of channel and time"
        else:
            self._names = [str(number) for number in range(responses.sizes["unit"])]
            self._what = "units"

    def some(self, chosen: NDArray[np.bool_]) -> str:
        """How many, of how many, and the first of them."""
        names = [self._names[place] for place in np.flatnonzero(chosen)[:MOST_SHOWN]]
        more = ", ..." if chosen.sum() > MOST_SHOWN else ""
        return f"{int(chosen.sum()):,} of {len(chosen):,} {self._what} ({', '.join(names)}{more}) are"


def _blocks(responses: xr.DataArray) -> Iterator[tuple[list[str], NDArray[np.floating]]]:
    """Some stimuli at a time, shape (stimuli, repetitions, units)."""
    each = max(responses.size // max(responses.sizes["stimulus"], 1), 1)
    step = max(BLOCK_VALUES // each, 1)
    repetitions = responses.sizes.get("repetition", 1)
    for begin in range(0, responses.sizes["stimulus"], step):
        block = responses[begin : begin + step]
        values = np.asarray(block.values, np.float64)
        yield block["stimulus"].values.astype(str).tolist(), values.reshape(len(values), repetitions, -1)


def _subject_line(data: Own, name: str) -> str:
    try:
        recording = data.subject(name)
    except BraincodecError as error:
        return f"{name}: cannot be opened: {error}"
    responses = recording.responses
    sizes = ", ".join(
        f"{responses.sizes[dim]:,} {dim}s" for dim in responses.dims if dim not in ("stimulus", "repetition")
    )
    times = responses.coords.get("repetitions")
    shown = "" if times is None else f", shown {_range(int(times.min()), int(times.max()))} times"
    parts = ", ".join(f"{len(recording.split.ids(part)):,} {part}" for part in Split.PARTS if recording.split.ids(part))
    rois = recording.units["roi"].values.tolist() if "roi" in recording.units else []
    regions = f", regions {', '.join(map(str, rois[:8]))}{', ...' if len(rois) > 8 else ''}" if rois else ""
    return f"{name}: {responses.sizes['stimulus']:,} stimuli{shown}; {sizes} ({responses.dtype}){regions}; {parts}"


def _range(least: int, most: int) -> str:
    return f"{least}" if least == most else f"{least} to {most}"
