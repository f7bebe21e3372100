"""Natural photographs that lie on disk with scikit-image and scikit-learn: nothing is downloaded."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from braincodec.errors import MissingFileError, UnknownNameError
from braincodec.extras import import_optional

if TYPE_CHECKING:
    from numpy.typing import NDArray

Part = Literal["train", "validation", "test"]
Package = Literal["skimage", "sklearn"]


@dataclass(frozen=True)
class Photograph:
    """Where a photograph lies, under which licence, and in which part of the split its crops may appear.

    Attributes
    ----------
    name : str
    package : {"skimage", "sklearn"}
        Package whose installation holds the file.
    file : str
        Its name there.
    part : {"train", "validation", "test"}
    scene : bool
        True for pictures of people, animals, places and things; False for textures and microscopy.
    licence, author, source : str
    focus : (int, int, int), optional
        Left, top and side in pixels of a square around the subject of the picture, where that is not the centre.
    """

    name: str
    package: Package
    file: str
    part: Part
    scene: bool
    licence: str
    author: str
    source: str
    focus: tuple[int, int, int] | None = None


SKIMAGE: Package = "skimage"
SKLEARN: Package = "sklearn"
# where each package keeps its images
FOLDERS: dict[Package, str] = {"skimage": "data", "sklearn": "datasets/images"}
PUBLIC, CC0, CC_BY, FREE = "public domain", "CC0-1.0", "CC-BY-2.0", "no known restrictions"

# licences as the documentation of `skimage.data` and scikit-learn's `datasets/images/README.txt` state them;
# bundled images without a stated licence are left out
PHOTOGRAPHS = (
    Photograph("astronaut", SKIMAGE, "astronaut.png", "train", True, PUBLIC, "NASA", "flic.kr/p/r9qvLn", (118, 0, 215)),
    Photograph("coffee", SKIMAGE, "coffee.png", "train", True, CC0, "Rachel Michetti", "scikit-image"),
    Photograph("rocket", SKIMAGE, "rocket.jpg", "train", True, PUBLIC, "SpaceX", "Flickr 16511594820"),
    Photograph("flower", SKLEARN, "flower.jpg", "train", True, CC_BY, "vultilion", "Flickr 6056698931"),
    Photograph("grass", SKIMAGE, "grass.png", "train", False, CC0, "linolafett", "DeviantArt 434853879"),
    Photograph("coins", SKIMAGE, "coins.png", "train", False, FREE, "Brooklyn Museum", "Brooklyn Museum 51611"),
    Photograph(
        "deep-field", SKIMAGE, "hubble_deep_field.jpg", "train", False, PUBLIC, "NASA, ESA", "HubbleSite 2012/37"
    ),
    Photograph("tissue", SKIMAGE, "ihc.png", "train", False, FREE, "CMMI", "scikit-image"),
    Photograph("camera", SKIMAGE, "camera.png", "validation", True, CC0, "Lav Varshney", "scikit-image", (90, 30, 260)),
    Photograph("gravel", SKIMAGE, "gravel.png", "validation", False, CC0, "CC0 Textures", "CC0 Textures Gravel04"),
    Photograph("retina", SKIMAGE, "retina.jpg", "validation", False, CC0, "Mikael Häggström", "Wikimedia Commons"),
    Photograph("chelsea", SKIMAGE, "chelsea.png", "test", True, CC0, "Stéfan van der Walt", "scikit-image"),
    Photograph("china", SKLEARN, "china.jpg", "test", True, CC_BY, "danielbuechele", "Flickr 6061409035"),
    Photograph("brick", SKIMAGE, "brick.png", "test", False, CC0, "CC0 Textures", "CC0 Textures Bricks25"),
    Photograph("handwriting", SKIMAGE, "text.png", "test", True, PUBLIC, "Wikipedia", "Wikipedia Corner.png"),
)
BY_NAME = {item.name: item for item in PHOTOGRAPHS}


def photograph_names(part: str | None = None) -> list[str]:
    """Names of the photographs, all or those of one part of the split.

    Examples
    --------
    >>> photograph_names("test")
    ['chelsea', 'china', 'brick', 'handwriting']
    """
    return [item.name for item in PHOTOGRAPHS if part in (None, item.part)]


def photograph_licences() -> list[dict[str, str]]:
    """One row for each photograph: name, licence, author, source, the package that ships it, its part of the split.

    Examples
    --------
    >>> {row["licence"] for row in photograph_licences() if row["package"] == "sklearn"}
    {'CC-BY-2.0'}
    """
    return [
        {
            "name": item.name,
            "licence": item.licence,
            "author": item.author,
            "source": item.source,
            "package": item.package,
            "part": item.part,
        }
        for item in PHOTOGRAPHS
    ]


@functools.cache
def photograph(name: str) -> NDArray[np.uint8]:
    """Read one photograph.

    Parameters
    ----------
    name : str
        One of `photograph_names()`.

    Returns
    -------
    array of uint8, shape (height, width, 3)
        Read-only; grey photographs have three equal channels.

    Raises
    ------
    UnknownNameError
        When there is no such photograph.
    MissingExtraError
        When scikit-image or scikit-learn is not installed.
    """
    from PIL import Image

    if name not in BY_NAME:
        raise UnknownNameError("photograph", name, BY_NAME)
    with Image.open(_path(BY_NAME[name])) as image:
        pixels = np.asarray(image.convert("RGB"))
    pixels.flags.writeable = False
    return pixels


def photographs(names: list[str] | None = None) -> dict[str, NDArray[np.uint8]]:
    """Whole natural photographs of people, animals, objects and places, by name.

    Parameters
    ----------
    names : list of str, optional
        Default: every photograph of a scene (textures and microscopy are left out).

    Returns
    -------
    dict of str to array of uint8, shape (height, width, 3)
        Sizes differ.
    """
    return {name: photograph(name) for name in names or [item.name for item in PHOTOGRAPHS if item.scene]}


def square_photographs(names: list[str] | None = None, size: int = 384) -> dict[str, NDArray[np.uint8]]:
    """A square of each photograph, around its subject or its centre, resized to `size` pixels.

    Images of one size can be encoded as an array.

    Parameters
    ----------
    names : list of str, optional
        As for `photographs`.
    size : int

    Returns
    -------
    dict of str to array of uint8, shape (size, size, 3)
    """
    from PIL import Image

    squares = {}
    for name, pixels in photographs(names).items():
        height, width = pixels.shape[:2]
        shorter = min(height, width)
        left, top, side = BY_NAME[name].focus or ((width - shorter) // 2, (height - shorter) // 2, shorter)
        image = Image.fromarray(pixels).crop((left, top, left + side, top + side))
        squares[name] = np.asarray(image.resize((size, size), Image.Resampling.LANCZOS))
    return squares


def _path(item: Photograph) -> Path:
    package = import_optional(item.package, f"the photograph {item.name!r}")
    path = Path(str(package.__file__)).parent / FOLDERS[item.package] / item.file
    if not path.is_file():
        raise MissingFileError(path, f"photograph {item.name!r}", f"it comes with {item.package}; install that again")
    return path
