"""Trials put together: stacked, rescaled, chosen, and sorted by stimulus."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from braincodec.datasets import trial_arrangement
from braincodec.datasets.category_split import zero_shot_split
from braincodec.datasets.trial_arrangement import (
    ChosenUnits,
    Rescaled,
    Stacked,
    mean_and_deviation,
    stacked_tables,
    trial_table,
)
from braincodec.datasets.trial_rows import ArrayTrials
from braincodec.errors import DamagedFileError, InputValueError

VALUES = np.arange(24.0).reshape(6, 4)


@given(st.integers(0, 6), st.integers(0, 6), st.integers(1, 5))
def test_stacked_trials_read_as_one_array(first, last, cut):
    stacked = Stacked(ArrayTrials(VALUES[:cut]), ArrayTrials(VALUES[cut:]))
    np.testing.assert_array_equal(stacked.read(slice(first, last), slice(1, 3)), VALUES[first:last, 1:3])


def test_units_come_in_the_order_chosen():
    chosen = ChosenUnits(ArrayTrials(VALUES), np.array([3, 0, 1]))
    np.testing.assert_array_equal(chosen.read(slice(0, 6), slice(0, 3)), VALUES[:, [3, 0, 1]])
    np.testing.assert_array_equal(chosen.read(slice(2, 3), np.array([2, 0])), VALUES[2:3, [1, 3]])


def test_rescaling_leaves_the_file_alone():
    values = VALUES.astype(np.float32)
    rescaled = Rescaled(ArrayTrials(values), 2.0, 4.0)
    np.testing.assert_allclose(rescaled.read(slice(0, 2), slice(0, 4)), (VALUES[:2] - 2) / 4)
    np.testing.assert_array_equal(values, VALUES)


@given(
    arrays.arrays(np.float64, st.tuples(st.integers(1, 9), st.integers(1, 5)), elements=st.floats(-1e3, 1e3)),
    st.integers(8, 64),
)
def test_moments_merged_over_blocks_are_those_of_all_values(values, block):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trial_arrangement, "BLOCK_BYTES", block)
        mean, deviation = mean_and_deviation(ArrayTrials(values), np.arange(len(values)))
    assert mean == pytest.approx(values.mean(), abs=1e-9)
    assert deviation == pytest.approx(values.std(), abs=1e-7)


def test_missing_values_do_not_count_in_moments():
    values = np.array([[1.0, np.nan], [3.0, np.nan]])
    assert mean_and_deviation(ArrayTrials(values), np.arange(2)) == (2.0, 1.0)
    assert np.isnan(mean_and_deviation(ArrayTrials(values[:, 1:]), np.arange(2))[1])


@given(st.lists(st.sampled_from("abcd"), max_size=20))
def test_every_trial_is_in_the_table_once_beside_its_stimulus(shown):
    ids, table = trial_table(shown)
    assert sorted(table[table >= 0].tolist()) == list(range(len(shown)))
    for name, row in zip(ids, table, strict=True):
        own = row[row >= 0]
        assert [shown[trial] for trial in own] == [name] * len(own)
        assert (row[: len(own)] >= 0).all()  # the absent ones are last
        assert (np.diff(own) > 0).all()


def test_tables_of_other_stimuli_are_padded():
    assert stacked_tables(np.array([[0, 1]]), np.array([[2]])).tolist() == [[0, 1], [2, -1]]


def test_categories_set_aside_are_whole_and_seeded():
    categories = [name for name in "wxyz" for _ in range(3)]
    ids = [f"{name}{number}" for number, name in enumerate(categories)]
    split = zero_shot_split(ids, categories, ["t"], ["test"], validation=2, seed=1, where="here")
    assert split == zero_shot_split(ids, categories, ["t"], ["test"], validation=2, seed=1, where="here")
    assert len(split.validation) == 6
    assert not {item[0] for item in split.train} & {item[0] for item in split.validation}
    assert any(
        split != zero_shot_split(ids, categories, ["t"], ["test"], validation=2, seed=seed, where="")
        for seed in range(5)
    )


def test_category_in_both_parts_is_no_zero_shot_test():
    with pytest.raises(DamagedFileError, match="1 categories are both in training and in test, the first is 'x'"):
        zero_shot_split("ab", "xy", "c", "x", validation=0, seed=0, where="here")


@pytest.mark.parametrize("validation", [-1, 2])
def test_some_category_must_be_left_for_training(validation):
    with pytest.raises(InputValueError, match="validation must be from 0 to 1"):
        zero_shot_split("ab", "xy", "c", "z", validation=validation, seed=0, where="here")
