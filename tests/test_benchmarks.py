"""The plain forms that benchmarks compare with give the published code's answers."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from braincodec.features import get_backbone
from braincodec.features.preprocessing import TORCHVISION_IMAGENET
from braincodec.legacy import read_legacy
from braincodec.legacy.tensors import tensor

REFERENCE = Path(__file__).parents[1] / "benchmarks" / "reference.py"
FMRI = "neural_encoding_dataset/encoding_models/modality-fmri/train_dataset-nsd/model-fwrf/encoding_models_weights"
EEG = "neural_encoding_dataset/encoding_models/modality-eeg/train_dataset-things_eeg_2/model-vit_b_32"


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference", REFERENCE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_plain_fwrf_gives_the_published_answers(reference: ModuleType, golden: Path) -> None:
    best = read_legacy(golden / FMRI / "weights_sub-01_roi-V1.pt")["best_params"]
    weights = {name: tensor(value) for name, value in {**best["enc"], **best["fwrfs"][1]}.items()}
    found = reference.fwrf(weights, np.load(golden / "images.npz")["images_227"])
    expected = np.load(golden / "expected_fmri.npz")["V1_227"]
    assert np.abs(found - expected).max() <= 1e-4 * expected.std()


def test_plain_eeg_gives_the_published_answers(reference: ModuleType, golden: Path, seeded_vit: Path) -> None:
    folder = golden / EEG / "encoding_models_weights"
    scaler, pca, regression = (
        read_legacy(folder / f"{name}.npy")
        for name in ("StandardScaler_param", "pca_param", "LinearRegression_param_sub-01")
    )
    readouts = [regression[f"rep-{number}"] for number in range(1, 5)]
    images = np.moveaxis(np.load(golden / "images.npz")["images_227"], 1, -1)
    network = get_backbone("torchvision:vit_b_32").module
    found = reference.eeg(network, scaler, pca, readouts, TORCHVISION_IMAGENET(images).numpy())
    expected = np.load(golden / "expected_eeg.npz")["eeg_227"]
    assert np.abs(found.reshape(expected.shape) - expected).max() <= 1e-4 * expected.std()
