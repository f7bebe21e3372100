"""Edits that leave a picture what it is, and others that do not."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from braincodec import simulate
from braincodec.simulate.photos import photograph, photograph_names


def recompressed(image, quality=30):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "jpeg", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


def resized(image, height, width):
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC))


def cropped(image, share):
    height, width = image.shape[:2]
    rows, columns = int(height * share), int(width * share)
    top, left = (height - rows) // 2, (width - columns) // 2
    return image[top : top + rows, left : left + columns]


def brightened(image):
    return np.clip(image * 1.25, 0, 255).astype(np.uint8)


def darker_and_flatter(image):
    return (image * 0.6 + 20).astype(np.uint8)


def noisy(image):
    noise = np.random.default_rng(0).normal(0, 12, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def without_colour(image):
    return np.asarray(Image.fromarray(image).convert("L").convert("RGB"))


# what `check_leakage` promises to find by its hashes alone
FOUND_BY_HASH = {
    "recompressed": recompressed,
    "half the size": lambda image: resized(image, image.shape[0] // 2, image.shape[1] // 2),
    "stretched": lambda image: resized(image, image.shape[0], int(image.shape[1] * 1.1)),
    "brightened": brightened,
    "darker": darker_and_flatter,
    "noisy": noisy,
    "grey": without_colour,
    "cropped by 2 %": lambda image: cropped(image, 0.98),
}


@pytest.fixture(scope="session")
def edits():
    return FOUND_BY_HASH


@pytest.fixture(scope="session")
def photographs():
    """Fifteen different photographs, 200 pixels high, of many widths."""
    pytest.importorskip("skimage")
    whole = {name: photograph(name) for name in photograph_names()}
    return {name: resized(image, 200, image.shape[1] * 200 // image.shape[0]) for name, image in whole.items()}


@pytest.fixture(scope="session")
def squares():
    pytest.importorskip("skimage")
    return simulate.square_photographs(size=128)


@pytest.fixture(scope="session")
def editing():
    """The edits as functions by name."""
    return {
        "recompressed": recompressed,
        "cropped": cropped,
        "resized": resized,
        "brightened": brightened,
        "without_colour": without_colour,
    }


@pytest.fixture
def image_files(tmp_path):
    """Write images of any sizes as PNG files and open them as a stimulus set with the given ids."""
    from braincodec.stimuli import StimulusSet

    def write(images):
        paths = []
        for number, image in enumerate(images.values()):
            paths.append(tmp_path / f"{number:04d}.png")
            Image.fromarray(image).save(paths[-1])
        return StimulusSet.from_paths(paths, ids=list(images))

    return write
