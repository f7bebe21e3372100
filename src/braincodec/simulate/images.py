"""Images for simulated subjects: crops of photographs and procedural pictures, each rendered when it is read."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from braincodec.errors import InputValueError
from braincodec.simulate.photos import photograph, photograph_names
from braincodec.simulate.procedural import PROCEDURES
from braincodec.stimuli import StimulusSet
from braincodec.stimuli.sources import EncodedSource

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from braincodec.datasets.base import Split

PARTS = ("train", "validation", "test")
# of ten images in a row, the ninth is for validation and the tenth for testing
PARTS_OF_TEN = (*("train",) * 8, "validation", "test")
# the part is a word of the seed, so no procedural picture of one part can recur in another
SEED_OF_PART = {part: number for number, part in enumerate(PARTS)}
SMALLEST_CROP = 0.3


class RenderedImages(EncodedSource):
    """Deterministic images made on demand: image `index` depends on (seed, index) only, not on how many there are.

    Half of them are crops of photographs, half are procedural. Crops for training, validation and testing come
    from different photographs.

    Parameters
    ----------
    n : int
    seed : int
    size : int
        Height and width in pixels.

    Examples
    --------
    >>> images = RenderedImages(4, seed=1, size=32)
    >>> str(images.default_ids()[1])
    'train-00001-dead_leaves'
    >>> images.read(1).shape
    (32, 32, 3)
    """

    def __init__(self, n: int, seed: int = 0, size: int = 256) -> None:
        if n < 1 or size < 16:
            raise InputValueError(f"stimuli needs n >= 1 and size >= 16, got n={n}, size={size}")
        self.count, self.seed, self.size = n, seed, size

    def default_ids(self) -> NDArray[np.str_]:
        """Part of the split, number, and what is shown."""
        return np.array([f"{_part(index)}-{index:05d}-{_what(index, self.seed)}" for index in range(self.count)])

    def read(self, position: int) -> NDArray[np.uint8]:
        """Image at `position`, shape (size, size, 3)."""
        rng = _generator(self.seed, position)
        what = _what(position, self.seed)
        if what in PROCEDURES:
            return PROCEDURES[what](rng, self.size)
        return random_crop(photograph(what.removeprefix("photograph-")), rng, self.size)

    def describe(self) -> str:
        """How the images are made."""
        return f"simulated: crops of photographs and procedural pictures, {self.size} x {self.size}, seed {self.seed}"

    def tokens(self, positions: NDArray[np.int64]) -> Iterator[bytes]:
        """Seed, size and position decide every pixel."""
        yield f"simulated,{self.seed},{self.size};".encode()
        yield np.ascontiguousarray(positions, np.int64).tobytes()


def stimuli(n: int = 2000, seed: int = 0, size: int = 256) -> StimulusSet:
    """Images for simulated subjects, rendered when they are read.

    Parameters
    ----------
    n : int
        Any number; the first ones are the same whatever `n` is.
    seed : int
    size : int
        Height and width in pixels.

    Returns
    -------
    StimulusSet
        Ids tell the part of the split, the number, and what is shown, such as ``"train-00002-photograph-coffee"``.

    See Also
    --------
    split : the ids of each part.
    photograph_licences : where the photographs come from.
    """
    return StimulusSet(RenderedImages(n, seed, size))


def split(n: int = 2000, seed: int = 0) -> Split:
    """Training, validation and test ids of `stimuli(n, seed)`: eight, one and one of every ten.

    Crops in different parts come from different photographs, and procedural pictures from different seeds.

    Examples
    --------
    >>> parts = split(20)
    >>> len(parts.train), len(parts.validation), len(parts.test)
    (16, 2, 2)
    """
    from braincodec.datasets.base import Split

    ids = RenderedImages(n, seed).default_ids()
    return Split(**{part: tuple(str(i) for i in ids if i.startswith(part)) for part in PARTS})


def random_crop(pixels: NDArray[np.uint8], rng: np.random.Generator, size: int) -> NDArray[np.uint8]:
    """A square cut out at random: position, scale, flip, brightness, contrast and colour vary.

    Parameters
    ----------
    pixels : array of uint8, shape (height, width, 3)
    rng : numpy.random.Generator
    size : int

    Returns
    -------
    array of uint8, shape (size, size, 3)
    """
    from PIL import Image

    height, width = pixels.shape[:2]
    side = rng.uniform(SMALLEST_CROP, 1.0) * min(height, width)
    left, top = rng.uniform(0, width - side), rng.uniform(0, height - side)
    box = (left, top, left + side, top + side)
    crop = np.asarray(Image.fromarray(pixels).resize((size, size), Image.Resampling.BICUBIC, box=box), np.float32)
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    mean = crop.mean((0, 1))
    contrast, brightness = rng.uniform(0.7, 1.3), rng.uniform(-25, 25)
    gains = np.exp(rng.normal(0, 0.08, 3))
    return np.clip(((crop - mean) * contrast + mean + brightness) * gains, 0, 255).astype(np.uint8)


def _part(index: int) -> str:
    return PARTS_OF_TEN[index % 10]


def _generator(seed: int, index: int) -> np.random.Generator:
    return np.random.default_rng([seed, SEED_OF_PART[_part(index)], index])


@functools.lru_cache(maxsize=16384)
def _what(index: int, seed: int) -> str:
    """What image `index` shows: photographs and procedures take turns, in every part of the split."""
    # tens advance together with units, so that the ninth and tenth of every ten are not always of one kind
    if (index + index // 10) % 2 == 0:
        names = photograph_names(_part(index))
        rng = np.random.default_rng([seed, SEED_OF_PART[_part(index)], index, 1])
        return f"photograph-{names[rng.integers(len(names))]}"
    turn = (index + index // 10) // 2 + index // 10
    return list(PROCEDURES)[turn % len(PROCEDURES)]
