"""Predicted and true images, read into memory in the order of the stimuli that are judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from braincodec.errors import InputTypeError, InputValueError
from braincodec.evaluation.decoding.images import match_size
from braincodec.stimuli import StimulusSet

Images = NDArray[np.uint8]
BATCH = 32


def read_images(stimuli: StimulusSet, like: Images | None = None) -> Images:
    """All images of a set in memory, resized to the size of `like` where it is given.

    Raises
    ------
    InputValueError
        When images differ in size, or in proportions from `like`.
    """
    if like is None:
        images = [batch.images for batch in stimuli.batches(BATCH)]
    else:
        empty = np.empty((0, *like.shape[1:]), np.uint8)
        images = [
            empty,
            *(batch.images for batch in stimuli.batches(BATCH, transform=lambda part: _resized(part, like))),
        ]
    return np.ascontiguousarray(np.concatenate(images))


def _resized(images: Images, like: Images) -> Images:
    return match_size(np.empty((len(images), *like.shape[1:]), np.uint8), images)


def mean_image(stimuli: StimulusSet, like: Images, advance: Callable[[int], None] = lambda _: None) -> Images:
    """Mean of the training images at the size of `like`, uint8 (height, width, 3)."""
    total = np.zeros(like.shape[1:])
    for batch in stimuli.batches(BATCH, transform=lambda part: _resized(part, like)):
        total += batch.images.sum(axis=0, dtype=np.float64)
        advance(len(batch.ids))
    return np.rint(total / len(stimuli)).astype(np.uint8)


def predicted_images(given: StimulusSet, ids: Sequence[str]) -> StimulusSet:
    """Predicted images in the order of `ids`: found by id, by file name without its ending, or, unnamed, by place.

    Raises
    ------
    InputValueError
        When some are missing, naming how many and the first.
    """
    names = [str(item) for item in given.ids]
    if set(ids) <= set(names):
        return given[list(ids)]
    stems = {stem(name): name for name in names}
    wanted = [stem(item) for item in ids]
    if len(stems) == len(names) and len(set(wanted)) == len(wanted) and set(wanted) <= set(stems):
        return given[[stems[item] for item in wanted]]
    if names == [str(place) for place in range(len(ids))]:
        return given
    if names == [str(place) for place in range(len(names))]:
        raise InputValueError(
            f"there are {len(names)} predicted images for {len(ids)} stimuli; unnamed ones go by place"
        )
    if f"{ids[0]}-sample-1" in names:
        raise InputValueError(f"these are several samples of each image, such as '{ids[0]}-sample-1'; say samples=")
    missing = [item for item in ids if item not in names]
    raise InputValueError(
        f"{len(missing)} of {len(ids)} stimuli have no predicted image, the first is {missing[0]!r}; there are "
        f"{len(names)} predicted images, such as {names[0] if names else 'none'!r}"
    )


def samples_of(prediction: Any, ids: Sequence[str], samples: int) -> list[StimulusSet]:
    """Predicted images of each sample, in the order of `ids`.

    Parameters
    ----------
    prediction : StimulusSet, or array of uint8, shape (n, [samples,] height, width, 3)
        Of several samples, a set has the ids ``"<stimulus>-sample-<k>"``, k from 1, as `decode` gives them, or,
        unnamed, all samples of a stimulus before those of the next one.
    ids : sequence of str
    samples : int
        How many are judged; more that there may be are left aside.

    Raises
    ------
    InputTypeError, InputValueError
        When it is no such thing, or images are missing, naming how many and the first.

    Examples
    --------
    >>> images = np.arange(4, dtype=np.uint8).repeat(48).reshape(4, 4, 4, 3)
    >>> first, second = samples_of(images, ["a", "b"], 2)
    >>> [int(image[0, 0, 0]) for image in second]
    [1, 3]
    """
    if isinstance(prediction, xr.DataArray):
        prediction = prediction.values
    if isinstance(prediction, np.ndarray):
        if prediction.dtype != np.uint8:
            raise InputTypeError(f"predicted images must be uint8, not {prediction.dtype}; round 0..1 to 0..255 first")
        if prediction.ndim == 5:
            if prediction.shape[1] < samples:
                raise InputValueError(f"there are {prediction.shape[1]} samples of each image; samples is {samples}")
            return [predicted_images(StimulusSet.open(prediction[:, place]), ids) for place in range(samples)]
    given = prediction if isinstance(prediction, StimulusSet) else StimulusSet.open(prediction)
    if samples == 1:
        return [predicted_images(given, ids)]
    names = [str(item) for item in given.ids]
    if names == [str(place) for place in range(samples * len(ids))]:
        return [given[names[place::samples]] for place in range(samples)]
    return [given[_sample_ids(names, ids, number)] for number in range(1, samples + 1)]


def _sample_ids(names: Sequence[str], ids: Sequence[str], number: int) -> list[str]:
    """Which of `names` are a sample of each stimulus: by id, or by file name with or without its ending."""
    known = {name: name for name in names} | {stem(name): name for name in names}
    found = []
    for item in ids:
        wanted = [f"{form}-sample-{number}" for form in (item, item.rpartition("/")[2], stem(item))]
        match = next((known[name] for name in wanted if name in known), None)
        if match is None:
            raise InputValueError(
                f"there is no predicted image {wanted[0]!r}: of several samples the ids are '<stimulus>-sample-<k>'; "
                f"there are {len(names)} predicted images, such as {names[0] if names else 'none'!r}"
            )
        found.append(match)
    return found


def stem(name: str) -> str:
    """A file's name without its folder and its ending.

    Examples
    --------
    >>> stem("n01/dog.JPEG"), stem("dog")
    ('dog', 'dog')
    """
    name = name.rpartition("/")[2]
    return name.rpartition(".")[0] or name
