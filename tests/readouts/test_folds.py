from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import GroupKFold, KFold, ShuffleSplit

from braincodec.errors import InputTypeError, InputValueError
from braincodec.readouts import make_folds
from braincodec.readouts.folds import cells_of


@given(st.integers(2, 40), st.integers(2, 8), st.booleans(), st.integers(0, 5))
def test_folds_hold_out_every_stimulus_once_in_even_shares(stimuli, count, shuffle, seed):
    count = min(count, stimuli)
    folds = make_folds(stimuli, count, shuffle=shuffle, seed=seed)
    held_out = np.concatenate([fold.validation for fold in folds])
    assert sorted(held_out) == list(range(stimuli))
    sizes = [len(fold.validation) for fold in folds]
    assert max(sizes) - min(sizes) <= 1
    for fold in folds:
        assert sorted([*fold.train, *fold.validation]) == list(range(stimuli))


def test_blocks_are_those_of_scikit_learn():
    for found, (train, validation) in zip(make_folds(11, 3, shuffle=False), KFold(3).split(np.zeros(11)), strict=True):
        assert found.train.tolist() == train.tolist()
        assert found.validation.tolist() == validation.tolist()


def test_equal_seeds_give_equal_folds_and_others_do_not():
    def held_out(seed):
        return [fold.validation.tolist() for fold in make_folds(30, 5, seed=seed)]

    assert held_out(1) == held_out(1)
    assert held_out(1) != held_out(2)


@given(st.lists(st.integers(0, 6), min_size=8, max_size=40), st.integers(0, 3))
def test_groups_stay_together(groups, seed):
    if len(set(groups)) < 3:
        return
    labels = np.array([f"scene {g}" for g in groups])
    for fold in make_folds(len(labels), 3, groups=labels, seed=seed):
        assert not set(labels[fold.train]) & set(labels[fold.validation])


def test_groups_of_one_size_make_even_folds():
    groups = np.repeat(np.arange(10), 4)
    assert [len(fold.validation) for fold in make_folds(40, 5, groups=groups)] == [8] * 5


def test_given_folds_may_be_labels_pairs_masks_or_a_splitter():
    labels = np.arange(12) % 3
    expected = [np.flatnonzero(labels == k).tolist() for k in range(3)]
    pairs = [(np.flatnonzero(labels != k), np.flatnonzero(labels == k)) for k in range(3)]
    masks = [(labels != k, labels == k) for k in range(3)]
    for given_folds in (labels, pairs, masks, iter(pairs), make_folds(12, pairs)):
        assert [fold.validation.tolist() for fold in make_folds(12, given_folds)] == expected
    assert len(make_folds(12, GroupKFold(3), groups=labels)) == 3
    assert len(make_folds(12, ShuffleSplit(4, random_state=0))) == 4


def test_cells_are_disjoint_and_add_up_to_every_side():
    folds = make_folds(30, ShuffleSplit(3, test_size=0.3, train_size=0.5, random_state=0))
    cells = cells_of(folds, 30)
    assert sorted(np.concatenate(cells.rows)) == list(range(30))
    for number, fold in enumerate(folds):
        for side, rows in ((cells.train, fold.train), (cells.validation, fold.validation)):
            joined = np.concatenate([cells.rows[cell] for cell in np.flatnonzero(side[number])])
            assert sorted(joined) == sorted(rows)


@pytest.mark.parametrize(
    ("stimuli", "folds", "groups", "message"),
    [
        (1, 5, None, "needs at least 2 stimuli"),
        (4, 5, None, "folds is 5; expected 2 or more, and at most the number of stimuli: 4"),
        (4, 1, None, "folds is 1; expected 2 or more"),
        (6, 3, [0, 0, 0, 1, 1, 1], "groups of stimuli: 2"),
        (6, 3, [0, 1], "groups must have one entry for each of 6 stimuli"),
        (3, np.array([0, 0, 0]), None, "all stimuli are in one fold"),
        (3, np.array([0, 1]), None, "folds must have one entry for each of 3 stimuli"),
        (4, [([0, 1], [1, 2])], None, "1 stimuli, such as 1, are on both sides"),
        (4, [([0, 1], [])], None, "fold 0 has no stimulus to judge by"),
        (4, [([0, 1], [4])], None, "rows go from 4 to 4; there are 4 stimuli"),
        (4, [([0, 0], [1])], None, "more than once"),
        (4, [([0, 1], [2, 3])], [0, 1, 1, 2], "1 groups, such as .*1.*, are on both sides"),
        (4, [], None, "there is no fold"),
    ],
)
def test_impossible_folds_are_refused(stimuli, folds, groups, message):
    with pytest.raises(InputValueError, match=message):
        make_folds(stimuli, folds, groups=groups)


@pytest.mark.parametrize("folds", ["five", 2.5, [0, 1], [([0.5], [1])]])
def test_what_is_no_fold_is_refused(folds):
    with pytest.raises(InputTypeError, match="fold"):
        make_folds(4, folds)
