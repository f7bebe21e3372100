"""Things to try: photographs that come with open packages, and patterns for decoders."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from braincodec.errors import BraincodecError, MissingExtraError

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from braincodec.app.catalogue import ModelChoice
    from braincodec.app.explorer import Explorer
    from braincodec.subjects import Subject

PATTERNS = 6
SIMULATED = "simulated"  # the data set whose training images are crops of some of the photographs
REPETITIONS = 3  # over which the noise of a made-up measurement is averaged
IDENTITY = ("hemisphere", "vertex")


@dataclass(frozen=True, eq=False)
class Example:
    """Something to try.

    Attributes
    ----------
    name, title : str
    pixels : array of uint8, shape (height, width, 3)
        The photograph; for a pattern, what the subject saw.
    licence : str
    pattern : array of float32, shape (units,), or None
        For decoders.
    about : str
        Where a pattern comes from, in a sentence.
    """

    name: str
    title: str
    pixels: NDArray[np.uint8]
    licence: str
    pattern: NDArray[np.float32] | None = None
    about: str = ""


@functools.cache
def _photographs() -> tuple[Example, ...]:
    from braincodec.simulate import photograph_licences, square_photographs

    licences = {row["name"]: f"{row['licence']}, {row['author']}" for row in photograph_licences()}
    return tuple(
        Example(name, name.replace("_", " "), pixels, licences[name]) for name, pixels in square_photographs().items()
    )


def example_photographs() -> list[Example]:
    """Photographs with their licences; none where the packages that they come with are not installed."""
    try:
        return list(_photographs())
    except MissingExtraError:
        return []


def example_patterns(explorer: Explorer, decoder: ModelChoice, subject: Subject) -> list[Example]:
    """Patterns that a decoder can decode.

    For a simulated subject whose ground truth is in the store: measurements of it, noise included. Otherwise what the
    decoder's own encoding direction predicts, which is easier to decode than anything measured.
    """
    seen = _trained_on() if decoder.dataset == SIMULATED else set()
    # those first that a decoder cannot know
    photographs = sorted(example_photographs(), key=lambda example: example.name in seen)[:PATTERNS]
    truth = _ground_truth(explorer, decoder, subject) if photographs else None
    made = []
    for example in photographs:
        own = explorer.predict(example.pixels, decoder.id, subject).responses
        pattern = own.values
        about = f"What {decoder.id} itself predicts for this photograph: easier to decode than a measured pattern."
        if truth is not None:
            responses = explorer.predict(example.pixels, truth.id, subject).responses
            order = _same_units(responses, own)
            if order is not None:
                pattern = _measured(responses, example.name)[order]
                about = f"Simulated measurement, mean of {REPETITIONS} presentations with their noise."
        if example.name in seen:
            about += " Crops of this photograph are among the images that the decoder was trained on: this is no test."
        made.append(Example(example.name, example.title, example.pixels, example.licence, pattern, about))
    return made


def _trained_on() -> set[str]:
    """Photographs of which crops are among the training images of the simulated data set."""
    from braincodec.simulate.photos import photograph_names

    return set(photograph_names("train"))


def _ground_truth(explorer: Explorer, decoder: ModelChoice, subject: Subject) -> ModelChoice | None:
    from braincodec.simulate.fmri import MODEL

    if not decoder.simulated:
        return None
    try:
        truth = explorer.model(MODEL)
    except BraincodecError:
        return None
    return truth if str(subject) in map(str, truth.subjects) and not truth.problem else None


def _same_units(responses: xr.DataArray, wanted: xr.DataArray) -> NDArray[np.int64] | None:
    """Where the units of one array are among those of another; None where they are not."""
    if not all(name in array.coords for name in IDENTITY for array in (responses, wanted)):
        return None
    keys = [
        list(zip(*(array[name].values.tolist() for name in IDENTITY), strict=True)) for array in (responses, wanted)
    ]
    place = {key: number for number, key in enumerate(keys[0])}
    if any(key not in place for key in keys[1]):
        return None
    return np.array([place[key] for key in keys[1]], np.int64)


def _measured(responses: xr.DataArray, name: str) -> NDArray[np.float32]:
    """A response with the noise that its units' signal-to-noise ratio tells."""
    from braincodec.simulate.simulated import noise_generator

    if "ncsnr" not in responses.coords:
        return responses.values
    ncsnr = responses["ncsnr"].values.astype(float)
    noise = noise_generator(0, 1, f"explorer-{name}").standard_normal((REPETITIONS, ncsnr.size)).mean(0)
    return (responses.values + noise / np.sqrt(1 + ncsnr**2)).astype(np.float32)
