"""Batches of images have no image twice, and change as much as they are told."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from braincodec.control.batches import nearest_batch, random_batches, replace_some
from braincodec.errors import InputValueError


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 30), st.integers(1, 20), st.integers(0, 300), st.integers(0, 99))
def test_a_random_batch_has_no_image_twice(count, size, more, seed):
    images = size + more
    batches = random_batches(count, size, images, np.random.default_rng(seed))
    assert batches.shape == (count, size)
    assert batches.min() >= 0
    assert batches.max() < images
    assert all(len(set(batch)) == size for batch in batches.tolist())


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 20), st.integers(0, 25), st.integers(1, 200), st.integers(0, 99))
def test_as_many_images_are_replaced_as_asked_for_or_as_there_are_others(size, amount, more, seed):
    rng = np.random.default_rng(seed)
    batches = random_batches(5, size, size + more, rng)
    changed = replace_some(batches, amount, size + more, rng)
    for old, new in zip(batches.tolist(), changed.tolist(), strict=True):
        assert len(set(new)) == size
        assert len(set(new) - set(old)) == min(amount, size, more)


@pytest.mark.parametrize("images", [30, 500])
def test_every_image_is_drawn_equally_often(images):
    drawn = random_batches(6000, 10, images, np.random.default_rng(0))
    counts = np.bincount(drawn.ravel(), minlength=images)
    expected = 60_000 / images
    assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)


def test_equal_seeds_draw_equal_batches_and_others_do_not():
    first, again, other = (random_batches(3, 5, 100, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_more_images_than_there_are_cannot_be_drawn():
    with pytest.raises(InputValueError, match="1 to 4 images"):
        random_batches(1, 5, 4, np.random.default_rng(0))


def test_nearest_batch_weighs_quantities_of_different_scale_alike():
    values = np.array([[0.0, 1.0, 2.0], [0.0, 500.0, 1000.0]])
    assert nearest_batch(values, np.array([[0], [1], [2]])) == 1
