from __future__ import annotations

import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
import xarray as xr
import zarr

from braincodec.errors import InputValueError
from braincodec.readouts import ReadoutWarning, ridge_cv
from braincodec.readouts import problem as problem_module
from braincodec.readouts import targets as targets_module

from . import plain_ridge as plain

ALPHAS = np.logspace(-1, 3, 7)


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ReadoutWarning)
        yield


@pytest.fixture
def tiny_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(problem_module, "LEAST_TILE", 3)
    monkeypatch.setattr(problem_module, "MOST_TILE_CPU", 3)
    monkeypatch.setattr(targets_module, "BLOCK_BYTES", 8 * 60 * 7)


@pytest.mark.parametrize("shape", [(60, 9), (60, 90)])
@pytest.mark.parametrize("one_alpha", [True, False])
def test_tiles_change_nothing(shape, one_alpha, monkeypatch, request):
    features, responses = plain.signal(*shape, units=23)
    responses[:, 11] = np.nan
    responses[:, 5] = 2.0
    whole = ridge_cv(features, responses, ALPHAS, one_alpha=one_alpha)
    request.getfixturevalue("tiny_tiles")
    tiled = ridge_cv(features, responses, ALPHAS, one_alpha=one_alpha)
    np.testing.assert_array_equal(tiled.alpha, whole.alpha)
    np.testing.assert_allclose(tiled.weights, whole.weights, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(tiled.scores, whole.scores, rtol=1e-5)
    np.testing.assert_array_equal(tiled.missing, whole.missing)
    np.testing.assert_array_equal(tiled.constant, whole.constant)


def test_responses_may_be_stored_in_any_way(tmp_path: Path, tiny_tiles):
    features, responses = plain.signal(60, 9, 20)
    expected = ridge_cv(features, responses, ALPHAS)
    np.save(tmp_path / "responses.npy", responses)
    file = h5py.File(tmp_path / "responses.h5", "w")
    ways = {
        "memory map": np.load(tmp_path / "responses.npy", mmap_mode="r"),
        "HDF5": file.create_dataset("responses", data=responses),
        "Zarr": zarr.create_array(str(tmp_path / "responses.zarr"), data=responses),
        "DataArray": xr.DataArray(responses, dims=("stimulus", "unit")),
        "tensor": torch.as_tensor(responses),
        "list": responses.tolist(),
        "other order": np.asfortranarray(responses),
        "read-only": np.broadcast_to(responses, responses.shape),
    }
    for name, way in ways.items():
        fit = ridge_cv(features, way, ALPHAS)
        np.testing.assert_allclose(fit.weights, expected.weights, rtol=1e-5, atol=1e-6, err_msg=name)
    file.close()


def test_a_function_is_asked_for_each_unit_once_in_order(tiny_tiles):
    features, responses = plain.signal(60, 9, 20)
    asked: list[tuple[int, int]] = []

    def read(units: slice) -> np.ndarray:
        asked.append((units.start, units.stop))
        return responses[:, units]

    fit = ridge_cv(features, read, ALPHAS, units=20)
    assert asked == [(0, 6), (6, 12), (12, 18), (18, 20)]
    np.testing.assert_allclose(fit.weights, ridge_cv(features, responses, ALPHAS).weights, rtol=1e-5, atol=1e-6)


def test_weights_are_written_where_they_are_wanted(tmp_path: Path, tiny_tiles):
    features, responses = plain.signal(60, 9, 20)
    expected = ridge_cv(features, responses, ALPHAS)
    mapped = np.lib.format.open_memmap(tmp_path / "weights.npy", "w+", np.float32, (9, 20))
    stored = zarr.create_array(str(tmp_path / "weights.zarr"), shape=(9, 20), dtype="float32")
    for sink in (mapped, stored):
        fit = ridge_cv(features, responses, ALPHAS, weights_out=sink)
        assert fit.weights is sink
        np.testing.assert_array_equal(np.asarray(sink[:]), expected.weights)
        np.testing.assert_allclose(fit.predict(features), expected.predict(features), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights_out": np.zeros((20, 9))}, r"shape \(20, 9\); they have shape \(9, 20\)"),
        ({"units": 19}, "units is 19, and responses have 20"),
    ],
)
def test_shapes_that_disagree_are_refused_before_any_work(options, message, monkeypatch):
    features, responses = plain.signal(60, 9, 20)
    monkeypatch.setattr("braincodec.readouts.ridge.prepare", lambda *_, **__: pytest.fail("work began"))
    with pytest.raises(InputValueError, match=message):
        ridge_cv(features, responses, ALPHAS, **options)


def test_a_function_that_breaks_its_word_is_told():
    features, _ = plain.signal(60, 9, 20)
    with pytest.raises(InputValueError, match="units must say how many there are; got None"):
        ridge_cv(features, lambda units: np.zeros((60, 20)), ALPHAS)
    with pytest.raises(InputValueError, match=r"units 0 to 19 have shape \(60, 3\); expected \(60, 20\)"):
        ridge_cv(features, lambda units: np.zeros((60, 3)), ALPHAS, units=20)


def test_a_stray_nan_is_named_by_its_own_unit(tiny_tiles):
    features, responses = plain.signal(60, 9, 20)
    responses[7, 13] = np.nan
    with pytest.raises(InputValueError, match="at stimulus 7, unit 13; leave the unit or the stimulus out"):
        ridge_cv(features, responses, ALPHAS)
