"""One encoded image file to pixels."""

from __future__ import annotations

import functools
import importlib
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from braincodec.errors import DamagedFileError, UnsafeFileError
from braincodec.stimuli.checks import MOST_PIXELS

if TYPE_CHECKING:
    from PIL import Image

IMAGE_SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm", ".pnm",
)  # fmt: skip
# only these decoders are used: some others of Pillow start external programs
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
PLUGINS = ("Jpeg", "Mpo", "Png", "Bmp", "Gif", "Tiff", "WebP", "Ppm")
BACKGROUND = (255, 255, 255, 255)  # seen through transparent pixels
ORIENTATION_TAG = 0x0112
SIXTEEN_BIT_STEP = 257  # 65535 / 255


@functools.cache
def load_decoders() -> None:
    """Register Pillow's decoders; called before threads start, because registration is not safe among them."""
    for plugin in PLUGINS:
        importlib.import_module(f"PIL.{plugin}ImagePlugin")


def is_image_name(name: str) -> bool:
    """Whether a file name ends like an image.

    Examples
    --------
    >>> is_image_name("holiday.JPG"), is_image_name("notes.txt")
    (True, False)
    """
    return name.lower().endswith(IMAGE_SUFFIXES)


def decode_image(file: BinaryIO, name: str) -> np.ndarray:
    """Decode an image file to RGB.

    EXIF rotation is applied. Grey, palette and CMYK images become RGB, transparent ones are blended over white, 16-bit
    grey is scaled to 8 bits. Of an animation or a stack of pages, the first is taken. Colour profiles are not applied.

    Parameters
    ----------
    file : binary file
    name : str
        What the image is called in errors.

    Returns
    -------
    array of uint8, shape (height, width, 3)

    Raises
    ------
    DamagedFileError
        When the file is truncated, corrupt, no image, or of a kind without a defined range of values.
    UnsafeFileError
        When it declares more than `MOST_PIXELS` pixels.

    Examples
    --------
    >>> import io
    >>> from PIL import Image
    >>> file = io.BytesIO()
    >>> Image.new("L", (4, 2), 7).save(file, "png")
    >>> decode_image(file, "grey.png").shape
    (2, 4, 3)
    """
    from PIL import Image

    load_decoders()
    try:
        with Image.open(file, formats=FORMATS) as image:
            _check_size(image, name)
            image.load()
            return np.array(_to_rgb(_upright(image), name, stored_as_png=image.format == "PNG"))
    except (DamagedFileError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise UnsafeFileError(f"{name}: {error}") from None
    except Image.UnidentifiedImageError:
        raise DamagedFileError(f"{name}: not an image, or its beginning is damaged") from None
    except Exception as error:  # noqa: BLE001  Pillow's decoders raise nearly anything on damaged bytes
        raise DamagedFileError(f"{name}: damaged image ({error or type(error).__name__})") from None


def image_header(file: BinaryIO, name: str) -> tuple[int, int]:
    """Height and width that an image file declares, its rotation not applied; the pixels are not decoded.

    Raises
    ------
    DamagedFileError
        When the file is no image.
    """
    from PIL import Image

    load_decoders()
    try:
        with Image.open(file, formats=FORMATS) as image:
            return image.height, image.width
    except Exception:  # noqa: BLE001  as above
        raise DamagedFileError(f"{name}: not an image, or its beginning is damaged") from None


def _check_size(image: Image.Image, name: str) -> None:
    if image.width * image.height > MOST_PIXELS:
        raise UnsafeFileError(
            f"{name} declares {image.height} x {image.width} pixels; at most {MOST_PIXELS:,} are decoded"
        )


def _upright(image: Image.Image) -> Image.Image:
    from PIL import ImageOps

    try:
        orientation = image.getexif().get(ORIENTATION_TAG, 1)
    except Exception:  # noqa: BLE001  a broken note about the camera does not make the pixels wrong
        return image
    return ImageOps.exif_transpose(image) if orientation in range(2, 9) else image


def _to_rgb(image: Image.Image, name: str, *, stored_as_png: bool) -> Image.Image:
    from PIL import Image

    # older Pillows open 16-bit PNG as 32-bit integers
    if image.mode.startswith("I;16") or (image.mode == "I" and stored_as_png):
        grey = np.asarray(image).astype(np.float32) / SIXTEEN_BIT_STEP
        return Image.fromarray(np.rint(grey).clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        raise DamagedFileError(
            f"{name}: pixels are 32-bit numbers without a defined range; "
            "save it with 8 or 16 bits, or give an array and value_range"
        )
    if image.has_transparency_data:
        background = Image.new("RGBA", image.size, BACKGROUND)
        return Image.alpha_composite(background, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")
