"""What is to be judged: a model, predicted responses or predicted images, in memory or on disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr

from braincodec.errors import DamagedFileError, InputTypeError, InputValueError, MissingFileError

Kind = Literal["encoder", "decoder", "responses", "images"]
DIRECTION_OF = {"encoder": "encoding", "responses": "encoding", "decoder": "decoding", "images": "decoding"}
ARTEFACT_FILE = "config.json"
RESPONSE_SUFFIXES = (".zarr", ".nc", ".h5", ".npz", ".npy", ".nii", ".nii.gz")


@dataclass(frozen=True)
class Given:
    """What was handed to `evaluate`, opened.

    Attributes
    ----------
    kind : {"encoder", "decoder", "responses", "images"}
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
    def direction(self) -> str:
        """``"encoding"`` or ``"decoding"``."""
        return DIRECTION_OF[self.kind]


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
        When it can be judged both ways and `direction` does not say which, or does not fit.
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
    if direction not in ("auto", opened.direction):
        raise InputValueError(
            f"direction is {direction!r}, but what was given ({opened.name}) is for {opened.direction}"
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
        if direction != "encoding" and _are_images(given):
            return Given("images", StimulusSet.open(given), "predicted images")
        return Given("responses", given, "predictions")
    if encodes and decodes and direction == "auto":
        raise InputValueError(
            f"a {type(given).__name__} encodes and decodes; say direction='encoding' or direction='decoding'"
        )
    if decodes and direction in ("auto", "decoding"):
        return Given("decoder", given, *_describe(given))
    if encodes:
        return Given("encoder", given, *_describe(given))
    raise InputTypeError(
        f"cannot judge a {type(given).__name__}; expected a model with `encode` or `decode`, an array or DataArray of "
        "predicted responses, predicted images (StimulusSet or uint8 array), or a path to one of these"
    )


def _are_images(values: np.ndarray) -> bool:
    return values.dtype == np.uint8 and values.ndim == 4 and 3 in (values.shape[-1], values.shape[1])


def _open_path(path: str, direction: str) -> Given:
    from braincodec.responses import open_responses
    from braincodec.stimuli import StimulusSet

    place = Path(path)
    name = place.name
    if (place / ARTEFACT_FILE).is_file() and direction != "decoding":
        from braincodec.artefact import read_artefact

        artefact = read_artefact(place)
        encoder = artefact.encoder()
        title, model = _describe(encoder)
        return Given("encoder", encoder, title, {**model, "card": artefact.card})
    if "://" not in path and not place.exists():
        raise MissingFileError(path, "model or predictions")
    if direction == "decoding" or not path.rstrip("/").endswith(RESPONSE_SUFFIXES):
        return Given("images", StimulusSet.open(path), name)
    if path.endswith(".npy"):
        values = np.load(path, mmap_mode="r", allow_pickle=False)
        if direction == "auto" and _are_images(values):
            return Given("images", StimulusSet.open(path), name)
        return Given("responses", values, name)  # a bare array has no ids: its rows are in order
    try:
        return Given("responses", open_responses(path), name)
    except DamagedFileError:
        if direction == "encoding" or not path.endswith((".npz", ".h5")):
            raise
        return Given("images", StimulusSet.open(path), name)


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
