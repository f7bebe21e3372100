from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from braincodec.errors import InputTypeError, InputValueError
from braincodec.readouts.alphas import check_alphas, skeleton


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 200), st.integers(1, 25), st.integers(-6, 6), st.floats(0.1, 12), st.sampled_from([1e-5, 3e-7]))
def test_a_few_strengths_give_all_others(components, count, lowest, decades, tolerance):
    values = np.random.default_rng(components).lognormal(0, 4, components)
    alphas = np.logspace(lowest, lowest + decades, count)
    found = skeleton(values, alphas, tolerance=tolerance)
    shrinkage = values / (values + alphas[:, None])
    assert np.abs(found.coefficients @ shrinkage[found.chosen] - shrinkage).max() <= tolerance * 1.01
    assert np.abs(found.coefficients).max() < 10


def test_strengths_that_predict_alike_need_few_products():
    assert len(skeleton(np.linspace(5e3, 1e4, 500), np.logspace(-2, 6, 20)).chosen) <= 7


def test_wild_predictions_of_small_strengths_do_not_reach_the_others():
    values = np.logspace(-8, 4, 300)
    gain = np.where(values < 1e-3, 1e4, 1.0)  # held-out stimuli go where training stimuli hardly do
    alphas = np.logspace(-8, 4, 20)
    found = skeleton(values, alphas, gain)
    size = np.sqrt(((gain * values / (values + alphas[:, None])) ** 2).mean(axis=1))
    reach = np.abs(found.coefficients) * size[found.chosen]  # of rounding, relative to each chosen prediction
    assert (reach.max(axis=1) <= 10 * np.maximum(1, size)).all()


def test_alphas_are_sorted():
    assert check_alphas([3, 1, 2]).tolist() == [1, 2, 3]
    assert check_alphas(2.0).tolist() == [2]


@pytest.mark.parametrize("alphas", [[0.0, 1.0], [-1.0], [np.nan], [np.inf], [], [[1.0]], [1.0, 1.0]])
def test_impossible_strengths_are_refused(alphas):
    with pytest.raises(InputValueError, match="alphas"):
        check_alphas(alphas)


def test_words_are_no_strengths():
    with pytest.raises(InputTypeError, match="alphas must be numbers"):
        check_alphas(["strong"])
