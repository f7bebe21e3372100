"""Splits are disjoint, recordings fit together, data sets declare what they are."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from braincodec.datasets import DATASETS, Counts, Dataset, Recording, Split, register_dataset
from braincodec.errors import InputTypeError, InputValueError, UnknownNameError
from braincodec.responses import build_responses, build_units


class Stimuli:
    """As much of a stimulus set as a recording touches."""

    def __init__(self, ids):
        self.ids = np.asarray(list(ids), dtype=str)

    def __getitem__(self, ids):
        return Stimuli(ids)


@pytest.fixture
def parts():
    units = build_units(ijk=[[0, 0, 0], [0, 0, 1]])
    return {
        "dataset": "test",
        "subject": "1",
        "stimuli": Stimuli("zabcd"),
        "responses": build_responses(np.arange(8.0).reshape(4, 2), "abcd", units),
        "units": units,
        "split": Split(train=["d", "a"], validation=["b"], test=["c"]),
    }


def test_split_refuses_overlap_and_repetition():
    with pytest.raises(InputValueError, match="'a' is both in train and in test"):
        Split(train=["a", "b"], test=["c", "a"])
    with pytest.raises(InputValueError, match="train stimulus 'a' occurs 2 times"):
        Split(train=["a", "a"])
    with pytest.raises(InputTypeError, match="not the string 'abc'"):
        Split(train="abc")


def test_split_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Split(train=["a"]).train = ("b",)


@given(
    # no file is called by a NUL, and numpy drops it at the end of a string
    st.lists(st.text(st.characters(exclude_characters="\0"), max_size=4), max_size=60, unique=True),
    st.integers(0, 2**32),
    st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)).filter(lambda f: sum(f) <= 1),
)
def test_random_split_is_disjoint_repeatable_and_of_the_sizes_asked_for(ids, seed, fractions):
    split = Split.random(ids, seed, fractions)
    assert split == Split.random(ids, seed, fractions)
    assert len({*split.train, *split.validation, *split.test}) == len(split)
    for part, fraction in zip(Split.PARTS, fractions, strict=True):
        assert abs(len(split.ids(part)) - fraction * len(ids)) <= 1
        assert [item for item in ids if item in split.ids(part)] == list(split.ids(part))


def test_whole_set_is_split_when_fractions_add_up_to_one():
    assert len(Split.random(range(997), 3, (0.7, 0.2, 0.1))) == 997
    assert Split.random(range(997), 3).test != Split.random(range(997), 4).test


@pytest.mark.parametrize("fractions", [(0.5, 0.5), (0.9, 0.2, 0.1), (1.1, -0.1, 0)])
def test_impossible_fractions_are_refused(fractions):
    with pytest.raises(InputValueError, match="fractions must be three"):
        Split.random("abc", 0, fractions)


def test_split_survives_json():
    split = Split(train=["a", "ü"], test=["7"])
    assert Split.from_dict(json.loads(json.dumps(split.to_dict()))) == split
    with pytest.raises(UnknownNameError, match="did you mean 'train'"):
        Split.from_dict({"trian": ["a"]})


def test_parts_of_a_recording_come_in_the_order_of_the_split(parts):
    stimuli, responses = Recording(**parts).part("train")
    assert stimuli.ids.tolist() == responses.stimulus.values.tolist() == ["d", "a"]
    assert responses.values.tolist() == [[6, 7], [0, 1]]
    with pytest.raises(UnknownNameError, match="did you mean 'test'"):
        Recording(**parts).part("tset")


def test_recording_under_another_split_keeps_everything_else(parts):
    recording = Recording(**parts)
    other = recording.with_split(Split(train=["b"], test=["a", "d"]))
    assert other.part("test")[1].stimulus.values.tolist() == ["a", "d"]
    assert other.responses is recording.responses
    assert other.stimuli is recording.stimuli
    assert recording.split == parts["split"]
    with pytest.raises(InputValueError, match="have no response, the first is 'q'; ids of stimuli are such as 'a'"):
        recording.with_split(Split(test=["q"]))
    with pytest.raises(InputTypeError, match="must be a Split, not dict"):
        recording.with_split({"test": ["a"]})


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda p: {"split": Split(test=["c", "q"])}, InputValueError, "1 test stimuli .* first is 'q'"),
        (lambda p: {"stimuli": Stimuli("abc")}, InputValueError, "1 responses have no stimulus, the first is 'd'"),
        (lambda p: {"units": build_units(ijk=[[0, 0, 0]])}, InputValueError, "units have 1 along unit, responses 2"),
        (lambda p: {"responses": p["responses"].T}, InputValueError, "first dimension"),
        (lambda p: {"responses": p["responses"].values}, InputTypeError, "xarray.DataArray"),
        (lambda p: {"responses": p["responses"][[0, 0, 1, 2, 3]]}, InputValueError, "'a' occurs 2 times"),
    ],
)
def test_recording_whose_parts_do_not_fit_is_refused(parts, change, error, message):
    with pytest.raises(error, match=message):
        Recording(**parts | change(parts))


def test_data_set_registers_under_its_name(parts, monkeypatch):
    monkeypatch.setattr(DATASETS, "_objects", {})

    @register_dataset("test_set")
    class TestSet(Dataset):
        modality, species, licence, citation = "fmri", "human", "CC0", "nobody"
        expected = {"1": Counts(stimuli=4, units=2)}

        def subjects(self):
            return ["1"]

        def subject(self, name):
            if name not in self.subjects():
                raise UnknownNameError("subject", name, self.subjects())
            return Recording(**parts)

    assert DATASETS.get("test_set") is TestSet
    assert TestSet.name == "test_set"
    assert TestSet().subject("1").responses.sizes["unit"] == TestSet.expected["1"].units
    with pytest.raises(UnknownNameError, match="test_set"):
        DATASETS.get("testset")


def test_data_set_must_declare_its_facts_and_methods():
    with pytest.raises(InputTypeError, match="must declare species, licence, citation, expected"):

        class Undeclared(Dataset):
            modality = "fmri"

    class WithoutMethods(Dataset):
        modality, species, licence, citation, expected = "fmri", "human", "CC0", "nobody", {}

    with pytest.raises(TypeError, match="abstract"):
        WithoutMethods()


def test_counts_are_positive():
    with pytest.raises(InputValueError, match="units must be at least 1"):
        Counts(stimuli=1, units=0)


def test_recordings_and_data_sets_are_shown_in_one_line():
    from braincodec.datasets import load_dataset

    data = load_dataset("simulated", n=10, repetitions=2, backbone="gabor:bank", calibration=8)
    assert repr(data) == "<Simulated: fmri data set 'simulated', subjects 1>"
    shown = repr(data.subject("1"))
    assert "subject 1: responses (10 stimulus, 2 repetition" in shown and "8 train, 1 validation, 1 test" in shown
