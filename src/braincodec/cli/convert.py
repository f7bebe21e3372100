"""``braincodec convert``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from braincodec.cli.options import ALL, AsJson, Overwrite, parse_names, parse_subjects
from braincodec.cli.output import note, say, say_json, say_table, size

if TYPE_CHECKING:
    from braincodec.legacy.convert import Conversion
    from braincodec.subjects import Subject


class Form(StrEnum):
    """What `convert` writes."""

    artefacts = "artefacts"
    ned = "ned"


def convert(
    source: Annotated[
        str,
        typer.Argument(metavar="SOURCE", help="Folder of NED, NEST or BERG as downloaded; with --to ned, a store."),
    ],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the new store, or of NED's layout.")],
    to: Annotated[Form, typer.Option("--to", help="What to write.")] = Form.artefacts,
    model: Annotated[str, typer.Option("--model", "-m", help="Only these models, or all.")] = ALL,
    subject: Annotated[str, typer.Option("--subject", help="Only these: 1,2 or 1-4, or all.")] = ALL,
    roi: Annotated[str, typer.Option("--roi", help="Only these regions, V1,V2, or all.")] = ALL,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """NED, NEST or BERG folder to artefacts; or, with --to ned, a store's models to NED's layout.

    Nothing that the published files ask for is run. What is finished is kept: an interrupted conversion goes on when it
    is started again.
    """
    from braincodec.legacy.convert import convert_folder, plan_conversion

    models, rois = parse_names(model), parse_names(roi)
    numbers = parse_subjects(subject)
    subjects = None if isinstance(numbers, str) else numbers
    if to is Form.ned:
        _to_ned(source, target, models, subjects, rois, overwrite, as_json)
        return
    plan = plan_conversion(source, target, models=models, subjects=subjects, rois=rois)
    pending = [job for job in plan if job.outcome == "pending"]
    _note_memory(pending)
    begun = iter(range(1, len(pending) + 1))
    done = convert_folder(
        source,
        target,
        models=models,
        subjects=subjects,
        rois=rois,
        overwrite=overwrite,
        on_start=lambda job: note(f"[{next(begun)}/{len(pending)}] {job.title} ({size(job.source_bytes)})"),
    )
    _say_summary(done, target, as_json)
    if any(job.outcome == "failed" for job in done):
        raise typer.Exit(1)


def _to_ned(
    source: str,
    target: Path,
    models: list[str] | None,
    subjects: list[Subject] | None,
    rois: list[str] | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    from braincodec.legacy.to_ned import CONVERTIBLE
    from braincodec.store.to_ned import store_to_ned

    done = store_to_ned(
        source,
        target,
        models=models,
        subjects=subjects,
        rois=rois,
        overwrite=overwrite,
        on_start=lambda job: note(job.title),
    )
    _say_summary(done, target, as_json)
    if any(job.outcome == "skipped" for job in done):
        note(f"NED's layout has a place for {CONVERTIBLE}")
    if not any(job.outcome in ("converted", "kept") for job in done) or any(job.outcome == "failed" for job in done):
        raise typer.Exit(1)


def _note_memory(pending: list[Conversion]) -> None:
    from braincodec.device import free_memory, resolve_device

    largest = max((job for job in pending if job.source_bytes), key=lambda job: job.source_bytes or 0, default=None)
    if largest is None or largest.peak_bytes is None:
        return
    free = free_memory(resolve_device("cpu"))
    words = (
        f"reading {largest.title} ({size(largest.source_bytes)}) may take up to {size(largest.peak_bytes)} of memory"
    )
    too_little = "" if free > largest.peak_bytes else ": that may be too little"
    note(f"{words}; {size(free)} are free{too_little}")


def _say_summary(done: list[Conversion], target: Path, as_json: bool) -> None:
    if as_json:
        say_json([vars(job) for job in done])
        return
    say_table(
        ["model", "subject>", "region", "outcome", "read>", "written>", "seconds>", "remark"],
        [
            (job.name, job.subject, job.roi, job.outcome, size(job.source_bytes), size(_written(job)), _time(job),
             job.reason)
            for job in done
        ],
    )  # fmt: skip
    counts = {name: sum(job.outcome == name for job in done) for name in ("converted", "kept", "skipped", "failed")}
    say(f"{target}: " + ", ".join(f"{count} {name}" for name, count in counts.items() if count))


def _written(job: Conversion) -> int | None:
    from braincodec.artefact import CONFIG

    if job.artefact is None or not (job.artefact / CONFIG).is_file():
        return None
    return sum(file.stat().st_size for file in job.artefact.iterdir())


def _time(job: Conversion) -> str:
    return f"{job.seconds:.1f}" if job.outcome == "converted" else ""
