"""Two-way identification by what images look like pixel by pixel: correlation, squared error, signal to noise, SSIM."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from braincodec.evaluation.decoding.image_metric import TwoWayMetric
from braincodec.evaluation.decoding.pairwise import pairwise_mse, pairwise_snr, pairwise_ssim
from braincodec.evaluation.decoding.similarity import correlation_matrix, rounding_of
from braincodec.evaluation.decoding.ssim import Window, sliding_window
from braincodec.evaluation.decoding.two_way import Anchor
from braincodec.evaluation.definition import Definition

# of float32 similarities averaged over windows
SSIM_TOLERANCE = 1e-6


def two_way_definition(name: str, title: str, similarity: str, source: str) -> Definition:
    """The definition of a two-way identification by some similarity.

    Examples
    --------
    >>> two_way_definition("two_way_mse", "Two-way identification (squared error)", "mean squared error", "LEA").chance
    0.5
    """
    return Definition(
        name,
        title,
        "decoding",
        "stimulus",
        f"Share of the other true images that the predicted image resembles less than its own, by {similarity}; ties "
        "fail.",
        (0.0, 1.0),
        0.5,
        "higher",
        source,
    )


class TwoWayPixels(TwoWayMetric):
    """Two-way identification by correlation of pixels.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), np.uint8)
    >>> TwoWayPixels().update(images, images).compute()
    array([1., 1., 1., 1., 1.])
    """

    definition = two_way_definition(
        "two_way_pixels",
        "Two-way identification (pixels)",
        "Pearson correlation over pixels",
        "LEA (Qian et al. 2023), there called pcc",
    )
    tolerance = rounding_of(np.zeros((1, 1), np.uint8))

    def similarity(self, prediction: NDArray[np.uint8], truth: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Correlation of every predicted image and every true one."""
        return correlation_matrix(prediction, truth)


class TwoWayMeanSquaredError(TwoWayMetric):
    """Two-way identification by mean squared error; exact, also among equal images.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), np.uint8)
    >>> TwoWayMeanSquaredError().update(images, images).compute()
    array([1., 1., 1., 1., 1.])
    """

    definition = two_way_definition(
        "two_way_mse", "Two-way identification (squared error)", "mean squared error", "LEA (Qian et al. 2023)"
    )

    def similarity(self, prediction: NDArray[np.uint8], truth: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Negative squared error of every predicted image and every true one."""
        return -pairwise_mse(prediction, truth)


class TwoWaySignalToNoise(TwoWayMetric):
    """Two-way identification by signal-to-noise ratio.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), np.uint8)
    >>> TwoWaySignalToNoise().update(images, images).compute()
    array([1., 1., 1., 1., 1.])
    """

    definition = two_way_definition(
        "two_way_snr", "Two-way identification (signal to noise)", "signal-to-noise ratio", "LEA (Qian et al. 2023)"
    )

    def similarity(self, prediction: NDArray[np.uint8], truth: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Signal-to-noise ratio, in decibels, of every predicted image and every true one."""
        return pairwise_snr(prediction, truth)


class TwoWayStructuralSimilarity(TwoWayMetric):
    """Two-way identification by `ssim`.

    The time grows with the square of the number of images: minutes for 1,000 of 256 x 256 pixels.

    Parameters
    ----------
    anchor : {"prediction", "truth"}
    window : {"gaussian", "uniform7"}
        See `ssim`; MinD-Vis and LEA take the flat window.

    Attributes
    ----------
    definition : Definition
        With the window in use.

    Examples
    --------
    >>> import numpy as np
    >>> images = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), np.uint8)
    >>> TwoWayStructuralSimilarity().update(images, images).compute()
    array([1., 1., 1., 1., 1.])
    """

    definition = two_way_definition(
        "two_way_ssim",
        "Two-way identification (SSIM)",
        "structural similarity (Gaussian window)",
        "LEA (Qian et al. 2023); Wang et al. 2004",
    )
    settings = ("anchor", "window")
    tolerance = SSIM_TOLERANCE

    def __init__(self, anchor: Anchor = "prediction", window: Window = "gaussian") -> None:
        super().__init__(anchor)
        sliding_window(window)  # refuses unknown ones
        self.window = window
        if window == "uniform7":
            shared = type(self).definition
            vars(self)["definition"] = replace(shared, text=shared.text.replace("Gaussian window", "flat 7 x 7 window"))

    def similarity(self, prediction: NDArray[np.uint8], truth: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Structural similarity of every predicted image and every true one."""
        return pairwise_ssim(prediction, truth, self.window)
