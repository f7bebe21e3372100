"""Near copies of an image are found, and belong to one group."""

from __future__ import annotations

import numpy as np

from braincodec.datasets import Split
from braincodec.evaluation import check_leakage
from braincodec.stimuli import StimulusSet
from braincodec.stimuli.copies import near_copy_groups


def pictures(count: int, seed: int = 0) -> np.ndarray:
    blocks = np.random.default_rng(seed).integers(0, 255, (count, 6, 6, 3), dtype=np.uint8)
    return blocks.repeat(8, 1).repeat(8, 2)


def test_different_pictures_are_groups_of_their_own():
    assert near_copy_groups(StimulusSet.open(pictures(12))).tolist() == list(range(12))


def test_identical_darker_and_mirrored_copies_join_the_first():
    images = pictures(8)
    images[3], images[5], images[7] = images[1], images[1] // 2 + 60, images[2][:, ::-1]
    assert near_copy_groups(StimulusSet.open(images)).tolist() == [0, 1, 2, 1, 4, 1, 6, 2]


def test_flat_pictures_are_told_apart_by_their_pixels():
    images = np.full((3, 20, 20, 3), 100, np.uint8)
    images[1] += 1
    images[2] += 80
    assert near_copy_groups(StimulusSet.open(images)).tolist() == [0, 0, 2]


def test_a_split_that_keeps_groups_together_passes_the_check_and_another_does_not():
    images = pictures(10)
    images[9] = images[0] // 2 + 60
    stimuli = StimulusSet.open(images)
    groups = near_copy_groups(stimuli)
    test = [str(row) for row in np.flatnonzero(groups == groups[9])]
    train = [item for item in stimuli.ids.tolist() if item not in test]
    assert check_leakage(stimuli, Split(train=train, test=test)).passed
    assert not check_leakage(stimuli, Split(train=[*train, "0"], test=["9"])).passed


def test_one_image_and_none_need_no_comparison():
    stimuli = StimulusSet.open(pictures(2))
    assert near_copy_groups(stimuli[:1]).tolist() == [0]
    assert near_copy_groups(stimuli[:0]).tolist() == []
