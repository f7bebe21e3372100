from __future__ import annotations

import warnings

import h5py
import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings

from braincodec.errors import InputTypeError, InputValueError
from braincodec.evaluation.definition import UndefinedScoreWarning
from braincodec.evaluation.noise_ceiling import (
    mean_over_repetitions,
    noise_ceiling_split_half,
    noise_ceiling_variance_components,
)
from braincodec.evaluation.noise_ceiling.bias import effective_degrees_of_freedom

FORMS = [noise_ceiling_variance_components, noise_ceiling_split_half]


def test_equals_one_minus_inverse_f_of_scipy(repeated):
    responses = repeated(0, 5, np.array([0.2, 0.5, 0.8]), stimuli=30)
    f = scipy.stats.f_oneway(*responses, axis=0).statistic
    np.testing.assert_allclose(noise_ceiling_variance_components(responses, clip=False), 1 - 27 / 29 / f, rtol=1e-12)


def test_ragged_ratio_equals_loops_over_stimuli(repeated):
    rng = np.random.default_rng(1)
    counts = rng.integers(1, 6, 40)
    responses = repeated(1, counts, np.array([0.4]), stimuli=40)
    groups = [r[~np.isnan(r)] for r in responses[:, :, 0]]
    within = sum(((g - g.mean()) ** 2).sum() for g in groups) / sum(len(g) - 1 for g in groups)
    ratio = 1 - np.mean([1 / len(g) for g in groups]) * within / np.var([g.mean() for g in groups], ddof=1)
    degrees = effective_degrees_of_freedom(np.array([ratio]), counts[:, None])[0]
    assert 20 < degrees < 39
    expected = 1 - (1 - ratio) * (degrees - 2) / degrees
    np.testing.assert_allclose(noise_ceiling_variance_components(responses, clip=False), [expected], rtol=1e-12)


def test_degrees_of_freedom_match_the_moments_of_simulated_variances():
    counts = np.random.default_rng(2).integers(1, 15, 50)
    variances = 0.2 + 0.8 / counts / (1 / counts).mean()
    samples = np.var(np.random.default_rng(3).normal(size=(50, 200_000)) * np.sqrt(variances)[:, None], axis=0, ddof=1)
    degrees = effective_degrees_of_freedom(np.array([0.2]), counts[:, None])[0]
    assert 2 * samples.mean() ** 2 / samples.var() == pytest.approx(degrees, rel=0.02)


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), scale=st.floats(1e-3, 1e3), shift=st.floats(-1e3, 1e3))
def test_scale_and_shift_of_a_unit_do_not_matter(form, seed, scale, shift):
    responses = np.random.default_rng(seed).normal(size=(12, 3, 2)) + np.random.default_rng(seed).normal(
        size=(12, 1, 2)
    )
    first = form(responses, clip=False)
    np.testing.assert_allclose(form(scale * responses + shift, clip=False), first, rtol=1e-6, atol=1e-6)


def test_the_place_of_missing_repetitions_does_not_matter(repeated):
    responses = repeated(4, np.random.default_rng(4).integers(1, 6, 60), np.array([0.3, 0.6]), stimuli=60)
    shuffled = np.take_along_axis(responses, np.random.default_rng(5).random(responses.shape).argsort(1), axis=1)
    np.testing.assert_allclose(
        noise_ceiling_variance_components(shuffled), noise_ceiling_variance_components(responses), rtol=1e-12
    )


@pytest.mark.parametrize("form", FORMS)
def test_units_may_miss_different_repetitions(form, repeated):
    responses = repeated(6, 5, np.full(6, 0.5), stimuli=50)
    missing = np.random.default_rng(7).random(responses.shape) < 0.3
    responses[missing] = np.nan
    alone = [form(responses[:, :, [unit]])[0] for unit in range(6)]
    np.testing.assert_allclose(form(responses), alone, rtol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_tiles_and_lazy_arrays_give_the_same_numbers(form, repeated, tmp_path):
    responses = repeated(8, np.random.default_rng(8).integers(2, 5, 40), np.linspace(0.1, 0.9, 23), stimuli=40)
    whole = form(responses)
    with h5py.File(tmp_path / "responses.h5", "w") as file:
        file["responses"] = responses
    with h5py.File(tmp_path / "responses.h5") as file:
        np.testing.assert_allclose(form(file["responses"], tile_bytes=10_000), whole, rtol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_only_a_tile_is_read_at_a_time(form):
    class Counting:
        shape = (20, 3, 5000)

        def __init__(self):
            self.largest = 0

        def __getitem__(self, key):
            values = np.random.default_rng(key[2].start).normal(size=(20, 3, key[2].stop - key[2].start))
            self.largest = max(self.largest, values.nbytes)
            return values

    responses = Counting()
    assert form(responses, tile_bytes=100_000).shape == (5000,)
    assert 0 < responses.largest <= 100_000


@pytest.mark.parametrize("form", FORMS)
def test_channels_and_times_are_units(form, repeated):
    responses = repeated(9, 4, np.linspace(0.2, 0.8, 6), stimuli=30)
    np.testing.assert_allclose(form(responses.reshape(30, 4, 2, 3)).ravel(), form(responses), rtol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_float32_on_a_large_offset_is_as_good_as_float64(form, repeated):
    responses = repeated(10, 3, np.linspace(0.2, 0.8, 20)) + 1000
    np.testing.assert_allclose(form(responses.astype(np.float32)), form(responses), atol=1e-3)


@pytest.mark.parametrize("form", FORMS)
def test_undefined_units_are_nan_with_one_warning(form, repeated):
    responses = repeated(11, 3, np.full(5, 0.5), stimuli=20)
    responses[:, :, 0] = np.nan  # no data, as vertices outside the acquired volume
    responses[:, :, 1] = 0.1  # nothing varies
    responses[:, 1:, 2] = np.nan  # never repeated
    with pytest.warns(UndefinedScoreWarning, match="NaN for 3 of 5 units") as record:
        ceilings = form(responses)
    assert len(record) == 1
    assert record[0].filename == __file__
    np.testing.assert_array_equal(np.isnan(ceilings), [True, True, True, False, False])


@pytest.mark.parametrize("form", FORMS)
def test_a_stimulus_without_any_repetition_is_as_if_it_were_not_there(form, repeated):
    responses = repeated(12, 4, np.full(4, 0.5), stimuli=400)
    responses[-1] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(
            form(responses), form(responses[:-1]), atol=0.05 if "split" in form.__name__ else 1e-12
        )


@pytest.mark.parametrize("form", FORMS)
def test_noise_free_units_have_ceiling_one(form):
    responses = np.repeat(np.random.default_rng(0).normal(size=(10, 1, 2)), 3, axis=1)
    np.testing.assert_allclose(form(responses), 1)


@pytest.mark.parametrize("form", FORMS)
def test_clipping_only_lifts_negative_estimates(form):
    noise = np.random.default_rng(0).normal(size=(50, 2, 40))
    free = form(noise, clip=False)
    assert (free < 0).any()
    np.testing.assert_array_equal(form(noise), np.clip(free, 0, 1))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("responses", "error", "message"),
    [
        (np.zeros((10, 5)), InputValueError, r"not \(10, 5\)"),
        (np.zeros((10, 1, 5)), InputValueError, "1 repetitions"),
        (np.zeros((3, 2, 5)), InputValueError, "3 stimuli"),
        (np.full((10, 2, 5), "a"), InputTypeError, "real numbers"),
        (np.where(np.arange(10)[:, None, None] == 4, np.inf, np.ones((10, 2, 3))), InputValueError, "6 infinite.*4"),
        (
            np.where(np.arange(2)[:, None] == 1, np.nan, np.ones((10, 2, 3))),
            InputValueError,
            "no stimulus was repeated",
        ),
    ],
)
def test_what_cannot_be_repeated_responses_is_refused(form, responses, error, message):
    with pytest.raises(error, match=message):
        form(responses)


def test_mean_over_repetitions_is_numpys_mean_of_what_exists(repeated):
    responses = repeated(13, np.random.default_rng(1).integers(1, 6, 30), np.linspace(0.2, 0.8, 7), stimuli=30)
    np.testing.assert_allclose(
        mean_over_repetitions(responses, tile_bytes=4000), np.nanmean(responses, axis=1), rtol=1e-12
    )


def test_mean_over_repetitions_of_an_absent_stimulus_is_nan_without_noise():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(mean_over_repetitions(np.full((1, 2, 3), np.nan))).all()
    with pytest.raises(InputValueError, match="infinite"):
        mean_over_repetitions(np.full((1, 2, 3), np.inf))
    with pytest.raises(InputValueError, match="must have shape"):
        mean_over_repetitions(np.zeros((2, 3)))
