"""A simulated EEG subject with known ground truth."""

from __future__ import annotations

import zlib
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.errors import InputValueError
from braincodec.simulate.calibrate import calibration_outputs
from braincodec.simulate.eeg_sources import CHANNELS, EVOKED, SOURCES, TIMES, background, background_mixing, field
from braincodec.simulate.geometry import VISUAL_ANGLE
from braincodec.simulate.simulated import SimulatedSubject, noise_generator
from braincodec.simulate.tuning import (
    CATEGORY_CLASSES,
    EFFICIENTNET,
    GABOR,
    LICENCES,
    category_direction,
    choose_backbone,
)

if TYPE_CHECKING:
    import torch
    import xarray as xr
    from numpy.typing import NDArray

    from braincodec.features.backbone import Backbone
    from braincodec.models.linear import LinearEncoder

MODEL = "eeg-simulated-linear"
# standard deviation of the noise of one repetition, microvolt
NOISE = 8.0
# the response wanes when an image is shown again
REPETITION_GAINS = (1.0, 0.94, 0.90, 0.87)
# centre of the window of a visual half field, and its standard deviation, degrees
HALF_FIELD, HALF_FIELD_SIZE = 1.8, 1.4
# layers that give low-level contrast, texture, and categories
SOURCE_LAYERS = {
    EFFICIENTNET: ("_swish", "_blocks.8", "_avg_pooling"),
    GABOR: ("scales.0", "scales.2", "scales.3"),
}


class SimulatedEEGSubject(SimulatedSubject):
    """Ground truth, responses and units of a simulated EEG subject; made by `eeg_subject`."""

    @cached_property
    def _mixing(self) -> NDArray[np.float64]:
        return background_mixing(self.seed, self.subject)

    def _noise(self, stimulus_id: str, repetitions: int) -> NDArray[np.float32]:
        rng = noise_generator(self.seed, self.subject, stimulus_id)
        return (NOISE * background(rng, repetitions, self._mixing)).astype(np.float32)

    def _repeated(self, signal: xr.DataArray, repetitions: int) -> NDArray[np.float32]:
        if repetitions > len(REPETITION_GAINS):
            raise InputValueError(
                f"a simulated EEG subject gives {len(REPETITION_GAINS)} repetitions, not {repetitions}"
            )
        return signal.values[:, :repetitions].copy()  # (stimulus, repetition, channel, time)

    @property
    def dims(self) -> tuple[str, ...]:
        """``("stimulus", "repetition", "channel", "time")``."""
        return ("stimulus", "repetition", "channel", "time")


def eeg_subject(
    subject: int = 1, seed: int = 0, backbone: str | None = None, calibration: int = 256
) -> SimulatedEEGSubject:
    """Simulate one person with an EEG cap: 63 channels, -0.1 to 0.8 s at 100 Hz, four repetitions.

    Latent components follow the contrast in the left and the right visual field, texture, and the categories body,
    face, place and word. Each has a source in the head, a time course (early for contrast, later for categories) and
    known noise.

    Parameters
    ----------
    subject : int
        Changes the strength of components and the noise.
    seed : int
        Equal arguments give bit-identical subjects.
    backbone : {"efficientnet_lite:0", "gabor:bank"}, optional
        Default: the EfficientNet where it is installed.
    calibration : int
        How many simulated training stimuli set the scale.

    Returns
    -------
    SimulatedEEGSubject

    Raises
    ------
    InputValueError
        When `subject` is below 1 or `calibration` below 8.
    """
    if subject < 1 or calibration < 8:
        raise InputValueError(f"subject must be >= 1 and calibration >= 8, got {subject} and {calibration}")
    from braincodec.features import get_backbone

    name = choose_backbone(backbone)
    network = get_backbone(name)
    rows = _latent_rows(network, SOURCE_LAYERS[name], seed)
    strengths = np.exp(
        0.2 * np.random.default_rng([seed, subject, zlib.crc32(b"strength")]).standard_normal(len(SOURCES))
    )
    fields = np.stack([k * field(source) for k, source in zip(strengths, SOURCES.values(), strict=True)])
    identity = {"subject": subject, "seed": seed, "calibration": calibration}
    untrained = _encoder(rows, np.zeros(len(SOURCES)), fields, _units(fields, np.eye(len(SOURCES))), network, identity)
    latents = calibration_outputs(untrained, untrained.shared, calibration, seed)  # (stimuli, sources)
    deviation = latents.std(0)
    rows = {layer: row / deviation[:, None] for layer, row in rows.items()}
    units = _units(fields, np.asarray(np.corrcoef(latents.T)))
    return SimulatedEEGSubject(_encoder(rows, -latents.mean(0) / deviation, fields, units, network, identity), seed)


def _latent_rows(network: Backbone, layers: tuple[str, str, str], seed: int) -> dict[str, NDArray[np.float64]]:
    """For each layer, the weights of every source's latent over its flattened maps: (sources, features)."""
    from braincodec.features import FeatureExtractor

    extractor = FeatureExtractor({"backbone": network.name, "layers": layers, "pooling": "none"}, network)
    shapes = extractor.feature_shapes()
    rng = np.random.default_rng([seed, zlib.crc32(b"latents")])
    low, middle, high = layers
    rows = {layer: np.zeros((len(SOURCES), int(np.prod(shapes[layer])))) for layer in layers}
    contrast = np.exp(0.5 * rng.standard_normal(shapes[low][0]))
    texture = rng.standard_normal(shapes[middle][0])
    for number, name in enumerate(SOURCES):
        if name.endswith("field"):
            side = -HALF_FIELD if name.startswith("left") else HALF_FIELD
            rows[low][number] = np.outer(contrast, _window(side, *shapes[low][1:])).ravel()
        elif name in CATEGORY_CLASSES:
            channels, *size = shapes[high]
            direction = category_direction(network, name, channels, seed)
            rows[high][number] = np.outer(direction, np.full(int(np.prod(size)), 1 / np.prod(size))).ravel()
        else:
            rows[middle][number] = np.outer(texture, _window(0.0, *shapes[middle][1:])).ravel()
    return rows


def _window(x: float, height: int, width: int) -> NDArray[np.float64]:
    import torch

    from braincodec.models.gaussian_fwrf import gaussian_windows

    field_of_view = torch.tensor([[x, 0.0, HALF_FIELD_SIZE]])
    return gaussian_windows(field_of_view, height, width, VISUAL_ANGLE)[0].double().numpy()


def _units(fields: NDArray[np.float64], correlation: NDArray[np.float64]) -> xr.Dataset:
    """Channels and times with their known signal-to-noise ratio, from fields (sources, channels, times)."""
    from braincodec.responses.coordinates import build_sensor_units

    variance = np.einsum("kct,kl,lct->ct", fields, correlation, fields)
    ncsnr = (np.sqrt(np.maximum(variance, 0)) / NOISE).astype(np.float32)
    repetitions = len(REPETITION_GAINS)
    ceiling = (ncsnr**2 / (ncsnr**2 + 1 / repetitions)).astype(np.float32)
    return build_sensor_units(
        CHANNELS,
        TIMES,
        repetitions,
        scores={"ncsnr": (("channel", "time"), ncsnr), "noise_ceiling": (("channel", "time"), ceiling)},
        modality="eeg",
        model=MODEL,
        response_units="microvolt",
        simulated=True,
    )


def _encoder(
    rows: dict[str, NDArray[np.float64]],
    offset: NDArray[np.float64],
    fields: NDArray[np.float64],
    units: xr.Dataset,
    network: Backbone,
    identity: dict[str, int],
) -> LinearEncoder:
    from braincodec.models.linear import LinearEncoder

    evoked = np.sum([field(source) for source in EVOKED], axis=0).ravel()
    readout = fields.reshape(len(fields), -1).T  # (channels * times, sources)
    gains = np.array(REPETITION_GAINS)
    config: dict[str, Any] = {
        "features": {
            "backbone": network.name,
            "layers": list(rows),
            "pooling": "flatten",
            "preprocessing": network.preprocessing,
        },
    }
    tensors = {f"reduction.{layer}": _tensor(row) for layer, row in rows.items()}
    tensors["reduction.bias"] = _tensor(offset)
    tensors["readout.weight"] = _tensor(gains[:, None, None] * readout)
    tensors["readout.bias"] = _tensor(gains[:, None] * evoked)
    description = {
        "model": MODEL,
        "modality": "eeg",
        "dataset": "simulated",
        "subject": identity["subject"],
        "response_units": "microvolt",
        "simulated": True,
        "licence": LICENCES[network.name],
        "notes": "Ground truth of a simulated subject. Sources, time courses and noise are made up after textbooks; "
        "responses show how the software works and say nothing about any brain.",
        "seed": identity["seed"],
        "training": {
            "backbone": network.name,
            "calibrated on": f"{identity['calibration']} simulated training stimuli",
            "noise of one repetition": f"{NOISE} microvolt",
        },
    }
    return LinearEncoder.from_parts(config, tensors, units, description, backbone=network)


def _tensor(values: NDArray[np.float64]) -> torch.Tensor:
    import torch

    return torch.tensor(values, dtype=torch.float32)
