"""Small response arrays of each kind."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from braincodec.responses import build_responses, build_sensor_units, build_units

AFFINE = np.array([[-2.0, 0.1, 0, 90], [0, 2.0, 0, -126], [0, 0, 2.5, -72], [0, 0, 0, 1]])
VOLUME_SHAPE = (5, 6, 7)


@pytest.fixture
def volume_units() -> xr.Dataset:
    """12 voxels in C order of a mask, two overlapping regions, two model regions."""
    mask = np.random.default_rng(0).permutation(np.arange(5 * 6 * 7) < 12).reshape(VOLUME_SHAPE)
    return build_units(
        ijk=np.argwhere(mask),
        rois={"V1": np.arange(12) < 7, "FFA-1": np.arange(12) >= 5},
        subject=1,
        model_roi=np.where(np.arange(12) < 6, "V1", "lateral"),
        scores={"ncsnr": np.linspace(0, 1, 12, dtype=np.float32)},
        affine=AFFINE,
        volume_shape=VOLUME_SHAPE,
        response_units="zscored_within_session",
        modality="fmri",
    )


@pytest.fixture
def volume(volume_units: xr.Dataset) -> xr.DataArray:
    values = np.random.default_rng(1).standard_normal((3, 12)).astype(np.float32)
    return build_responses(values, ["a", "ü b", "c"], volume_units, model="test", simulated=True)


@pytest.fixture
def surface() -> xr.DataArray:
    """Four left and three right vertices of fsaverage5."""
    units = build_units(
        vertex=[0, 7, 10_241, 5, 7, 1, 9000],
        hemisphere=np.repeat(["left", "right"], [4, 3]),
        rois={"V1": np.arange(7) % 2 == 0},
        space="fsaverage5",
        response_units="original",
    )
    return build_responses(np.random.default_rng(2).standard_normal((2, 7)).astype(np.float32), ["a", "b"], units)


@pytest.fixture
def sensor() -> xr.DataArray:
    """Two stimuli, four repetitions, five channels, 30 samples at 100 Hz."""
    units = build_sensor_units(
        ["Oz", "POz", "FP1", "Cz", "T7"],
        np.linspace(-0.1, 0.19, 30),
        repetitions=4,
        scores={"accuracy_correlation": (("channel", "time"), np.full((5, 30), 0.5))},
        response_units="zscored_within_session",
        modality="eeg",
    )
    values = np.random.default_rng(3).standard_normal((2, 4, 5, 30)).astype(np.float32)
    return build_responses(values, ["a", "b"], units)
