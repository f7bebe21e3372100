"""``braincodec responses``: responses that were generated in advance for whole stimulus sets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from braincodec.cli.options import (
    Anonymous,
    AsJson,
    Overwrite,
    StoreAddress,
    open_given_store,
    parse_names,
    parse_pair,
    parse_rows,
)
from braincodec.cli.output import ranges, say, say_json, say_table, size

if TYPE_CHECKING:
    import xarray as xr

    from braincodec.store import Store

Stimuli = Annotated[str, typer.Option("--stimuli", help="Stimulus set: nsd, things, imagenet_val, ...")]
Model = Annotated[
    str | None, typer.Option("--model", "-m", help="Identifier; may be left out where one model answers to the set.")
]
Subject = Annotated[str, typer.Option("--subject")]
Roi = Annotated[str | None, typer.Option("--roi", help="One region.")]
Rows = Annotated[str | None, typer.Option("--rows", help="Stimuli by position: 0:10, ::100 or 3,7,9.")]
Channels = Annotated[str | None, typer.Option("--channel", help="EEG channels: O1,Oz,O2.")]
Time = Annotated[str | None, typer.Option("--time", help="EEG seconds: 0.05:0.3.")]

MOST_ROWS_SHOWN, MOST_COLUMNS_SHOWN = 20, 8

responses = typer.Typer(
    name="responses",
    help="List, show and export responses generated in advance.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@responses.command("list")
def list_sets(store: StoreAddress = None, as_json: AsJson = False, anonymous: Anonymous = False) -> None:
    """List the generated responses of a store."""
    table = open_given_store(store, anonymous).response_sets()
    if as_json:
        say_json(table.to_dict("records"))
        return
    rows = [
        (model, stimuli, ranges(set(group["subject"])), list(dict.fromkeys(roi for roi in group["roi"] if roi)))
        for (model, stimuli), group in table.groupby(["model", "stimuli"])
    ]
    say_table(["model", "stimuli", "subjects", "regions"], rows)


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
    chosen = _chosen(open_given_store(store, anonymous), model, stimuli, subject, roi, rows, channel, time).load()
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


@responses.command(epilog="Example: braincodec responses export --stimuli things --roi V1 --rows 0:10 -o x.nc")
def export(
    stimuli: Stimuli,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The suffix decides: .zarr .nc .npy .npz .h5 .nii.gz.")
    ],
    store: StoreAddress = None,
    model: Model = None,
    subject: Subject = "1",
    roi: Roi = None,
    rows: Rows = None,
    channel: Channels = None,
    time: Time = None,
    overwrite: Overwrite = False,
    anonymous: Anonymous = False,
) -> None:
    """Write a slice to a file, in bounded memory."""
    chosen = _chosen(open_given_store(store, anonymous), model, stimuli, subject, roi, rows, channel, time)
    chosen.bc.save(output, overwrite=overwrite)
    dims = " x ".join(f"{count:,} {name}" for name, count in zip(chosen.dims, chosen.shape, strict=True))
    say(f"{output}: {dims}, {chosen.dtype}, {size(chosen.nbytes)}")


def _chosen(
    store: Store,
    model: str | None,
    stimuli: str,
    subject: str,
    roi: str | None,
    rows: str | None,
    channel: str | None,
    time: str | None,
) -> xr.DataArray:
    found = store.responses(model or _only_model(store, stimuli), stimuli=stimuli, subject=subject, roi=roi)
    found = found.isel(stimulus=parse_rows(rows, found.sizes["stimulus"]))
    window = parse_pair(time, "--time", ":")
    if channel is None and window is None:
        return found
    return found.bc.select(channel=parse_names(channel), time=window)


def _only_model(store: Store, stimuli: str) -> str:
    from braincodec.errors import InputValueError, UnknownNameError

    table = store.response_sets()
    models = sorted(set(table.loc[table["stimuli"] == stimuli, "model"]))
    if not models:
        raise UnknownNameError("stimulus set", stimuli, sorted(set(table["stimuli"])), where=f"in {store.address}")
    if len(models) > 1:
        raise InputValueError(f"several models have responses to {stimuli}: choose with --model {' or '.join(models)}")
    return models[0]
