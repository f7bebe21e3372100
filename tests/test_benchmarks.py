"""The plain forms that benchmarks compare with give the published code's answers, and ours give theirs."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from braincodec.evaluation.decoding import n_way_top_k, two_way_identification
from braincodec.evaluation.encoding import correlation, weighted_correlation
from braincodec.features import get_backbone
from braincodec.features.preprocessing import TORCHVISION_IMAGENET
from braincodec.legacy import read_legacy
from braincodec.legacy.tensors import tensor

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
FMRI = "neural_encoding_dataset/encoding_models/modality-fmri/train_dataset-nsd/model-fwrf/encoding_models_weights"
EEG = "neural_encoding_dataset/encoding_models/modality-eeg/train_dataset-things_eeg_2/model-vit_b_32"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where its data classes look themselves up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    return load("reference")


@pytest.fixture(scope="module")
def plain_lea() -> ModuleType:
    return load("reference_lea")


@pytest.fixture(scope="module")
def lea(plain_lea: ModuleType) -> ModuleType:
    for name in ("printing", "lea_memory", "lea_training"):
        load(name)  # which it imports by name
    return load("lea")


@pytest.fixture(scope="module")
def usual() -> ModuleType:
    return load("reference_judging")


@pytest.fixture(scope="module")
def judge(usual: ModuleType) -> ModuleType:
    return load("judge")  # which imports the usual ways by name


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


def test_plain_lea_gives_the_published_answers(plain_lea: ModuleType, golden: Path) -> None:
    def published(name: str) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor], dict[str, Any]]:
        content = read_legacy(golden / "lea" / f"{name}.pt")
        weights = {key.removeprefix("module.transformer."): tensor(value) for key, value in content["model"].items()}
        arrays = {key: value for key, value in content.items() if isinstance(value, np.ndarray)}
        answers = {key: torch.from_numpy(np.array(value)) for key, value in arrays.items()}
        return weights, answers, content["config"]

    def assert_agrees(found: torch.Tensor, expected: torch.Tensor) -> None:
        assert found.shape == expected.shape
        assert (found - expected).abs().max() <= 1e-4 * expected.std()

    weights, answers, config = published("fmri_autoencoder")
    found = plain_lea.fmri_latents(weights, answers["fmri"][:, 0], config["roi_patch"], config["num_heads"])
    assert_agrees(found, answers["latent"][:, 0])
    weights, answers, config = published("maskgit_transformer")
    heads = config["num_heads"]
    assert_agrees(plain_lea.token_logits(weights, answers["tokens"], answers["embedding"], heads), answers["logits"])
    weights, answers, _ = published("maskgit_vq")
    assert_agrees(plain_lea.images_of_tokens(weights, answers["token_ids"]), answers["decoded"])


def test_lea_benchmark_compares_equal_answers(lea: ModuleType) -> None:
    rows = lea.speed(lea.QUICK)
    assert [row["case"] for row in rows] == list(lea.TARGETS)
    for row in rows:
        assert row["ours s"] > 0
        assert row["GFLOP"] > 0
    assert all(row["largest difference / std"] <= 1e-4 for row in rows if "fp32" in row["case"])
    assert rows[0]["same images"] == "100%"


def test_lea_benchmark_counts_the_published_arithmetic(lea: ModuleType, plain_lea: ModuleType) -> None:
    with torch.device("meta"):
        network = lea.FMRIAutoencoder(lea.FMRIAutoencoderConfig.parse(lea.Sizes().autoencoder))
        patterns = torch.zeros(1, 4466)
    with lea.FlopCounterMode(display=False) as counter:
        plain_lea.fmri_latents(network.state_dict(), patterns, network.config.voxels, 16)
    # 24 layers of 257 tokens: six matrices of 1024 x 1024, and products of all tokens with all
    expected = 24 * (2 * 6 * 1024**2 * 257 + 4 * 257**2 * 1024)
    assert counter.get_total_flops() == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("table", ["training", pytest.param("memory", marks=pytest.mark.slow)])
def test_lea_benchmark_prints_its_tables(lea: ModuleType, table: str, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setattr(sys, "argv", ["lea.py", "--quick", "--only", table])
    threads = torch.get_num_threads()
    try:
        lea.main()
    finally:
        torch.set_num_threads(threads)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + {"training": 3, "memory": 4}[table]


def test_usual_ways_of_scoring_give_our_answers(usual: ModuleType) -> None:
    random = np.random.default_rng(0)
    prediction, response = random.standard_normal((2, 40, 12))
    np.testing.assert_allclose(
        usual.unit_correlation([(prediction[:15], response[:15]), (prediction[15:], response[15:])]),
        correlation(prediction, response),
    )
    rates = two_way_identification(prediction, response)
    np.testing.assert_allclose(usual.two_way_by_corrcoef(prediction, response), rates)
    np.testing.assert_allclose(usual.two_way_by_pairs(prediction, response, 3), rates[:3])
    weights = random.multinomial(40, np.full(40, 1 / 40), 5)
    np.testing.assert_allclose(
        usual.resampled_correlation(prediction, response, weights), weighted_correlation(prediction, response, weights)
    )


def test_usual_random_trials_estimate_the_exact_n_way_accuracy(usual: ModuleType) -> None:
    random = np.random.default_rng(0)
    logits, classes = random.standard_normal((5, 30)), random.integers(0, 30, 5)
    exact = n_way_top_k(logits, classes, 10, 2)
    found = usual.n_way_top_k(logits, classes, 10, 2, 2000)
    assert (np.abs(found - exact) <= 4 * np.sqrt(exact * (1 - exact) / 2000)).all()


@pytest.mark.parametrize(
    ("case", "most_different"),
    [
        pytest.param("correlation", 1e-6, marks=pytest.mark.slow),  # measures memory in processes of its own
        ("n_way", 0.1),
        ("two_way", 1e-12),
        ("bootstrap", 1e-9),
    ],
)
def test_judging_benchmark_compares_equal_answers(judge: ModuleType, case: str, most_different: float) -> None:
    sizes = judge.Sizes(
        units=3000, stimuli=1000, images=20, features=300, bootstrap_units=50, draws=20, runs=2, usual_images=3
    )
    row = judge.CASES[case](sizes)
    assert row["ours s"] > 0
    assert row["usual s"] > 0
    assert 0 <= row["largest difference"] <= most_different
