"""Small published folders, and images as published scripts hand them over."""

from __future__ import annotations

import numpy as np
import pytest

from ..legacy.layouts import write_eeg_berg, write_fsaverage, write_fwrf, write_responses
from ..small_models import images


@pytest.fixture(scope="session")
def ned_root(tmp_path_factory):
    """fMRI of two subjects with generated responses; two parts of lateral."""
    root = tmp_path_factory.mktemp("neural_encoding_dataset")
    write_fwrf(root, 1, "V1", (4,))
    write_fwrf(root, 1, "lateral", (3, 2))
    write_fwrf(root, 2, "V1", (3,), mean="image")
    write_responses(root)
    return root


@pytest.fixture(scope="session")
def berg_root(tmp_path_factory):
    """All three models of BERG."""
    root = tmp_path_factory.mktemp("brain-encoding-response-generator")
    write_fwrf(root, 1, "V1", (4,))
    write_fwrf(root, 1, "V2", (3,))
    write_eeg_berg(root)
    return write_fsaverage(root, newer=True)


@pytest.fixture(scope="session")
def pictures():
    """Five images, uint8 (5, 3, 64, 64)."""
    return np.ascontiguousarray(images(5).transpose(0, 3, 1, 2))


@pytest.fixture(scope="module")
def vit(vit_hub):
    """Point torch hub at a vit_b_32 with seeded weights for one file of tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCH_HOME", str(vit_hub))
        yield vit_hub
