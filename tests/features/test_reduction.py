"""Reduction out of core: scikit-learn's components, whatever the method, the layers and the place of the features."""

from __future__ import annotations

import weakref

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from braincodec.errors import (
    DamagedFileError,
    InputTypeError,
    InputValueError,
    MissingFileError,
    OutputError,
    UnknownNameError,
)
from braincodec.features import FeatureExtractor, Reduction, extract, fit_reduction, get_backbone
from braincodec.features.reduction import table as table_module
from braincodec.features.reduction.fit import choose_method

METHODS = ["covariance", "gram", "krylov"]


def simulated(rows: int = 90, columns: int = 130, rank: int = 40, seed: int = 0, decay: float = 0.8) -> np.ndarray:
    """Features with a spectrum that falls, of different means and sizes."""
    random = np.random.default_rng(seed)
    latent = random.standard_normal((rows, rank)) * decay ** np.arange(rank)
    x = latent @ random.standard_normal((rank, columns)) + 0.01 * random.standard_normal((rows, columns))
    return (x * random.uniform(0.1, 10, columns) + random.uniform(-30, 30, columns)).astype(np.float32)


def published(x: np.ndarray, components: int) -> tuple[StandardScaler, PCA]:
    scaler = StandardScaler().fit(x.astype(np.float64))
    return scaler, PCA(components, svd_solver="full").fit(scaler.transform(x.astype(np.float64)))


def aligned(scores: np.ndarray, expected: np.ndarray) -> np.ndarray:
    return scores * np.sign((scores * expected).sum(0))


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of few columns and rows, so that small tables have several."""
    monkeypatch.setattr(table_module, "BLOCK_BYTES", 90 * 4 * 17)
    monkeypatch.setattr(table_module, "READ_BYTES", 128 * 17 * 4)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("cut", [(), (50,), (1, 60, 61)])
def test_components_equal_scikit_learns(small_blocks, method, cut):
    x = simulated()
    layers = {f"layer {number}": part for number, part in enumerate(np.split(x, cut, axis=1))}
    scaler, pca = published(x, 10)
    reduction = fit_reduction(layers, 10, method=method)
    expected = pca.transform(scaler.transform(x))
    scores = reduction.transform(layers)
    np.testing.assert_allclose(reduction.explained_variance, pca.explained_variance_, rtol=1e-4)
    np.testing.assert_allclose(reduction.explained_variance_ratio, pca.explained_variance_ratio_, rtol=1e-4)
    np.testing.assert_allclose(aligned(scores, expected), expected, atol=2e-3 * expected.std())
    assert reduction.about["method"] == method


@pytest.mark.parametrize("method", METHODS)
def test_without_standardising_it_is_plain_pca(method):
    x = simulated()
    pca = PCA(5, svd_solver="full").fit(x.astype(np.float64))
    reduction = fit_reduction(x, 5, method=method, standardise=False)
    np.testing.assert_allclose(reduction.explained_variance, pca.explained_variance_, rtol=1e-3)
    np.testing.assert_allclose(reduction.explained_variance_ratio, pca.explained_variance_ratio_, rtol=1e-3)
    expected = pca.transform(x)
    np.testing.assert_allclose(aligned(reduction.transform(x), expected), expected, atol=1e-2 * expected.std())


def test_methods_agree_in_sign():
    x = simulated()
    scores = [fit_reduction(x, 6, method=method).transform(x) for method in METHODS]
    np.testing.assert_allclose(scores[1], scores[0], atol=1e-2)
    np.testing.assert_allclose(scores[2], scores[0], atol=1e-2)


@pytest.mark.parametrize("method", METHODS)
def test_only_the_training_rows_count(method):
    x = simulated()
    train = np.random.default_rng(3).permutation(90)[:60]
    mask = np.isin(np.arange(90), train)
    other = x.copy()
    other[~mask] = 1e4
    reductions = [
        fit_reduction(x, 5, rows=train, method=method),
        fit_reduction(other, 5, rows=mask, method=method),
        fit_reduction(x[mask], 5, method=method),
    ]
    for reduction in reductions:
        assert reduction.about["rows"] == 60
        for name, tensor in reduction.tensors().items():
            torch.testing.assert_close(tensor, reductions[0].tensors()[name], rtol=1e-3, atol=1e-5)
    scores = reductions[0].transform(x, rows=[7, 3, 80])
    np.testing.assert_allclose(scores, reductions[0].transform(x)[[7, 3, 80]], atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_constant_features_have_no_weight(method):
    x = simulated()
    x[:, 4], x[:, 70], x[:, 71] = 0, 1000.1, -3e-6
    reduction = fit_reduction(x, 8, method=method)
    weights = reduction.tensors()["reduction.features"]
    assert reduction.about["constant_features"] == 3
    assert not weights[:, [4, 70, 71]].any()
    assert weights.isfinite().all()
    keep = np.setdiff1d(np.arange(130), [4, 70, 71])
    _, pca = published(x[:, keep], 8)
    np.testing.assert_allclose(reduction.explained_variance_ratio, pca.explained_variance_ratio_, rtol=1e-4)


@settings(max_examples=25, deadline=None)
@given(
    rows=st.integers(2, 40),
    columns=st.integers(1, 60),
    method=st.sampled_from(["auto", *METHODS]),
    seed=st.integers(0, 99),
    components=st.integers(1, 12),
)
def test_scores_are_centred_uncorrelated_and_have_the_stated_variance(rows, columns, method, seed, components):
    components = min(components, rows - 1, columns)
    x = np.random.default_rng(seed).standard_normal((rows, columns)).astype(np.float32) + 2
    reduction = fit_reduction(x, components, method=method)
    scores = reduction.transform(x)
    covariance = np.atleast_2d(np.cov(scores.T))
    scale = reduction.explained_variance[0]
    np.testing.assert_allclose(scores.mean(0), 0, atol=1e-4 * scale**0.5)
    np.testing.assert_allclose(covariance, np.diag(reduction.explained_variance), atol=1e-3 * scale)
    _, pca = published(x, components)
    np.testing.assert_allclose(reduction.explained_variance.sum(), pca.explained_variance_.sum(), rtol=5e-3)


@pytest.mark.parametrize("decay", [0.9, 0.99, 1.0])
def test_krylov_explains_what_the_exact_decomposition_does(decay):
    x = simulated(400, 900, rank=300, decay=decay)
    exact = fit_reduction(x, 40, method="gram").explained_variance_ratio.sum()
    found = fit_reduction(x, 40, method="krylov").explained_variance_ratio.sum()
    assert exact * 0.995 < found <= exact * 1.00001


@pytest.mark.slow
def test_krylov_explains_what_the_exact_decomposition_does_at_size():
    random = np.random.default_rng(0)
    latent = random.standard_normal((3000, 800), np.float32) * np.arange(1, 801, dtype=np.float32) ** -0.5
    x = latent @ random.standard_normal((800, 40_000), np.float32)
    x += random.standard_normal(x.shape, np.float32)
    x = x.astype(np.float16)
    exact = fit_reduction(x, 250, method="gram").explained_variance_ratio.sum()
    found = fit_reduction(x, 250, method="krylov").explained_variance_ratio.sum()
    assert abs(found / exact - 1) < 0.005


def test_equal_arguments_give_equal_results_and_seeds_hardly_matter():
    x = simulated(200, 300)
    first, again, other = (fit_reduction(x, 10, method="krylov", seed=seed) for seed in (0, 0, 1))
    for name, tensor in first.tensors().items():
        assert torch.equal(tensor, again.tensors()[name])
    np.testing.assert_allclose(first.explained_variance, other.explained_variance, rtol=1e-3)


def test_features_may_lie_anywhere(tmp_path, small_blocks):
    x = simulated().astype(np.float16)
    np.save(tmp_path / "x.npy", x)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", data=x, chunks=(30, 20))
        expected = fit_reduction(x, 5, method="krylov").transform(x)
        for features in (
            np.load(tmp_path / "x.npy", mmap_mode="r"),
            file["x"],
            torch.from_numpy(x),
            x.astype(np.float64),
            np.asfortranarray(x),
        ):
            reduction = fit_reduction(features, 5, method="krylov")
            np.testing.assert_allclose(reduction.transform(features), expected, atol=1e-2)


@pytest.fixture
def cache(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), np.uint8)
    config = {
        "backbone": "gabor:bank",
        "layers": ["scales.2", "scales.3"],
        "preprocessing": {"resize": [64, 64]},
    }
    return extract(images, config, tmp_path / "caches")


def test_cached_features_are_reduced_by_the_ids_of_the_training_stimuli(cache):
    reduction = fit_reduction(cache, 6, rows=cache.ids[:30])
    assert reduction.layers == {"scales.2": 2560, "scales.3": 640}
    assert reduction.about["features"]["backbone"] == "gabor:bank"
    x = np.concatenate([cache[layer].values for layer in cache.layers], 1)
    expected = fit_reduction(x[:30], 6).transform(x)
    scores = reduction.transform(cache)
    np.testing.assert_allclose(scores, aligned(expected, scores), atol=1e-2)
    np.testing.assert_allclose(reduction.transform(cache, rows=["7", "5"]), scores[[7, 5]], atol=1e-4)
    assert reduction.transform({layer: cache[layer] for layer in cache.layers}).shape == (40, 6)


def test_reduction_is_what_a_linear_encoder_reads(cache):
    from braincodec.models import ModelDescription
    from braincodec.models.linear import LinearEncoder
    from braincodec.responses import build_units

    images = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), np.uint8)
    reduction = fit_reduction(cache, 6)
    readout = {"readout.weight": torch.eye(4, 4)[None], "readout.bias": torch.zeros(1, 4)}
    backbone = get_backbone("gabor:bank")
    description = ModelDescription.parse({"model": "test", "modality": "fmri", "dataset": "test"})
    encoder = LinearEncoder.from_parts(
        {"features": FeatureExtractor(cache.config, backbone).config},
        reduction.tensors(4) | readout,
        build_units(ijk=np.zeros((4, 3), int) + np.arange(4)[:, None]),
        description,
    )
    scores = reduction.transform(cache, components=4)
    np.testing.assert_allclose(encoder.encode(images).values, scores, atol=2e-3 * scores.std())


@pytest.mark.parametrize("method", METHODS)
def test_file_written_in_blocks_holds_the_same(tmp_path, small_blocks, method):
    x = {"a": simulated(), "b": simulated(seed=1)[:, :20]}
    held = fit_reduction(x, 7, method=method)
    written = fit_reduction(x, 7, method=method, path=tmp_path / "reduction.safetensors")
    saved = Reduction.load(held.save(tmp_path / "saved.safetensors"))
    stored = load_file(tmp_path / "reduction.safetensors")
    for name, tensor in held.tensors().items():
        assert torch.equal(stored[name], tensor)
        assert torch.equal(saved.tensors()[name], tensor)
        assert torch.equal(written.tensors(3)[name], tensor[:3])
    assert written.about == held.about == saved.about
    np.testing.assert_array_equal(written.explained_variance, held.explained_variance)
    np.testing.assert_allclose(written.transform(x), held.transform(x), atol=1e-5)


def test_full_disk_leaves_nothing(small_disk):
    x = {"a": np.random.default_rng(0).standard_normal((20, 200_000)).astype(np.float32)}
    with pytest.raises(OutputError, match=r"cannot write .*reduction\.safetensors.*MB free"):
        fit_reduction(x, 10, path=small_disk / "reduction.safetensors")
    assert not list(small_disk.iterdir())


def test_existing_file_is_kept_unless_it_may_be_replaced(tmp_path):
    path = tmp_path / "reduction.safetensors"
    fit_reduction(simulated(), 3, path=path)
    with pytest.raises(OutputError, match="exists"):
        fit_reduction(simulated(), 4, path=path)
    assert fit_reduction(simulated(), 4, path=path, overwrite=True).components == 4
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DamagedFileError, match="cannot be read as a reduction"):
        Reduction.load(path)
    with pytest.raises(MissingFileError):
        Reduction.load(tmp_path / "absent")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_numbers_are_named(small_blocks, method, value):
    x = simulated()
    x[31, 77] = value
    with pytest.raises(InputValueError, match=r"feature 27 of layer 'b' has NaN or infinite values"):
        fit_reduction({"a": x[:, :50], "b": x[:, 50:]}, 5, method=method)
    reduction = fit_reduction(x, 5, rows=range(30), method=method)
    with pytest.raises(InputValueError, match="stimulus in row 31"):
        reduction.transform(x)


@pytest.mark.parametrize("method", METHODS)
def test_features_too_large_for_float32_are_named(method):
    x = simulated()
    x[:, 3] *= np.float32(1e25)
    with pytest.raises(InputValueError, match=r"feature 3 of layer 'features' has .* some too large to be squared"):
        fit_reduction(x, 5, method=method)


def test_two_blocks_of_columns_are_held_at_a_time(small_blocks, monkeypatch):
    alive = weakref.WeakSet()
    most = []
    original = table_module.FeatureTable.read

    class Values(torch.Tensor):
        pass

    def counted(self, layer, begin, end, device):
        most.append(len(alive) + 1)
        values = original(self, layer, begin, end, device).as_subclass(Values)
        alive.add(values)
        return values

    monkeypatch.setattr(table_module.FeatureTable, "read", counted)
    fit_reduction(simulated(), 5, method="krylov")
    assert len(most) > 20
    assert max(most) == 2


@pytest.mark.parametrize("method", METHODS)
def test_features_that_vary_in_too_few_directions_are_refused(method):
    few = np.random.default_rng(0).standard_normal((30, 2)) @ np.random.default_rng(1).standard_normal((2, 50))
    assert fit_reduction(few, 2, method=method).explained_variance_ratio.sum() == pytest.approx(1, abs=1e-4)
    with pytest.raises(InputValueError, match="vary in 2 directions only, fewer than the 5"):
        fit_reduction(few, 5, method=method)
    with pytest.raises(InputValueError, match="vary in 0 directions only"):
        fit_reduction(np.ones((30, 50)), 1, method=method)


def test_wrong_requests_are_refused():
    x = simulated()
    for components in (0, 90, 2.5, True):
        with pytest.raises(InputValueError, match=r"whole number in 1\.\.89 for 90 rows of 130 features"):
            fit_reduction(x, components)
    with pytest.raises(UnknownNameError, match="unknown method 'svd'"):
        fit_reduction(x, 2, method="svd")
    with pytest.raises(InputValueError, match="at least 2 training stimuli, got 1"):
        fit_reduction(x, 1, rows=[4])
    with pytest.raises(InputValueError, match="row 90 does not exist"):
        fit_reduction(x, 1, rows=[4, 90])
    with pytest.raises(InputValueError, match="more than once"):
        fit_reduction(x, 1, rows=[4, 4, 5])
    with pytest.raises(InputValueError, match="mask of rows"):
        fit_reduction(x, 1, rows=[True, False])
    with pytest.raises(InputTypeError, match="positions, a mask or"):
        fit_reduction(x, 1, rows=["a", "b"])
    with pytest.raises(InputValueError, match="differ in their number of stimuli"):
        fit_reduction({"a": x, "b": x[:5]}, 1)
    with pytest.raises(InputValueError, match="pooling other than 'none'"):
        fit_reduction(x[:, :, None], 1)
    with pytest.raises(InputTypeError, match="is a list"):
        fit_reduction({"a": [[1.0]]}, 1)
    with pytest.raises(InputValueError, match="the reduction is for the layers"):
        fit_reduction(x, 1).transform({"other": x})
    with pytest.raises(InputValueError, match=r"components must lie in 1\.\.3, got 4"):
        fit_reduction(x, 3).tensors(4)


def test_method_is_chosen_by_size():
    assert choose_method(1000, 460_800, 250) == "gram"
    assert choose_method(3300, 460_800, 250) == "gram"
    assert choose_method(16_540, 460_800, 1000) == "krylov"
    assert choose_method(73_000, 2048, 500) == "covariance"
    assert choose_method(9000, 20_000, 5000) == "gram"
