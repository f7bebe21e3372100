"""``braincodec synthesize``."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated, Any

import typer

from braincodec.cli.options import (
    Anonymous,
    AsJson,
    Overwrite,
    ShowProgress,
    StoreAddress,
    open_given_store,
    parse_names,
    parse_pair,
    parse_settings_of,
    parse_subjects,
)
from braincodec.cli.output import note, say, say_json, size
from braincodec.errors import InputValueError
from braincodec.subjects import ALL

if TYPE_CHECKING:
    from braincodec.synthesis.planning.forecast import Forecast
    from braincodec.synthesis.run import Synthesis

MOST_SKIPPED_SHOWN = 20


def synthesize(
    context: typer.Context,
    output: Annotated[str, typer.Option("--output", "-o", help="Store to write: a folder or address (s3://...).")],
    models: Annotated[
        str | None,
        typer.Option(
            "--models", "-m", help="Identifiers, wild cards ('fmri-*'), or all; commas between.", metavar="IDS"
        ),
    ] = None,
    stimuli: Annotated[
        str | None,
        typer.Option(
            "--stimuli",
            help="Folder or pattern of images, or a .npy, .npz, .h5, .hdf5 or .zip file (stimuli.h5::imgBrick).",
            metavar="IMAGES",
        ),
    ] = None,
    store: StoreAddress = None,
    subjects: Annotated[str, typer.Option("--subjects", help="1, or several: 1,2 or 1-4, or all.")] = ALL,
    rois: Annotated[str, typer.Option("--rois", help="Regions, each an array of its own: V1,V2, or all.")] = ALL,
    value_range: Annotated[
        str | None, typer.Option("--value-range", help="Black and white of arrays, 0,1; floats need it.")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Of the stimulus set in the store; default: the folder's or file's.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, what it takes and how long; write nothing.")
    ] = False,
    cluster: Annotated[
        str, typer.Option("--cluster", help="local, tcp://host:port (a Dask scheduler that runs) or slurm.")
    ] = "local",
    workers: Annotated[int | None, typer.Option("--workers", help="Processes; default: as the machine has.")] = None,
    threads: Annotated[int | None, typer.Option("--threads", help="Of the processor, for each worker.")] = None,
    cluster_option: Annotated[
        list[str] | None,
        typer.Option("--cluster-option", help="For slurm, name=value: queue=gpu, walltime=08:00:00; may be repeated."),
    ] = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda (one to a worker) or mps.")] = "auto",
    dtype: Annotated[
        str, typer.Option("--dtype", help="float32 keeps published numbers; bfloat16 is faster, less exact.")
    ] = "float32",
    stored_dtype: Annotated[
        str, typer.Option("--stored-dtype", help="float32, or float16: half the bytes, its error is stated.")
    ] = "float32",
    layout: Annotated[
        str, typer.Option("--layout", help="default: few and compressed files; fast: not compressed, read faster.")
    ] = "default",
    tile: Annotated[int | None, typer.Option("--tile", help="Images in one forward pass.")] = None,
    block: Annotated[int | None, typer.Option("--block", help="Stimuli in one unit of work, whole tiles.")] = None,
    on_bad: Annotated[
        str, typer.Option("--on-bad", help="Images that cannot be read: mark them with NaN and list them, or raise.")
    ] = "mark",
    skip_missing: Annotated[
        bool, typer.Option("--skip-missing", help="Leave out subjects and regions that a model lacks.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with what the store holds; models and stimuli may be left out.")
    ] = False,
    overwrite: Overwrite = False,
    add: Annotated[bool, typer.Option("--add", help="Put these responses beside others in the store.")] = False,
    storage_option: Annotated[
        list[str] | None,
        typer.Option("--storage-option", help="For an output at an address, name=value of fsspec; may be repeated."),
    ] = None,
    progress: ShowProgress = None,
    as_json: AsJson = False,
    anonymous: Anonymous = False,
) -> None:
    """Predict responses of whole studies to whole image sets. An interrupted run goes on when it is started again."""
    from braincodec.synthesis import run

    # an earlier run knows its models, and is not to take those of the environment
    source = context.get_parameter_source("store")
    again = resume and models is None and (source is None or source.name != "COMMANDLINE")
    arguments: dict[str, Any] = {
        "store": None if again else open_given_store(store, anonymous),
        "models": models,
        "output": output,
        "subjects": parse_subjects(subjects),
        "rois": parse_names(rois) or ALL,
        **_images(stimuli, name, value_range),
        "skip_missing": skip_missing,
        "cluster": cluster,
        "workers": workers,
        "threads": threads,
        "device": device,
        "dtype": dtype,
        "stored_dtype": stored_dtype,
        "layout": layout,
        "tile": tile,
        "block": block,
        "on_bad": on_bad,
        "resume": resume,
        "overwrite": overwrite,
        "add": add,
        "progress": progress,
        "storage_options": parse_settings_of(storage_option or []) or None,
        "cluster_options": parse_settings_of(cluster_option or []) or None,
    }
    if dry_run:
        _say_forecast(run.plan_synthesis(**arguments), as_json)
        return
    _say_result(run.synthesize(**arguments, on_note=note), as_json)


def _images(stimuli: str | None, name: str | None, value_range: str | None) -> dict[str, Any]:
    """The stimuli and the name of their set; those whose black and white are said are opened here."""
    values = parse_pair(value_range, "--value-range", ",")
    if values is None:
        return {"stimuli": stimuli, "name": name}
    if stimuli is None:
        raise InputValueError("--value-range is about the images of --stimuli: give both")
    from braincodec.stimuli import StimulusSet
    from braincodec.synthesis.planning.named_stimuli import name_of_path

    return {"stimuli": StimulusSet.open(stimuli, value_range=values), "name": name or name_of_path(stimuli)}


def _say_forecast(forecast: Forecast, as_json: bool) -> None:
    if not as_json:
        say(str(forecast))
        return
    say_json(
        {
            "plan": forecast.plan.model_dump(mode="json"),
            "arrays": forecast.arrays,
            "raw_bytes": forecast.raw_bytes,
            "stored_bytes": forecast.stored_bytes,
            "missing_bytes": forecast.missing_bytes,
            "free_bytes": forecast.free_bytes,
            "workers": forecast.workers,
            "seconds": forecast.seconds,
            "notes": forecast.notes,
        }
    )


def _say_result(done: Synthesis, as_json: bool) -> None:
    from braincodec.synthesis.planning.forecast import stimuli_in_words

    request = done.plan.request
    if as_json:
        say_json(
            {
                "address": done.address,
                "models": request.models,
                "stimuli": request.stimuli,
                "count": request.count,
                "arrays": [output.place for output in done.plan.outputs],
                "skipped": {one.id: one.reason for one in done.skipped},
                "seconds": done.seconds,
                "resumed": done.resumed,
                "was_complete": done.was_complete,
                "notes": done.notes,
            }
        )
        return
    if done.skipped:
        note(f"{len(done.skipped):,} of {request.count:,} images cannot be read; their responses are NaN:")
        for one in done.skipped[:MOST_SKIPPED_SHOWN]:
            note(f"  {one.id}: {one.reason}")
        if len(done.skipped) > MOST_SKIPPED_SHOWN:
            note(f"  and {len(done.skipped) - MOST_SKIPPED_SHOWN:,} more, all in the attributes of the responses")
    arrays = len(done.plan.outputs)
    images = request.count * arrays
    rate = "an earlier run was completed" if done.resumed else f"{images / max(done.seconds, 1e-9):,.1f} responses/s"
    took = "complete already" if done.was_complete else f"{done.seconds:.1f} s, {rate}"
    say(
        f"{done.address}: responses of {', '.join(request.models)} to {stimuli_in_words(request.count)} "
        f"({request.stimuli}), {arrays:,} array{'s' * (arrays != 1)}, {request.stored_dtype}, "
        f"{size(done.plan.stored_bytes)} before compression; {took}"
    )
    for line in _next_steps(done):
        say(line)


def _next_steps(done: Synthesis) -> list[str]:
    first, stimuli = done.plan.outputs[0], done.plan.request.stimuli
    roi = f" --roi {shlex.quote(first.roi)}" if first.roi is not None else ""
    python = f', roi="{first.roi}"' if first.roi is not None else ""
    subject = first.subject if isinstance(first.subject, int) else f'"{first.subject}"'
    address = shlex.quote(done.address)
    return [
        "",
        "Next:",
        f"  braincodec verify {address}",
        f"  braincodec responses show --store {address} --model {first.model} --stimuli {stimuli} "
        f"--subject {shlex.quote(str(first.subject))}{roi}",
        "in Python:",
        f'  bc.open_store("{done.address}").responses("{first.model}", stimuli="{stimuli}", subject={subject}{python})',
    ]
