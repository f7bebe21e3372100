"""Pairs of images to compare: checked, brought to one size, cast to floats of 0..1 a few at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braincodec.errors import InputTypeError, InputValueError

WHITE_OF_INTEGERS = 255.0
BLOCK_BYTES = 32 * 2**20  # of float64 that one step of a computation over images holds
ROUNDING = 1e-3  # by which true images may leave their range, as a share of it
# weights of red, green and blue in luminance (Rec. 709 primaries), as scikit-image's `rgb2gray` has them
LUMINANCE = (0.2125, 0.7154, 0.0721)


@dataclass(frozen=True)
class ImagePairs:
    """Predicted and true images of one shape, made by `check_images`.

    Attributes
    ----------
    prediction, truth : array, shape (n, height, width, channels)
        As they were given; grey images have one channel.
    white : (float, float)
        The value of white in each; black is 0.
    """

    prediction: NDArray[Any]
    truth: NDArray[Any]
    white: tuple[float, float]

    def __len__(self) -> int:
        return len(self.prediction)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.prediction.shape[1], self.prediction.shape[2]

    def blocks(self, copies: int = 4) -> Iterator[tuple[slice, NDArray[np.float64], NDArray[np.float64]]]:
        """Consecutive pairs as float64 of 0..1, so many at a time that `copies` of them fit into `BLOCK_BYTES`.

        Yields
        ------
        slice, array, array
            Which pairs; predicted and true images, shape (n, height, width, channels), which the caller may overwrite.
        """
        images = max(1, BLOCK_BYTES // (8 * copies * int(np.prod(self.prediction.shape[1:]))))
        for start in range(0, len(self), images):
            rows = slice(start, min(start + images, len(self)))
            # cast before anything else: differences of uint8 would wrap
            yield (
                rows,
                self.prediction[rows].astype(np.float64) / self.white[0],
                self.truth[rows].astype(np.float64) / self.white[1],
            )


def check_images(prediction: Any, truth: Any, data_range: float | None = None) -> ImagePairs:
    """Check that predicted and true images can be compared pixel by pixel.

    Parameters
    ----------
    prediction, truth : array, shape (n, height, width, 3), or (n, height, width) for grey images
        Integers are 0..255. Floats are 0..`data_range`; predictions may leave that range, as a regression's do.
    data_range : float, optional
        The value of white in float images, such as 1 or 255; black is 0.

    Returns
    -------
    ImagePairs

    Raises
    ------
    InputTypeError
        For a dtype that is no number, or floats without `data_range`.
    InputValueError
        When the shapes differ or are no stacks of images; for NaN or infinity; for true images outside their range.

    Examples
    --------
    >>> import numpy as np
    >>> pairs = check_images(np.zeros((2, 4, 4, 3), np.uint8), np.full((2, 4, 4, 3), 0.5), data_range=1)
    >>> [truth.max() for _, _, truth in pairs.blocks()]
    [np.float64(0.5)]
    """
    prediction, truth = np.asarray(prediction), np.asarray(truth)
    for images, name in ((prediction, "predicted"), (truth, "true")):
        _check_shape(images, name)
    if prediction.shape != truth.shape:
        raise InputValueError(
            f"predicted images have the shape {prediction.shape}, true ones {truth.shape}; they must be the same"
            + (" (see match_size)" if len(prediction) == len(truth) else "")
        )
    white = (_white(prediction, data_range, "predicted"), _white(truth, data_range, "true"))
    if prediction.dtype.kind != "f" and truth.dtype.kind != "f" and data_range not in (None, WHITE_OF_INTEGERS):
        raise InputValueError(f"integer images are 0..255, so data_range={data_range!r} cannot be; leave it out")
    _check_finite(prediction, "predicted")
    _check_finite(truth, "true")
    _check_range(truth, white[1], "true")
    if prediction.dtype.kind != "f":
        _check_range(prediction, white[0], "predicted")
    if prediction.ndim == 3:
        prediction, truth = prediction[..., None], truth[..., None]
    return ImagePairs(prediction, truth, white)


def _check_shape(images: NDArray[Any], name: str) -> None:
    grey, colour = images.ndim == 3, images.ndim == 4 and images.shape[3] in (1, 3)
    if 0 in images.shape or not (grey or colour):
        raise InputValueError(
            f"{name} images have the shape {images.shape}; expected (n, height, width, 3), or grey (n, height, width)"
        )
    if grey and images.shape[2] == 3:
        raise InputValueError(f"{name} images have the shape {images.shape}; for one colour image write images[None]")


def _white(images: NDArray[Any], data_range: float | None, name: str) -> float:
    if images.dtype.kind in "ui":
        return WHITE_OF_INTEGERS
    if images.dtype.kind != "f":
        raise InputTypeError(f"{name} images have dtype {images.dtype}; expected uint8 or floats")
    if data_range is None:
        raise InputTypeError(
            f"{name} images have dtype {images.dtype}: state the value of white, data_range=1 or data_range=255"
        )
    if not (np.isfinite(data_range) and data_range > 0):
        raise InputValueError(f"data_range is {data_range!r}; expected a positive number, the value of white")
    return float(data_range)


def _check_finite(images: NDArray[Any], name: str) -> None:
    if images.dtype.kind != "f":
        return
    bad = [index for index, image in enumerate(images) if not np.isfinite(image).all()]
    if bad:
        raise InputValueError(f"{len(bad)} of {len(images)} {name} images hold NaN or infinity, the first is {bad[0]}")


def _check_range(images: NDArray[Any], white: float, name: str) -> None:
    if images.dtype == np.uint8:
        return
    lowest, highest = images.min().item(), images.max().item()
    slack = ROUNDING * white if images.dtype.kind == "f" else 0
    if lowest < -slack or highest > white + slack:
        raise InputValueError(f"{name} images have values from {lowest:g} to {highest:g}; expected 0 to {white:g}")


def match_size(prediction: Any, truth: Any) -> NDArray[Any]:
    """True images resized to the height and width of the predicted ones.

    Parameters
    ----------
    prediction, truth : array, shape (n, height, width, 3) or (n, height, width)
        Their sizes may differ, their proportions may not.

    Returns
    -------
    array of the dtype of `truth`, shape of `prediction`
        `truth` itself where the sizes agree; otherwise a copy, bilinear, low-pass filtered where it shrinks.

    Raises
    ------
    InputValueError
        When proportions, numbers of images or channels differ.

    Examples
    --------
    >>> import numpy as np
    >>> match_size(np.zeros((2, 8, 8, 3), np.uint8), np.full((2, 32, 32, 3), 7, np.uint8)).shape
    (2, 8, 8, 3)
    """
    prediction, truth = np.asarray(prediction), np.asarray(truth)
    _check_shape(prediction, "predicted")
    _check_shape(truth, "true")
    if prediction.shape == truth.shape:
        return truth
    height, width = prediction.shape[1:3]
    given_height, given_width = truth.shape[1:3]
    # a pixel of difference in the longer side comes from rounding
    out_of_proportion = abs(given_height * width - given_width * height) > max(height, width, given_height, given_width)
    if out_of_proportion or len(prediction) != len(truth) or prediction.shape[3:] != truth.shape[3:]:
        raise InputValueError(
            f"predicted images have the shape {prediction.shape}, true ones {truth.shape}; "
            "expected as many, as many channels, and the same proportions (crop them first)"
        )
    return _resize(truth, height, width)


def _resize(images: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    from PIL import Image

    resized = np.empty((len(images), height, width, *images.shape[3:]), images.dtype)
    whole = images.dtype == np.uint8
    if images.dtype.kind not in "uif":
        raise InputTypeError(f"true images have dtype {images.dtype}; expected uint8 or floats")
    for image, target in zip(images, resized, strict=True):
        # one plane at a time: Pillow has no colour images of floats
        planes = image.reshape(*image.shape[:2], -1)
        results = target.reshape(height, width, -1)  # a view
        for channel in range(planes.shape[2]):
            plane = Image.fromarray(planes[..., channel] if whole else planes[..., channel].astype(np.float32))
            result = np.asarray(plane.resize((width, height), Image.Resampling.BILINEAR))
            results[..., channel] = np.rint(result) if images.dtype.kind in "ui" else result
    return resized


def luminance(images: NDArray[np.float64]) -> NDArray[np.float64]:
    """Grey images from colour ones, shape (n, height, width, channels) to (n, height, width, 1).

    Examples
    --------
    >>> import numpy as np
    >>> float(luminance(np.ones((1, 1, 1, 3)))[0, 0, 0, 0])
    1.0
    """
    return images if images.shape[3] == 1 else (images @ np.array(LUMINANCE, images.dtype))[..., None]
