"""Images for simulated subjects."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from braincodec import simulate
from braincodec.errors import InputValueError
from braincodec.simulate.images import RenderedImages, random_crop
from braincodec.simulate.procedural import PROCEDURES

pytest.importorskip("skimage")
pytest.importorskip("sklearn")


def digests(images, positions) -> list[bytes]:
    return [hashlib.sha256(images.read(int(i)).tobytes()).digest() for i in positions]


def test_two_thousand_images_are_all_distinct():
    images = RenderedImages(2000, seed=0, size=32)
    assert len(set(digests(images, range(2000)))) == 2000


@pytest.mark.slow
def test_two_thousand_images_are_all_distinct_at_full_size():
    images = RenderedImages(2000, seed=3)
    assert len(set(digests(images, range(2000)))) == 2000


def test_equal_seeds_give_equal_pixels_and_others_do_not():
    first, again, other = RenderedImages(40, 1, 48), RenderedImages(40, 1, 48), RenderedImages(40, 2, 48)
    assert digests(first, range(40)) == digests(again, range(40))
    assert not set(digests(first, range(40))) & set(digests(other, range(40)))


def test_an_image_does_not_depend_on_how_many_there_are():
    few, many = RenderedImages(10, 0, 32), RenderedImages(500, 0, 32)
    assert digests(few, range(10)) == digests(many, range(10))
    np.testing.assert_array_equal(few.default_ids(), many.default_ids()[:10])


def test_parts_of_the_split_show_different_photographs():
    ids = RenderedImages(3000, 0).default_ids()
    shown = {
        part: {i.split("photograph-")[1] for i in ids if i.startswith(part) and "photograph-" in i}
        for part in ("train", "validation", "test")
    }
    assert all(len(names) >= 3 for names in shown.values())
    for one, other in pairwise([*shown.values(), shown["train"]]):
        assert not one & other


def test_every_part_has_photographs_and_every_procedure():
    ids = RenderedImages(400, 0).default_ids()
    for part in ("train", "validation", "test"):
        kinds = {i.split("-", 2)[2] for i in ids if i.startswith(part)}
        assert set(PROCEDURES) <= kinds
        assert any(kind.startswith("photograph-") for kind in kinds)


def test_split_covers_all_stimuli_once():
    stimuli, split = simulate.stimuli(50), simulate.split(50)
    assert sorted([*split.train, *split.validation, *split.test]) == sorted(stimuli.ids)
    assert (len(split.train), len(split.validation), len(split.test)) == (40, 5, 5)


def test_stimuli_are_read_in_batches_like_any_others():
    stimuli = simulate.stimuli(7, seed=2, size=32)
    batches = list(stimuli.batches(3))
    assert [len(batch.ids) for batch in batches] == [3, 3, 1]
    np.testing.assert_array_equal(batches[1].images[0], RenderedImages(7, 2, 32).read(3))
    assert stimuli.fingerprint() != simulate.stimuli(7, seed=3, size=32).fingerprint()
    assert "simulated" in stimuli.describe()


@pytest.mark.parametrize("arguments", [{"n": 0}, {"n": 5, "size": 4}])
def test_impossible_sizes_are_refused(arguments):
    with pytest.raises(InputValueError, match="size >= 16"):
        simulate.stimuli(**arguments)


@pytest.mark.parametrize("name", PROCEDURES)
def test_procedural_images_have_contrast(name):
    image = PROCEDURES[name](np.random.default_rng(0), 64)
    assert image.shape == (64, 64, 3)
    assert image.dtype == np.uint8
    assert image.std() > 3


@settings(max_examples=25, deadline=None)
@given(st.integers(20, 90), st.integers(20, 90), st.integers(16, 64), st.integers(0, 2**32))
def test_random_crops_have_the_size_asked_for(height, width, size, seed):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    crop = random_crop(pixels, np.random.default_rng(seed), size)
    assert crop.shape == (size, size, 3)
    assert crop.dtype == np.uint8
