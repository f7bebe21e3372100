"""The product measure: shares of feature spaces that add up to the explained variance."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics import r2_score

from braincodec.errors import InputValueError
from braincodec.evaluation.definition import UndefinedScoreWarning
from braincodec.evaluation.encoding.r2 import r2_determination
from braincodec.evaluation.encoding.variance_partition import (
    VariancePartition,
    product_measure,
    variance_partition,
)


def random_parts(spaces: int, stimuli: int, units: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    partial = random.normal(size=(spaces, stimuli, units)) + random.normal(size=(spaces, 1, units))
    response = partial.sum(0) * 0.5 + random.normal(size=(stimuli, units)) + 3
    return partial, response, random.normal(size=units)


@given(st.integers(1, 4), st.integers(3, 30), st.integers(1, 5), st.integers(0, 1000), st.booleans())
@settings(max_examples=60, deadline=None)
def test_shares_add_up_to_the_explained_variance_of_the_full_prediction(
    spaces: int, stimuli: int, units: int, seed: int, with_intercept: bool
) -> None:
    partial, response, intercept = random_parts(spaces, stimuli, units, seed)
    if not with_intercept:
        intercept = np.zeros(units)
    full = partial.sum(0) + intercept
    found = product_measure(partial, response, intercept if with_intercept else None)
    assert found.shape == (spaces, units)
    expected = r2_score(response, full, multioutput="raw_values")
    np.testing.assert_allclose(found.sum(0), expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.sum(0), r2_determination(full, response), rtol=1e-9, atol=1e-9)


def test_centred_shares_are_the_published_formula() -> None:
    partial, response, _ = random_parts(3, 25, 4, 0)
    partial -= partial.mean(1, keepdims=True)
    response -= response.mean(0)
    full = partial.sum(0)
    expected = np.empty((3, 4))
    for space in range(3):
        for unit in range(4):
            x, y, f = partial[space, :, unit], response[:, unit], full[:, unit]
            expected[space, unit] = x @ (2 * y - f) / (y @ y)
    np.testing.assert_allclose(product_measure(partial, response), expected, rtol=1e-10)


def test_in_a_least_squares_fit_a_share_is_coefficient_times_correlation() -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(60, 3)) @ random.normal(size=(3, 3))  # correlated
    response = features @ [1.0, -0.5, 2.0] + random.normal(size=60)
    fit = LinearRegression().fit(features, response)
    partial = (features * fit.coef_).T[:, :, None]
    standardised = fit.coef_ * features.std(0) / response.std()
    correlations = [np.corrcoef(column, response)[0, 1] for column in features.T]
    found = product_measure(partial, response[:, None], [fit.intercept_])
    np.testing.assert_allclose(found[:, 0], standardised * correlations, rtol=1e-9)


def test_a_space_of_noise_gets_nothing_and_equal_spaces_share_equally() -> None:
    random = np.random.default_rng(1)
    signal, noise = random.normal(size=(2000, 5)), random.normal(size=(2000, 5))
    response = signal @ random.normal(size=(5, 3)) + random.normal(size=(2000, 3))
    joint = Ridge(1e-3).fit(np.hstack([signal, signal, noise])[:1000], response[:1000])
    blocks = np.split(joint.coef_, 3, axis=1)
    partial = [space[1000:] @ block.T for space, block in zip((signal, signal, noise), blocks, strict=True)]
    found = product_measure(np.stack(partial), response[1000:], joint.intercept_)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6)
    assert (found[0] > 0.2).all()
    assert (np.abs(found[2]) < 0.02).all()


def test_a_constant_moved_from_one_space_to_another_changes_nothing() -> None:
    partial, response, intercept = random_parts(3, 25, 4, 2)
    expected = product_measure(partial, response, intercept)
    moved = partial + np.array([5.0, -7.0, 1.0])[:, None, None]
    np.testing.assert_allclose(product_measure(moved, response, intercept + 1), expected, rtol=1e-9, atol=1e-11)


@given(st.lists(st.integers(0, 20), max_size=4), st.integers(0, 100))
@settings(max_examples=30, deadline=None)
def test_any_batches_give_the_answer_of_one_call(cuts: list[int], seed: int) -> None:
    partial, response, intercept = random_parts(2, 20, 3, seed)
    batches = zip(np.split(partial, sorted(cuts), axis=1), np.split(response, sorted(cuts)), strict=True)
    workers = [VariancePartition(intercept).update(*batch) for batch in batches]
    merged = workers[-1]
    for worker in workers[:-1]:
        merged.merge(worker)
    expected = product_measure(partial, response, intercept)
    np.testing.assert_allclose(merged.compute(), expected, rtol=1e-9, atol=1e-11)


def test_float32_shares_still_add_up_and_tiles_of_units_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    partial, response, _ = random_parts(2, 40, 30, 3)
    partial, response = (1000 + partial).astype(np.float32), response.astype(np.float32)
    module = import_module("braincodec.evaluation.encoding.variance_partition")
    expected = product_measure(partial, response)
    monkeypatch.setattr(module, "tiles", lambda count, **_: (slice(begin, begin + 7) for begin in range(0, count, 7)))
    np.testing.assert_array_equal(product_measure(partial, response), expected)
    full, response = partial.astype(np.float64).sum(0), response.astype(np.float64)
    np.testing.assert_allclose(expected.sum(0), r2_determination(full, response), rtol=1e-10)


def test_named_spaces_keep_their_names() -> None:
    partial, response, _ = random_parts(2, 20, 3, 0)
    found = variance_partition({"edges": partial[0], "faces": partial[1]}, response)
    np.testing.assert_array_equal(found.sel(space="faces"), product_measure(partial, response)[1])
    assert found.dims == ("space", "unit")


def test_a_response_without_variance_is_nan_with_one_warning() -> None:
    partial, response, _ = random_parts(2, 20, 3, 0)
    response[:, 1] = 0.1
    with pytest.warns(UndefinedScoreWarning, match="NaN for 1 of 3 units") as caught:
        found = product_measure(partial, response)
    assert len(caught) == 1
    np.testing.assert_array_equal(np.isnan(found), [[False, True, False]] * 2)


def test_a_unit_missing_in_one_space_is_nan_in_all() -> None:
    partial, response, _ = random_parts(2, 20, 3, 0)
    partial[1, :, 2] = np.nan
    with pytest.warns(UndefinedScoreWarning, match="NaN for 1 of 3 units"):
        assert np.isnan(product_measure(partial, response)[:, 2]).all()


def test_shapes_that_do_not_fit_are_refused_naming_both() -> None:
    partial, response, intercept = random_parts(2, 20, 3, 0)
    with pytest.raises(InputValueError, match=r"\(2, 20, 3\) and response \(20, 2\)"):
        product_measure(partial, response[:, :2])
    with pytest.raises(InputValueError, match="2 intercepts for 3 units"):
        product_measure(partial, response, intercept[:2])
    with pytest.raises(InputValueError, match="no feature space"):
        variance_partition({}, response)
    with pytest.raises(InputValueError, match="different shapes"):
        variance_partition({"a": partial[0], "b": partial[1, :5]}, response)
    with pytest.raises(InputValueError, match="2 and 1 feature spaces"):
        VariancePartition().update(partial, response).update(partial[:1], response)
    partial[0, 3, 1] = np.nan
    with pytest.raises(InputValueError, match="stimulus 3, unit 1"):
        product_measure(partial, response)
