"""Dissimilarity matrices agree with scipy and rsatoolbox, and with the truth where noise is taken out."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.spatial.distance import pdist, squareform

from braincodec.errors import InputTypeError, InputValueError, UnknownNameError
from braincodec.evaluation.definition import UndefinedScoreWarning
from braincodec.evaluation.encoding.rdm import noise_covariance, rdm

PATTERNS = arrays.arrays(
    np.float64, st.tuples(st.integers(2, 8), st.integers(2, 9)), elements=st.integers(-50, 50).map(float)
)


@pytest.fixture
def patterns():
    return np.random.default_rng(0).standard_normal((15, 40)) + np.linspace(0, 3, 40)


@pytest.fixture
def repeated():
    rng = np.random.default_rng(1)
    mixing = rng.standard_normal((12, 12)) / 3 + np.eye(12)
    return rng.standard_normal((9, 1, 12)) + 1.5 * rng.standard_normal((9, 4, 12)) @ mixing


def toolbox(responses, method, **options):
    """rsatoolbox's matrix of responses (stimuli, repetitions, units)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rsatoolbox = pytest.importorskip("rsatoolbox")
        stimuli, repetitions, units = responses.shape
        dataset = rsatoolbox.data.Dataset(
            responses.reshape(-1, units),
            obs_descriptors={
                "stimulus": np.repeat(np.arange(stimuli), repetitions),
                "repetition": np.tile(np.arange(repetitions), stimuli),
            },
        )
        if method == "crossnobis":
            options["cv_descriptor"] = "repetition"
        return rsatoolbox.rdm.calc_rdm(dataset, method=method, descriptor="stimulus", **options).dissimilarities[0]


@pytest.mark.parametrize("distance", ["correlation", "cosine", "euclidean"])
def test_plain_distances_are_scipys(patterns, distance):
    np.testing.assert_allclose(rdm(patterns, distance), pdist(patterns, distance), rtol=1e-10)


def test_distances_of_single_precision_are_those_of_double(patterns):
    large = (patterns * 0.01 + 1000).astype(np.float32)
    for distance in ("correlation", "euclidean"):
        np.testing.assert_allclose(rdm(large, distance), pdist(large.astype(np.float64), distance), rtol=1e-6)


def test_units_in_many_tiles_give_the_same_matrix(patterns, monkeypatch):
    whole = rdm(patterns, "correlation")
    from braincodec.evaluation.encoding import rdm as module

    monkeypatch.setattr(module, "tiles", lambda count, bytes_each: (slice(i, i + 1) for i in range(count)))
    np.testing.assert_allclose(rdm(patterns, "correlation"), whole, rtol=1e-12)


def test_repetitions_are_averaged_first(repeated):
    ragged = repeated.copy()
    ragged[2, 3] = np.nan
    np.testing.assert_allclose(rdm(ragged), pdist(np.nanmean(ragged, axis=1), "correlation"), rtol=1e-10)


def test_correlation_distance_of_repetitions_is_rsatoolboxs(repeated):
    np.testing.assert_allclose(rdm(repeated), toolbox(repeated, "correlation"), rtol=1e-9)


def test_mahalanobis_is_rsatoolboxs(repeated):
    covariance = noise_covariance(repeated)
    expected = toolbox(repeated, "mahalanobis", noise=np.linalg.inv(covariance))
    np.testing.assert_allclose(rdm(repeated, "mahalanobis"), expected, rtol=1e-8)
    np.testing.assert_allclose(
        rdm(repeated.mean(axis=1), "mahalanobis", noise_covariance=covariance), expected, rtol=1e-8
    )


def test_mahalanobis_with_the_identity_is_the_squared_euclidean_distance_over_units(patterns):
    found = rdm(patterns, "mahalanobis", noise_covariance=np.eye(40))
    np.testing.assert_allclose(found, pdist(patterns, "sqeuclidean") / 40, rtol=1e-10)


def test_crossnobis_is_rsatoolboxs(repeated):
    covariance = noise_covariance(repeated)
    expected = toolbox(repeated, "crossnobis", noise=np.linalg.inv(covariance))
    np.testing.assert_allclose(rdm(repeated, "crossnobis"), expected, rtol=1e-8, atol=1e-10)
    without = rdm(repeated, "crossnobis", noise_covariance=np.eye(12))
    np.testing.assert_allclose(without, toolbox(repeated, "crossnobis"), rtol=1e-8, atol=1e-10)


def test_crossnobis_of_ragged_repetitions_is_the_mean_over_pairs_of_different_repetitions(repeated):
    ragged = repeated.copy()
    ragged[0, 0] = ragged[3, 1] = ragged[3, 2] = ragged[5, 3] = np.nan
    found = squareform(rdm(ragged, "crossnobis", noise_covariance=np.eye(12)), checks=False)
    ragged -= np.nanmean(ragged, axis=(0, 1))

    def product(i, j):
        pairs = [
            ragged[i, k] @ ragged[j, m]
            for k in range(4)
            for m in range(4)
            if k != m and np.isfinite(ragged[i, k, 0]) and np.isfinite(ragged[j, m, 0])
        ]
        return np.mean(pairs)

    for i, j in [(0, 1), (0, 3), (3, 5), (2, 7)]:
        assert found[i, j] == pytest.approx((product(i, i) + product(j, j) - 2 * product(i, j)) / 12, rel=1e-9)


def test_crossnobis_is_right_on_average_where_mahalanobis_is_too_large():
    rng = np.random.default_rng(2)
    signal = 0.4 * rng.standard_normal((6, 10))
    truth = pdist(signal, "sqeuclidean") / 10
    crossed, plain = [], []
    for _ in range(300):
        responses = signal[:, None] + rng.standard_normal((6, 3, 10))
        crossed.append(rdm(responses, "crossnobis", noise_covariance=np.eye(10)))
        plain.append(rdm(responses, "mahalanobis", noise_covariance=np.eye(10)))
    assert np.mean(crossed) == pytest.approx(truth.mean(), abs=0.02)
    # noise of variance 1 / 3 in both means
    assert np.mean(plain) == pytest.approx(truth.mean() + 2 / 3, abs=0.02)
    assert np.min(crossed) < 0


class TestNoiseCovariance:
    def test_without_shrinkage_it_is_rsatoolboxs(self, repeated):
        rsatoolbox = pytest.importorskip("rsatoolbox")
        stimuli, repetitions, units = repeated.shape
        residuals = (repeated - repeated.mean(axis=1, keepdims=True)).reshape(-1, units)
        dof = stimuli * (repetitions - 1)
        expected = rsatoolbox.data.noise.cov_from_residuals(residuals, dof=dof, method="full")
        np.testing.assert_allclose(noise_covariance(repeated, shrinkage=0), expected, rtol=1e-9)

    def test_it_finds_the_covariance_of_the_noise_and_not_of_the_signal(self):
        rng = np.random.default_rng(3)
        truth = np.array([[2.0, 0.6], [0.6, 0.5]])
        noise = rng.standard_normal((3000, 4, 2)) @ np.linalg.cholesky(truth).T
        responses = noise + 10 * rng.standard_normal((3000, 1, 2))
        responses[::3, 2:] = np.nan
        np.testing.assert_allclose(noise_covariance(responses), truth, atol=0.06)

    def test_with_more_units_than_repetitions_it_can_still_be_inverted(self):
        few = np.random.default_rng(4).standard_normal((5, 2, 50))
        assert np.linalg.eigvalsh(noise_covariance(few)).min() > 0
        assert rdm(few, "mahalanobis").shape == (10,)
        np.testing.assert_allclose(
            noise_covariance(few, shrinkage=1), np.eye(50) * noise_covariance(few, shrinkage=0).diagonal().mean()
        )

    def test_what_is_impossible_is_refused(self, repeated):
        with pytest.raises(InputValueError, match="no stimulus was repeated"):
            noise_covariance(repeated[:, :1])
        with pytest.raises(InputValueError, match="shrinkage must be in 0 to 1, not 2"):
            noise_covariance(repeated, shrinkage=2)
        with pytest.raises(InputValueError, match=r"a covariance of 30,000 units takes 7 GB"):
            noise_covariance(np.zeros((2, 2, 30_000), np.float32))
        partly = repeated.copy()
        partly[0, 1, 3] = np.nan
        with pytest.raises(InputValueError, match="missing for some units only"):
            noise_covariance(partly)


@settings(deadline=None, max_examples=60)
@given(PATTERNS, st.floats(0.1, 10), st.floats(-5, 5))
def test_distances_keep_their_symmetries(patterns, scale, shift):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedScoreWarning)
        correlation = rdm(patterns)
        np.testing.assert_allclose(rdm(scale * patterns + shift), correlation, atol=1e-6)
        euclidean = rdm(patterns, "euclidean")
        np.testing.assert_allclose(rdm(patterns + shift, "euclidean"), euclidean, atol=1e-5)
        order = np.arange(len(patterns))[::-1]
        turned = squareform(correlation, checks=False)[np.ix_(order, order)]
        np.testing.assert_allclose(
            rdm(patterns[::-1]), turned[np.triu_indices(len(patterns), 1)], atol=1e-9, equal_nan=True
        )
    known = correlation[~np.isnan(correlation)]
    assert ((known >= 0) & (known <= 2)).all()
    assert (euclidean >= 0).all()


def test_pattern_without_variance_has_no_correlation_distance_and_one_warning():
    patterns = np.array([[1.0, 1.0, 1.0], [1.0, 2.0, 3.0], [2.0, 1.0, 5.0], [0.1, 0.1, 0.1]])
    with pytest.warns(UndefinedScoreWarning, match="correlation distance is NaN for 2 of 4 stimuli") as caught:
        found = rdm(patterns)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert np.isnan(squareform(found, checks=False)[0, 1:]).all()
    assert np.isfinite(found[3])


def test_units_missing_for_every_stimulus_are_left_out(patterns):
    with_gap = np.insert(patterns, 5, np.nan, axis=1)
    np.testing.assert_allclose(rdm(with_gap), rdm(patterns), rtol=1e-12)


def test_what_has_no_dissimilarity_is_refused(patterns, repeated):
    with pytest.raises(UnknownNameError, match="did you mean 'cosine'"):
        rdm(patterns, "cosin")
    with pytest.raises(InputValueError, match="at least two stimuli"):
        rdm(patterns[:1])
    with pytest.raises(InputValueError, match=r"must have shape \(stimuli, units\), not \(40,\)"):
        rdm(patterns[0])
    with pytest.raises(InputTypeError, match="real numbers"):
        rdm(np.array([["a"], ["b"]]))
    broken = patterns.copy()
    broken[2, 7] = np.nan
    with pytest.raises(InputValueError, match="the first at stimulus 2, unit 7"):
        rdm(broken)
    with pytest.raises(InputValueError, match="NaN for all units"):
        rdm(np.full((3, 2), np.nan))
    with pytest.raises(InputValueError, match="crossnobis compares independent repetitions"):
        rdm(patterns, "crossnobis")
    with pytest.raises(InputValueError, match="give noise_covariance, or responses with repetitions"):
        rdm(patterns, "mahalanobis")
    with pytest.raises(InputValueError, match=r"must have shape \(40, 40\), not \(3, 3\)"):
        rdm(patterns, "mahalanobis", noise_covariance=np.eye(3))
    with pytest.raises(InputValueError, match="not positive definite"):
        rdm(patterns, "mahalanobis", noise_covariance=np.ones((40, 40)))
    single = repeated.copy()
    single[4, 1:] = np.nan
    with pytest.raises(InputValueError, match="stimulus 4 has fewer"):
        rdm(single, "crossnobis", noise_covariance=np.eye(12))
