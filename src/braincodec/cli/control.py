"""``braincodec control``: which images of a set drive or suppress regions, or make two regions represent alike."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from braincodec.cli.options import (
    ALL,
    Anonymous,
    AsJson,
    Overwrite,
    ShowProgress,
    StoreAddress,
    open_given_store,
    parse_names,
    parse_subjects,
)
from braincodec.cli.output import note, say, say_json, say_table
from braincodec.errors import InputValueError

if TYPE_CHECKING:
    from braincodec.control import Confirmation, Search, SimilarityConfirmation, SimilaritySearch

BY_SUBJECT, BY_UNITS = "subject", "units"
SHEET, PLOT, HELD_OUT = "images.png", "plot.png", "confirmation"
MOST_ROWS_SHOWN = 25


def control(
    store: StoreAddress = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Identifier; may be left out where one has responses.")
    ] = None,
    stimuli: Annotated[
        str | None, typer.Option("--stimuli", help="Stimulus set; may be left out where there is one.")
    ] = None,
    drive: Annotated[str | None, typer.Option("--drive", help="Regions to respond strongly: V1 or V1,V2.")] = None,
    suppress: Annotated[str | None, typer.Option("--suppress", help="Regions to respond weakly.")] = None,
    align: Annotated[str | None, typer.Option("--align", help="Two regions to represent alike: V1,V4.")] = None,
    disentangle: Annotated[
        str | None, typer.Option("--disentangle", help="Two regions to represent differently: V1,V4.")
    ] = None,
    subject: Annotated[str, typer.Option("--subject", help="To choose on: 1, or 1,2, or all.")] = ALL,
    confirm: Annotated[
        str | None,
        typer.Option(
            "--confirm",
            help="Held-out subjects to test on: 3, or 3,4. Or 'subject': leave each out in turn; or 'units': of one "
            "subject, halves of the units.",
        ),
    ] = None,
    images: Annotated[
        int | None, typer.Option("--images", "-n", help="How many; default: 25, of two regions 50.")
    ] = None,
    scale: Annotated[
        str, typer.Option("--scale", help="zscored: in standard deviations over the images; raw: as stored.")
    ] = "zscored",
    least_noise_ceiling: Annotated[
        float, typer.Option("--least-noise-ceiling", help="Only units whose noise ceiling is above.")
    ] = 0.0,
    any_side: Annotated[
        bool,
        typer.Option(
            "--any-side", help="Rank by the contrast alone: a region may be on the wrong side of the baseline."
        ),
    ] = False,
    generations: Annotated[
        int, typer.Option("--generations", help="Of the genetic search of --align and --disentangle.", min=1)
    ] = 500,
    seed: Annotated[int, typer.Option("--seed")] = 0,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder: the search, a table of the images, figures.")
    ] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="File for the table of the chosen images.")] = None,
    sheet: Annotated[Path | None, typer.Option("--sheet", help="File (.png) for a sheet of the chosen images.")] = None,
    gallery: Annotated[
        str | None, typer.Option("--gallery", help="Where the images lie, for the sheet; default: as the store says.")
    ] = None,
    as_json: AsJson = False,
    overwrite: Overwrite = False,
    progress: ShowProgress = None,
    anonymous: Anonymous = False,
) -> None:
    """Find images in generated responses that drive or suppress regions, or in which two regions represent alike.

    What is chosen on some subjects is confirmed on others: --confirm.
    """
    from braincodec.atomic import refuse_existing
    from braincodec.control import search, search_similarity

    univariate, multivariate = (drive, suppress), (align, disentangle)
    if any(univariate) == any(multivariate):
        raise InputValueError("give --drive and --suppress, or one of --align and --disentangle")
    for path in (output, csv, sheet):
        if path is not None:
            refuse_existing(path, overwrite=overwrite)
    numbers = parse_subjects(subject)
    options: dict[str, Any] = {
        "stimuli": stimuli,
        "subjects": None if isinstance(numbers, str) else numbers,
        "scale": scale,
        "least_noise_ceiling": least_noise_ceiling,
        "seed": seed,
        "progress": progress,
        **({} if images is None else {"images": images}),
    }
    opened = open_given_store(store, anonymous)
    found: Search | SimilaritySearch
    if any(univariate):
        options |= {"drive": _regions(drive), "suppress": _regions(suppress)} | ({"margin": None} if any_side else {})
        found = search(opened, model, **options)
    else:
        options |= {"generations": generations, "align": _regions(align), "disentangle": _regions(disentangle)}
        found = search_similarity(opened, model, **options)
    checked = None if confirm is None else _confirmed(found, confirm, progress)
    _write(found, checked, output, csv, sheet, gallery, overwrite)
    if as_json:
        say_json(found.to_dict() | {"confirmation": None if checked is None else checked.to_dict()})
    else:
        _say(found, checked)


def _regions(text: str | None) -> list[str] | None:
    return None if text is None else parse_names(text) or [text]


def _confirmed(found: Any, text: str, progress: bool | None) -> Confirmation | SimilarityConfirmation:
    if text in (BY_SUBJECT, BY_UNITS):
        return cast("Confirmation | SimilarityConfirmation", found.confirm(by=text, progress=progress))
    subjects = parse_subjects(text)
    if isinstance(subjects, str):  # all that are left
        subjects = [one for one in found.source.subjects() if str(one) not in found.subjects]
        if not subjects:
            raise InputValueError("--confirm all: every subject took part in the choice; name fewer with --subject")
    return cast("Confirmation | SimilarityConfirmation", found.confirm(subjects, progress=progress))


def _write(
    found: Any, checked: Any, output: Path | None, csv: Path | None, sheet: Path | None, gallery: str | None,
    overwrite: bool,
) -> None:  # fmt: skip
    from braincodec.atomic import atomic_path
    from braincodec.control.storage import CHOSEN
    from braincodec.viz import save_figure

    if csv is not None:
        with atomic_path(csv, overwrite=overwrite) as temporary:
            found.stimuli.to_csv(temporary, index=False)
        note(f"wrote {csv}")
    if sheet is not None:
        note(f"wrote {save_figure(sheet, found.images(gallery))}")
    if output is None:
        return
    found.save(output, overwrite=overwrite)
    save_figure(output / PLOT, found.plot())
    if checked is not None:
        checked.to_json(output / f"{HELD_OUT}.json")
        save_figure(output / f"{HELD_OUT}.png", checked.plot())
    note(f"wrote {output} ({CHOSEN}, figures)")
    try:
        save_figure(output / SHEET, found.images(gallery))
    except (InputValueError, OSError) as error:  # the search stands without a picture of the images
        note(f"no sheet of the images: {error}")


def _say(found: Any, checked: Any) -> None:
    table = found.stimuli
    say_table(
        [name if name == "stimulus" else f"{name}>" for name in table.columns],
        table.head(MOST_ROWS_SHOWN).values.tolist(),
    )
    if len(table) > MOST_ROWS_SHOWN:
        say(f"and {len(table) - MOST_ROWS_SHOWN:,} more; --csv writes them all")
    say(str(found).partition("; not confirmed yet")[0])
    if checked is not None:
        say(str(checked))
    else:
        note("chosen, and not confirmed: --confirm tests it on subjects that had no part in the choice")
    sys.stdout.flush()
