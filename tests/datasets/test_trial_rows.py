"""Whatever is asked of lazy responses is what the trials in memory give."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from braincodec.datasets.trial_rows import (
    ArrayTrials,
    ChosenUnits,
    Hdf5Trials,
    SideBySide,
    Stacked,
    StimulusRows,
    lazy_responses,
)
from braincodec.errors import DamagedFileError

TRIALS, UNITS = 200, 12
VALUES = np.random.default_rng(0).normal(size=(TRIALS, UNITS)).astype("f4")


def stores(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("betas", data=VALUES, chunks=(16, 5))
    order = np.random.default_rng(1).permutation(UNITS)
    return {
        "array": ArrayTrials(VALUES),
        "hdf5": Hdf5Trials(path, "betas"),
        "beside": SideBySide(ArrayTrials(VALUES[:, :5]), Hdf5Trials(path, "betas"), ArrayTrials(VALUES[:, 5:])),
        "stacked": Stacked(ArrayTrials(VALUES[:70]), ArrayTrials(VALUES[70:71]), ArrayTrials(VALUES[71:])),
        "chosen": ChosenUnits(Hdf5Trials(path, "betas"), order),
    }, {"beside": np.hstack([VALUES[:, :5], VALUES, VALUES[:, 5:]]), "chosen": VALUES[:, order]}


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    return stores(tmp_path_factory.mktemp("rows") / "trials.h5")


indices = st.one_of(
    st.integers(-9, 8),
    st.lists(st.integers(-9, 8), max_size=6),
    st.builds(slice, st.none() | st.integers(-12, 12), st.none() | st.integers(-12, 12), st.sampled_from([1, 2])),
    st.sampled_from([slice(None, None, -1), slice(7, 2, -3)]),
)


@settings(deadline=None, max_examples=60)
@given(
    kind=st.sampled_from(["array", "hdf5", "beside", "stacked", "chosen"]),
    average=st.booleans(),
    seed=st.integers(0, 99),
    rows=indices,
    columns=indices,
)
def test_any_selection_equals_that_of_the_array_in_memory(opened, kind, average, seed, rows, columns):
    found, other = opened
    values = other.get(kind, VALUES)
    rng = np.random.default_rng(seed)
    trial_of = rng.choice(TRIALS, (9, 3), replace=False)
    trial_of[rng.uniform(size=trial_of.shape) < 0.3] = -1
    kept = np.where(trial_of[..., None] >= 0, values[trial_of], np.nan)
    with np.errstate(invalid="ignore"):
        mean = np.nansum(kept, 1) / np.isfinite(kept[..., :1]).sum(1)
    lazy = lazy_responses(StimulusRows(found[kind], trial_of, average=average), range(9))
    expected = (mean if average else kept)[rows][..., columns]
    got = lazy[{"stimulus": rows}][{"unit": columns}].values
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


def test_trials_that_are_never_asked_for_are_not_read():
    class Counting(ArrayTrials):
        read_rows = 0

        def read(self, rows, columns):
            self.read_rows += rows.stop - rows.start
            return super().read(rows, columns)

    store = Counting(VALUES)
    lazy = lazy_responses(StimulusRows(store, np.arange(TRIALS)[:, None], average=True), range(TRIALS))
    assert store.read_rows == 0
    np.testing.assert_array_equal(lazy[150:152].values, VALUES[150:152])
    assert store.read_rows == 2


def test_units_without_data_are_filled_whatever_the_file_holds():
    values = VALUES.copy()
    values[3, 1] = np.nan
    absent = np.isnan(values).any(0)
    trial_of = np.arange(6).reshape(3, 2)
    nan = lazy_responses(StimulusRows(ArrayTrials(values), trial_of, average=True, absent=absent), range(3))
    assert np.isnan(nan[:, 1].values).all()
    assert np.isfinite(nan[:, [0, 2]].values).all()
    rows = StimulusRows(ArrayTrials(values), trial_of, average=False, absent=absent, fill=None)
    zero = lazy_responses(rows, range(3)).values
    assert zero[1, 1, 1] == 0
    np.testing.assert_array_equal(zero[0], values[:2])


def test_half_precision_on_disk_is_single_in_memory():
    lazy = lazy_responses(StimulusRows(ArrayTrials(VALUES.astype("f2")), np.array([[0, 1]]), average=True), ["a"])
    assert lazy.dtype == lazy.values.dtype == np.float32
    np.testing.assert_allclose(lazy[0], VALUES[:2].mean(0), atol=2e-3)


def test_a_file_that_went_away_is_named(tmp_path):
    path = tmp_path / "trials.h5"
    store = stores(path)[0]["hdf5"]
    path.write_bytes(b"gone")
    with pytest.raises(DamagedFileError, match=r"trials\.h5 cannot be read"):
        store.read(slice(0, 2), slice(None))
