"""Array functions of the whole model, for any input."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from braincodec.errors import InputValueError
from braincodec.models.description import ModelDescription
from braincodec.models.lea.aligning import Pairs
from braincodec.models.lea.gallery import nearest
from braincodec.models.lea.given_patterns import given_patterns
from braincodec.models.lea.image_embedding import scaled_to_unit_length
from braincodec.models.lea.latent_training import draw_held_out
from braincodec.models.lea.trials import read_trials
from braincodec.models.training_data import examples_of

from .small_recording import recording

ABOUT = ModelDescription(model="fmri-test-lea", modality="fmri", dataset="test")
SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 20), st.integers(0, 10), SEEDS)
def test_units_are_found_wherever_they_are_among_others(count, more, seed):
    rng = np.random.default_rng(seed)
    ijk = rng.choice(1000, count + more, replace=False)
    values = rng.normal(size=(3, count + more)).astype(np.float32)
    place = rng.permutation(count + more)[:count]
    units = xr.Dataset({name: ("unit", ijk[place] // 10**power % 10) for power, name in enumerate("ijk")})
    coordinates = {name: ("unit", ijk // 10**power % 10) for power, name in enumerate("ijk")}
    responses = xr.DataArray(values, coordinates, ("stimulus", "unit"))
    np.testing.assert_array_equal(given_patterns(responses, units, ABOUT).values, values[:, place])
    transposed = given_patterns(responses.transpose(), units, ABOUT)
    np.testing.assert_array_equal(transposed.values, values[:, place])


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 10), st.integers(1, 30), SEEDS, st.floats(1e-6, 1e6))
def test_unit_length_keeps_directions(rows, width, seed, scale):
    given_rows = (scale * np.random.default_rng(seed).normal(size=(rows, width))).astype(np.float32)
    found = scaled_to_unit_length(given_rows)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
    assert (np.sign(found) == np.sign(given_rows)).all()
    np.testing.assert_allclose(scaled_to_unit_length(found), found, rtol=1e-5, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 8), min_size=3, max_size=60), st.floats(0.05, 0.6), SEEDS)
def test_some_groups_are_held_out_and_enough_are_left(groups, share, seed):
    names = np.array(groups)
    if len(np.unique(names)) < 3:
        with pytest.raises(InputValueError):
            draw_held_out(names, share, seed)
        return
    held_out = draw_held_out(names, share, seed)
    assert not set(names[held_out]) & set(names[~held_out])
    assert held_out.any()
    assert len(np.unique(names[~held_out])) >= 2
    np.testing.assert_array_equal(held_out, draw_held_out(names, share, seed))


def test_nearest_agrees_with_scikit_learn():
    pairwise = pytest.importorskip("sklearn.metrics.pairwise")
    rng = np.random.default_rng(0)
    queries, members = rng.normal(size=(5, 7)), rng.normal(size=(12, 7))
    expected = pairwise.cosine_similarity(queries, members)
    found = nearest(queries, members, np.arange(5).astype(str), np.arange(12).astype(str), 12)
    np.testing.assert_array_equal(found["id"].values.astype(int), np.argsort(-expected, axis=1))
    np.testing.assert_allclose(found["similarity"].values, -np.sort(-expected, axis=1), atol=1e-6)


def test_trials_are_those_that_were_shown_each_with_its_stimulus():
    data = recording(count=20, voxels=6, repetitions=3)
    holed = data.responses.copy()
    holed[2, 1:] = np.nan
    holed[5, 2] = np.nan
    examples = examples_of(type(data)("test", "1", data.stimuli, holed, data.units, data.split), "train")
    columns = np.array([3, 0, 5, 1, 2, 4])
    patterns, stimulus = read_trials(examples, columns)
    assert len(patterns) == 12 * 3 - 3
    values = examples.responses.values
    for pattern, row in zip(patterns, stimulus, strict=True):
        assert (pattern == values[row][:, columns]).all(1).any()
    averaged = read_trials(examples, columns, "average")
    np.testing.assert_allclose(averaged.patterns, np.nanmean(values, 1)[:, columns], rtol=1e-6)
    np.testing.assert_array_equal(averaged.stimulus, np.arange(12))


def test_latents_of_a_stimulus_are_averaged_over_its_trials():
    rng = np.random.default_rng(1)
    stimulus = np.array([0, 2, 1, 2, 0, 2])
    latents = rng.normal(size=(6, 4)).astype(np.float32)
    found, _, _ = Pairs(latents, stimulus, np.zeros((3, 2), np.float32), np.arange(3)).of_stimuli()
    np.testing.assert_allclose(found, [latents[stimulus == row].mean(0) for row in range(3)], rtol=1e-5)
