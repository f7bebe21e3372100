"""Names of image files that say which stimulus they show, and the files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from braincodec.atomic import atomic_path

PICTURE_SUFFIXES = re.compile(r"(?:\.(?:png|jpe?g|bmp|tiff?|webp|gif))+$", re.IGNORECASE)
# what some file system does not take in a name
NOT_IN_A_NAME = re.compile(r'[\x00-\x1f\\:*?"<>|]')
LONGEST_NAME = 200  # characters; file systems take 255 bytes


def image_files(ids: Sequence[object], n_samples: int = 1) -> list[list[str]]:
    """Names of PNG files for samples of stimuli: relative, each once on every file system.

    Parameters
    ----------
    ids : sequence of str
        Of the stimuli. The ending of an image file is dropped; what no file may be called becomes ``_``.
    n_samples : int
        Of each stimulus; with several, their number from 1 follows the id.

    Returns
    -------
    list of list of str
        For each stimulus the names of its samples.

    Examples
    --------
    >>> image_files(["badlands1.jpg", "cat"]), image_files(["a"], 2), image_files(["../up", "x:y", "X_y"])
    ([['badlands1.png'], ['cat.png']], [['a-sample-1.png', 'a-sample-2.png']], [['up.png'], ['x_y.png'], ['X_y-2.png']])
    """
    taken: set[str] = set()
    stems = []
    for item in ids:
        stem = first = _plain(str(item))
        count = 1
        while stem.casefold() in taken:
            count += 1
            stem = f"{first}-{count}"
        taken.add(stem.casefold())
        stems.append(stem)
    if n_samples == 1:
        return [[f"{stem}.png"] for stem in stems]
    return [[f"{stem}-sample-{sample}.png" for sample in range(1, n_samples + 1)] for stem in stems]


def _plain(item: str) -> str:
    parts = [NOT_IN_A_NAME.sub("_", PICTURE_SUFFIXES.sub("", part)).strip(". ") for part in item.split("/")]
    return "/".join(part[:LONGEST_NAME] for part in parts if part) or "image"


def write_image(path: Path, image: NDArray[np.uint8]) -> None:
    """Write a PNG file, whole or not at all; what was there is replaced.

    Parameters
    ----------
    path : Path
    image : array of uint8, shape (height, width, 3)
    """
    from PIL import Image

    with atomic_path(path, overwrite=True) as temporary:
        Image.fromarray(image).save(temporary, "PNG")
