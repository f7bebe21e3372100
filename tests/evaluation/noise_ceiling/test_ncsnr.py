from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from braincodec.errors import InputTypeError, InputValueError
from braincodec.evaluation.definition import UndefinedScoreWarning
from braincodec.evaluation.noise_ceiling import mean_inverse_count, ncsnr, noise_ceiling_from_ncsnr


@settings(deadline=None)
@given(ratio=st.floats(0, 50), n=st.tuples(*[st.integers(0, 500)] * 3).filter(any))
def test_ceiling_is_the_published_formula(ratio, n):
    n1, n2, n3 = n
    share = (n1 + n2 / 2 + n3 / 3) / (n1 + n2 + n3)
    expected = ratio**2 / (ratio**2 + share)
    assert noise_ceiling_from_ncsnr(ratio, {1: n1, 2: n2, 3: n3}) == pytest.approx(expected, rel=1e-12)


@settings(deadline=None)
@given(counts=st.lists(st.integers(1, 20), min_size=1, max_size=30))
def test_counts_may_be_given_for_each_stimulus(counts):
    numbers = {k: counts.count(k) for k in set(counts)}
    assert mean_inverse_count(counts) == pytest.approx(mean_inverse_count(numbers))


def test_limits_of_the_ratio():
    np.testing.assert_array_equal(noise_ceiling_from_ncsnr([0, np.inf, np.nan], 3), [0, 1, np.nan])


@pytest.mark.parametrize(
    ("ratio", "counts", "error"),
    [
        (-0.1, 3, InputValueError),
        (1, [], InputValueError),
        (1, {0: 5}, InputValueError),
        (1, {3: 0}, InputValueError),
        (1, {3: -1, 2: 5}, InputValueError),
        (1, [2.5], InputTypeError),
    ],
)
def test_impossible_values_are_refused(ratio, counts, error):
    with pytest.raises(error):
        noise_ceiling_from_ncsnr(ratio, counts)


def test_equals_the_analysis_of_variance_with_loops(repeated):
    counts = np.random.default_rng(0).integers(1, 6, 40)
    responses = repeated(0, counts, np.array([0.6]), stimuli=40)
    groups = [r[~np.isnan(r)] for r in responses[:, :, 0]]
    n = sum(map(len, groups))
    grand = np.concatenate(groups).mean()
    between = sum(len(g) * (g.mean() - grand) ** 2 for g in groups) / 39
    within = sum(((g - g.mean()) ** 2).sum() for g in groups) / (n - 40)
    n0 = (n - sum(len(g) ** 2 for g in groups) / n) / 39
    np.testing.assert_allclose(ncsnr(responses), [np.sqrt((between - within) / n0 / within)], rtol=1e-12)


def test_known_total_variance_gives_the_published_estimate(repeated):
    responses = repeated(1, 3, np.array([0.2, 0.6]))
    responses /= responses.std(axis=(0, 1))  # as standardised sessions are
    noise = responses.var(axis=1, ddof=1).mean(axis=0)
    np.testing.assert_allclose(ncsnr(responses, total_variance=1), np.sqrt((1 - noise) / noise), rtol=1e-12)
    # 600 values of which three belong to each stimulus: the exact relation of the two
    np.testing.assert_allclose(ncsnr(responses), np.sqrt((600 - 599 * noise) / 597 / noise), rtol=1e-12)


def test_recovers_the_known_ratio_of_ragged_units(repeated):
    counts = np.random.default_rng(2).integers(1, 4, 2000)
    ceilings = np.repeat([0.1, 0.5, 0.9], 40)
    ratio = ncsnr(repeated(2, counts, ceilings, stimuli=2000))
    recovered = noise_ceiling_from_ncsnr(ratio, counts).reshape(3, 40).mean(axis=1)
    np.testing.assert_allclose(recovered, [0.1, 0.5, 0.9], atol=0.02)


def test_no_signal_gives_zero_and_no_noise_infinity():
    rng = np.random.default_rng(3)
    less_than_noise = np.stack([np.arange(10.0), -np.arange(10.0)], axis=1)[:, :, None]
    noise_free = np.repeat(rng.normal(size=(10, 1, 1)), 2, axis=1)
    np.testing.assert_array_equal(ncsnr(np.concatenate([less_than_noise, noise_free], axis=2)), [0, np.inf])


def test_a_constant_unit_is_nan_with_one_warning():
    with pytest.warns(UndefinedScoreWarning, match="ncsnr is NaN for 1 of 1 units") as record:
        assert np.isnan(ncsnr(np.full((10, 3, 1), 0.3)))
    assert len(record) == 1


def test_total_variance_must_be_positive(repeated):
    with pytest.raises(InputValueError, match="total_variance"):
        ncsnr(repeated(0, 2, np.array([0.5])), total_variance=0)
