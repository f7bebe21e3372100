"""Scores of decoded images, pixel by pixel: correlation, mean squared error, signal to noise."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braincodec.evaluation.decoding.image_metric import ImageMetric
from braincodec.evaluation.decoding.images import check_images
from braincodec.evaluation.definition import Definition, UndefinedScoreWarning

# of the centred pixels' norm, below which it is rounding alone: a constant image
CONSTANT = 1e-12


def pixel_correlation(prediction: Any, truth: Any, data_range: float | None = None) -> NDArray[np.float64]:
    """Pearson correlation over all pixels and colours of each image.

    It depends on the size of the images: state it with the number.

    Parameters
    ----------
    prediction, truth : array, shape (n, height, width, 3) or (n, height, width)
        Integers of 0..255, or floats of 0..`data_range`.
    data_range : float, optional
        The value of white in float images.

    Returns
    -------
    array of float64, shape (n,)
        NaN, with one `UndefinedScoreWarning`, where an image is of one value throughout.

    Raises
    ------
    InputTypeError, InputValueError
        See `check_images`.

    Notes
    -----
    As MindEye (Scotti et al. 2023) and Brain-Diffuser (Ozcelik and VanRullen 2023) compute "PixCorr".

    Examples
    --------
    >>> import numpy as np
    >>> image = np.arange(48, dtype=np.uint8).reshape(1, 4, 4, 3)
    >>> pixel_correlation(255 - image, image).round(6)
    array([-1.])
    """
    pairs = check_images(prediction, truth, data_range)
    scores = np.empty(len(pairs))
    for rows, predicted, true in pairs.blocks(copies=3):
        centred = []
        for images in (predicted, true):
            flat = images.reshape(len(images), -1)  # (n, pixels)
            size = np.abs(flat).max(1)
            flat -= flat.mean(1, keepdims=True)
            norm = np.sqrt(np.einsum("np,np->n", flat, flat))
            norm[norm <= CONSTANT * size * math.sqrt(flat.shape[1])] = np.nan
            centred.append((flat, norm))
        (a, norm_a), (b, norm_b) = centred
        scores[rows] = np.einsum("np,np->n", a, b) / norm_a / norm_b
    if np.isnan(scores).any():
        warnings.warn(
            f"pixel correlation of {np.isnan(scores).sum()} of {len(pairs)} images is NaN: the predicted or the true "
            "image is of one value throughout",
            UndefinedScoreWarning,
            stacklevel=2,
        )
    return np.clip(scores, -1, 1)


def mse(prediction: Any, truth: Any, data_range: float | None = None) -> NDArray[np.float64]:
    """Mean squared difference of the pixels of each image, black 0 and white 1.

    Parameters
    ----------
    prediction, truth, data_range
        As for `pixel_correlation`.

    Returns
    -------
    array of float64, shape (n,)
        Of 8-bit images, 1/65,025 of the mean squared difference of their grey levels.

    Raises
    ------
    InputTypeError, InputValueError
        See `check_images`.

    Notes
    -----
    The textbook's mean; integers are cast before they are subtracted, because differences of uint8 wrap.

    Examples
    --------
    >>> import numpy as np
    >>> mse(np.zeros((1, 4, 4, 3), np.uint8), np.full((1, 4, 4, 3), 255, np.uint8))
    array([1.])
    """
    pairs = check_images(prediction, truth, data_range)
    scores = np.empty(len(pairs))
    for rows, predicted, true in pairs.blocks(copies=2):
        scores[rows] = _energy(np.subtract(predicted, true, out=predicted)) / predicted[0].size
    return scores


def psnr(prediction: Any, truth: Any, data_range: float | None = None) -> NDArray[np.float64]:
    """Peak signal-to-noise ratio of each image in decibels, -10 log10(mse).

    Parameters
    ----------
    prediction, truth, data_range
        As for `pixel_correlation`.

    Returns
    -------
    array of float64, shape (n,)
        Infinite where prediction and truth are the same.

    Raises
    ------
    InputTypeError, InputValueError
        See `check_images`.

    Notes
    -----
    The textbook's ratio of the squared value of white to the mean squared error.

    Examples
    --------
    >>> import numpy as np
    >>> psnr(np.full((1, 4, 4, 3), 0.1), np.zeros((1, 4, 4, 3)), data_range=1).round(6)
    array([20.])
    """
    with np.errstate(divide="ignore"):
        return -10 * np.log10(mse(prediction, truth, data_range))


def snr(prediction: Any, truth: Any, data_range: float | None = None) -> NDArray[np.float64]:
    """Signal-to-noise ratio of each image in decibels, 10 log10(sum truth^2 / sum (prediction - truth)^2).

    Parameters
    ----------
    prediction, truth, data_range
        As for `pixel_correlation`.

    Returns
    -------
    array of float64, shape (n,)
        Infinite where prediction and truth are the same; minus infinite where the true image alone is black; NaN,
        with one `UndefinedScoreWarning`, where both are.

    Raises
    ------
    InputTypeError, InputValueError
        See `check_images`.

    Notes
    -----
    What LEA (Qian et al. 2023) lists as SNR.

    Examples
    --------
    >>> import numpy as np
    >>> snr(np.full((1, 4, 4, 3), 0.9), np.ones((1, 4, 4, 3)), data_range=1).round(6)
    array([20.])
    """
    pairs = check_images(prediction, truth, data_range)
    signal, noise = np.empty(len(pairs)), np.empty(len(pairs))
    for rows, predicted, true in pairs.blocks(copies=2):
        signal[rows] = _energy(true)
        noise[rows] = _energy(np.subtract(predicted, true, out=predicted))
    return decibels(signal, noise, "snr")


def decibels(signal: NDArray[np.float64], noise: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    """10 log10(signal / noise), NaN with one warning where both are zero.

    Examples
    --------
    >>> import numpy as np
    >>> decibels(np.array([1.0, 1.0]), np.array([0.1, 0.0]), "snr")
    array([10., inf])
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        scores: NDArray[np.float64] = 10 * np.log10(signal / noise)
    if np.isnan(scores).any():
        warnings.warn(
            f"{np.isnan(scores).sum()} of {scores.size} values of {name} are NaN: "
            "the true image is black and so is the predicted one",
            UndefinedScoreWarning,
            stacklevel=3,
        )
    return scores


def _energy(images: NDArray[np.float64]) -> NDArray[np.float64]:
    flat = images.reshape(len(images), -1)
    return np.einsum("np,np->n", flat, flat)


class PixelCorrelation(ImageMetric):
    """`pixel_correlation` of each image, added batch by batch.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.arange(48, dtype=np.uint8).reshape(1, 4, 4, 3)
    >>> PixelCorrelation().update(image, image).compute().round(6)
    array([1.])
    """

    definition = Definition(
        "pixel_correlation",
        "Pixel correlation",
        "decoding",
        "stimulus",
        "Pearson correlation over all pixels and colours of the predicted and the true image; depends on their size.",
        (-1.0, 1.0),
        0.0,
        "higher",
        "PixCorr of MindEye (Scotti et al. 2023) and Brain-Diffuser (Ozcelik and VanRullen 2023)",
    )
    score = staticmethod(pixel_correlation)


class MeanSquaredError(ImageMetric):
    """`mse` of each image, added batch by batch.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.arange(48, dtype=np.uint8).reshape(1, 4, 4, 3)
    >>> MeanSquaredError().update(image, image).compute()
    array([0.])
    """

    definition = Definition(
        "mse",
        "Mean squared error",
        "decoding",
        "stimulus",
        "Mean of the squared differences of all pixels and colours, black 0 and white 1.",
        (0.0, 1.0),
        None,
        "lower",
        "textbook",
    )
    score = staticmethod(mse)


class PeakSignalToNoise(ImageMetric):
    """`psnr` of each image, added batch by batch.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.zeros((1, 4, 4, 3), np.uint8)
    >>> PeakSignalToNoise().update(image + 255, image).compute() == 0
    array([ True])
    """

    definition = Definition(
        "psnr",
        "Peak signal-to-noise ratio (dB)",
        "decoding",
        "stimulus",
        "-10 log10 of the mean squared error of images with black 0 and white 1; infinite for identical images.",
        (0.0, math.inf),
        None,
        "higher",
        "textbook",
    )
    score = staticmethod(psnr)


class SignalToNoise(ImageMetric):
    """`snr` of each image, added batch by batch.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.full((1, 4, 4, 3), 100, np.uint8)
    >>> SignalToNoise().update(image + 10, image).compute().round(6)
    array([20.])
    """

    definition = Definition(
        "snr",
        "Signal-to-noise ratio (dB)",
        "decoding",
        "stimulus",
        "10 log10 of the sum of squares of the true image over the sum of squared differences.",
        (-math.inf, math.inf),
        None,
        "higher",
        "LEA (Qian et al. 2023)",
    )
    score = staticmethod(snr)
