"""``braincodec responses``: responses that were generated in advance for whole stimulus sets."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    parse_pair,
    parse_rows,
    parse_subjects,
)
from braincodec.cli.output import note, ranges, say, say_json, say_table, size

if TYPE_CHECKING:
    import xarray as xr

    from braincodec.store import Store
    from braincodec.synthesis.storage.unfinished import Unfinished

Stimuli = Annotated[str, typer.Option("--stimuli", help="Stimulus set: nsd, things, imagenet_val, ...")]
Model = Annotated[
    str | None, typer.Option("--model", "-m", help="Identifier; may be left out where one model answers to the set.")
]
Subject = Annotated[str, typer.Option("--subject")]
Roi = Annotated[str | None, typer.Option("--roi", help="One region.")]
Rows = Annotated[str | None, typer.Option("--rows", help="Stimuli by position: 0:10, ::100 or 3,7,9.")]
Channels = Annotated[str | None, typer.Option("--channel", help="EEG channels: O1,Oz,O2.")]
Time = Annotated[str | None, typer.Option("--time", help="EEG seconds: 0.05:0.3.")]


class Form(StrEnum):
    """What `export` writes."""

    file = "file"
    ned = "ned"
    store = "store"


MOST_ROWS_SHOWN, MOST_COLUMNS_SHOWN = 20, 8

responses = typer.Typer(
    name="responses",
    help="List, show and export responses generated in advance.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@responses.command("list")
def list_sets(store: StoreAddress = None, as_json: AsJson = False, anonymous: Anonymous = False) -> None:
    """List the generated responses of a store; what a synthesis has not finished is named as such."""
    opened = open_given_store(store, anonymous)
    table = opened.response_sets()
    unfinished = _unfinished(opened, anonymous)
    if as_json:
        rows = table.to_dict("records") + [
            {"model": one.model, "stimuli": one.stimuli, "subject": one.subject, "roi": one.roi or ""}
            | {"state": "unfinished", "blocks_done": one.done, "blocks": one.blocks}
            for one in unfinished
        ]
        say_json(rows)
        return
    shown: list[tuple[object, ...]] = [
        (model, stimuli, ranges(set(group["subject"])), list(dict.fromkeys(roi for roi in group["roi"] if roi)), "")
        for (model, stimuli), group in table.groupby(["model", "stimuli"])
    ]
    shown += [_row_of(names, unfinished) for names in dict.fromkeys((one.model, one.stimuli) for one in unfinished)]
    columns = ["model", "stimuli", "subjects", "regions", *(["state"] if unfinished else [])]
    say_table(columns, [row[: len(columns)] for row in shown])
    if unfinished:
        note(f"unfinished responses cannot be read yet: braincodec synthesize -o {opened.address} --resume goes on")


def _unfinished(store: Store, anonymous: bool) -> list[Unfinished]:
    from braincodec.file_cache import CachedFolder
    from braincodec.store.native_store import NativeStore

    offline = isinstance(store.folder, CachedFolder)
    if not isinstance(store, NativeStore) or offline or not store.folder.names("synthesis"):
        return []
    from braincodec.synthesis.storage.unfinished import unfinished_responses

    found, problems = unfinished_responses(store.address, {"anon": True} if anonymous else None)
    for problem in problems:
        note(problem)
    return found


def _row_of(names: tuple[str, str], unfinished: list[Unfinished]) -> tuple[object, ...]:
    own = [one for one in unfinished if (one.model, one.stimuli) == names]
    regions = list(dict.fromkeys(one.roi for one in own if one.roi))
    done, blocks = sum(one.done for one in own), sum(one.blocks for one in own)
    return (*names, ranges({one.subject for one in own}), regions, f"unfinished, {100 * done // max(blocks, 1)} %")


@responses.command()
def show(
    stimuli: Stimuli,
    store: StoreAddress = None,
    model: Model = None,
    subject: Subject = "1",
    roi: Roi = None,
    rows: Rows = "0:10",
    channel: Channels = None,
    time: Time = None,
    as_json: AsJson = False,
    anonymous: Anonymous = False,
) -> None:
    """Show a slice: its shape, mean and spread for each stimulus, and the first values."""
    opened = open_given_store(store, anonymous)
    chosen = _chosen(
        opened, model or _only_model(opened, stimuli, anonymous), stimuli, subject, roi, rows, channel, time
    )
    chosen = chosen.load()
    dims = dict(zip(map(str, chosen.dims), chosen.shape, strict=True))
    flat = chosen.values.reshape(chosen.shape[0], -1)  # (stimuli, values)
    if as_json:
        say_json({"dims": dims, "stimulus": chosen["stimulus"].values.tolist(), "values": chosen.values.tolist()})
        return
    say(f"{' x '.join(f'{count:,} {name}' for name, count in dims.items())}, {chosen.dtype}, {size(chosen.nbytes)}")
    shown = min(MOST_COLUMNS_SHOWN, flat.shape[1])
    names = [f"value {number}>" for number in range(shown)]
    table = [
        (name, float(row.mean()), float(row.std()), *map(float, row[:shown]))
        for name, row in zip(chosen["stimulus"].values[:MOST_ROWS_SHOWN], flat[:MOST_ROWS_SHOWN], strict=True)
    ]
    say_table(["stimulus", "mean>", "standard deviation>", *names], table)
    if len(flat) > MOST_ROWS_SHOWN:
        say(f"and {len(flat) - MOST_ROWS_SHOWN:,} more stimuli; 'braincodec responses export' writes them all")


@responses.command(
    epilog="Examples: braincodec responses export --stimuli things --roi V1 --rows 0:10 -o x.nc; "
    "braincodec responses export --to ned -s generated -o neural_encoding_dataset"
)
def export(
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="A file, .zarr .nc .npy .npz .h5 .nii.gz; with --to, a folder."),
    ],
    to: Annotated[
        Form, typer.Option("--to", help="A file; or whole sets to a folder in NED's layout, or to a store of ours.")
    ] = Form.file,
    stimuli: Annotated[
        str | None, typer.Option("--stimuli", help="Stimulus set: nsd, things, imagenet_val, ...; --to takes all.")
    ] = None,
    store: StoreAddress = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Identifier; may be left out where one answers to the set.")
    ] = None,
    subject: Annotated[str | None, typer.Option("--subject", help="Default: 1; with --to, all.")] = None,
    roi: Annotated[str | None, typer.Option("--roi", help="One region; with --to several, V1,V2, or all.")] = None,
    rows: Rows = None,
    channel: Channels = None,
    time: Time = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            "--labels", help="With --to ned: nsd_expdesign.mat, or a .npy of NED's metadata for these images."
        ),
    ] = None,
    overwrite: Overwrite = False,
    progress: ShowProgress = None,
    as_json: AsJson = False,
    anonymous: Anonymous = False,
) -> None:
    """Write a slice to a file, or whole sets to NED's layout or to a store, in bounded memory.

    Whole sets that are there already are kept, so that an interrupted export goes on when it is started again.
    """
    _check_options(to, stimuli, labels, {"--rows": rows, "--channel": channel, "--time": time})
    opened = open_given_store(store, anonymous)
    if to is Form.file:
        which = model or _only_model(opened, str(stimuli), anonymous)
        chosen = _chosen(opened, which, str(stimuli), subject or "1", roi, rows, channel, time)
        chosen.bc.save(output, overwrite=overwrite)
        dims = " x ".join(f"{count:,} {name}" for name, count in zip(chosen.dims, chosen.shape, strict=True))
        say(f"{output}: {dims}, {chosen.dtype}, {size(chosen.nbytes)}")
        return
    numbers = parse_subjects(subject or ALL)
    options: dict[str, Any] = {
        "models": parse_names(model),
        "stimuli": parse_names(stimuli),
        "subjects": None if isinstance(numbers, str) else numbers,
        "rois": parse_names(roi),
        "overwrite": overwrite,
        "on_start": lambda job: note(job.source.title),
    }
    if to is Form.ned:
        options |= {"labels": labels, "progress": progress}
    _copy_sets(opened, output, to, options, as_json)


def _check_options(to: Form, stimuli: str | None, labels: Path | None, slices: dict[str, str | None]) -> None:
    from braincodec.errors import InputValueError

    if to is Form.file and stimuli is None:
        raise InputValueError("--stimuli names the set to export; 'braincodec responses list' shows them")
    if to is not Form.ned and labels is not None:
        raise InputValueError("--labels belongs to --to ned: elsewhere the stimulus ids are inside")
    given = [name for name, value in slices.items() if value is not None]
    if to is not Form.file and given:
        raise InputValueError(f"{given[0]} takes a slice, --to {to} writes whole sets; leave one of them out")


def _copy_sets(store: Store, output: Path, to: Form, options: dict[str, Any], as_json: bool) -> None:
    from braincodec.store.responses_from_ned import responses_from_ned
    from braincodec.store.responses_to_ned import responses_to_ned

    done = (responses_to_ned if to is Form.ned else responses_from_ned)(store, output, **options)
    if as_json:
        say_json([vars(one) | {"source": vars(one.source)} for one in done])
    else:
        say_table(
            ["model", "stimuli", "subject>", "region", "outcome", "files>", "written>", "seconds>", "remark"],
            [
                (
                    one.source.model,
                    one.source.stimuli,
                    one.source.subject,
                    one.source.roi,
                    one.outcome,
                    len(one.files) or None,
                    size(one.nbytes) if one.nbytes else "",
                    f"{one.seconds:.1f}" if one.nbytes else "",
                    one.reason,
                )
                for one in done
            ],
        )
        counts = {name: sum(one.outcome == name for one in done) for name in ("written", "kept", "skipped", "failed")}
        say(f"{output}: " + (", ".join(f"{count} {name}" for name, count in counts.items() if count) or "nothing"))
    if not any(one.outcome in ("written", "kept") for one in done) or any(one.outcome == "failed" for one in done):
        raise typer.Exit(1)


def _chosen(
    store: Store,
    model: str,
    stimuli: str,
    subject: str,
    roi: str | None,
    rows: str | None,
    channel: str | None,
    time: str | None,
) -> xr.DataArray:
    found = store.responses(model, stimuli=stimuli, subject=subject, roi=roi)
    found = found.isel(stimulus=parse_rows(rows, found.sizes["stimulus"]))
    window = parse_pair(time, "--time", ":")
    if channel is None and window is None:
        return found
    return found.bc.select(channel=parse_names(channel), time=window)


def _only_model(store: Store, stimuli: str, anonymous: bool) -> str:
    """The model that answers to the set; of unfinished responses too, since asking for them says how far they are."""
    from braincodec.errors import InputValueError, UnknownNameError

    table = store.response_sets()
    models = sorted(set(table.loc[table["stimuli"] == stimuli, "model"]))
    models = models or sorted({one.model for one in _unfinished(store, anonymous) if one.stimuli == stimuli})
    if not models:
        raise UnknownNameError("stimulus set", stimuli, sorted(set(table["stimuli"])), where=f"in {store.address}")
    if len(models) > 1:
        raise InputValueError(f"several models have responses to {stimuli}: choose with --model {' or '.join(models)}")
    return models[0]
