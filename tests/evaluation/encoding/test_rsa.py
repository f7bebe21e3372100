"""Representational similarity agrees with rsatoolbox and scipy; its ceilings, samples and null are what they say."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.spatial.distance import pdist, squareform
from scipy.stats import pearsonr, spearmanr

from braincodec.errors import InputValueError, UnknownNameError
from braincodec.evaluation.definition import UndefinedScoreWarning
from braincodec.evaluation.encoding.rdm import rdm
from braincodec.evaluation.encoding.rsa import COMPARISONS, Rsa, compare_rdms, rsa
from braincodec.evaluation.encoding.rsa_ceiling import rsa_noise_ceiling, rsa_repetition_ceiling
from braincodec.evaluation.encoding.rsa_statistics import rsa_bootstrap, rsa_permutation
from braincodec.evaluation.metric import METRICS
from braincodec.evaluation.statistics.bootstrap import bootstrap_weights
from braincodec.evaluation.statistics.permutation import permutation_p_value

TOOLBOX_NAMES = {"spearman": "spearman", "pearson": "corr", "kendall_tau_a": "tau-a", "cosine": "cosine"}
TRIANGLES = st.integers(3, 7).flatmap(
    lambda n: arrays.arrays(np.float64, (2, n * (n - 1) // 2), elements=st.integers(0, 9).map(float))
)


@pytest.fixture(scope="module")
def toolbox():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("rsatoolbox")


@pytest.fixture
def triangles():
    """Two related matrices of twelve stimuli, with ties."""
    rng = np.random.default_rng(0)
    patterns = rng.standard_normal((12, 30))
    first = rdm(patterns).round(1)
    return first, rdm(patterns + rng.standard_normal((12, 30)))


@pytest.fixture
def subjects():
    rng = np.random.default_rng(1)
    shared = rng.standard_normal((10, 20))
    return np.stack([rdm(shared + 1.2 * rng.standard_normal((10, 20))) for _ in range(6)])


@pytest.mark.parametrize("comparison", COMPARISONS)
def test_comparisons_are_rsatoolboxs(toolbox, triangles, comparison):
    first, second = (toolbox.rdm.RDMs(values[None]) for values in triangles)
    expected = toolbox.rdm.compare(first, second, method=TOOLBOX_NAMES[comparison])[0, 0]
    assert compare_rdms(*triangles, comparison) == pytest.approx(expected, abs=1e-10)


def test_correlations_are_scipys(triangles):
    assert compare_rdms(*triangles, "pearson") == pytest.approx(pearsonr(*triangles)[0], abs=1e-12)
    assert compare_rdms(*triangles, "spearman") == pytest.approx(spearmanr(*triangles)[0], abs=1e-12)


def test_tau_a_counts_pairs_of_pairs(triangles):
    first, second = triangles
    agree = [
        np.sign(first[i] - first[j]) * np.sign(second[i] - second[j])
        for i, j in itertools.combinations(range(len(first)), 2)
    ]
    assert compare_rdms(first, second, "kendall_tau_a") == pytest.approx(np.mean(agree), abs=1e-12)


@settings(deadline=None, max_examples=60)
@given(TRIANGLES, st.sampled_from(COMPARISONS))
def test_comparison_is_symmetric_and_bounded(pair, comparison):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedScoreWarning)
        value = compare_rdms(*pair, comparison)
        np.testing.assert_allclose(compare_rdms(*pair[::-1], comparison), value, atol=1e-9)
        same = compare_rdms(pair[0], pair[0], comparison)
    assert np.isnan(value) or -1 <= value <= 1
    if comparison != "kendall_tau_a":  # ties keep it below one
        assert np.isnan(same) or same == pytest.approx(1, abs=1e-9)


def test_rsa_is_the_comparison_of_both_matrices(toolbox):
    rng = np.random.default_rng(2)
    measured = rng.standard_normal((9, 25))
    predicted = measured + rng.standard_normal((9, 25))
    expected = spearmanr(pdist(predicted, "correlation"), pdist(measured, "correlation"))[0]
    assert rsa(predicted, measured) == pytest.approx(expected, abs=1e-12)
    repeated = np.stack([measured - 0.3, measured + 0.3], axis=1)
    assert rsa(predicted, repeated) == pytest.approx(expected, abs=1e-12)


def test_units_without_data_are_left_out_of_both_matrices():
    rng = np.random.default_rng(3)
    measured, predicted = rng.standard_normal((2, 8, 12))
    gap = measured.copy()
    gap[:, 4] = np.nan
    kept = np.delete(np.arange(12), 4)
    assert rsa(predicted, gap) == pytest.approx(rsa(predicted[:, kept], measured[:, kept]), abs=1e-12)


def test_pairs_that_are_not_known_are_left_out(triangles):
    first, second = (values.copy() for values in triangles)
    first[3] = second[7] = np.nan
    kept = np.delete(np.arange(len(first)), [3, 7])
    assert compare_rdms(first, second) == pytest.approx(spearmanr(first[kept], second[kept])[0], abs=1e-12)


@pytest.mark.parametrize("comparison", COMPARISONS)
def test_constant_matrix_gives_nan_and_one_warning(triangles, comparison):
    constant = np.full(len(triangles[0]), 0.0 if comparison == "cosine" else 0.1)
    with pytest.warns(UndefinedScoreWarning) as caught:
        assert np.isnan(compare_rdms(constant, triangles[1], comparison))
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_what_cannot_be_compared_is_refused(triangles):
    with pytest.raises(UnknownNameError, match="did you mean 'spearman'"):
        compare_rdms(*triangles, "spearmann")
    with pytest.raises(InputValueError, match=r"first has shape \(66,\) and second \(65,\)"):
        compare_rdms(triangles[0], triangles[1][:-1])
    with pytest.raises(InputValueError, match="65 dissimilarities are not those of all pairs"):
        compare_rdms(triangles[0][:-1], triangles[1][:-1])
    with pytest.raises(UnknownNameError, match="of predictions, which have no noise to whiten"):
        rsa(np.eye(4), np.eye(4), distance="crossnobis")


class TestMetric:
    def test_batches_and_workers_give_what_one_call_gives(self):
        rng = np.random.default_rng(4)
        predicted, measured = rng.standard_normal((2, 20, 15))
        metric = METRICS.get("rsa")
        one = metric().update(predicted[:7], measured[:7]).update(predicted[7:12], measured[7:12])
        two = metric().update(predicted[12:], measured[12:])
        value = one.merge(two).compute()
        assert value.shape == ()
        assert float(value) == rsa(predicted, measured)
        assert metric().merge(one).merge(metric()).compute() == value
        assert metric is Rsa
        assert metric.definition.name == "rsa"

    def test_arrays_may_be_reused_between_batches(self):
        rng = np.random.default_rng(5)
        predicted, measured = rng.standard_normal((2, 8, 6))
        buffers = predicted[:4].copy(), measured[:4].copy()
        metric = Rsa().update(*buffers)
        buffers[0][:], buffers[1][:] = predicted[4:], measured[4:]
        assert metric.update(*buffers).compute() == rsa(predicted, measured)

    def test_memory_is_bounded(self):
        patterns = np.zeros((10, 10), np.float32)
        with pytest.raises(InputValueError, match="at most 100 numbers; choose a region or fewer stimuli"):
            Rsa(most_values=100).update(patterns, patterns)

    def test_other_units_and_no_data_are_refused(self):
        with pytest.raises(InputValueError, match="this batch has 3 units, earlier ones 2"):
            Rsa().update(np.eye(2), np.eye(2)).update(np.eye(3), np.eye(3))
        with pytest.raises(InputValueError, match="nothing to score"):
            Rsa().compute()


class TestSubjectCeiling:
    @pytest.mark.parametrize("comparison", ["spearman", "pearson", "cosine"])
    def test_it_is_rsatoolboxs(self, toolbox, subjects, comparison):
        from rsatoolbox.inference import boot_noise_ceiling

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = boot_noise_ceiling(toolbox.rdm.RDMs(subjects), method=TOOLBOX_NAMES[comparison])
        found = rsa_noise_ceiling(subjects, comparison)
        assert (found.lower, found.upper) == pytest.approx(expected, abs=1e-9)

    @pytest.mark.parametrize("comparison", COMPARISONS)
    def test_lower_is_below_upper_and_a_model_is_scored_against_each_subject(self, subjects, comparison):
        model = subjects[:3].mean(axis=0)
        found = rsa_noise_ceiling(subjects, comparison, prediction=model)
        assert found.lower < found.upper <= 1
        assert found.accuracy == pytest.approx(np.mean([compare_rdms(row, model, comparison) for row in subjects]))
        assert np.isnan(rsa_noise_ceiling(subjects, comparison).accuracy)

    def test_it_brackets_the_true_matrix(self):
        rng = np.random.default_rng(6)
        shared = rng.standard_normal((14, 40))
        measured = np.stack([rdm(shared + rng.standard_normal((14, 40)), "euclidean") for _ in range(8)])
        found = rsa_noise_ceiling(measured, "pearson", prediction=rdm(shared, "euclidean"))
        assert found.lower - 0.02 < found.accuracy < found.upper + 0.02

    def test_one_subject_is_refused(self, subjects):
        with pytest.raises(InputValueError, match="at least two"):
            rsa_noise_ceiling(subjects[:1])


class TestRepetitionCeiling:
    def test_it_brackets_a_perfect_model_and_grows_with_repetitions(self):
        rng = np.random.default_rng(7)
        signal = rng.standard_normal((20, 60))
        found = []
        for repetitions in (2, 12):
            responses = signal[:, None] + 1.5 * rng.standard_normal((20, repetitions, 60))
            ceiling = rsa_repetition_ceiling(responses, signal, draws=30, seed=1)
            assert ceiling.lower < ceiling.accuracy < ceiling.upper
            found.append(ceiling)
        assert found[0].lower < found[1].lower
        assert found[1].over == "30 halves of the repetitions"

    def test_with_two_repetitions_lower_is_one_against_the_other(self):
        responses = np.random.default_rng(8).standard_normal((9, 2, 12))
        expected = compare_rdms(rdm(responses[:, 0]), rdm(responses[:, 1]))
        # halves are drawn for each stimulus; here chance cannot matter, because both repetitions are noise alone
        draws = [rsa_repetition_ceiling(responses, draws=1, seed=seed).lower for seed in range(40)]
        assert min(draws) <= expected <= max(draws)

    def test_seed_decides_and_missing_repetitions_are_not_seen(self):
        rng = np.random.default_rng(9)
        responses = rng.standard_normal((8, 1, 10)) + rng.standard_normal((8, 3, 10))
        padded = np.concatenate([responses, np.full((8, 2, 10), np.nan)], axis=1)
        padded = np.concatenate([padded, np.full((1, 5, 10), np.nan)], axis=0)
        padded[8, 0] = 1.0 * np.arange(10)  # a stimulus seen once
        one, two = (rsa_repetition_ceiling(padded, draws=5, seed=3) for _ in range(2))
        assert one == two or (one.lower, one.upper) == (two.lower, two.upper)
        assert one.lower != rsa_repetition_ceiling(padded, draws=5, seed=4).lower
        single = rsa_repetition_ceiling(padded[:8], draws=200, seed=0)
        assert single.lower == pytest.approx(rsa_repetition_ceiling(padded, draws=200, seed=1).lower, abs=0.05)

    def test_too_few_repeated_stimuli_are_refused(self):
        with pytest.raises(InputValueError, match="at least three repeated stimuli"):
            rsa_repetition_ceiling(np.zeros((2, 3, 4)))
        with pytest.raises(InputValueError, match="prediction has shape"):
            rsa_repetition_ceiling(np.random.default_rng(0).random((4, 3, 4)), np.zeros((3, 4)))


class TestBootstrap:
    @pytest.mark.parametrize("comparison", COMPARISONS)
    def test_weights_are_copies_without_pairs_of_a_stimulus_with_itself(self, triangles, comparison):
        squares = [squareform(values) for values in triangles]
        weights = bootstrap_weights(12, draws=25, seed=0)
        found = rsa_bootstrap(*triangles, weights, comparison)
        for replicate, weight in zip(found, weights.astype(int), strict=True):
            sample = np.repeat(np.arange(12), weight)
            rows, columns = np.triu_indices(12, 1)
            different = sample[rows] != sample[columns]
            chosen = sample[rows][different], sample[columns][different]
            vectors = [square[chosen] for square in squares]
            expected = {
                "spearman": lambda a, b: spearmanr(a, b)[0],
                "pearson": lambda a, b: pearsonr(a, b)[0],
                "cosine": lambda a, b: a @ b / np.linalg.norm(a) / np.linalg.norm(b),
                "kendall_tau_a": lambda a, b: np.mean(
                    np.sign(a[:, None] - a)[np.triu_indices(len(a), 1)]
                    * np.sign(b[:, None] - b)[np.triu_indices(len(a), 1)]
                ),
            }[comparison](*vectors)
            assert replicate == pytest.approx(expected, abs=1e-9)

    @pytest.mark.parametrize("comparison", COMPARISONS)
    def test_each_stimulus_once_is_the_score_itself(self, triangles, comparison):
        once = rsa_bootstrap(*triangles, np.ones((1, 12)), comparison)
        assert once[0] == pytest.approx(compare_rdms(*triangles, comparison), abs=1e-10)

    def test_copies_of_stimuli_do_not_make_matrices_alike(self):
        # with pairs of a stimulus with itself, both zero, unrelated matrices would seem to correlate
        rng = np.random.default_rng(10)
        means = []
        for _ in range(20):
            first, second = (pdist(rng.standard_normal((12, 8))) for _ in range(2))
            means.append(rsa_bootstrap(first, second, bootstrap_weights(12, 50, 0), "pearson").mean())
        assert abs(np.mean(means)) < 0.1

    def test_sample_in_which_nothing_varies_is_nan(self, triangles):
        weights = np.zeros((2, 12))
        weights[0, 3], weights[1, [2, 5]] = 12, 6
        assert np.isnan(rsa_bootstrap(*triangles, weights, "pearson")).all()
        assert np.isnan(rsa_bootstrap(*triangles, weights, "spearman")).all()

    def test_weights_for_other_stimuli_are_refused(self, triangles):
        with pytest.raises(InputValueError, match="weights are for 5 stimuli, the matrices for 12"):
            rsa_bootstrap(*triangles, np.ones((3, 5)))


class TestPermutation:
    @pytest.mark.parametrize("comparison", COMPARISONS)
    def test_every_null_value_is_a_score_of_shuffled_stimuli(self, comparison):
        rng = np.random.default_rng(11)
        first, second = (pdist(rng.standard_normal((4, 6))) for _ in range(2))
        square = squareform(first)
        possible = [
            compare_rdms(squareform(square[np.ix_(order, order)]), second, comparison)
            for order in itertools.permutations(range(4))
        ]
        null = rsa_permutation(first, second, 60, seed=0, comparison=comparison)
        for value in null:
            assert np.min(np.abs(np.array(possible) - value)) < 1e-9
        assert len(np.unique(null.round(9))) >= 5

    def test_related_matrices_are_told_from_unrelated_ones(self, triangles):
        null = rsa_permutation(*triangles, 200, seed=0)
        assert permutation_p_value(compare_rdms(*triangles), null) == pytest.approx(1 / 201)
        assert abs(null.mean()) < 0.1

    def test_seed_decides(self, triangles):
        np.testing.assert_array_equal(rsa_permutation(*triangles, 5, 1), rsa_permutation(*triangles, 5, 1))
        with pytest.raises(InputValueError, match="at least 1"):
            rsa_permutation(*triangles, 0)
