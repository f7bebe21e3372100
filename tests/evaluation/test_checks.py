"""What metrics accept, and what they say of what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from braincodec.errors import InputTypeError, InputValueError
from braincodec.evaluation.checks import as_floats, check_finite, check_pair, tiles, warn_undefined
from braincodec.evaluation.definition import UndefinedScoreWarning
from braincodec.evaluation.metric import METRICS


@pytest.mark.parametrize(
    ("given_dtype", "expected"),
    [("f2", "f4"), ("f4", "f4"), ("f8", "f8"), ("u1", "f8"), ("i8", "f8"), ("?", "f8"), ("g", "f8"), (">f4", "f4")],
)
def test_real_numbers_become_float32_or_float64(given_dtype: str, expected: str) -> None:
    found = as_floats("prediction", np.ones((2, 3), given_dtype))
    assert found.dtype == np.dtype(expected)
    np.testing.assert_array_equal(found, 1)


def test_floats_are_not_copied() -> None:
    values = np.ones((2, 3), np.float32)
    assert as_floats("prediction", values) is values


@pytest.mark.parametrize("values", [[["a"]], [[1j]], [[None]], np.zeros((1, 1), "M8[s]")])
def test_what_is_no_real_number_is_refused_by_name(values: object) -> None:
    with pytest.raises(InputTypeError, match="response must hold real numbers"):
        as_floats("response", values)


def test_shapes_are_checked_against_named_dimensions() -> None:
    with pytest.raises(InputValueError, match=r"response must have shape \(stimuli, channels, times\), not \(2, 3\)"):
        as_floats("response", np.ones((2, 3)), ("stimuli", "channels", "times"))
    with pytest.raises(InputValueError, match=r"first has shape \(2, 3\) and second \(2, 4\)"):
        check_pair(np.ones((2, 3)), np.ones((2, 4)), names=("first", "second"))


@given(st.data())
def test_stray_values_are_counted_and_the_first_is_named(data: st.DataObject) -> None:
    values = np.ones((6, 4))
    wrong = data.draw(st.sets(st.tuples(st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=5))
    for place in wrong:
        values[place] = data.draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    stimulus, unit = min(wrong)
    verb = "value that is" if len(wrong) == 1 else "values that are"
    place = f"prediction has {len(wrong)} {verb} NaN or infinite, the first at stimulus {stimulus}, unit {unit}$"
    with pytest.raises(InputValueError, match=place):
        check_finite("prediction", values)


def test_units_without_any_number_are_told_apart_from_stray_ones() -> None:
    values = np.ones((5, 4), np.float32)
    values[:, 2] = np.nan
    np.testing.assert_array_equal(check_finite("response", values), [False, False, True, False])
    values[:, 2] = np.inf  # infinity is not "missing"
    with pytest.raises(InputValueError, match="5 values"):
        check_finite("response", values)


def test_channels_and_times_are_named() -> None:
    values = np.ones((5, 4, 3))
    values[:, 1, 1] = np.nan
    assert check_finite("response", values).sum() == 1
    values[3, 2, 0] = np.nan
    with pytest.raises(InputValueError, match="stimulus 3, channel 2, time 0"):
        check_finite("response", values)


def test_no_stimuli_and_no_units_are_finite() -> None:
    assert not check_finite("response", np.ones((0, 4))).any()
    assert check_finite("response", np.ones((4, 0))).shape == (0,)


def test_one_warning_counts_all_undefined_scores_and_names_the_callers_line() -> None:
    def score() -> None:
        warn_undefined("correlation", np.array([True, False, True]), "nothing varies")

    with pytest.warns(UndefinedScoreWarning, match="correlation is NaN for 2 of 3 units: nothing varies") as caught:
        score()
    assert len(caught) == 1
    assert caught[0].filename == __file__


@given(st.integers(0, 1000), st.integers(0, 100), st.integers(1, 1000))
def test_tiles_cover_everything_once_and_fit(count: int, bytes_each: int, tile_bytes: int) -> None:
    found = list(tiles(count, bytes_each=bytes_each, tile_bytes=tile_bytes))
    assert [item for cut in found for item in range(count)[cut]] == list(range(count))
    assert all(cut.stop - cut.start == 1 or (cut.stop - cut.start) * bytes_each <= tile_bytes for cut in found)


ENCODING = [
    "correlation",
    "noise_normalised_accuracy",
    "pattern_correlation",
    "pattern_top_k",
    "pattern_two_way",
    "r2_correlation",
    "r2_determination",
    "variance_partition",
]


@pytest.mark.parametrize("name", ENCODING)
def test_encoding_metrics_are_registered_under_the_name_they_define(name: str) -> None:
    metric = METRICS.get(name)()
    assert metric.definition.name == name
    assert metric.definition.direction == "encoding"
    low, high = metric.definition.range
    assert low < high
