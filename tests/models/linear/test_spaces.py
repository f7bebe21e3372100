"""Spaces that readouts are fitted on: coordinates are affine in the features, and so are outputs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from braincodec.errors import InputValueError
from braincodec.models.linear.gather import Gathered, Stacked
from braincodec.models.linear.recipe import LinearRecipe
from braincodec.models.linear.spaces import PlainSpace, SpannedSpace, make_spaces
from braincodec.models.linear.table import survey


def layers(stimuli, widths, seed=0):
    random = np.random.default_rng(seed)
    return {
        f"layer-{number}": (10.0**number * random.normal(size=(stimuli, width)) + 3).astype(np.float32)
        for number, width in enumerate(widths)
    }


def spaces_of(arrays, tmp_path, **recipe):
    made = LinearRecipe(backbone="gabor:bank", layers=("scales.0",), **recipe)
    return make_spaces(made, Gathered(arrays, ("made up",)), tmp_path, device="cpu", progress=False)


def mapped(space, arrays, outputs=None):
    """Coordinates, or outputs, (stimuli, ...) from the features."""
    weights, bias = space.maps(outputs)
    return bias.numpy() + sum(
        np.asarray(arrays[name], np.float64) @ weight.double().numpy().T for name, weight in weights.items()
    )


@settings(max_examples=25, deadline=None)
@given(
    stimuli=st.integers(3, 12),
    widths=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    standardise=st.booleans(),
    readout=st.sampled_from(["ridge", "kernel_sum", "banded"]),
    seed=st.integers(0, 99),
)
def test_coordinates_and_outputs_are_affine_in_the_features(stimuli, widths, standardise, readout, seed):
    arrays = layers(stimuli, widths, seed)
    for space in spaces_of(arrays, None, readout=readout, standardise=standardise):
        own = {name: arrays[name] for name in space.layers}
        np.testing.assert_allclose(mapped(space, own), space.coordinates, atol=1e-3 * np.abs(space.coordinates).max())
        outputs = torch.from_numpy(np.random.default_rng(seed).normal(size=(2, space.coordinates.shape[1]))).float()
        expected = space.coordinates @ outputs.numpy().T
        np.testing.assert_allclose(mapped(space, own, outputs), expected, atol=1e-3 * np.abs(expected).max() + 1e-6)


@pytest.mark.parametrize("widths", [(4, 3), (50, 30)])
def test_products_of_stimuli_are_kept(widths, tmp_path):
    arrays = layers(20, widths)
    joined = np.concatenate(list(arrays.values()), 1).astype(np.float64)
    centred = joined - joined.mean(0)
    [space] = spaces_of(arrays, tmp_path)
    assert isinstance(space, SpannedSpace if sum(widths) > 19 else PlainSpace)
    exact = space.coordinates.astype(np.float64)
    exact -= exact.mean(0)
    np.testing.assert_allclose(exact @ exact.T, centred @ centred.T, atol=1e-4 * np.abs(centred @ centred.T).max())


@pytest.mark.parametrize("components", [None, 3])
def test_spaces_of_equal_variance(components, tmp_path):
    for space in spaces_of(layers(20, (40, 4)), tmp_path, readout="banded", components=components):
        values = space.coordinates - space.coordinates.mean(0)
        assert (values.astype(np.float64) ** 2).sum() / len(values) == pytest.approx(1, rel=1e-4)


def test_layer_that_does_not_vary_cannot_be_scaled_and_is_named():
    arrays = layers(5, (3, 2)) | {"still": np.full((5, 2), 0.1, np.float32)}
    options = {"standardise": False, "products": True, "device": "cpu", "progress": False}
    with pytest.raises(InputValueError, match="all features of layer 'still' are constant over the 5 stimuli"):
        survey(arrays, equal=True, **options)
    found = survey(arrays, equal=False, **options)
    assert found.scaled.scale[-2:].tolist() == [0, 0]
    with pytest.raises(InputValueError, match="all 2 features of still are constant over the 5 stimuli"):
        survey({"still": arrays["still"]}, equal=False, **options)
    arrays["still"][2, 1] = np.nan
    with pytest.raises(InputValueError, match="layer 'still' has features that are NaN or infinite"):
        survey(arrays, equal=False, **options)


@given(data=st.data(), heights=st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_stacked_arrays_are_read_as_if_they_were_one(data, heights):
    parts = [np.random.default_rng(number).normal(size=(height, 4)) for number, height in enumerate(heights)]
    whole, stacked = np.concatenate(parts), Stacked(parts)
    begin = data.draw(st.integers(0, len(whole) - 1))
    end = data.draw(st.integers(begin + 1, len(whole) + 2))
    first = data.draw(st.integers(0, 3))
    assert stacked.shape == whole.shape
    np.testing.assert_array_equal(stacked[begin:end, first:], whole[begin:end, first:])
