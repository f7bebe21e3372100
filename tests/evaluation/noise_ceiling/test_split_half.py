from __future__ import annotations

import warnings

import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.optimize
import scipy.stats
from hypothesis import given, settings

from braincodec.errors import InputValueError
from braincodec.evaluation.definition import UndefinedScoreWarning
from braincodec.evaluation.noise_ceiling import halves, noise_ceiling_split_half, spearman_brown

shares = st.floats(0.05, 1)


@settings(deadline=None)
@given(r=st.floats(-0.9, 1))
def test_equal_halves_give_the_textbook_formula(r):
    assert spearman_brown(r, 1 / 3, 1 / 3, 1 / 6) == pytest.approx(2 * r / (1 + r), rel=1e-9, abs=1e-12)


@settings(deadline=None)
@given(r=st.floats(0.02, 0.999), a=shares, b=shares, t=shares)
def test_any_parts_give_the_root_of_the_attenuation_equation(r, a, b, t):
    root = scipy.optimize.brentq(lambda x: (1 + a * x) * (1 + b * x) - 1 / r**2, 0, 1e7, xtol=1e-14)
    assert spearman_brown(r, a, b, t) == pytest.approx(1 / (1 + t * root), rel=1e-6)


@settings(deadline=None)
@given(r=st.floats(0.01, 0.99), p=st.floats(0.1, 0.9))
def test_unequal_parts_of_the_same_repetitions_give_horsts_formula(r, p):
    q = 1 - p
    horst = r * (np.sqrt(r**2 + 4 * p * q * (1 - r**2)) - r) / (2 * p * q * (1 - r**2))
    assert spearman_brown(r, 1 / p, 1 / q, 1) == pytest.approx(horst, rel=1e-6)


@settings(deadline=None)
@given(a=shares, b=shares, t=shares)
def test_the_formula_is_smooth_through_zero(a, b, t):
    below, above = spearman_brown(-1e-6, a, b, t), spearman_brown(1e-6, a, b, t)
    assert spearman_brown(0, a, b, t) == 0
    assert below == pytest.approx(-above, rel=1e-3)


def test_even_repetitions_agree_with_plain_loops(repeated):
    """scipy's correlation, the textbook formula, and splits of our own."""
    responses = repeated(0, 6, np.array([0.3, 0.7]), stimuli=60)
    rng = np.random.default_rng(5)
    expected = np.zeros(2)
    for _ in range(400):
        order = rng.permuted(np.tile(np.arange(6), (60, 1)), axis=1)[:, :, None]
        halves = [np.take_along_axis(responses, part, axis=1).mean(axis=1) for part in (order[:, :3], order[:, 3:])]
        r = np.array([scipy.stats.pearsonr(halves[0][:, unit], halves[1][:, unit])[0] for unit in range(2)])
        expected += 2 * r / (1 + r) / 400
    corrected = 1 - (1 - expected) * 57 / 59
    np.testing.assert_allclose(noise_ceiling_split_half(responses, draws=400, seed=1), corrected, atol=0.01)


def test_seed_decides_the_halves(repeated):
    responses = repeated(1, 3, np.full(3, 0.5), stimuli=40)
    first = noise_ceiling_split_half(responses, draws=5, seed=3)
    np.testing.assert_array_equal(first, noise_ceiling_split_half(responses, draws=5, seed=3))
    assert (first != noise_ceiling_split_half(responses, draws=5, seed=4)).all()


def test_no_draws_are_refused(repeated):
    with pytest.raises(InputValueError, match="draws must be at least 1"):
        noise_ceiling_split_half(repeated(0, 2, np.array([0.5])), draws=0)


@pytest.mark.parametrize("ragged", [False, True])
def test_products_of_repetitions_give_what_half_means_give(repeated, monkeypatch, ragged):
    counts = np.random.default_rng(0).integers(1, 7, 50) if ragged else 5
    responses = repeated(2, counts, np.linspace(0.1, 0.9, 9), stimuli=50) + 100
    by_products = noise_ceiling_split_half(responses, draws=20, clip=False)
    monkeypatch.setattr(halves, "MOST_REPETITIONS_FOR_PRODUCTS", 0)
    np.testing.assert_allclose(noise_ceiling_split_half(responses, draws=20, clip=False), by_products, rtol=1e-8)


@pytest.mark.parametrize("repetitions_for_products", [0, 6])
def test_draws_with_a_constant_half_are_left_out(monkeypatch, repetitions_for_products):
    monkeypatch.setattr(halves, "MOST_REPETITIONS_FOR_PRODUCTS", repetitions_for_products)
    sparse = np.zeros((6, 4, 2))
    sparse[0, 0], sparse[1, :2] = 0.1, 0.3  # one spike, and a stimulus with two
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(noise_ceiling_split_half(sparse, draws=50)).all()
    only_one = np.zeros((6, 4, 1))
    only_one[0, 0] = 0.1
    with pytest.warns(UndefinedScoreWarning):
        assert np.isnan(noise_ceiling_split_half(only_one, draws=50)).all()
