"""Small studies on disk: images that tell their number, responses that tell their trial."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

IMAGES, UNITS = 12, 4
AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])
SHAPE = (3, 4, 5)


def pixels(count: int = IMAGES, seed: int = 0) -> np.ndarray:
    """Different pictures (count, 48, 48, 3), none a near copy of another."""
    blocks = np.random.default_rng(seed).integers(0, 255, (count, 6, 6, 3), dtype=np.uint8)
    return blocks.repeat(8, 1).repeat(8, 2)


def image_names(count: int = IMAGES) -> list[str]:
    return [f"picture_{number:02d}" for number in range(count)]


def write_images(folder: Path, count: int = IMAGES) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, image in zip(image_names(count), pixels(count), strict=True):
        Image.fromarray(image).save(folder / f"{name}.png")
    return folder


def numbered(trials: int, units: int = UNITS, start: int = 0) -> np.ndarray:
    """Responses (trial, unit): trial number and unit, as 7.2 for unit 2 of trial 7."""
    return (np.arange(start, start + trials)[:, None] + np.arange(units) / 10).astype(np.float32)


def trial_table(order: list[int], **columns: object) -> pd.DataFrame:
    names = image_names()
    return pd.DataFrame({"stimulus": [names[number] for number in order], **columns})


def volumes(trials: int, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """(x, y, z, trial): trial number plus the voxel's place in C order / 1000; voxel 0 is never 0."""
    places = np.arange(np.prod(shape)).reshape(shape) / 1000 + 1
    return (places[..., None] + np.arange(trials)).astype(np.float32)


def write_nifti(path: Path, data: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    import nibabel

    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(data, affine), path)
    return path
