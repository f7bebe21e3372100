"""A data set of two subjects whose voxels answer as those of the small store do, with noise."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from braincodec.datasets import Counts, Dataset, Recording, Split, register_dataset
from braincodec.errors import UnknownNameError
from braincodec.responses import build_responses, build_units
from braincodec.stimuli import StimulusSet

from .conftest import AREAS, VOLUME, mean_colour

NAME = "test_pictures"
IMAGES, TRAIN, REPETITIONS = 40, 16, 4


@register_dataset(NAME)
class Pictures(Dataset):
    """Pictures of one colour each."""

    modality, species, licence = "fmri", "human", "CC0"
    citation = "Nobody 2025"
    expected: ClassVar[dict[str, Counts]] = {}
    how_to_get = "made by the test"

    def __init__(self, noise: float = 0.05) -> None:
        self.noise = noise

    def subjects(self) -> list[str]:
        return ["1", "2"]

    def subject(self, name: str) -> Recording:
        if name not in self.subjects():
            raise UnknownNameError("subject", name, self.subjects())
        images = pictures()
        clean = predicted(int(name))
        rng = np.random.default_rng([7, int(name)])
        noise = self.noise * rng.standard_normal((IMAGES, REPETITIONS, clean.shape[1]))
        rois = list(AREAS)[: 3 if name == "1" else 2]
        count = sum(AREAS[roi] for roi in rois)
        of_unit = np.repeat(rois, [AREAS[roi] for roi in rois])
        units = build_units(
            ijk=np.argwhere(np.ones(VOLUME, bool))[:count],
            rois={roi: of_unit == roi for roi in rois},
            affine=np.eye(4),
            volume_shape=VOLUME,
        )
        split = Split(train=images.ids[:TRAIN], test=images.ids[TRAIN:])
        return Recording(NAME, name, images, build_responses(clean[:, None] + noise, images.ids, units), units, split)


def pictures() -> StimulusSet:
    rng = np.random.default_rng(3)
    # two colours and a pattern, so that no two look the same
    patterns = rng.integers(0, 256, (IMAGES, 4, 4, 3), np.uint8).repeat(4, 1).repeat(4, 2)
    return StimulusSet.open(patterns, ids=[f"picture-{number:02d}" for number in range(IMAGES)])


def predicted(subject: int) -> np.ndarray:
    """What the models of the small store say, (images, units)."""
    rois = list(AREAS)[: 3 if subject == 1 else 2]
    return np.concatenate([mean_colour(subject, roi).encode(pictures(), progress=False).values for roi in rois], axis=1)


def guesses(subject: int, quality: float = 0.8) -> np.ndarray:
    """Predictions of the test pictures that know part of the truth."""
    clean = predicted(subject)[TRAIN:]
    noise = np.random.default_rng(5).standard_normal(clean.shape) * clean.std(0)
    return (quality * clean + (1 - quality) * noise).astype(np.float32)
