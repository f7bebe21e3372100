"""Small files in the true layout of public data sets."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np

IMAGES, NEURONS, REPETITIONS, VOXELS = 12, 3, 4, 7
SESSION = "210325"


def jpeg(value: int) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.full((112, 112, 3), value, np.uint8)).save(buffer, "JPEG")
    return buffer.getvalue()


def write_zip(path: Path, count: int = IMAGES) -> None:
    # brightness tells the number; names are not written in their order
    with zipfile.ZipFile(path, "w") as archive:
        for number in reversed(range(1, count + 1)):
            archive.writestr(f"image{number:04d}.jpg", jpeg(10 * number))


def ragged_counts(images: int = IMAGES) -> np.ndarray:
    """Spike counts (neuron, image, repetition); every third image has one repetition less, the rest is NaN."""
    counts = np.random.default_rng(0).poisson(3.0, (NEURONS, images, REPETITIONS)).astype(float)
    counts[:, ::3, -1] = np.nan
    return counts


def digit_variables() -> dict[str, np.ndarray]:
    """Twelve training and four test digits; the upper left corner of each holds its number, to the right of it 200."""
    rng = np.random.default_rng(0)
    variables = {}
    for ending, count in (("Trn", 12), ("Test", 4)):
        images = np.zeros((count, 28, 28), np.uint8)
        images[:, 0, 0], images[:, 0, 1] = np.arange(count), 200
        variables[f"stim{ending}"] = images.transpose(0, 2, 1).reshape(count, -1)  # column by column, as MATLAB does
        variables[f"fmri{ending}"] = rng.standard_normal((count, VOXELS))
        variables[f"label{ending}"] = np.repeat([1, 2], count // 2)[:, None].astype(np.uint8)
    return variables
