from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def save_image(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def pixels() -> np.ndarray:
    """Twelve images of noise, channels last."""
    return np.random.default_rng(0).integers(0, 256, (12, 9, 7, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path: Path, pixels: np.ndarray) -> Path:
    """The same images as PNG in a folder, named so that they sort in order."""
    place = tmp_path / "pictures"
    for position, image in enumerate(pixels):
        save_image(place / f"{position:02d}.png", image)
    return place
