"""Text of options turned into values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from braincodec.cli.options import parse_batch_size, parse_names, parse_pair, parse_rows, parse_subjects
from braincodec.cli.output import plain, ranges, say_json, shown
from braincodec.errors import BraincodecError
from braincodec.subjects import subject_folder

numbers = st.lists(st.integers(1, 40), min_size=1, max_size=12, unique=True)


@given(numbers)
def test_subjects_read_back_from_their_shortened_form(subjects):
    assert parse_subjects(ranges(subjects)) == sorted(subjects)


@given(st.text(max_size=12))
def test_any_text_gives_subjects_or_an_error_in_words(text):
    try:
        found = parse_subjects(text)
    except BraincodecError as error:
        assert "--subject" in str(error)
    else:
        assert found == "all" or all(subject_folder(subject) for subject in found)


@given(st.integers(1, 50), st.integers(-60, 60), st.integers(-60, 60))
def test_rows_select_as_python_does(count, start, stop):
    everything = list(range(count))
    rows = parse_rows(f"{start}:{stop}", count)
    assert everything[rows] == everything[start:stop]


@given(st.text(alphabet="0123456789:,- x", max_size=10), st.integers(1, 20))
def test_any_text_gives_rows_inside_or_an_error_in_words(text, count):
    try:
        rows = parse_rows(text, count)
    except BraincodecError as error:
        assert "--rows" in str(error)
    else:
        assert np.arange(count)[rows].size <= max(count, len(text))


@pytest.mark.parametrize("text", ["a\nb", "", "2-1", "1,,2", "1,all", "9999999999-99999999999999"])
def test_bad_subjects_are_refused(text):
    with pytest.raises(BraincodecError, match="--subject"):
        parse_subjects(text)


@pytest.mark.parametrize("text", ["0", "0,1,2", "a,b", ""])
def test_bad_value_range_is_refused(text):
    with pytest.raises(BraincodecError, match="--value-range takes two numbers"):
        parse_pair(text, "--value-range", ",")


def test_names_and_batch_size():
    assert parse_names("V1, FFA-1") == ["V1", "FFA-1"]
    assert parse_names("all") is None
    assert parse_batch_size("auto") == "auto"
    assert parse_batch_size("7") == 7
    with pytest.raises(BraincodecError, match="--batch-size"):
        parse_batch_size("seven")
    with pytest.raises(BraincodecError, match="no names"):
        parse_names(" , ")


def test_json_has_no_nan_and_no_foreign_types(capsys):
    say_json({"a": np.float32("nan"), "b": np.int64(3), "c": [np.bool_(True), float("inf")], 4: None})
    assert capsys.readouterr().out.split() == ["{", '"a":', "null,", '"b":', "3,", '"c":', "[", "true,", "null", "],",
                                               '"4":', "null", "}"]  # fmt: skip
    assert plain((1, "x")) == [1, "x"]
    assert shown(float("nan")) == ""


def test_names_of_subjects_may_hold_a_dash():
    assert parse_subjects("sub-01, monkey-A,1 - 3") == ["sub-01", "monkey-A", 1, 2, 3]
