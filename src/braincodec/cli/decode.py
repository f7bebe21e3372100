"""``braincodec decode``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from braincodec.cli.options import STORE_VARIABLE, Overwrite, ShowProgress, open_given_store, parse_subjects
from braincodec.cli.output import note, say
from braincodec.errors import InputValueError, UnknownNameError

if TYPE_CHECKING:
    from braincodec.decoding import Decoded


def decode(
    responses: Annotated[
        Path, typer.Argument(help="Measured responses: .npy, .npz, .zarr, .nc or .h5.", show_default=False)
    ],
    model: Annotated[
        str, typer.Option("--model", "-m", help="Folder of a trained model; or with --store its identifier.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for images, sheet and tables.")],
    store: Annotated[
        str | None, typer.Option("--store", "-s", envvar=STORE_VARIABLE, help="Store that --model is in.")
    ] = None,
    subject: Annotated[str | None, typer.Option("--subject", help="Whose model, where there are several.")] = None,
    samples: Annotated[int, typer.Option("--samples", help="Images of each response.", min=1)] = 1,
    seed: Annotated[int, typer.Option("--seed", help="Same seed, same images.", min=0)] = 0,
    rescale: Annotated[
        str | None,
        typer.Option(
            "--rescale",
            help="How predicted latents are scaled: training, none, or transductive (by the decoded set's own "
            "statistics; not comparable). Default: as the model was trained.",
        ),
    ] = None,
    gallery: Annotated[
        str | None, typer.Option("--gallery", help="Images to choose from: the nearest go to hits.csv.")
    ] = None,
    k: Annotated[int, typer.Option("-k", help="How many of the gallery.", min=1)] = 5,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    dtype: Annotated[
        str, typer.Option("--dtype", help="float32 keeps images the same; bfloat16 is faster, less exact.")
    ] = "float32",
    overwrite: Overwrite = False,
    progress: ShowProgress = None,
) -> None:
    """Images of what was seen, from brain responses. An interrupted run goes on when it is started again."""
    from braincodec.atomic import refuse_existing
    from braincodec.decoding import decode_to
    from braincodec.responses import open_responses
    from braincodec.stimuli import StimulusSet

    # before anything is loaded
    refuse_existing(output, overwrite=overwrite)
    given = open_responses(responses)
    pictures = None if gallery is None else StimulusSet.open(gallery)
    decoder = _open_model(model, store, subject)
    started = time.monotonic()
    done = decode_to(
        decoder,
        given,
        output,
        n_samples=samples,
        seed=seed,
        rescale=rescale,
        gallery=pictures,
        k=k,
        device=device,
        dtype=dtype,
        overwrite=overwrite,
        progress=progress,
    )
    _say_result(done, time.monotonic() - started, rescale)


def _open_model(model: str, store: str | None, subject: str | None) -> Any:
    """The model in a folder, or that of a store by its identifier."""
    subjects = None if subject is None else parse_subjects(subject)
    if isinstance(subjects, list) and len(subjects) > 1:
        raise InputValueError(f"one model decodes at a time; --subject names {len(subjects)}")
    if not Path(model).is_dir():
        if not store:
            from braincodec.errors import MissingFileError

            hint = "an identifier takes --store too, or the environment variable " + STORE_VARIABLE
            raise MissingFileError(model, "folder of a model", hint)
        return open_given_store(store).encoder(model, subjects[0] if isinstance(subjects, list) else 1)
    from braincodec.artefact import read_encoder
    from braincodec.training.stored import stored_models

    found = stored_models(model, subjects if isinstance(subjects, list) else None)
    if not found:
        raise InputValueError(f"{model} holds no trained model (no config.json in it, or in subject folders below it)")
    if len(found) > 1:
        known = list(dict.fromkeys(str(one.description.subject) for one in found))
        if len(known) == 1:
            raise InputValueError(f"{model} holds {len(found)} models of subject {known[0]}; name the folder of one")
        raise UnknownNameError("subject", "", known, where=f"of {len(found)} models in {model}; choose with --subject")
    return read_encoder(found[0].path)


def _say_result(done: Decoded, seconds: float, rescale: str | None) -> None:
    count, samples = len(done.files), len(done.files[0])
    words = f"{count:,} image{'s' if count > 1 else ''}"
    if samples > 1:
        words = f"{count:,} x {samples} samples"
    rate = "an unfinished run was completed" if done.resumed else f"{seconds / (count * samples):.1f} s an image"
    say(f"{done.path}: {words}; {seconds:.1f} s, {rate}")
    say(f"sheet     {done.sheet}")
    if done.hits is not None:
        say(f"hits      {done.hits}")
    if rescale == "transductive":
        note("warning: rescaled by the statistics of all decoded responses; not comparable with other results")
