"""`decode_to`: responses through a model that decodes, a few stimuli at a time, into a folder of images."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from braincodec import __version__
from braincodec.decoding.files import image_files, write_image
from braincodec.decoding.sheet import write_sheet
from braincodec.decoding.tables import write_hits, write_table
from braincodec.errors import InputTypeError, InputValueError
from braincodec.progress import progress_bar
from braincodec.staged_folder import StagedFolder

if TYPE_CHECKING:
    from braincodec.stimuli import StimulusSet

MARK, IMAGES, TABLE, SHEET, HITS = "decode.json", "images", "images.csv", "sheet.png", "hits.csv"
# finished between two writes: a GPU's tile, and on a processor not more than a minute or two
IMAGES_AT_ONCE = 16
FEWEST_IN_GALLERY = 2


@dataclass(frozen=True)
class Decoded:
    """What `decode_to` wrote.

    Attributes
    ----------
    path : Path
        The folder.
    files : list of list of Path
        Images of each stimulus.
    sheet : Path
        All images on one picture.
    hits : Path or None
        The nearest images of a gallery.
    resumed : bool
        Whether an interrupted run was completed.
    """

    path: Path
    files: list[list[Path]]
    sheet: Path
    hits: Path | None = None
    resumed: bool = False


def decode_to(
    model: Any,
    responses: Any,
    output: str | Path,
    *,
    n_samples: int = 1,
    seed: int = 0,
    rescale: str | None = None,
    gallery: StimulusSet | None = None,
    k: int = 5,
    device: str = "auto",
    dtype: str = "float32",
    overwrite: bool = False,
    progress: bool | None = None,
) -> Decoded:
    """Images of responses as files, whole or not at all; an interrupted call goes on when it is made again.

    Parameters
    ----------
    model : object
        `braincodec.LEA`, or another with ``decode(responses, n_samples=, seed=, rescale=, ...)``, which is then called
        once; for `gallery` also with ``retrieve``.
    responses : DataArray, or array of shape (stimuli, units)
    output : str or Path
        Folder: ``images/<stimulus>.png``, or ``<stimulus>-sample-<k>.png``; ``images.csv`` says which is which;
        ``sheet.png`` shows them together; ``decode.json`` says how they were made.
    n_samples, seed, rescale
        As for ``model.decode``.
    gallery : StimulusSet, optional
        Also write ``hits.csv``: for each stimulus the `k` images of the gallery that are nearest to what was decoded.
    k : int
    device, dtype : str
    overwrite : bool
        Replace an earlier result.
    progress : bool, optional
        Show a bar; default: when stderr is a terminal.

    Returns
    -------
    Decoded

    Raises
    ------
    InputTypeError, InputValueError
        When the model does not decode, responses do not fit it, or there is nothing to do; before long work.
    OutputError
        When the folder exists or cannot be written.
    """
    _check_model(model, gallery)
    _check_counts(n_samples, seed, gallery, k)
    identity = {
        "braincodec": __version__,
        "model": model.identity() if hasattr(model, "identity") else type(model).__name__,
        "responses": _fingerprint(responses),
        "n_samples": n_samples,
        "seed": seed,
        "rescale": rescale,
        "dtype": dtype,
        "gallery": None if gallery is None else {"images": gallery.fingerprint(), "k": k},
    }
    names = stimulus_ids(responses)
    files = image_files(names, n_samples)
    options = {"seed": seed, "rescale": rescale, "device": device, "dtype": dtype}
    with StagedFolder(output, MARK, identity, "folder of decoded images", overwrite=overwrite) as staged:
        decoded = decode_images(model, responses, staged.path / IMAGES, files, options, progress=progress)
        write_table(staged.path / TABLE, names, files, IMAGES)
        write_sheet(staged.path / SHEET, decoded, names)
        hits = None
        if gallery is not None:
            hits = write_hits(staged.path / HITS, _nearest(model, responses, gallery, k, options))
        resumed, path = staged.resumed, staged.complete()
    return Decoded(
        path,
        [[path / IMAGES / name for name in own] for own in files],
        path / SHEET,
        path / HITS if hits else None,
        resumed,
    )


def decode_images(
    model: Any,
    responses: Any,
    folder: Path,
    files: Sequence[Sequence[str]],
    options: Mapping[str, Any],
    *,
    progress: bool | None = None,
) -> NDArray[np.uint8]:
    """Decode those responses whose files are not there yet, and write them as they are finished.

    Parameters
    ----------
    model : object
        As of `decode_to`.
    responses : DataArray, or array of shape (stimuli, units)
    folder : Path
    files : sequence of sequence of str
        Names for the samples of each stimulus, as `image_files` gives them.
    options : mapping
        ``seed``, ``rescale`` (or None), ``device`` and ``dtype``.
    progress : bool, optional

    Returns
    -------
    array of uint8, shape (stimuli, samples, height, width, 3)
        All images, read from the files.
    """
    todo = [row for row, own in enumerate(files) if not all((folder / name).is_file() for name in own)]
    with progress_bar("decode", len(files), done=len(files) - len(todo), show=progress) as advance:
        for rows, block in _decoded(model, responses, todo, len(files[0]), options):
            for row, samples in zip(rows, block, strict=True):
                for name, image in zip(files[row], samples, strict=True):
                    write_image(folder / name, image)
            advance(len(rows))
    return read_decoded(folder, files)


def _check_model(model: Any, gallery: StimulusSet | None) -> None:
    for needed, wanted in (("decode", True), ("retrieve", gallery is not None)):
        if wanted and not callable(getattr(type(model), needed, None)):
            what = getattr(getattr(model, "description", None), "model", "") or f"a {type(model).__name__}"
            raise InputTypeError(
                f"{what} predicts responses to images and has no {needed}: decoding needs a model that was trained in "
                "both directions, such as of the kind 'lea'"
            )


def _check_counts(n_samples: int, seed: int, gallery: StimulusSet | None, k: int) -> None:
    for name, value, least in (("n_samples", n_samples, 1), ("seed", seed, 0), ("k", k, 1)):
        if value < least:
            raise InputValueError(f"{name} must be at least {least}, got {value}")
    if gallery is not None and len(gallery) < FEWEST_IN_GALLERY:
        raise InputValueError(
            f"a gallery needs at least {FEWEST_IN_GALLERY} images to choose from, this one has {len(gallery)}"
        )


def _decoded(
    model: Any, responses: Any, rows: list[int], n_samples: int, options: Mapping[str, Any]
) -> Iterator[tuple[list[int], Any]]:
    """Some rows at a time, and their images (rows, samples, height, width, 3).

    Each row keeps its number, so that its samples do not depend on where an earlier run stopped. Re-scaling by what is
    decoded needs all responses at once.
    """
    given = {name: value for name, value in options.items() if value is not None}
    whole = given.get("rescale") == "transductive" or "stimuli" not in inspect.signature(model.decode).parameters
    step = max(1, IMAGES_AT_ONCE // n_samples)
    if whole and rows:
        generate = _of_all(model, responses, n_samples, given)
    for begin in range(0, len(rows), step):
        block = rows[begin : begin + step]
        if whole:
            yield block, generate(block)
            continue
        part = responses.isel(stimulus=block) if hasattr(responses, "isel") else np.asarray(responses)[block]
        images = np.stack(list(model.decode(part, n_samples=n_samples, stimuli=block, progress=False, **given)))
        yield block, images.reshape(-1, n_samples, *images.shape[1:])


def _of_all(
    model: Any, responses: Any, n_samples: int, options: dict[str, Any]
) -> Callable[[list[int]], NDArray[np.uint8]]:
    """A function that gives the images of some rows, which all responses together decide."""
    if getattr(model, "inversion", None) is None and hasattr(model, "predict_embeddings"):
        place = {"device": options["device"], "dtype": options["dtype"], "progress": False}
        embeddings = np.asarray(model.predict_embeddings(responses, rescale=options.get("rescale"), **place))

        def of_embeddings(rows: list[int]) -> Any:
            chosen = {"n_samples": n_samples, "seed": options["seed"], "stimuli": rows}
            return model.generator.generate(embeddings[rows], **chosen, **place)

        return of_embeddings
    images = np.stack(list(model.decode(responses, n_samples=n_samples, progress=False, **options)))
    samples = images.reshape(-1, n_samples, *images.shape[1:])
    return lambda rows: samples[rows]


def _nearest(model: Any, responses: Any, gallery: StimulusSet, k: int, options: Mapping[str, Any]) -> Any:
    """What `retrieve` finds, computed where, and scaled as, the images are."""
    taken = inspect.signature(model.retrieve).parameters
    given = {name: value for name, value in options.items() if value is not None and name in taken}
    return model.retrieve(responses, gallery, k=k, **given)


def read_decoded(folder: Path, files: Sequence[Sequence[str]]) -> NDArray[np.uint8]:
    """Written images, shape (stimuli, samples, height, width, 3)."""
    from PIL import Image

    return np.stack([np.stack([np.asarray(Image.open(folder / name)) for name in own]) for own in files])


def stimulus_ids(responses: Any) -> list[str]:
    """Names of the stimuli that responses belong to; numbers from 0 where they are not named."""
    if hasattr(responses, "coords") and "stimulus" in responses.coords:
        names = responses["stimulus"].values.astype(str).tolist()
    else:
        names = [str(row) for row in range(len(responses))]
    if not names:
        raise InputValueError("there are no responses to decode: they have no rows")
    return names


def _fingerprint(responses: Any) -> str:
    """Changes when ids or values of the responses do."""
    values = np.ascontiguousarray(responses)
    digest = hashlib.sha256(f"{values.dtype} {values.shape} {stimulus_ids(responses)}".encode())
    digest.update(values.tobytes())
    return digest.hexdigest()
