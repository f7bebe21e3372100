"""What a synthesis would do and take, in words and tables: models, sharing, bytes, hours, disk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from braincodec.subjects import ranges
from braincodec.synthesis.plan import Pass, Plan
from braincodec.synthesis.planning.probe import Probed

MOST_PASSES_SHOWN = 40
MOST_REGIONS_SHOWN = 8
# what is written at most beside the values: labels, records, metadata
LABELS = 1.02
SHARED = {
    "features": "a network's features",
    "images": "decoding and resizing of images",
    "nothing": "",
}
MINUTE, HOUR, DAY = 60, 3600, 86_400


@dataclass(frozen=True)
class Forecast:
    """What `synthesize` would do with the same arguments; `str` gives it in words.

    Parameters
    ----------
    plan : Plan
    output : str
        Address of the store that would be written.
    stimuli : str
        The images, in words.
    state : str
        What the run finds at the output, in words; nothing for a new one.
    workers : int
        That are at hand, or asked for.
    where : str
        Where they run, in words.
    finished : dict of int to int
        Stimuli whose responses are there already, by number of the pass.
    probed : Probed
        What a probe measured; empty where there was none.
    free_bytes : int or None
        On the disk of the output; None at an address.
    notes : tuple of str
        Remarks, such as on licences.
    """

    plan: Plan
    output: str
    stimuli: str
    state: str = ""
    workers: int = 1
    where: str = "on this machine"
    finished: dict[int, int] = field(default_factory=dict)
    probed: Probed = field(default_factory=Probed)
    free_bytes: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def arrays(self) -> int:
        """How many arrays are written."""
        return len(self.plan.outputs)

    @property
    def raw_bytes(self) -> int:
        """Bytes of all responses before compression."""
        return self.plan.stored_bytes

    @property
    def stored_bytes(self) -> int:
        """Bytes that are expected on the disk, by the probe where there was one."""
        return round(self.raw_bytes * self.probed.ratio * LABELS)

    @property
    def missing_bytes(self) -> int:
        """Bytes that are still to be written."""
        values = sum(
            (self.plan.request.count - self.finished.get(number, 0)) * one.values
            for number, one in enumerate(self.plan.passes)
        )
        return round(values * self.plan.itemsize * self.probed.ratio * LABELS)

    @property
    def fits(self) -> bool:
        """Whether the disk has room for what is still to be written, as far as is known."""
        return self.free_bytes is None or self.free_bytes >= self.missing_bytes

    @property
    def seconds(self) -> float | None:
        """Expected duration of what is still to be computed; None without a probe."""
        total = 0.0
        for number, _ in enumerate(self.plan.passes):
            of_image = self.probed.seconds_of(self.plan, number)
            if of_image is None:
                return None
            total += of_image * (self.plan.request.count - self.finished.get(number, 0))
        return total / self.workers

    def __str__(self) -> str:
        return "\n".join([*self._head(), "", *self._passes(), "", *self._sharing(), *self._costs(), *self._remarks()])

    def _head(self) -> list[str]:
        request = self.plan.request
        return [
            f"models        {', '.join(request.models)} in {self.plan.models_address}",
            f"stimuli       {request.stimuli}: {self.stimuli}",
            f"output        {self.output}" + (f": {self.state}" if self.state else ""),
        ]

    def _passes(self) -> list[str]:
        shown = self.plan.passes[:MOST_PASSES_SHOWN]
        rows = [[*self._row(number, one)] for number, one in enumerate(shown)]
        if len(self.plan.passes) > len(shown):
            rows.append([f"and {len(self.plan.passes) - len(shown)} more"])
        if len(self.plan.passes) > 1:
            values = sum(one.values for one in self.plan.passes)
            rows.append(["all", "", "", f"{self.arrays:,}", f"{values:,}", "", "", "", self._rate(None)])
        names = ["pass", "subjects", "regions", "arrays>", "values/image>", "tile>", "block>", "weights>", "images/s>"]
        return aligned(names, rows)

    def _row(self, number: int, one: Pass) -> Iterable[str]:
        regions = [output.roi for output in one.outputs if output.roi is not None]
        yield one.name
        yield ranges({output.subject for output in one.outputs})
        yield _some(list(dict.fromkeys(regions))) if regions else "all units"
        yield f"{len(one.outputs):,}"
        yield f"{one.values:,}"
        yield f"{one.tile:,}"
        yield f"{one.block:,}"
        yield size(one.weight_bytes)
        yield self._rate(number)

    def _rate(self, number: int | None) -> str:
        """Images a second of one worker in one pass, or in all."""
        if number is None:
            total = self.probed.total_seconds(self.plan)
            return _rate(None if total is None else total / self.plan.request.count)
        words = _rate(self.probed.seconds_of(self.plan, number))
        return words if number in self.probed.seconds or not words else f"~{words}"

    def _sharing(self) -> list[str]:
        lines = []
        for kind, what in SHARED.items():
            passes = [one for one in self.plan.passes if one.shared == kind]
            arrays = sum(len(one.outputs) for one in passes)
            if passes and what:
                times = f"{len(passes)} times" if len(passes) > 1 else "once"
                lines.append(f"shared        {what}: {times} in place of {arrays}")
        if not lines and self.arrays > 1:
            lines.append("shared        nothing: each array has a network and a form of images of its own")
        return lines

    def _costs(self) -> list[str]:
        request = self.plan.request
        packed = f", about {size(self.stored_bytes)} compressed (by a probe)" if self.probed.raw_bytes else ""
        kept = f", {request.layout} layout" if request.layout != "default" else ""
        lines = [
            f"responses     {self.arrays:,} array{'s' * (self.arrays != 1)} of {stimuli_in_words(request.count)}, "
            f"{request.stored_dtype}{kept}: {size(self.raw_bytes)}{packed}"
        ]
        at_work = f"{self.workers} worker{'s' * (self.workers != 1)} {self.where}, {self._one_worker()}"
        seconds = self.seconds
        if seconds is None:
            lines.append(f"workers       {at_work}")
        else:
            measured, all_passes = len(self.probed.seconds), len(self.plan.passes)
            probe = "" if measured == all_passes else f" of {measured} of {all_passes} passes"
            lines.append(
                f"time          about {duration(seconds)} of computing with {at_work} (by a probe{probe} here)"
            )
        if self.free_bytes is not None:
            lines.append(f"disk          {size(self.free_bytes)} free, {size(self.missing_bytes)} needed")
        return lines

    def _one_worker(self) -> str:
        request = self.plan.request
        if request.device != "cpu":
            return f"one {request.device} device each, {request.dtype}"
        return f"{request.threads} thread{'s' * (request.threads != 1)} each, {request.dtype}"

    def _remarks(self) -> list[str]:
        lines = [f"left out      {words}" for words in self.plan.left_out]
        lines += [f"note          {words}" for words in self.notes]
        if not self.fits:
            lines.append("note          the disk has too little room")
        return lines


def stimuli_in_words(count: int) -> str:
    """How many stimuli.

    Examples
    --------
    >>> stimuli_in_words(1), stimuli_in_words(73_000)
    ('1 stimulus', '73,000 stimuli')
    """
    return f"{count:,} {'stimulus' if count == 1 else 'stimuli'}"


def size(count: int) -> str:
    """Bytes in words.

    Examples
    --------
    >>> size(3_700_000_000), size(12_345_678), size(8_064)
    ('3.70 GB', '12.3 MB', '8.1 kB')
    """
    for unit, name in ((10**12, "TB"), (10**9, "GB"), (10**6, "MB")):
        if count >= unit:
            return f"{count / unit:,.{1 if name == 'MB' else 2}f} {name}"
    return f"{count / 1000:,.1f} kB"


def duration(seconds: float) -> str:
    """Seconds in words.

    Examples
    --------
    >>> duration(20), duration(400), duration(9000), duration(1e6)
    ('20 s', '7 min', '2.5 h', '11.6 days')
    """
    if seconds < 1.5 * MINUTE:
        return f"{max(seconds, 1):.0f} s"
    if seconds < 1.5 * HOUR:
        return f"{seconds / MINUTE:.0f} min"
    return f"{seconds / HOUR:.1f} h" if seconds < 2 * DAY else f"{seconds / DAY:.1f} days"


def aligned(names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table; columns whose name has a trailing ``>`` are aligned to the right, empty ones left out.

    Examples
    --------
    >>> aligned(["pass", "tile>", "none"], [["first", "8", ""], ["all"]])
    ['pass   tile', 'first     8', 'all']
    """
    whole = [[*row, *[""] * (len(names) - len(row))] for row in rows]
    kept = [column for column in range(len(names)) if any(row[column] for row in whole)]
    table = [[names[column].rstrip(">") for column in kept], *([row[column] for column in kept] for row in whole)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    right = [names[column].endswith(">") for column in kept]
    return [
        "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in table
    ]


def _rate(seconds: float | None) -> str:
    if seconds is None or seconds <= 0:
        return ""
    rate = 1 / seconds
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"


def _some(names: Sequence[str]) -> str:
    if len(names) <= MOST_REGIONS_SHOWN:
        return ", ".join(names)
    return ", ".join(names[: MOST_REGIONS_SHOWN - 1]) + f" and {len(names) - MOST_REGIONS_SHOWN + 1} more"
