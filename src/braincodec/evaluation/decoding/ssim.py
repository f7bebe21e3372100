"""Structural similarity of images in the two variants that decoding papers report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from braincodec.errors import InputValueError, UnknownNameError
from braincodec.evaluation.decoding.image_metric import ImageMetric
from braincodec.evaluation.decoding.images import check_images, luminance
from braincodec.evaluation.definition import Definition

Window = Literal["gaussian", "uniform7"]
# stabilise the divisions, for images of 0..1 (Wang et al. 2004: (K1 L)^2 and (K2 L)^2)
C1, C2 = 0.01**2, 0.03**2
SPACE = (1, 2)  # axes of height and width: a window never reaches another image or colour


@dataclass(frozen=True)
class SlidingWindow:
    """How local means are taken.

    Attributes
    ----------
    side : int
        Pixels, odd.
    grey : bool
        Colours are joined to luminance first; otherwise they are scored apart and averaged.
    weights : array of float64, shape (side,)
        Of the pixels along one axis; they sum to 1.
    flat : bool
        All of them are equal.
    covariance_factor : float
        1, or count / (count - 1) for sample variances and covariances.
    """

    side: int
    grey: bool
    weights: NDArray[np.float64]
    flat: bool
    covariance_factor: float

    def mean(self, images: NDArray[np.float64]) -> NDArray[np.float64]:
        """Local means of images (n, height, width, channels) where the window lies within the image."""
        for axis in SPACE:
            if self.flat:  # running sums: half the time
                images = ndimage.uniform_filter1d(images, self.side, axis=axis)
            else:
                images = ndimage.correlate1d(images, self.weights, axis=axis)
        edge = self.side // 2
        return images[:, edge:-edge, edge:-edge]


def _gaussian_weights(sigma: float, radius: int) -> NDArray[np.float64]:
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return weights / weights.sum()


# the radius 5 is 3.5 standard deviations of 1.5 pixels, as scikit-image cuts it
WINDOWS: dict[str, SlidingWindow] = {
    "gaussian": SlidingWindow(11, True, _gaussian_weights(1.5, 5), False, 1.0),
    "uniform7": SlidingWindow(7, False, np.full(7, 1 / 7), True, 49 / 48),
}


def ssim(
    prediction: Any, truth: Any, window: Window = "gaussian", data_range: float | None = None
) -> NDArray[np.float64]:
    """Structural similarity of each pair of images.

    Parameters
    ----------
    prediction, truth : array, shape (n, height, width, 3) or (n, height, width)
        Integers of 0..255, or floats of 0..`data_range`.
    window : {"gaussian", "uniform7"}
        ``gaussian``: luminance, a Gaussian window of standard deviation 1.5 pixels cut at 11 x 11, population
        covariances: what MindEye and Brain-Diffuser report. ``uniform7``: a flat window of 7 x 7 pixels and sample
        covariances, colours apart and then averaged: scikit-image's defaults, what LEA's code computes. The two
        differ a good deal: name the variant with the number.
    data_range : float, optional
        The value of white in float images.

    Returns
    -------
    array of float64, shape (n,)

    Raises
    ------
    InputTypeError, InputValueError
        See `check_images`; also for images smaller than the window.

    Notes
    -----
    Wang, Bovik, Sheikh, Simoncelli (2004), eq. 13, averaged over the places where the whole window lies within the
    image. Equal to scikit-image's ``structural_similarity`` with the arguments named above.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.random.default_rng(0).integers(0, 256, (1, 16, 16, 3), np.uint8)
    >>> ssim(image, image), bool(ssim(255 - image, image, "uniform7") < 0)
    (array([1.]), True)
    """
    chosen = sliding_window(window)
    pairs = check_images(prediction, truth, data_range)
    check_window(pairs.size, window)
    scores = np.empty(len(pairs))
    for rows, predicted, true in pairs.blocks(copies=12):
        if chosen.grey:
            predicted, true = luminance(predicted), luminance(true)
        scores[rows] = _map_of_similarity(predicted, true, chosen).mean((1, 2, 3))
    return scores


def sliding_window(name: str) -> SlidingWindow:
    """The window called `name`."""
    if name not in WINDOWS:
        raise UnknownNameError("window", name, WINDOWS)
    return WINDOWS[name]


def check_window(size: tuple[int, int], name: str) -> None:
    """Refuse images that a window does not fit into."""
    side = sliding_window(name).side
    if min(size) < side:
        raise InputValueError(f"images of {size[0]} x {size[1]} pixels are smaller than the window of {side} x {side}")


def _map_of_similarity(a: NDArray[np.float64], b: NDArray[np.float64], window: SlidingWindow) -> NDArray[np.float64]:
    mean_a, mean_b = window.mean(a), window.mean(b)  # (n, height - side + 1, width - side + 1, channels)
    variance_a = window.covariance_factor * (window.mean(a * a) - mean_a * mean_a)
    variance_b = window.covariance_factor * (window.mean(b * b) - mean_b * mean_b)
    covariance = window.covariance_factor * (window.mean(a * b) - mean_a * mean_b)
    luminance_and_structure = (2 * mean_a * mean_b + C1) * (2 * covariance + C2)
    return luminance_and_structure / ((mean_a**2 + mean_b**2 + C1) * (variance_a + variance_b + C2))


def _uniform7(prediction: Any, truth: Any) -> NDArray[np.float64]:
    return ssim(prediction, truth, "uniform7")


class StructuralSimilarity(ImageMetric):
    """`ssim` in its Gaussian variant of each image, added batch by batch.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.zeros((2, 16, 16, 3), np.uint8)
    >>> StructuralSimilarity().update(image, image).compute()
    array([1., 1.])
    """

    definition = Definition(
        "ssim",
        "Structural similarity (Gaussian window)",
        "decoding",
        "stimulus",
        "Structural similarity of the luminance, Gaussian window of standard deviation 1.5 pixels, population "
        "covariances, within each image.",
        (-1.0, 1.0),
        None,
        "higher",
        "Wang et al. 2004; the variant of MindEye (Scotti et al. 2023)",
    )
    score = staticmethod(ssim)


class StructuralSimilarityUniform(ImageMetric):
    """`ssim` with a flat window of 7 x 7 pixels of each image, added batch by batch.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.zeros((2, 16, 16, 3), np.uint8)
    >>> StructuralSimilarityUniform().update(image, image).compute()
    array([1., 1.])
    """

    definition = Definition(
        "ssim_uniform7",
        "Structural similarity (flat 7 x 7 window)",
        "decoding",
        "stimulus",
        "Structural similarity of each colour, averaged; flat window of 7 x 7 pixels, sample covariances, within each "
        "image.",
        (-1.0, 1.0),
        None,
        "higher",
        "Wang et al. 2004; scikit-image's defaults, the variant of LEA (Qian et al. 2023)",
    )
    score = staticmethod(_uniform7)
