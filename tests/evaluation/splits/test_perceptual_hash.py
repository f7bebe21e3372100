"""Hashes stay nearly the same under edits that leave a picture what it is, and differ between pictures."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.fft import dctn

from braincodec.errors import InputTypeError, InputValueError
from braincodec.stimuli.copies.matching import DIFFERENCE_BITS, FREQUENCY_BITS
from braincodec.stimuli.copies.perceptual_hash import (
    averaging,
    difference_hash,
    digests,
    fingerprints,
    hamming_distances,
    perceptual_hash,
    reduced,
)

IMAGES = arrays.arrays(np.uint8, st.tuples(st.integers(1, 3), st.integers(1, 70), st.integers(1, 70), st.just(3)))


def bits_of(value):
    return [(int(value) >> place) & 1 for place in range(64)]


def test_frequency_bits_are_those_of_scipys_cosine_transform(squares):
    image = squares["astronaut"]
    # 128 pixels to 32: the average of each block of four by four
    grey = (image.astype(float) @ [0.299, 0.587, 0.114]).reshape(32, 4, 32, 4).mean((1, 3))
    strengths = dctn(grey, norm="ortho")[:8, :8].ravel()
    expected = (strengths > np.median(strengths[1:])).astype(int)
    expected[0] = 0
    assert bits_of(perceptual_hash(image[None])[0]) == expected.tolist()


def test_difference_bits_say_which_neighbour_is_brighter(squares):
    image = squares["chelsea"]
    grey = (image.astype(float) @ [0.299, 0.587, 0.114]).reshape(32, 4, 32, 4).mean((1, 3))
    fine = grey.reshape(8, 4, 32).mean(1).repeat(9, axis=1)  # (8, 288): 32 and 9 both divide 288
    nine = fine.reshape(8, 9, 32).mean(2)
    assert bits_of(difference_hash(image[None])[0]) == (np.diff(nine, axis=1) > 0).astype(int).ravel().tolist()


def test_edited_copies_are_nearer_than_the_threshold_and_other_photographs_are_not(photographs, edits):
    originals = np.concatenate([perceptual_hash(image[None]) for image in photographs.values()])
    differences = np.concatenate([difference_hash(image[None]) for image in photographs.values()])
    for name, edit in edits.items():
        copies = [edit(image)[None] for image in photographs.values()]
        by_frequency = hamming_distances(np.concatenate([perceptual_hash(image) for image in copies]), originals)
        by_difference = hamming_distances(np.concatenate([difference_hash(image) for image in copies]), differences)
        near = (by_frequency <= FREQUENCY_BITS) | (by_difference <= DIFFERENCE_BITS)
        assert near.diagonal().all(), name
        assert not near[~np.eye(len(near), dtype=bool)].any(), name


def test_mirror_image_has_the_hash_kept_for_it(squares):
    images = np.stack(list(squares.values()))
    made = fingerprints(images)
    mirrored = fingerprints(images[:, :, ::-1])
    np.testing.assert_array_equal(made.mirrored, mirrored.frequencies)
    assert (hamming_distances(made.frequencies, made.mirrored).diagonal() > FREQUENCY_BITS).all()


def test_fingerprints_are_the_functions_of_the_same_names(squares):
    images = np.stack(list(squares.values()))
    made = fingerprints(images)
    np.testing.assert_array_equal(made.frequencies, perceptual_hash(images))
    np.testing.assert_array_equal(made.differences, difference_hash(images))
    np.testing.assert_array_equal(made.digest, digests(images))
    expected = images.reshape(len(images), 16, 8, 16, 8, 3).mean((2, 4))
    assert np.abs(made.thumbnail - expected).max() <= 0.51


def test_digest_is_of_size_and_pixels(squares):
    image = squares["coffee"]
    digest = digests(image[None])[0]
    words = hashlib.blake2b(str(image.shape).encode() + image.tobytes(), digest_size=16).digest()
    assert digest.tobytes() == words
    changed = image.copy()
    changed[5, 7, 1] ^= 1
    assert not (digests(changed[None])[0] == digest).all()


@settings(deadline=None, max_examples=30)
@given(IMAGES)
def test_reduced_image_keeps_mean_and_range(images):
    small = reduced(images)
    assert small.shape == (len(images), 32, 32, 3)
    np.testing.assert_allclose(small.mean((1, 2)), images.mean((1, 2)), rtol=1e-4, atol=1e-2)
    assert small.min() >= images.min() - 1e-2
    assert small.max() <= images.max() + 1e-2


@settings(deadline=None, max_examples=30)
@given(IMAGES, st.data())
def test_hash_of_an_image_does_not_depend_on_its_batch(images, data):
    row = data.draw(st.integers(0, len(images) - 1))
    whole, alone = fingerprints(images), fingerprints(images[row : row + 1])
    for part, only in zip(whole, alone, strict=True):
        np.testing.assert_array_equal(part[row], only[0])


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=8), st.integers(0, 2**64 - 1))
def test_hamming_distance_counts_differing_bits(hashes, other):
    found = hamming_distances(np.array(hashes, np.uint64), np.array([other], np.uint64))
    assert found[:, 0].tolist() == [(value ^ other).bit_count() for value in hashes]


@given(st.integers(1, 90), st.integers(1, 40))
def test_averaging_weights_share_every_pixel_out(length, parts):
    weights = averaging(length, parts)
    np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-5)
    np.testing.assert_allclose(weights.sum(0), parts / length, rtol=1e-4)


def test_what_is_no_image_is_refused():
    with pytest.raises(InputTypeError, match="uint8, got float64"):
        perceptual_hash(np.zeros((1, 8, 8, 3)))
    with pytest.raises(InputValueError, match=r"\(images, height, width, 3\), got \(8, 8, 3\)"):
        difference_hash(np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(InputValueError, match=r"got \(1, 0, 8, 3\)"):
        fingerprints(np.zeros((1, 0, 8, 3), np.uint8))
