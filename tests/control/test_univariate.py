"""The images that are chosen are those that a plain sort chooses, and the null knows what choosing gives by itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from braincodec.control.reading import region_mean
from braincodec.control.sources import open_source
from braincodec.control.univariate import baseline_images, best_mean, choose_images, contrast, selection_null
from braincodec.errors import InputValueError, UnknownNameError

from .population import labelled


def plain_choice(first, second, sign_1, sign_2, count, base, margin):
    """The choice of relational neural control, image by image."""
    ranked = sorted(range(len(first)), key=lambda k: -(sign_1 * first[k] + sign_2 * second[k]))
    kept = [k for k in ranked if sign_1 * (first[k] - base[0]) >= margin and sign_2 * (second[k] - base[1]) >= margin]
    return kept[:count]


@pytest.mark.parametrize("signs", [(1, 1), (-1, -1), (1, -1), (-1, 1)])
@pytest.mark.parametrize("margin", [0.0, 0.04, 0.5])
def test_all_four_conditions_of_a_pair_are_the_plain_ones(signs, margin):
    responses = np.random.default_rng(3).normal(size=(2, 400))
    base = np.array([0.1, -0.05])
    found = choose_images(responses, np.array(signs), 15, base, margin)
    assert found.tolist() == plain_choice(*responses, *signs, 15, base, margin)


def test_without_a_margin_only_the_contrast_counts():
    responses = np.array([[5.0, 1.0, 0.0], [2.0, -1.0, 0.0]])
    assert choose_images(responses, np.array([1, -1]), 2, np.zeros(2), None).tolist() == [0, 1]
    assert choose_images(responses, np.array([1, -1]), 1, np.zeros(2), 0.0).tolist() == [1]


def test_too_few_images_beyond_the_baseline_are_counted_in_the_error():
    with pytest.raises(InputValueError, match=r"only 1 of 3 images .* margin=None"):
        choose_images(np.array([[1.0, -1.0, -2.0]]), np.array([1]), 2, np.zeros(1))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 999), st.integers(1, 20), st.sampled_from([None, 0.0, 0.3]))
def test_best_mean_is_the_mean_of_the_chosen(seed, count, margin):
    responses = np.random.default_rng(seed).normal(size=(2, 400))
    signs = np.array([1.0, -1.0])
    chosen = choose_images(responses, signs, count, np.zeros(2), margin)
    expected = contrast(responses, signs)[chosen].mean()
    assert np.isclose(best_mean(responses, signs, count, np.zeros(2), margin), expected)


def test_baseline_batch_is_nearer_to_the_mean_than_random_ones():
    responses = np.random.default_rng(0).normal(size=(2, 300)) + 7
    batch = baseline_images(responses, 20)
    assert len(set(batch.tolist())) == 20
    assert np.abs(responses[:, batch].mean(axis=1) - responses.mean(axis=1)).max() < 0.05


def test_choosing_by_itself_gives_a_single_subject_all_of_its_effect():
    one = np.random.default_rng(0).normal(size=(1, 1, 100))
    null = selection_null(one, np.array([1]), 10, np.zeros(1), permutations=5)
    assert np.allclose(null, best_mean(one[0], np.array([1]), 10, np.zeros(1), 0.0))


@pytest.mark.parametrize("scale", ["zscored", "raw"])
@pytest.mark.parametrize("weights", ["equal", "noise_ceiling"])
def test_region_means_in_blocks_are_the_plain_ones(monkeypatch, scale, weights):
    monkeypatch.setattr("braincodec.control.reading.BLOCK_BYTES", 7 * 4 * 5)  # seven rows
    rng = np.random.default_rng(0)
    values = (rng.normal(size=(40, 5)) * [1, 2, 3, 4, 5] + [0, 10, 0, 100, 0]).astype(np.float32)
    ceiling = np.array([0.1, 0.5, 0.2, 0.9, 0.0])
    region = open_source(labelled({"V1": values}, ceiling=ceiling)).region(1, "V1")
    weight = ceiling / ceiling.sum() if weights == "noise_ceiling" else np.full(5, 0.2)
    wide = values.astype(float)
    expected = wide @ weight
    if scale == "zscored":
        expected = ((wide - wide.mean(0)) / wide.std(0)) @ weight
        expected /= expected.std()
    np.testing.assert_allclose(region_mean(region, scale, weights).values[0], expected, rtol=1e-5, atol=1e-6)


def test_units_below_a_noise_ceiling_do_not_count():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(30, 3))
    region = open_source(labelled({"V1": values}, ceiling=np.array([0.1, 0.6, 0.7]))).region(1, "V1")
    found = region_mean(region, "raw", least_noise_ceiling=0.5)
    np.testing.assert_allclose(found.values[0], values[:, 1:].mean(axis=1), atol=1e-6)
    assert found.units == (2,)
    with pytest.raises(InputValueError, match="none of the 3 units"):
        region_mean(region, least_noise_ceiling=0.9)


def test_missing_images_and_units_are_left_out_and_counted():
    values = np.random.default_rng(0).normal(size=(30, 4))
    values[:, 3] = 2.0
    values[5] = np.nan  # no response to this image
    values[7, 2] = np.nan
    region = open_source({"V1": values}).region(1, "V1")
    found = region_mean(region, "raw")
    assert found.units == (2,)
    assert found.left_out == {"units without some response": 1, "constant units": 1}
    assert np.flatnonzero(np.isnan(found.values[0])).tolist() == [5]
    np.testing.assert_allclose(found.values[0, :5], values[:5, :2].mean(axis=1))


def test_repetitions_are_averaged():
    values = np.random.default_rng(0).normal(size=(20, 3, 4))
    region = open_source({"V1": values}).region(1, "V1")
    np.testing.assert_allclose(region_mean(region, "raw").values[0], values.mean(axis=(1, 2)))


def test_halves_of_units_share_none():
    values = np.random.default_rng(0).normal(size=(20, 7))
    region = open_source({"V1": values}).region(1, "V1")
    first, second = region_mean(region, "raw", parts=2, seed=1).values
    np.testing.assert_allclose((4 * first + 3 * second) / 7, values.mean(axis=1))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.ones((10, 3)), "3 constant units"),
        (np.full((10, 3), np.nan), "all NaN"),
        (np.array([[1.0], [np.inf], [2.0]]), "infinite"),
    ],
)
def test_responses_that_say_nothing_are_refused(values, words):
    with pytest.raises(InputValueError, match=words):
        region_mean(open_source({"V1": values}).region(1, "V1"))


def test_unknown_scale_is_named():
    with pytest.raises(UnknownNameError, match="zscored, raw"):
        region_mean(open_source({"V1": np.ones((3, 2))}).region(1, "V1"), "scaled")
