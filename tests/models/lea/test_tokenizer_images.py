"""Images on their way to the tokenizer: one size, held or read anew, mirrored and cut out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from braincodec.errors import InputValueError
from braincodec.models.lea.tokenizer.images import TrainingImages, varied
from braincodec.stimuli import StimulusSet


def pixels(count: int = 6, height: int = 8, width: int = 6) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, height, width, 3), np.uint8)


@pytest.fixture
def several_sizes(tmp_path) -> StimulusSet:
    for number, side in enumerate((8, 8, 12)):
        Image.fromarray(pixels(1, side, side + 2)[0]).save(tmp_path / f"{number}.png")
    return StimulusSet.open(tmp_path)


@pytest.mark.parametrize("size", [None, 4, (4, 6)])
def test_images_read_anew_are_those_held(size):
    stimuli = StimulusSet.open(pixels())
    held = TrainingImages(stimuli, size)
    anew = TrainingImages(stimuli, size or (8, 6), limit=10)
    rows = np.array([5, 0, 3])
    assert torch.equal(held.pixels(rows), anew.pixels(rows))
    assert held.pixels(rows).shape[2:] == (held.height, held.width)


def test_images_of_several_sizes_need_one_to_be_set(several_sizes):
    with pytest.raises(InputValueError, match=r"the first has 8 x 10 pixels, another 12 x 14; set image_size"):
        TrainingImages(several_sizes)
    sized = TrainingImages(several_sizes, 8)
    assert sized.pixels(np.arange(3)).shape == (3, 3, 8, 8)


def test_images_that_are_read_anew_need_a_size_and_there_must_be_one():
    with pytest.raises(InputValueError, match="do not fit into memory"):
        TrainingImages(StimulusSet.open(pixels()), limit=10)
    with pytest.raises(InputValueError, match="there are no images"):
        TrainingImages(StimulusSet.open(pixels())[:0])


@given(st.integers(0, 1000), st.booleans(), st.sampled_from([0.3, 0.7, 1.0]))
@settings(max_examples=20, deadline=None)
def test_variation_is_repeatable_and_keeps_what_an_image_is(seed, flips, crops):
    images = torch.from_numpy(pixels(4, 10, 12)).movedim(-1, 1)
    first, second = (varied(images, torch.Generator().manual_seed(seed), flips=flips, crops=crops) for _ in range(2))
    assert torch.equal(first, second)
    assert first.shape == images.shape and first.dtype == torch.uint8
    if crops == 1:
        same = [torch.equal(made, image) for made, image in zip(first, images, strict=True)]
        mirrored = [torch.equal(made, image.flip(-1)) for made, image in zip(first, images, strict=True)]
        assert all(a or (flips and b) for a, b in zip(same, mirrored, strict=True))


def test_cut_out_images_are_parts_enlarged():
    ramp = torch.arange(0, 200, 10, dtype=torch.uint8).expand(8, 3, 20, 20)
    made = varied(ramp, torch.Generator().manual_seed(0), flips=False, crops=0.5).float()
    slopes = (made[:, 0, :, -4] - made[:, 0, :, 3]).mean(1) / 13  # away from the edges
    assert (slopes > 4.5).all() and (slopes < 10.5).all() and slopes.std() > 0.5
