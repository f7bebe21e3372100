"""Batches in which regions represent alike or differently: against plain forms, planted answers, held-out subjects."""

from __future__ import annotations

import numpy as np
import pytest

from braincodec.control import LeftOutWarning, load, response_similarity, search_similarity
from braincodec.control.multivariate import (
    batch_similarity,
    evolve,
    goal_score,
    paired_matrices,
    similarity_matrix,
)
from braincodec.control.patterns import draw_pool
from braincodec.errors import InputValueError, UnknownNameError
from braincodec.evaluation import compare_rdms, rdm

QUICK = {"images": 15, "generations": 60, "batches": 60, "newcomers": 40, "draws": 100, "permutations": 199}


def people(subjects=(1, 2, 3), images=150, agreeing=60, seed=0):
    """To the first images regions A and B respond by the same features, to the others by features of their own."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(3, images, 6))
    features[1, :agreeing] = features[0, :agreeing]
    found = {}
    for subject in subjects:
        maps = rng.normal(size=(3, 6, 25))
        found[subject] = {
            roi: features[k] @ maps[k] + 0.5 * rng.normal(size=(images, 25)) for k, roi in enumerate("ABC")
        }
    return found


def find(given, **options):
    return search_similarity(given, **{"subjects": [1, 2]} | QUICK | options)


@pytest.fixture(scope="module")
def aligned():
    return find(people(), align=("A", "B"))


def test_batch_similarity_is_that_of_dissimilarity_matrices():
    given = people((1,))[1]
    pair = paired_matrices(similarity_matrix(given["A"]), similarity_matrix(given["B"]))
    batches = np.random.default_rng(1).permuted(np.tile(np.arange(150), (5, 1)), axis=1)[:, :12]
    expected = [compare_rdms(rdm(given["A"][b]), rdm(given["B"][b]), "pearson") for b in batches]
    np.testing.assert_allclose(batch_similarity(pair, batches), expected, atol=1e-5)


def test_the_best_of_each_generation_never_gets_worse_and_batches_hold_no_image_twice():
    pair = paired_matrices(*(similarity_matrix(people((1,))[1][roi]) for roi in "AB"))
    for goal in ("align", "disentangle"):
        found = evolve(pair, 10, goal, generations=25, batches=40, newcomers=10)
        scores = goal_score(found.similarity, goal)
        assert (np.diff(scores) >= 0).all()
        assert all(len(set(batch)) == 10 for batch in found.batches.tolist())
        np.testing.assert_allclose(batch_similarity(pair, found.batches), found.similarity)


def test_a_search_without_progress_ends_early_and_equal_seeds_agree():
    pair = paired_matrices(*np.random.default_rng(0).normal(size=(2, 8, 8)))
    found = evolve(pair, 7, generations=300, patience=5, batches=20, seed=3)
    assert len(found.similarity) < 100
    again = evolve(pair, 7, generations=300, patience=5, batches=20, seed=3)
    assert np.array_equal(found.batches, again.batches)


def test_the_batch_of_a_small_set_is_the_best_of_all():
    from itertools import combinations

    rng = np.random.default_rng(0)
    pair = paired_matrices(*(similarity_matrix(rng.normal(size=(12, 9))) for _ in range(2)))
    every = np.array(list(combinations(range(12), 6)))
    found = evolve(pair, 6, "align", generations=60, batches=50)
    assert found.similarity[-1] == pytest.approx(batch_similarity(pair, every).max())


def test_aligned_images_are_those_that_share_features_and_are_confirmed(aligned):
    assert np.mean(aligned.chosen < 60) > 0.9
    assert aligned.similarity > aligned.floor + 0.2
    checked = aligned.confirm(3)
    assert checked.effect.value > checked.effect.floor + 0.2
    assert checked.effect.p == 1 / 200
    assert len(checked.history) == len(aligned.history)
    assert checked.history[-1] == pytest.approx(checked.effect.value)


def test_disentangled_images_are_the_others():
    found = find(people(agreeing=110), disentangle=("A", "B"))
    assert abs(found.similarity) < 0.01 < found.floor
    effect = found.confirm(3).effect
    assert abs(effect.value) < 0.25 < effect.floor
    assert effect.p < 0.05


def test_what_noise_offers_is_not_confirmed():
    rng = np.random.default_rng(0)
    given = {subject: {roi: rng.normal(size=(120, 20)) for roi in "AB"} for subject in (1, 2, 3)}
    found = find(given, align=("A", "B"))
    assert found.similarity > 0.4  # chosen for it
    effect = found.confirm(3).effect
    assert abs(effect.value) < 0.3
    assert effect.p > 0.01


def test_leaving_each_subject_out_and_halves_of_units():
    options = {"align": ("A", "B"), "generations": 15}
    by_subject = find(people(), subjects=None, **options).confirm(by="subject")
    assert by_subject.table["subject"].tolist() == ["1", "2", "3", "mean"]
    assert by_subject.effect.p < 0.05
    assert -1 <= by_subject.effect.low < by_subject.effect.value < by_subject.effect.high <= 1
    by_units = find(people(), subjects=1, **options).confirm(by="units")
    assert by_units.effect.p < 0.05
    assert np.isnan(by_units.effect.low)


def test_the_subjects_of_the_choice_cannot_confirm(aligned):
    with pytest.raises(InputValueError, match="took part in the choice"):
        aligned.confirm(2)
    one = find(people(), align=("A", "B"), subjects=1, generations=3)
    copied = people() | {4: people()[1]}
    with pytest.raises(InputValueError, match="subject 4 has the responses"):
        one.confirm(4, source=copied)


def test_saved_and_loaded_it_is_the_same(aligned, tmp_path):
    again = load(aligned.save(tmp_path / "found"), people())
    assert again.stimuli.equals(aligned.stimuli)
    assert again.confirm(3).table.equals(aligned.confirm(3).table)
    assert again.history.equals(aligned.history)


def test_of_many_images_some_are_searched():
    found = find(people(), align=("A", "B"), candidates=50, generations=3)
    assert len(found.pool) == 50
    assert set(found.chosen) <= set(found.pool)
    with pytest.raises(InputValueError, match="candidates="):
        draw_pool(10**7, 10**7, 0)


def test_images_without_responses_are_not_searched():
    given = people()
    given[2]["B"][7] = np.nan
    with pytest.warns(LeftOutWarning, match="1 images without responses"):
        found = find(given, align=("A", "B"), generations=2)
    assert 7 not in found.pool


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"align": ("A",)}, "takes two regions"),
        ({}, "either align="),
        ({"align": ("A", "B"), "disentangle": ("A", "B")}, "either align="),
        ({"align": ("A", "B"), "images": 150}, "4 to 149"),
        ({"align": ("A", "B"), "images": 2}, "4 to 149"),
        ({"align": ("A", "X")}, "available: A, B, C"),
    ],
)
def test_mistakes_are_named(options, words):
    with pytest.raises(InputValueError, match=words):
        find(people(), **options)


def test_constant_patterns_are_named():
    with pytest.raises(InputValueError, match="1 of 3 images do not vary"):
        similarity_matrix(np.array([[1.0, 2.0], [3.0, 3.0], [0.0, 1.0]]))


def test_similarity_of_regions_is_that_of_their_matrices():
    given = people(agreeing=150)
    found = response_similarity(given, draws=50, permutations=99)
    zscored = [{roi: (x - x.mean(0)) / x.std(0) for roi, x in regions.items()} for regions in given.values()]
    expected = np.mean([compare_rdms(rdm(one["A"]), rdm(one["B"])) for one in zscored])
    assert found.matrix.loc["A", "B"] == pytest.approx(expected, abs=1e-4)
    row = found.table.set_index(["roi_1", "roi_2"]).loc[("A", "B")]
    assert row["low"] < expected < row["high"]
    assert row["p"] == 0.01
    unrelated = found.table.set_index(["roi_1", "roi_2"]).loc[("A", "C")]
    assert abs(unrelated["similarity"]) < 0.1
    assert found.across[0] > found.matrix.loc["A", "B"] - 0.05


def test_one_subject_has_an_interval_over_images_and_no_other_to_agree_with():
    found = response_similarity(people((1,)), rois=["A", "B"], images=40, draws=50, permutations=20)
    assert found.table["over"].tolist() == ["images"]
    assert found.table["images"].tolist() == [40]
    assert np.isnan(found.across).all()
    with pytest.raises(InputValueError, match="at least two regions"):
        response_similarity(people((1,)), rois=["A"])
    with pytest.raises(UnknownNameError, match="spearman"):
        response_similarity(people((1,)), comparison="rank")
