"""Photographs, and torchvision whatever its build."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

from braincodec.features.torchvision_compat import import_torchvision


@pytest.fixture(scope="session")
def torchvision():
    """Torchvision, imported before what imports it (torchmetrics, lpips); skips where it is absent."""
    if find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    return import_torchvision()


@pytest.fixture(scope="session")
def photographs() -> np.ndarray:
    """Natural photographs, uint8 (n, 128, 128, 3)."""
    pytest.importorskip("skimage")
    from braincodec.simulate import square_photographs

    return np.stack(list(square_photographs(size=128).values()))
