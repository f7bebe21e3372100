"""The images of a stimulus set in memory, all of one size."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from braincodec.errors import InputValueError
from braincodec.features.preprocessing import Preprocessing
from braincodec.progress import progress_bar
from braincodec.stimuli import StimulusSet

ImageSize = Annotated[int, Field(ge=1)] | tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]
"""Height and width in pixels, or one number for both."""

IMAGES_READ_AT_ONCE = 32


def refuse_several_sizes(stimuli: StimulusSet, kind: str) -> None:
    """Look at all images, and refuse those that are not of one size.

    Parameters
    ----------
    stimuli : StimulusSet
    kind : str
        Of the generator that needs one size.

    Raises
    ------
    InputValueError

    Examples
    --------
    >>> refuse_several_sizes(StimulusSet.open(np.zeros((5, 8, 6, 3), np.uint8)), "retrieval")
    """
    if stimuli.image_size is not None:
        return
    first: tuple[str, NDArray[np.int64]] | None = None
    for batch in stimuli.batches(IMAGES_READ_AT_ONCE, transform=_heights_and_widths):
        for name, size in zip(batch.ids, np.asarray(batch.images), strict=True):
            if first is None:
                first = (str(name), size)
            elif not np.array_equal(size, first[1]):
                raise InputValueError(
                    f"images have several sizes: {first[0]!r} has {first[1][0]} x {first[1][1]} pixels, {str(name)!r} "
                    f"{size[0]} x {size[1]}; set image_size of the generator, such as "
                    f"{{'kind': {kind!r}, 'image_size': {min(*first[1].tolist(), *size.tolist())}}}"
                )


def _heights_and_widths(images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Shape (n, 2)."""
    return np.tile(np.array(images.shape[1:3], np.int64), (len(images), 1))


def read_images(
    stimuli: StimulusSet, size: ImageSize | None = None, *, progress: bool | None = None
) -> NDArray[np.uint8]:
    """Read all images, shape (n, height, width, 3).

    Parameters
    ----------
    stimuli : StimulusSet
    size : int or (int, int), optional
        Height and width. An int makes squares: the middle of the image, then resized. Default: as they are.
    progress : bool, optional

    Raises
    ------
    InputValueError
        When they have several sizes and none is given.

    Examples
    --------
    >>> read_images(StimulusSet.open(np.zeros((5, 8, 6, 3), np.uint8)), 4).shape
    (5, 4, 4, 3)
    """
    resize = None
    if size is not None:
        pair = size if isinstance(size, tuple) else (size, size)
        settings = Preprocessing(square_crop=isinstance(size, int), resize=pair, interpolation="bicubic", divisor=1.0)

        def resize(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
            return settings(images).numpy().astype(np.uint8).transpose(0, 2, 3, 1)

    result: NDArray[np.uint8] | None = None
    done = 0
    with progress_bar("read images", len(stimuli), show=progress) as advance:
        for batch in stimuli.batches(IMAGES_READ_AT_ONCE, transform=resize):
            images = np.asarray(batch.images)
            if result is None:
                result = np.empty((len(stimuli), *images.shape[1:]), np.uint8)
            if images.shape[1:] != result.shape[1:]:
                raise InputValueError(
                    f"image {str(batch.ids[0])!r} has {images.shape[1]} x {images.shape[2]} pixels, those before it "
                    f"{result.shape[1]} x {result.shape[2]}; set image_size to bring all to one size"
                )
            result[done : done + len(images)] = images
            done += len(images)
            advance(len(images))
    if result is None:
        raise InputValueError("the stimulus set is empty; expected at least one image")
    return result
