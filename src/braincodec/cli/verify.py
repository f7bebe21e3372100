"""``braincodec verify``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from braincodec.cli.options import AsJson, ShowProgress
from braincodec.cli.output import note, say_json, say_table, size

if TYPE_CHECKING:
    from braincodec.synthesis.verifying.verification import Verification

DAMAGE_FOUND = 1


def verify(
    store: Annotated[str, typer.Argument(metavar="STORE", help="Folder or address (s3://...) of a braincodec store.")],
    sizes_only: Annotated[
        bool, typer.Option("--sizes-only", help="Compare names and sizes of files; do not read them.")
    ] = False,
    discard_damaged: Annotated[
        bool,
        typer.Option("--discard-damaged", help="Forget damaged blocks: 'synthesize --resume' then makes them again."),
    ] = False,
    progress: ShowProgress = None,
    as_json: AsJson = False,
    anonymous: Annotated[bool, typer.Option("--anonymous", help="Read a public bucket without an account.")] = False,
) -> None:
    """Check that a store is whole: checksums, holes, shapes, ids, labels.

    Leaves with exit code 1 where something is damaged, missing or unfinished.
    """
    from braincodec.synthesis.verifying.store import verify as verify_store

    options: dict[str, Any] | None = {"anon": True} if anonymous else None
    found = verify_store(store, options, contents=not sizes_only, discard_damaged=discard_damaged, progress=progress)
    if as_json:
        say_json(
            {
                "address": found.address,
                "ok": found.ok,
                "discarded": found.discarded,
                "problems": [asdict(problem) for problem in found.problems],
                "checked": [asdict(one) for one in found.checked],
            }
        )
    else:
        _say(found)
    if not found.ok:
        raise typer.Exit(DAMAGE_FOUND)


def _say(found: Verification) -> None:
    say_table(
        ["kind", "model", "subject", "roi", "stimuli", "blocks>", "size>", "state"],
        [
            (
                one.kind,
                one.model,
                one.subject,
                one.roi,
                one.stimuli,
                "" if one.blocks is None else f"{one.blocks:,} of {one.planned_blocks:,}",
                size(one.bytes),
                one.state,
            )
            for one in found.checked
        ],
    )
    note(str(found))
    if found.discarded:
        count = f"{found.discarded:,} damaged block{'s' * (found.discarded > 1)}"
        note(f"{count} forgotten: 'braincodec synthesize -o {found.address} --resume' goes on with what is missing")
