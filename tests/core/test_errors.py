"""Errors say what was wrong, what was expected, what to do."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from braincodec import errors
from braincodec.errors import (
    BraincodecError,
    DamagedFileError,
    InputTypeError,
    InputValueError,
    MissingExtraError,
    MissingFileError,
    OutputError,
    UnknownNameError,
    UnreachableError,
    nearest_names,
)

REGIONS = ["V1", "V2", "FFA-1", "FFA-2", "mfs-words"]


@pytest.mark.parametrize(("asked", "guess"), [("FAA-1", "FFA-1"), ("ffa1", "FFA-1"), ("MFS_words", "mfs-words")])
def test_unknown_name_gives_the_nearest_and_all_choices(asked, guess):
    message = str(UnknownNameError("roi", asked, REGIONS, where="of fmri-nsd-fwrf subject 1"))
    assert f"unknown roi {asked!r} of fmri-nsd-fwrf subject 1" in message
    assert f"did you mean {guess!r}" in message
    assert all(region in message for region in REGIONS)


def test_unknown_name_without_a_near_one_guesses_nothing():
    message = str(UnknownNameError("roi", "cerebellum", REGIONS))
    assert "did you mean" not in message
    assert "available: V1" in message


def test_long_lists_of_choices_are_cut_and_counted():
    message = str(UnknownNameError("stimulus", "x", [f"image-{n:05d}" for n in range(73_000)]))
    assert "and 72960 more" in message
    assert len(message) < 1000


def test_no_choices_at_all_is_said():
    assert str(UnknownNameError("model", "x", [])).endswith("available: none")


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (InputTypeError, TypeError),
        (InputValueError, ValueError),
        (UnknownNameError, ValueError),
        (MissingFileError, FileNotFoundError),
        (MissingFileError, ValueError),
        (DamagedFileError, ValueError),
        (OutputError, OSError),
        (UnreachableError, ConnectionError),
        (MissingExtraError, ImportError),
    ],
)
def test_every_error_is_ours_and_the_builtin_kind_that_scripts_catch(kind, builtin):
    assert issubclass(kind, BraincodecError)
    assert issubclass(kind, builtin)


EXAMPLES = [
    UnknownNameError("roi", "FAA-1", REGIONS),
    MissingFileError("weights.pt", "weights of subject 3", "copy them"),
    MissingExtraError("nibabel", "neuro", "writing NIfTI files"),
    OutputError("cannot write x"),
    InputValueError("wrong"),
]


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_errors_come_back_from_worker_processes_as_they_were(error):
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error)
    assert str(back) == str(error)
    assert back.__dict__ == error.__dict__


def test_missing_file_names_path_and_hint():
    error = MissingFileError("/data/w.pt", "weights of subject 3, roi V1", "copy it from the published data set")
    assert str(error) == "weights of subject 3, roi V1 not found: /data/w.pt; copy it from the published data set"
    assert error.path == "/data/w.pt"


@given(st.lists(st.text(min_size=1, max_size=8), max_size=8), st.text(max_size=8))
def test_nearest_names_are_choices_and_an_exact_one_is_first(choices, name):
    near = nearest_names(name, choices)
    assert set(near) <= set(choices)
    if name in choices:
        assert near[0].casefold() == name.casefold()


def test_all_public_errors_are_documented():
    for name, item in vars(errors).items():
        if isinstance(item, type) and issubclass(item, BraincodecError):
            assert item.__doc__, name
