"""What is to be judged: a model, predicted responses or predicted images, in memory or on disk."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr

from braincodec.errors import DamagedFileError, InputTypeError, InputValueError, MissingFileError

if TYPE_CHECKING:
    from braincodec.stimuli import StimulusSet

Kind = Literal["encoder", "decoder", "encoder and decoder", "responses", "images"]
DIRECTIONS_OF: dict[str, tuple[str, ...]] = {
    "encoder": ("encoding",),
    "responses": ("encoding",),
    "decoder": ("decoding",),
    "images": ("decoding",),
    "encoder and decoder": ("encoding", "decoding"),
}
ARTEFACT_FILE = "config.json"
# what people have in hand, and how it becomes an array
INSTEAD = {
    "DataFrame": " (give its numbers: frame.to_numpy(), rows in the order of the stimuli)",
    "Dataset": " (choose one of its variables: dataset['responses'])",
    "Tensor": " (give its numbers: tensor.numpy(force=True))",
}
RESPONSE_SUFFIXES = (".zarr", ".nc", ".h5", ".npz", ".npy", ".nii", ".nii.gz")


@dataclass(frozen=True)
class Given:
    """What was handed to `evaluate`, opened.

    Attributes
    ----------
    kind : {"encoder", "decoder", "encoder and decoder", "responses", "images"}
    value : Encoder, or another object that encodes or decodes, DataArray, ndarray, StimulusSet
    name : str
        What the scores are called.
    model : dict
        Id, kind, card, licence and citation, empty where not known.
    """

    kind: Kind
    value: Any
    name: str
    model: dict[str, str] = field(default_factory=dict)

    @property
    def directions(self) -> tuple[str, ...]:
        """``"encoding"``, ``"decoding"`` or both."""
        return DIRECTIONS_OF[self.kind]

    @property
    def is_model(self) -> bool:
        """Whether it predicts, rather than having been predicted."""
        return self.kind not in ("responses", "images")


def open_given(given: Any, direction: str = "auto", name: str | None = None) -> Given:
    """Find out what was given.

    Parameters
    ----------
    given : object
        See `braincodec.evaluation.evaluate`.
    direction : {"auto", "encoding", "decoding"}
    name : str, optional

    Raises
    ------
    InputTypeError
        When it is nothing that can be judged.
    InputValueError
        When `direction` does not fit.
    MissingFileError, DamagedFileError
        For a path.

    Examples
    --------
    >>> open_given(np.zeros((4, 2))).kind, open_given(np.zeros((4, 8, 8, 3), np.uint8)).kind
    ('responses', 'images')
    """
    if isinstance(given, str | Path):
        opened = _open_path(str(given), direction)
    else:
        opened = _open_object(given, direction)
    if direction not in ("auto", *opened.directions):
        raise InputValueError(
            f"direction is {direction!r}, but what was given ({opened.name}) is for {opened.directions[0]}"
        )
    title = name or opened.name
    return Given(opened.kind, opened.value, title, {**_unknown_model(title, opened.kind), **opened.model})


def _open_object(given: Any, direction: str) -> Given:
    from braincodec.stimuli import StimulusSet

    encodes, decodes = callable(getattr(given, "encode", None)), callable(getattr(given, "decode", None))
    if isinstance(given, StimulusSet):
        return Given("images", given, "predicted images")
    if isinstance(given, xr.DataArray):
        return Given("responses", given, str(given.attrs.get("model") or "predictions"))
    if isinstance(given, np.ndarray):
        return _open_array(given, direction, "predictions")
    if encodes or decodes:
        return Given(_kind_of_model(encodes, decodes, direction), given, *_describe(given))
    hint = next((hint for name, hint in INSTEAD.items() if type(given).__name__ == name), "")
    raise InputTypeError(
        f"cannot judge a {type(given).__name__}{hint}; expected a model with `encode` or `decode`, an array or "
        "DataArray of predicted responses, predicted images (StimulusSet or uint8 array), or a path to one of these"
    )


def _kind_of_model(encodes: bool, decodes: bool, direction: str) -> Kind:
    """What a model is judged as: where it can do both, as both, or as `direction` says."""
    if encodes and decodes:
        return "encoder and decoder" if direction == "auto" else "decoder" if direction == "decoding" else "encoder"
    return "encoder" if encodes else "decoder"


def _open_array(values: np.ndarray, direction: str, name: str) -> Given:
    """Predicted images where the array can be nothing else, or is said to hold them; else predicted responses."""
    from braincodec.stimuli import StimulusSet

    if direction == "encoding":
        return Given("responses", values, name)
    if values.dtype == np.uint8 and values.ndim == 4 and 3 in (values.shape[-1], values.shape[1]):
        return Given("images", StimulusSet.open(values), "predicted images" if name == "predictions" else name)
    if direction == "decoding" and values.ndim in (3, 4):
        raise InputTypeError(
            f"predicted images must be uint8 of shape (n, height, width, 3), not {values.dtype} of shape "
            f"{values.shape}; StimulusSet.open(array, value_range=(0, 1)) takes floats, "
            "np.repeat(grey[..., None], 3, -1) makes three channels of one"
        )
    return Given("responses", values, name)


def _open_path(path: str, direction: str) -> Given:
    from braincodec.artefact import artefact_folders, read_artefact
    from braincodec.responses import open_responses
    from braincodec.stimuli import StimulusSet

    place = Path(path)
    name = place.name
    if place.is_dir() and artefact_folders(place):
        artefact = read_artefact(place)
        opened = _open_object(artefact.encoder(), direction)
        return Given(opened.kind, opened.value, opened.name, {**opened.model, "card": artefact.card})
    if "://" not in path and not place.exists():
        raise MissingFileError(path, "model or predictions")
    if direction == "decoding" or not path.rstrip("/").endswith(RESPONSE_SUFFIXES):
        return Given("images", _images(place), name)
    if path.endswith(".npy"):
        return _open_array(_bare_array(place), direction, name)  # it has no ids: its rows are in order
    if path.endswith(".npz") and (values := _only_array(place)) is not None:
        return _open_array(values, direction, name)
    try:
        return Given("responses", open_responses(path), name)
    except DamagedFileError:
        if direction == "encoding" or not path.endswith((".npz", ".h5")):
            raise
        return Given("images", StimulusSet.open(path), name)


def _images(place: Path) -> StimulusSet:
    from braincodec.stimuli import StimulusSet

    try:
        return StimulusSet.open(str(place))
    except InputValueError as error:
        if place.is_dir():
            raise InputValueError(f"{error}; nor is there a {ARTEFACT_FILE}, as in the folder of a model") from None
        if place.suffix in RESPONSE_SUFFIXES:
            raise
        raise InputValueError(f"{error}; predicted responses end in {', '.join(RESPONSE_SUFFIXES)}") from None


def _bare_array(place: Path) -> np.ndarray:
    try:
        values: np.ndarray = np.load(place, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DamagedFileError(f"{place} cannot be read as a .npy file of numbers: {error}") from error
    return values


def _only_array(place: Path) -> np.ndarray | None:
    """The one array that numpy.savez wrote; None where there are others beside it, or braincodec wrote the file."""
    try:
        with np.load(place, allow_pickle=False) as archive:
            if len(archive.files) != 1:
                return None
            values: np.ndarray = archive[archive.files[0]]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DamagedFileError(f"{place} cannot be read as a .npz file of numbers: {error}") from error
    return values


def _describe(model: Any) -> tuple[str, dict[str, str]]:
    """A model's name, and what else is known about it."""
    about = getattr(model, "description", None)
    kind = str(getattr(model, "kind", type(model).__name__))
    if about is None:
        return type(model).__name__, {"id": type(model).__name__, "kind": kind}
    known = {"id": about.model, "kind": kind, "licence": about.licence, "citation": about.citation}
    return about.model, {**known, "card": _card(model)}


def _card(model: Any) -> str:
    from braincodec.card import model_card
    from braincodec.models.base import Encoder

    return model_card(model) if isinstance(model, Encoder) else ""


def _unknown_model(name: str, kind: str) -> dict[str, str]:
    return {"id": name, "kind": f"predicted {kind}", "card": "", "licence": "", "citation": ""}
