"""``braincodec encode``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from braincodec.cli.options import (
    Anonymous,
    Overwrite,
    ShowProgress,
    StoreAddress,
    open_given_store,
    parse_batch_size,
    parse_names,
    parse_pair,
    parse_subjects,
)
from braincodec.cli.output import note, say, size

if TYPE_CHECKING:
    from braincodec.stimuli import BadStimulus, StimulusSet

MOST_SKIPPED_SHOWN = 20


def encode(
    images: Annotated[
        list[str],
        typer.Argument(
            help="Folder, pattern or image files; or one .npy, .npz, .h5, .hdf5 or .zip file "
            "(images.npz::name takes one array of it).",
            show_default=False,
        ),
    ],
    model: Annotated[str, typer.Option("--model", "-m", help="Identifier; 'braincodec models' lists them.")],
    store: StoreAddress = None,
    subject: Annotated[str, typer.Option("--subject", help="1, or several: 1,2 or 1-4, or all.")] = "1",
    roi: Annotated[str, typer.Option("--roi", help="Regions, V1,V2, or all.")] = "all",
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="The suffix decides: .zarr .nc .npy .npz .h5 .nii.gz."),
    ] = Path("responses.zarr"),
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    dtype: Annotated[
        str, typer.Option("--dtype", help="float32 keeps published numbers; bfloat16 is faster, less exact.")
    ] = "float32",
    batch_size: Annotated[str, typer.Option("--batch-size", help="Images at a time, or auto.")] = "auto",
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out images that cannot be read, and list them.")
    ] = False,
    overwrite: Overwrite = False,
    layout: Annotated[
        str, typer.Option("--layout", help="Of arrays: auto, channels_first, channels_last or grey.")
    ] = "auto",
    value_range: Annotated[
        str | None, typer.Option("--value-range", help="Black and white of arrays, 0,1; floats need it.")
    ] = None,
    dataset: Annotated[str | None, typer.Option("--dataset", help="Array inside a .npz or HDF5 file.")] = None,
    progress: ShowProgress = None,
    anonymous: Anonymous = False,
) -> None:
    """Predict brain responses to images. An interrupted run goes on where it stopped when it is started again."""
    subjects, rois, size_of_batch = parse_subjects(subject), parse_names(roi), parse_batch_size(batch_size)
    values = parse_pair(value_range, "--value-range", ",")
    opened = open_given_store(store, anonymous)
    from braincodec.atomic import refuse_existing
    from braincodec.responses import open_responses
    from braincodec.responses.formats import format_of
    from braincodec.stimuli import StimulusSet

    # before anything is loaded
    format_of(output)
    refuse_existing(output, overwrite=overwrite)
    source: Any = images[0] if len(images) == 1 else images
    stimuli = StimulusSet.open(source, layout=layout, value_range=values, dataset=dataset)
    encoder = opened.encoder(model, subjects, rois)
    resumed = output.with_name(f".{output.name}.partial").exists()
    skipped: list[BadStimulus] = []
    started = time.monotonic()
    encoder.encode_to(
        output,
        stimuli,
        device=device,
        dtype=cast(Any, dtype),
        batch_size=size_of_batch,
        progress=progress,
        on_bad="skip" if skip_bad else "raise",
        overwrite=overwrite,
        on_skip=skipped.append,
    )
    seconds = time.monotonic() - started
    responses = open_responses(output)
    _note_skipped(skipped, stimuli)
    names = ("stimuli", *(f"{name}s" for name in encoder.response_dims))
    shape = " x ".join(f"{count:,} {name}" for count, name in zip(responses.shape, names, strict=True))
    words = "simulated responses" if encoder.description.simulated else "responses"
    rate = "an unfinished run was completed" if resumed else f"{len(stimuli) / max(seconds, 1e-9):,.1f} images/s"
    say(f"{output}: {words}, {shape}, {responses.dtype}, {size(responses.nbytes)}; {seconds:.1f} s, {rate}")


def _note_skipped(skipped: list[BadStimulus], stimuli: StimulusSet) -> None:
    if not skipped:
        return
    note(f"skipped {len(skipped):,} of {len(stimuli):,} images that cannot be read:")
    for item in skipped[:MOST_SKIPPED_SHOWN]:
        note(f"  {item.id}: {item.reason}")
    if len(skipped) > MOST_SKIPPED_SHOWN:
        note(f"  and {len(skipped) - MOST_SKIPPED_SHOWN:,} more; .zarr and .nc keep the whole list")
