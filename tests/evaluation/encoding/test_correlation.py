"""Profile correlation and r2: in any batches, in float32, with what is constant or missing."""

from __future__ import annotations

import functools
import pickle
import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import r2_score

from braincodec.errors import InputTypeError, InputValueError
from braincodec.evaluation.definition import UndefinedScoreWarning
from braincodec.evaluation.encoding import co_moments as kernel
from braincodec.evaluation.encoding.correlation import (
    UnitCorrelation,
    correlation,
    pearson_compute,
    pearson_merge,
    pearson_start,
    pearson_update,
)
from braincodec.evaluation.encoding.r2 import R2Correlation, R2Determination, r2_correlation, r2_determination
from braincodec.features.torchvision_compat import import_torchvision

CLASSES = [(UnitCorrelation, correlation), (R2Determination, r2_determination), (R2Correlation, r2_correlation)]
Pair = tuple[np.ndarray, np.ndarray]


def noisy_pair(stimuli: int, units: int, seed: int = 0) -> Pair:
    random = np.random.default_rng(seed)
    response = random.normal(size=(stimuli, units))
    return 0.7 * response + random.normal(size=(stimuli, units)) + 0.2, response


def exact(prediction: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Two passes in extended precision."""
    x, y = (values.astype(np.longdouble) - values.astype(np.longdouble).mean(0) for values in (prediction, response))
    return ((x * y).sum(0) / np.sqrt((x * x).sum(0) * (y * y).sum(0))).astype(np.float64)


@st.composite
def split_pairs(draw: st.DrawFn) -> tuple[Pair, list[int], list[int]]:
    """Two arrays, where to cut them into batches, and in which order to merge the batches."""
    stimuli, units = draw(st.integers(3, 40)), draw(st.integers(1, 5))
    numbers = st.floats(-100, 100, width=32).map(lambda x: round(x, 3))
    pair = tuple(draw(arrays(np.float64, (stimuli, units), elements=numbers)) for _ in range(2))
    cuts = sorted(draw(st.lists(st.integers(0, stimuli), max_size=6)))
    order = draw(st.permutations(range(len(cuts) + 1)))
    return pair, cuts, order


@pytest.fixture
def narrow_tiles(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tiles and blocks so small that little arrays have many of both."""
    monkeypatch.setattr(kernel, "UNITS_A_TILE", 7)
    monkeypatch.setattr(kernel, "ROWS", 3)
    yield


def test_correlation_agrees_with_scipy() -> None:
    prediction, response = noisy_pair(60, 8)
    expected = [scipy.stats.pearsonr(prediction[:, unit], response[:, unit]).statistic for unit in range(8)]
    np.testing.assert_allclose(correlation(prediction, response), expected, rtol=1e-12)


def test_correlation_agrees_with_torchmetrics() -> None:
    for package in ("torchvision", "torchmetrics"):
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    import_torchvision()  # torchmetrics imports it, whatever its build
    from torchmetrics.functional import pearson_corrcoef

    prediction, response = noisy_pair(60, 8)
    expected = pearson_corrcoef(torch.from_numpy(prediction), torch.from_numpy(response))
    np.testing.assert_allclose(correlation(prediction, response), expected.numpy(), rtol=1e-10)


def test_correlation_agrees_with_bdpy() -> None:
    evaluation = pytest.importorskip("bdpy.evals.metrics")
    prediction, response = noisy_pair(60, 8)
    np.testing.assert_allclose(
        correlation(prediction, response), np.ravel(evaluation.profile_correlation(prediction, response)), rtol=1e-10
    )


def test_r2_determination_agrees_with_scikit_learn() -> None:
    prediction, response = noisy_pair(60, 8)
    expected = r2_score(response, prediction, multioutput="raw_values")
    np.testing.assert_allclose(r2_determination(prediction, response), expected, rtol=1e-12)


def test_r2_correlation_squares_positive_correlations_and_drops_negative_ones() -> None:
    prediction, response = noisy_pair(60, 2)
    prediction[:, 1] *= -1
    r = np.corrcoef(prediction[:, 0], response[:, 0])[0, 1]
    np.testing.assert_allclose(r2_correlation(prediction, response), [r**2, 0], rtol=1e-12)


def test_r2_determination_counts_scale_and_offset_and_r2_correlation_does_not() -> None:
    prediction, response = noisy_pair(60, 4)
    np.testing.assert_allclose(r2_correlation(3 * prediction - 5, response), r2_correlation(prediction, response))
    assert (r2_determination(3 * prediction - 5, response) < r2_determination(prediction, response)).all()


@given(split_pairs())
@settings(max_examples=60, deadline=None)
@pytest.mark.parametrize(("metric", "at_once"), CLASSES)
def test_any_batches_merged_in_any_order_give_the_answer_of_one_call(
    metric: type, at_once: Callable[..., np.ndarray], case: tuple[Pair, list[int], list[int]]
) -> None:
    (prediction, response), cuts, order = case
    batches = list(zip(np.split(prediction, cuts), np.split(response, cuts), strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedScoreWarning)
        expected = at_once(prediction, response)
        one_by_one = metric()
        for batch in batches:
            one_by_one.update(*batch)
        workers = [pickle.loads(pickle.dumps(metric().update(*batches[place]))) for place in order]
        merged = functools.reduce(lambda a, b: a.merge(b), workers)
        np.testing.assert_allclose(one_by_one.compute(), expected, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(merged.compute(), expected, rtol=1e-9, atol=1e-9)


@given(split_pairs(), st.floats(0.01, 100), st.floats(-1000, 1000), st.booleans())
@settings(max_examples=60, deadline=None)
def test_shift_and_scale_change_no_correlation(
    case: tuple[Pair, list[int], list[int]], scale: float, shift: float, of_prediction: bool
) -> None:
    (prediction, response), _, _ = case
    changed = (scale * prediction + shift, response) if of_prediction else (prediction, scale * response + shift)
    steady = (np.ptp(prediction, axis=0) > 0.1) & (np.ptp(response, axis=0) > 0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedScoreWarning)
        np.testing.assert_allclose(
            correlation(*changed)[steady], correlation(prediction, response)[steady], rtol=1e-6, atol=1e-9
        )


@pytest.mark.parametrize(
    ("offset", "deviation"), [(0, 1), (1e3, 1), (1e4, 1e-2), (1e6, 0.5), (100, 1e-3), (0, 1e-22), (0, 1e22)]
)
@pytest.mark.parametrize("sort", [False, True], ids=["shuffled", "sorted"])
def test_float32_is_as_good_as_its_digits_for_any_mean_and_scale(offset: float, deviation: float, sort: bool) -> None:
    prediction, response = noisy_pair(2000, 40)
    if sort:  # the mean drifts from batch to batch
        prediction, response = (values[np.argsort(prediction[:, 0])] for values in (prediction, response))
    pair = [(offset + deviation * values).astype(np.float32) for values in (prediction, response)]
    state = pearson_start(40)
    for begin in range(0, 2000, 300):
        state = pearson_update(state, *(values[begin : begin + 300] for values in pair))
    np.testing.assert_allclose(pearson_compute(state), exact(*pair), rtol=0, atol=2e-7)


def test_an_outlier_in_the_first_stimulus_costs_no_accuracy_in_float32() -> None:
    prediction, response = (values.astype(np.float32) for values in noisy_pair(512, 30))
    prediction[0] += 300
    np.testing.assert_allclose(correlation(prediction, response), exact(prediction, response), atol=2e-7)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_many_small_tiles_and_threads_give_the_same_answer(narrow_tiles: None, dtype: type) -> None:
    prediction, response = (values.astype(dtype) for values in noisy_pair(50, 45))
    prediction[:, 3], response[:, 30] = 0.1, np.nan
    found = kernel.co_moments(prediction, response, threads=1)
    in_threads = kernel.co_moments(prediction, response, threads=3)
    for one, other in zip(found.arrays, in_threads.arrays, strict=True):
        np.testing.assert_array_equal(one, other)
    keep = np.setdiff1d(np.arange(45), [3, 30])
    with pytest.warns(UndefinedScoreWarning):
        np.testing.assert_allclose(
            pearson_compute(found)[keep], exact(prediction[:, keep], response[:, keep]), atol=2e-7
        )


def test_layout_in_memory_changes_nothing() -> None:
    prediction, response = noisy_pair(40, 20)
    by_column = np.asfortranarray(prediction), response[::-1][::-1]
    np.testing.assert_allclose(correlation(*by_column), correlation(prediction, response), rtol=1e-13)


@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.float16, bool])
def test_other_real_numbers_are_converted(dtype: type) -> None:
    _, response = noisy_pair(30, 3)
    counts = (np.random.default_rng(1).integers(0, 2, (30, 3))).astype(dtype)
    np.testing.assert_allclose(correlation(counts, response), exact(counts, response), atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("constant", [0.0, 0.1, -12345.678])
def test_zero_variance_is_nan_with_one_warning_also_over_batches(dtype: type, constant: float) -> None:
    prediction, response = (values.astype(dtype) for values in noisy_pair(600, 4))
    prediction[:, 1] = constant
    response[:, 2] = constant
    state = pearson_start(4)
    for begin in range(0, 600, 170):
        rows = slice(begin, begin + 170)
        state = pearson_update(state, prediction[rows], response[rows])
    with pytest.warns(UndefinedScoreWarning, match="correlation is NaN for 2 of 4 units") as caught:
        found = pearson_compute(state)
    assert len(caught) == 1
    np.testing.assert_array_equal(np.isnan(found), [False, True, True, False])
    with pytest.warns(UndefinedScoreWarning, match="r2_determination is NaN for 1 of 4"):
        np.testing.assert_array_equal(np.isnan(r2_determination(prediction, response)), [False, False, True, False])


def test_tiny_numbers_that_differ_are_not_taken_for_constant() -> None:
    response = np.array([[1.0], [-1.0], [2.0], [-2.0]], np.float32)
    assert correlation(response * np.float32(1e-30), response) == pytest.approx(1)


def test_nearly_constant_float32_keeps_its_correlation() -> None:
    random = np.random.default_rng(0)
    steps = random.integers(0, 3, (500, 10))
    prediction = (np.float32(1) + steps * np.finfo(np.float32).eps).astype(np.float32)
    response = steps + random.normal(size=steps.shape)
    np.testing.assert_allclose(correlation(prediction, response), exact(prediction, response), atol=1e-9)


def test_one_stimulus_has_no_correlation() -> None:
    with pytest.warns(UndefinedScoreWarning):
        assert np.isnan(correlation([[1.0, 2.0]], [[3.0, 4.0]])).all()


def test_units_missing_for_every_stimulus_are_nan_and_the_others_untouched() -> None:
    prediction, response = noisy_pair(40, 5)
    response[:, 2] = np.nan
    with pytest.warns(UndefinedScoreWarning, match="1 of 5 units"):
        found = correlation(prediction, response)
    assert np.isnan(found[2])
    keep = [0, 1, 3, 4]
    np.testing.assert_allclose(found[keep], exact(prediction[:, keep], response[:, keep]))


def test_stray_nan_is_refused_naming_where() -> None:
    prediction, response = noisy_pair(20, 5)
    response[7, 3] = np.nan
    response[9, 1] = np.inf
    with pytest.raises(InputValueError, match=r"response has 2 values .* the first at stimulus 7, unit 3"):
        correlation(prediction, response)


def test_a_unit_missing_in_one_batch_only_is_refused_and_the_metric_stays_usable() -> None:
    prediction, response = noisy_pair(20, 5)
    metric = UnitCorrelation().update(prediction[:10], response[:10])
    broken = response[10:].copy()
    broken[:, 4] = np.nan
    with pytest.raises(InputValueError, match=r"response is NaN for some stimuli .* the first is unit 4"):
        metric.update(prediction[10:], broken)
    metric.update(prediction[10:], response[10:])
    np.testing.assert_allclose(metric.compute(), exact(prediction, response))


def test_shapes_that_do_not_fit_are_refused_naming_both() -> None:
    prediction, response = noisy_pair(20, 5)
    with pytest.raises(InputValueError, match=r"\(20, 5\) and response \(20, 4\)"):
        correlation(prediction, response[:, :4])
    with pytest.raises(InputValueError, match=r"\(stimuli, units\), not \(20,\)"):
        correlation(prediction[:, 0], response[:, 0])
    with pytest.raises(InputValueError, match="5 and 4 units"):
        UnitCorrelation().update(prediction, response).update(prediction[:, :4], response[:, :4])
    with pytest.raises(InputTypeError, match="complex"):
        correlation(prediction + 0j, response)


def test_nothing_to_score_is_an_error_and_an_empty_worker_changes_nothing() -> None:
    prediction, response = noisy_pair(20, 5)
    with pytest.raises(InputValueError, match="nothing to score"):
        UnitCorrelation().compute()
    found = UnitCorrelation().merge(UnitCorrelation().update(prediction, response)).merge(UnitCorrelation()).compute()
    np.testing.assert_allclose(found, exact(prediction, response))


def test_states_are_values_that_updating_leaves_alone() -> None:
    prediction, response = noisy_pair(20, 5)
    first = pearson_update(pearson_start(5), prediction, response)
    before = [values.copy() for values in first.arrays]
    pearson_merge(first, pearson_update(first, prediction * 3, response))
    for kept, value in zip(before, first.arrays, strict=True):
        np.testing.assert_array_equal(kept, value)
