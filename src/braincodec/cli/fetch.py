"""``braincodec fetch``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from braincodec.cli.options import Anonymous, AsJson, Overwrite, ShowProgress, parse_names
from braincodec.cli.output import note, say, say_json, say_table, size
from braincodec.cli.push import DryRun, say_transfer
from braincodec.errors import InputValueError, UnknownNameError


def fetch(
    address: Annotated[
        str,
        typer.Argument(
            metavar="ADDRESS",
            help="hf://user/name, s3://bucket/folder, https://... or a folder; or the name of a data set.",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for what is fetched.")],
    subject: Annotated[str | None, typer.Option("--subject", help="Of a data set: only these subjects.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Take only what was fetched before.")] = False,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    progress: ShowProgress = None,
    as_json: AsJson = False,
    anonymous: Anonymous = False,
) -> None:
    """Copy models, stores or data sets here. Files are checked; an interrupted run goes on when it is started again."""
    if "://" not in address and not Path(address).exists():
        _fetch_dataset(address, output, subject, offline, dry_run, progress, as_json)
        return
    if subject is not None:
        raise InputValueError("--subject is for data sets")
    from braincodec.transfer import fetch as fetch_files

    options: dict[str, Any] = {"anon": True} if anonymous else {}
    options |= {"offline": offline or None, "overwrite": overwrite}
    plan = fetch_files(address, output, dry_run=True, **options)
    note(str(plan))
    if not dry_run and plan.missing:
        fetch_files(address, output, progress=progress, **options)
    say_transfer(plan, as_json, dry_run)


def _fetch_dataset(
    name: str, output: Path, subject: str | None, offline: bool, dry_run: bool, progress: bool | None, as_json: bool
) -> None:
    from braincodec.datasets import DATASETS
    from braincodec.datasets.fetching import fetch as fetch_data

    if name not in DATASETS.names():
        raise UnknownNameError("data set", name, DATASETS.names(), where="(nor is it a path or an address)")
    if offline:
        raise InputValueError("--offline is for addresses: a data set is in the folder that it was fetched to, or not")
    subjects = parse_names(subject)
    plan = fetch_data(name, output, subjects=subjects, dry_run=True, progress=False)
    note(str(plan))
    if not dry_run and not plan.complete:
        plan = fetch_data(name, output, subjects=subjects, progress=progress)
    rows = [(file.download.file, file.size, file.state) for file in plan.files]
    if as_json:
        keys = ("name", "size", "state")
        say_json({"source": name, "target": output, "files": [dict(zip(keys, row, strict=True)) for row in rows]})
        return
    say_table(["file", "size>", ""], [(name, size(count), state) for name, count, state in rows])
    say(f"{output}: {sum(state == 'here' for *_, state in rows)} of {len(rows)} files are here")
