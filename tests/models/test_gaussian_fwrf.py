"""Feature-weighted Gaussian receptive fields."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from braincodec.errors import InputValueError
from braincodec.features import get_backbone
from braincodec.models.gaussian_fwrf import (
    GaussianFwRF,
    apply_nonlinearity,
    gaussian_windows,
    pooled_readout,
)

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)
UNITS, CHANNELS = 6, 10


def make(**changes) -> GaussianFwRF:
    rng = torch.Generator().manual_seed(0)
    tensors = {
        "receptive_field": torch.tensor(
            [[0.0, 0.0, 1.0], [1, 1, 0.5], [-2, 1, 0.3], [3, -3, 2], [0, 2, 1], [9, 9, 0.2]]
        ),
        "bias": torch.arange(UNITS).float(),
        "scales.0.units": torch.tensor([0, 2, 4]),
        "scales.0.weight": torch.randn(3, CHANNELS, generator=rng),
        "scales.3.units": torch.tensor([1, 2, 3, 5]),
        "scales.3.weight": torch.randn(4, CHANNELS, generator=rng),
    } | changes.pop("tensors", {})
    config = {
        "features": {"backbone": "gabor:bank", "layers": ["scales.0", "scales.3"], "pooling": "none"},
        "nonlinearities": ["none", "absolute"],
        "visual_angle": 8.0,
    } | changes
    units = xr.Dataset({"ncsnr": ("unit", np.ones(UNITS, np.float32))}, attrs={"space": "sensor"})
    return GaussianFwRF.from_parts(config, tensors, units, {"model": "test", "modality": "fmri", "dataset": "test"})


def by_hand(model: GaussianFwRF) -> np.ndarray:
    """The same prediction written out unit by unit, position by position, in double precision."""
    tensors = model.tensors()
    with torch.inference_mode():
        maps = get_backbone("gabor:bank").module(model.preprocessing(IMAGES))
    responses = np.tile(tensors["bias"].double().numpy(), (len(IMAGES), 1))
    for layer, number in (("scales.0", 0), ("scales.3", 3)):
        values = maps[number].double().numpy()
        side = values.shape[-1]
        place = (np.arange(side) + 0.5 - side / 2) * 8.0 / side
        for row, unit in enumerate(tensors[f"{layer}.units"].tolist()):
            x, y, size = tensors["receptive_field"][unit].double().tolist()
            squares = ((place - x) ** 2)[None, :] + ((-place - y) ** 2)[:, None]
            window = np.exp(-(squares - squares.min()) / (2 * size**2))
            pooled = (values * window / window.sum()).sum((2, 3))
            responses[:, unit] += pooled @ tensors[f"{layer}.weight"][row].double().numpy()
    return responses


def test_prediction_equals_the_model_written_out():
    expected = by_hand(make())
    np.testing.assert_allclose(make().encode(IMAGES).values, expected, atol=1e-4 * expected.std())


def test_batch_of_one_equals_its_row_in_a_batch():
    model = make()
    whole = model.encode(IMAGES).values
    np.testing.assert_allclose(model.encode(IMAGES[3:4]).values[0], whole[3], atol=1e-5)
    np.testing.assert_allclose(model.encode(IMAGES, batch_size=2).values, whole, atol=1e-5)


def test_selected_units_answer_as_before_and_unread_layers_go():
    model = make()
    whole = model.encode(IMAGES).values
    some = model.select(unit=[4, 0])
    assert some.layers == ("scales.0",)
    np.testing.assert_allclose(some.encode(IMAGES).values, whole[:, [0, 4]], atol=1e-5)
    np.testing.assert_allclose(model.select(unit=[2, 5]).encode(IMAGES).values, whole[:, [2, 5]], atol=1e-5)


def test_artefact_predicts_the_same(tmp_path):
    model = make()
    loaded = GaussianFwRF.load(model.save(tmp_path / "model"))
    assert isinstance(loaded, GaussianFwRF)
    np.testing.assert_array_equal(loaded.encode(IMAGES).values, model.encode(IMAGES).values)


@settings(max_examples=40, deadline=None)
@given(st.floats(-100, 100), st.floats(-100, 100), st.floats(0.01, 50), st.integers(1, 12), st.integers(1, 12))
def test_windows_are_finite_and_sum_to_one(x, y, size, height, width):
    windows = gaussian_windows(torch.tensor([[x, y, size]]), height, width, 8.0)
    assert windows.shape == (1, height * width)
    assert torch.isfinite(windows).all()
    assert float(windows.sum()) == pytest.approx(1, abs=1e-4)


def test_window_centre_follows_the_receptive_field():
    windows = gaussian_windows(torch.tensor([[2.0, 1.0, 0.4]]), 40, 40, 8.0).reshape(40, 40)
    y, x = np.unravel_index(int(windows.argmax()), (40, 40))
    assert (x + 0.5 - 20) * 0.2 == pytest.approx(2.0, abs=0.1)
    assert (20 - y - 0.5) * 0.2 == pytest.approx(1.0, abs=0.1)


def test_pooling_first_and_weighing_first_agree():
    rng = torch.Generator().manual_seed(1)
    windows, weight = torch.rand(7, 12, generator=rng), torch.randn(7, 40, generator=rng)
    maps = torch.randn(2, 40, 3, 4, generator=rng)  # more channels than positions
    expected = torch.einsum("bcp,up,uc->bu", maps.flatten(2), windows, weight)
    torch.testing.assert_close(pooled_readout(maps, windows, weight), expected)
    few = maps[:, :5]  # fewer channels than positions
    expected = torch.einsum("bcp,up,uc->bu", few.flatten(2), windows, weight[:, :5])
    torch.testing.assert_close(pooled_readout(few, windows, weight[:, :5]), expected)


def test_nonlinearities():
    values = torch.tensor([-2.0, 0.5, 9.0])
    assert apply_nonlinearity(values, "absolute").tolist() == [2.0, 0.5, 9.0]
    assert apply_nonlinearity(values, "relu6").tolist() == [0.0, 0.5, 6.0]
    assert apply_nonlinearity(values, "none") is values


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tensors": {"bias": torch.zeros(5)}}, "bias"),
        ({"tensors": {"scales.0.units": torch.tensor([0, 2, 99])}}, "units outside"),
        ({"tensors": {"scales.0.units": torch.tensor([0, 2])}}, "lists 2 units"),
        ({"tensors": {"receptive_field": torch.zeros(6, 3)}}, "standard deviation"),
        ({"nonlinearities": ["none"]}, "one entry for each layer"),
        ({"features": {"backbone": "gabor:bank", "layers": ["scales.0", "scales.3"]}}, "pooling"),
        ({"visual_angle": 0}, "visual_angle"),
    ],
)
def test_inconsistent_models_are_refused(changes, message):
    with pytest.raises(InputValueError, match=message):
        make(**changes)
