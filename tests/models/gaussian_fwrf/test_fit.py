"""Training of Gaussian receptive fields."""

from __future__ import annotations

import numpy as np
import pytest

import braincodec as bc

DATA = bc.load_dataset("simulated", n=50, backbone="gabor:bank", calibration=8)


@pytest.fixture(scope="module")
def trained() -> bc.GaussianFwRF:
    """A small model."""
    settings = {"sizes": 3, "most_centres": 4, "refinements": 1, "alphas": (0.01, 1.0)}
    return bc.GaussianFwRF("gabor:bank", ["scales.2", "scales.3"], layer_choice="best", **settings).fit(DATA)


def test_what_is_saved_answers_as_before(trained, tmp_path):
    images = DATA.subject("1").part("test")[0]
    again = bc.Encoder.load(trained.save(tmp_path / "model"))
    np.testing.assert_allclose(again.encode(images).values, trained.encode(images).values, atol=1e-5)
