"""A store of small models with random weights: voxels, vertices, a model for each region, sensors."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from braincodec.models.linear import LinearEncoder
from braincodec.responses import build_sensor_units, build_units

from ..small_models import AFFINE, GABOR_CHANNELS, VOLUME_SHAPE, describe, linear_weights, voxel_units

VOXELS, VERTICES, SENSORS, REGIONS = "fmri-test-voxels", "fmri-test-vertices", "eeg-test-sensors", "fmri-test-regions"
CHANNELS = ["Oz", "O1", "Pz", "Cz", "Fz"]
TIMES = np.linspace(-0.1, 0.3, 6)
LAYERS = {"scales.0": GABOR_CHANNELS, "scales.2": GABOR_CHANNELS}
FEATURES = {"backbone": "gabor:bank", "layers": tuple(LAYERS), "pooling": "spatial_mean"}


def gabor(units, outputs: int, repetitions: int = 1, **about) -> LinearEncoder:
    """A linear encoder on the Gabor bank."""
    weights = linear_weights(LAYERS, repetitions, outputs)
    return LinearEncoder.from_parts({"features": FEATURES}, weights, units, describe(**about))


def surface_units(count: int = 12):
    """Vertices of both hemispheres of fsaverage5, with an accuracy and a noise ceiling."""
    place = np.arange(count)
    return build_units(
        vertex=place * 7,
        hemisphere=np.where(place < count // 2, "left", "right"),
        rois={"V1": place % 2 == 0, "FFA": place % 3 == 0},
        scores={"accuracy_correlation": place / count, "noise_ceiling": np.full(count, 0.5)},
        space="fsaverage5",
        response_units="zscored_within_session",
    )


def write_small_store(folder: Path) -> Path:
    """Four models; of the voxels' there are two subjects."""
    rois = {"V1": np.arange(9) < 5, "V2": np.arange(9) >= 4}
    for subject in (1, 2):
        units = voxel_units(9, rois, first=20)
        gabor(units, 9, model=VOXELS, subject=subject).save(folder / VOXELS / f"subject-0{subject}")
    vertices = gabor(surface_units(), 12, model=VERTICES, simulated=True, licence="CC0", citation="Nobody 2025")
    vertices.save(folder / VERTICES / "subject-01")
    sensors = build_sensor_units(CHANNELS, TIMES, repetitions=4)
    about = {"model": SENSORS, "modality": "eeg", "response_units": "microvolt"}
    gabor(sensors, len(CHANNELS) * len(TIMES), 4, **about).save(folder / SENSORS / "subject-01")
    for roi in ("V1", "V2"):
        units = voxel_units(4, {roi: np.ones(4, bool)}, affine=AFFINE, volume_shape=VOLUME_SHAPE)
        gabor(units, 4, model=REGIONS, roi=roi).save(folder / REGIONS / "subject-01" / f"roi-{roi}")
    return folder
