"""Recordings of units that are linear in features of a tiny network, with noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from braincodec.datasets import Recording, Split
from braincodec.features.backbone import Backbone
from braincodec.models.training_data import training_data
from braincodec.responses import build_responses, build_sensor_units, build_units
from braincodec.stimuli import StimulusSet

from ...small_models import images, tiny_backbone

LAYERS = ("first", "last")
STIMULI, TEST = 30, 6


def features(pictures: np.ndarray, backbone: Backbone | None = None, size: int | None = None) -> dict[str, np.ndarray]:
    """Features of each layer of `Tiny`, float32 (images, features), by plain calls of its parts."""
    backbone = backbone or tiny_backbone()
    preprocessing = backbone.preprocessing
    if size is not None:
        preprocessing = preprocessing.model_copy(update={"resize": (size, size), "square_crop": True})
    with torch.inference_mode():
        prepared = preprocessing(pictures)
        found = {"first": backbone.module.first(prepared)}
        if size is None:
            found["last"] = backbone.module(prepared)
    return {layer: values.flatten(1).numpy() for layer, values in found.items()}


def pictures(count: int = STIMULI + TEST, seed: int = 1) -> np.ndarray:
    """Random images, uint8 (count, 24, 24, 3)."""
    return images(count, 24, seed)


def voxels(
    units: int = 5,
    *,
    seed: int = 1,
    noise: float = 1.0,
    repetitions: int | None = None,
    subject: str = "1",
    ids: list[str] | None = None,
    train: int = STIMULI,
    change: Any = None,
) -> Recording:
    """Units of one subject; `change` may alter the responses (stimulus, [repetition,] unit)."""
    shown = pictures(seed=seed)
    values = _signal(shown, units, seed)
    if repetitions is not None:
        values = np.repeat(values[:, None], repetitions, 1)
    values = values + noise * np.random.default_rng(seed).standard_normal(values.shape)
    values = values.astype(np.float32)
    if change is not None:
        change(values)
    table = build_units(ijk=np.eye(units, 3, dtype=int) + np.arange(units)[:, None])
    return _recording(shown, values, table, subject, ids, train)


def sensors(
    repetitions: int = 3, channels: int = 2, times: int = 4, *, subject: str = "1", change: Any = None
) -> Recording:
    """A cap's responses; repetitions differ in gain."""
    shown = pictures()
    values = _signal(shown, channels * times, 0)[:, None] * np.arange(1, repetitions + 1)[:, None]
    values = values + 0.1 * np.random.default_rng(3).standard_normal(values.shape)
    values = values.reshape(len(shown), repetitions, channels, times).astype(np.float32)
    if change is not None:
        change(values)
    table = build_sensor_units([f"O{number}" for number in range(channels)], np.arange(times) / 100)
    return _recording(shown, values, table, subject, None, STIMULI)


def training(recording: Recording) -> tuple[np.ndarray, np.ndarray]:
    """Training images, and mean responses (stimuli, outputs)."""
    [examples] = training_data(recording)
    return np.stack(list(examples.stimuli)), examples.block()


def _signal(shown: np.ndarray, outputs: int, seed: int) -> np.ndarray:
    joined = np.concatenate(list(features(shown).values()), 1)
    joined = (joined - joined.mean(0)) / (joined.std(0) + 1e-6)
    weights = np.random.default_rng(seed).standard_normal((joined.shape[1], outputs))
    return joined @ weights / joined.shape[1] ** 0.5 + 2


def _recording(shown: Any, values: Any, table: Any, subject: str, ids: list[str] | None, train: int) -> Recording:
    names = ids or [f"image-{number}" for number in range(len(shown))]
    split = Split(train=names[:train], test=names[STIMULI:])
    return Recording(
        "example", subject, StimulusSet.open(shown, ids=names), build_responses(values, names, table), table, split
    )
