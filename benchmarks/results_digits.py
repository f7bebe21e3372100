"""Digits from fMRI: simple decoders on the published split and in cross-validation, beside published methods."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import xarray as xr
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

import braincodec as bc
from braincodec.datasets import Recording, Split
from braincodec.evaluation.decoding import two_way_identification
from braincodec.evaluation.statistics import (
    bootstrap_mean,
    bootstrap_weights,
    percentile_interval,
    permutation_p_value,
)
from braincodec.readouts import ReadoutWarning, ridge_cv

METRICS = ("pixel_correlation", "ssim_uniform7", "ssim", "two_way_pixels")
ALPHAS = np.logspace(-2, 7, 19)
EXPLAINED = 0.9  # part of the variance of the training images that their components keep
# pixel correlation and structural similarity of others on the published split, read off a bar chart
PUBLISHED = {
    "Miyawaki": (0.768, 0.467),
    "De-CNN": (0.799, 0.612),
    "DGMM": (0.813, 0.651),
    "Fang et al. 2020": (0.862, 0.768),
}
# responses (training, voxel), pixels (training, pixels), responses to decode (test, voxel) to pixels (test, pixels)
Decoder = Callable[[xr.DataArray, np.ndarray, xr.DataArray], np.ndarray]


def mean_image(responses: xr.DataArray, pixels: np.ndarray, test: xr.DataArray) -> np.ndarray:
    """The mean training image, whatever the brain did: what a decoder must beat."""
    return np.tile(pixels.mean(0), (len(test), 1))


def mean_of_digit(responses: xr.DataArray, pixels: np.ndarray, test: xr.DataArray) -> np.ndarray:
    """The mean training image of the digit that was seen, told and not decoded: what knowing six from nine is worth."""
    digit = responses["digit"].values
    return np.stack([pixels[digit == seen].mean(0) for seen in test["digit"].values])


def leave_one_out(responses: xr.DataArray, targets: np.ndarray, test: xr.DataArray, one_alpha: bool) -> np.ndarray:
    """Ridge from standardised voxels; penalties are those with the least error on training images left out in turn."""
    scaler = StandardScaler().fit(responses.values)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ReadoutWarning)  # pixels of the border are always black
        fit = ridge_cv(
            scaler.transform(responses.values),
            targets,
            ALPHAS,
            folds=len(targets),
            one_alpha=one_alpha,
            dtype="float64",
            progress=False,
        )
    return fit.predict(scaler.transform(test.values))


def ridge_to_pixels(responses: xr.DataArray, pixels: np.ndarray, test: xr.DataArray) -> np.ndarray:
    """To pixels, with one penalty."""
    return leave_one_out(responses, pixels, test, one_alpha=True)


def ridge_to_components(responses: xr.DataArray, pixels: np.ndarray, test: xr.DataArray) -> np.ndarray:
    """To principal components of the training images; a penalty for each component."""
    components = PCA(EXPLAINED).fit(pixels)
    decoded = leave_one_out(responses, components.transform(pixels), test, one_alpha=False)
    return components.inverse_transform(decoded)


DECODERS: dict[str, Decoder] = {
    "mean training image (floor)": mean_image,
    "mean image of the digit, which is told": mean_of_digit,
    "ridge to pixels": ridge_to_pixels,
    "ridge to image components": ridge_to_components,
}
NOT_DECODED = (mean_image, mean_of_digit)


@dataclass(frozen=True)
class Decoded:
    """Images of all test parts of a scheme: each pair (decoded, true), uint8 (test, height, width, 3), is one split."""

    pairs: list[tuple[np.ndarray, np.ndarray]]
    scores: dict[str, np.ndarray]


def decode(decoder: Decoder, recording: Recording) -> np.ndarray:
    """Images of the test part, uint8 (test, height, width, 3), decoded by what the training part teaches."""
    train, responses = recording.part("train")
    _, test = recording.part("test")
    images = np.stack(list(train))  # (training, height, width, 3)
    decoded = decoder(responses, images.reshape(len(images), -1).astype(float), test)
    return np.clip(np.rint(decoded), 0, 255).astype(np.uint8).reshape(-1, *images.shape[1:])


def decode_all(decoder: Decoder, recording: Recording, splits: Sequence[Split]) -> Decoded:
    """Decode every test part, and score every image."""
    return decode_splits(partial(decode, decoder), recording, splits)


def decode_splits(
    images_of: Callable[[Recording], np.ndarray], recording: Recording, splits: Sequence[Split]
) -> Decoded:
    """Score the images of every test part; identification is among those of one split.

    Parameters
    ----------
    images_of : callable
        From a recording to images of its test part, uint8 (test, height, width, 3).
    recording : Recording
    splits : sequence of Split
    """
    pairs = []
    scores: dict[str, list[np.ndarray]] = {name: [] for name in METRICS}
    for split in splits:
        part = recording.with_split(split)
        images = images_of(part)
        options = {"direction": "decoding", "metrics": METRICS, "leakage": "off", "progress": False}
        found = bc.evaluate(images, part, draws=0, permutations=0, **options).stimuli
        for name in METRICS:
            scores[name].append(found[name].values)
        pairs.append((images, np.stack(list(part.part("test")[0]))))
    return Decoded(pairs, {name: np.concatenate(values) for name, values in scores.items()})


def interval(values: np.ndarray, draws: int, seed: int = 0) -> tuple[float, float, float]:
    """Mean over images with the ends of its 95 % bootstrap interval."""
    low, high = percentile_interval(bootstrap_mean(values, bootstrap_weights(len(values), draws, seed)))
    return float(np.mean(values)), float(low), float(high)


def identification_p(decoded: Decoded, permutations: int, seed: int = 0) -> float:
    """How often identification is as good when decoded images are shuffled within their split."""
    rng = np.random.default_rng(seed)
    null = [
        np.concatenate(
            [two_way_identification(images[rng.permutation(len(images))], truth) for images, truth in decoded.pairs]
        ).mean()
        for _ in range(permutations)
    ]
    return float(permutation_p_value(decoded.scores["two_way_pixels"].mean(), np.array(null)))


def digit_rows(
    recording: Recording, schemes: dict[str, list[Split]], draws: int, permutations: int
) -> list[dict[str, object]]:
    """Simple decoders under each scheme."""
    return [
        digit_row(
            name,
            scheme,
            decode_all(decoder, recording, splits),
            draws,
            None if decoder in NOT_DECODED else permutations,
        )
        for scheme, splits in schemes.items()
        for name, decoder in DECODERS.items()
    ]


def digit_row(name: str, scheme: str, decoded: Decoded, draws: int, permutations: int | None) -> dict[str, object]:
    """Every score with its interval, and p of identification against chance; without permutations no p."""
    scores = decoded.scores | {"n_way": (decoded.scores["two_way_pixels"] == 1).astype(float)}
    row = {metric: interval(values, draws) for metric, values in scores.items()}
    p = None if permutations is None else identification_p(decoded, permutations)
    return {"method": name, "scheme": scheme, "images": len(scores["pixel_correlation"]), **row, "p": p}
