"""``braincodec push``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from braincodec.cli.options import Anonymous, AsJson, Overwrite, ShowProgress, open_given_store, parse_names
from braincodec.cli.output import note, say, say_json, say_table, size

if TYPE_CHECKING:
    from braincodec.transfer import Transfer

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be copied, and how much it is.")]


def push(
    store: Annotated[str, typer.Argument(metavar="STORE", help="A store, or the folder of one model.")],
    address: Annotated[
        str, typer.Argument(metavar="ADDRESS", help="hf://user/name, s3://bucket/folder, or another folder.")
    ],
    model: Annotated[str | None, typer.Option("--model", "-m", help="Only these models of the store.")] = None,
    private: Annotated[
        bool | None, typer.Option("--private/--public", help="Of a repository that is made on a hub.")
    ] = None,
    message: Annotated[str | None, typer.Option("--message", help="For places that keep a history.")] = None,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    progress: ShowProgress = None,
    as_json: AsJson = False,
    anonymous: Anonymous = False,
) -> None:
    """Publish models. Copy them to a hub, a bucket or a folder.

    What lies there already is not copied again: an interrupted push goes on when it is started again.
    """
    from braincodec.transfer import push_artefact

    options: dict[str, Any] = {"anon": True} if anonymous else {}
    options |= {"private": private, "message": message, "overwrite": overwrite}
    names = parse_names(model)

    def run(dry: bool) -> Transfer:
        if opened is None:
            return push_artefact(store, address, dry_run=dry, progress=progress if not dry else False, **options)
        return opened.push(address, models=names, dry_run=dry, progress=progress if not dry else False, **options)

    alone = (Path(store) / "config.json").is_file()
    opened = None if alone else open_given_store(store, anonymous)
    plan = run(dry=True)
    note(str(plan))
    if not dry_run and plan.missing:
        run(dry=False)
    say_transfer(plan, as_json, dry_run)


def say_transfer(transfer: Transfer, as_json: bool, dry_run: bool) -> None:
    """Write what was copied, or would be."""
    if as_json:
        files = [{"name": file.name, "size": file.size, "there": file.there} for file in transfer.files]
        say_json({"source": transfer.source, "target": transfer.target, "dry_run": dry_run, "files": files})
        return
    if dry_run:
        say_table(
            ["file", "size>", ""],
            [(file.name, size(file.size), "there already" if file.there else "") for file in transfer.files],
        )
        return
    verb = "copied" if transfer.missing else "nothing to copy, all of it was there already"
    count = f"{len(transfer.missing)} files, {size(transfer.missing_size)} " if transfer.missing else ""
    say(f"{transfer.target}: {count}{verb}")
