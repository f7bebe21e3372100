"""Small subjects with known receptive fields."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import xarray as xr

from braincodec.datasets import Recording, Split
from braincodec.models.gaussian_fwrf import GaussianFwRF
from braincodec.responses import build_responses
from braincodec.stimuli import StimulusSet

CHANNELS, ANGLE = 10, 8.0
LAYERS = ("scales.2", "scales.3")


def smooth_noise(count: int, seed: int, side: int = 48) -> np.ndarray:
    """Colour images whose amplitude falls with spatial frequency, as photographs' does."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    spectrum = np.fft.rfft2(rng.standard_normal((count, 3, side, side))) / np.maximum(frequency, 1 / side)
    images = np.fft.irfft2(spectrum, (side, side))
    contrast = rng.uniform(0.5, 1.0, (count, 1, 1, 1)) / images.std((1, 2, 3), keepdims=True)
    return (128 + 55 * contrast * images).clip(0, 255).astype(np.uint8).transpose(0, 2, 3, 1)


def truth(units: int, seed: int = 0) -> GaussianFwRF:
    """Units that read one of two layers of the Gabor bank, half of them each, with fields inside the image."""
    rng = np.random.default_rng(seed)
    size = rng.uniform(0.4, 1.4, units)
    centres = rng.uniform(-1, 1, (units, 2)) * (ANGLE / 2 - size)[:, None]
    fields = np.column_stack([centres, size]).astype(np.float32)
    weights = rng.exponential(1.0, (units, CHANNELS)).astype(np.float32)
    tensors = {"receptive_field": torch.as_tensor(fields), "bias": torch.zeros(units)}
    for number, layer in enumerate(LAYERS):
        own = np.arange(number, units, 2)
        tensors |= {f"{layer}.units": torch.as_tensor(own), f"{layer}.weight": torch.as_tensor(weights[own])}
    config = {
        "features": {"backbone": "gabor:bank", "layers": LAYERS, "pooling": "none"},
        "nonlinearities": ["none", "none"],
        "visual_angle": ANGLE,
    }
    about = {"model": "truth", "modality": "fmri", "dataset": "simulated"}
    return GaussianFwRF.from_parts(config, tensors, table(units), about)


def table(units: int) -> xr.Dataset:
    """Which vertices the units are."""
    return xr.Dataset(
        {
            "vertex": ("unit", np.arange(units, dtype=np.int32)),
            "hemisphere": ("unit", np.full(units, "left")),
        },
        attrs={"modality": "fmri", "visual_angle": ANGLE, "simulated": 1},
    )


MakeRecording = Callable[..., Recording]


@pytest.fixture(scope="session")
def make_recording() -> MakeRecording:
    """``make_recording(units, train, test, ncsnr, ...)``: a recording, whose fields are those of `truth`."""

    def make(
        units: int = 20,
        train: int = 160,
        test: int = 40,
        ncsnr: float = 2.0,
        repetitions: int = 2,
        seed: int = 0,
        subject: str = "1",
    ) -> Recording:
        images = StimulusSet.open(smooth_noise(train + test, seed))
        model = truth(units, seed)
        signal = model.encode(images).values
        signal = ncsnr * (signal - signal.mean(0)) / signal.std(0)
        rng = np.random.default_rng([seed, 1])
        noise = rng.standard_normal((len(images), repetitions, units))
        about = table(units).assign(ncsnr=("unit", np.full(units, ncsnr)))
        responses = build_responses((signal[:, None] + noise).astype(np.float32), images.ids, about)
        split = Split(train=images.ids[:train].tolist(), test=images.ids[train:].tolist())
        return Recording("simulated", subject, images, responses, about, split)

    return make


@pytest.fixture(scope="session")
def true_fields() -> Callable[[int], np.ndarray]:
    """Fields (units, 3) of the recordings with so many units."""
    return lambda units: truth(units).tensors()["receptive_field"].numpy()
