"""Files that strangers send: photographs and patterns, judged by their content before anything is decoded."""

from __future__ import annotations

import io
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from braincodec.errors import BraincodecError, DamagedFileError, InputValueError
from braincodec.stimuli.decode import decode_image, load_decoders

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_BYTES = 20 * 10**6
MOST_PIXELS = 50 * 10**6
# the networks see 224 to 425 pixels; what people upload is held many times over
LONGEST_KEPT = 1024
FEWEST_PIXELS_A_SIDE = 8
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
KINDS = "PNG, JPEG, WebP, BMP, GIF or TIFF"
# decoding takes up to five bytes a pixel
_decoding = threading.Semaphore(2)


class UploadError(InputValueError):
    """A file that cannot be used; the message is one sentence for whoever sent it."""


def read_upload(source: str | Path | bytes) -> NDArray[np.uint8]:
    """A photograph as pixels.

    The type is judged by the content, not by the name. EXIF rotation is applied; grey, palette, CMYK and 16-bit images
    become RGB; transparent ones are blended over white; of an animation or pages, the first is taken. A photograph
    whose shorter side is longer than `LONGEST_KEPT` pixels is reduced to that.

    Parameters
    ----------
    source : path or bytes
        At most `MOST_BYTES` bytes and `MOST_PIXELS` pixels.

    Returns
    -------
    array of uint8, shape (height, width, 3)

    Raises
    ------
    UploadError
        For anything else.
    """
    content = content_of(source, "photograph")
    _check_header(content)
    try:
        with _decoding:
            return reduced(decode_image(io.BytesIO(content), "the photograph"))
    except DamagedFileError as error:
        raise UploadError(f"{_sentence(error)}; please try another file") from None
    except BraincodecError as error:
        raise UploadError(_sentence(error)) from None
    except MemoryError:
        raise UploadError("the photograph is too large for the memory that is left; please try a smaller one") from None


def content_of(source: str | Path | bytes, what: str) -> bytes:
    """The bytes of a file that was sent, where they are not too many.

    Raises
    ------
    UploadError
    """
    if isinstance(source, bytes):
        size = len(source)
    else:
        try:
            size = Path(source).stat().st_size
        except OSError:
            raise UploadError(f"the {what} did not arrive; please send it again") from None
    if size > MOST_BYTES:
        raise UploadError(f"the {what} has {size / 1e6:.1f} MB; at most {MOST_BYTES / 1e6:.0f} MB are accepted")
    if not size:
        raise UploadError(f"the {what} is an empty file")
    return source if isinstance(source, bytes) else Path(source).read_bytes()


def _check_header(content: bytes) -> None:
    """Refuse by what the file declares, before any pixel is decoded."""
    from PIL import Image

    load_decoders()
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            width, height = image.size
    except Image.DecompressionBombError:
        width = height = MOST_PIXELS
    except Exception:  # noqa: BLE001  Pillow raises nearly anything on bytes that are no image
        raise UploadError(f"this is not a photograph that can be read; please send a {KINDS} file") from None
    if width * height > MOST_PIXELS:
        limit = f"at most {MOST_PIXELS / 1e6:.0f} million pixels are accepted"
        raise UploadError(f"the photograph is too large ({width} x {height} pixels declared); {limit}")
    if min(width, height) < FEWEST_PIXELS_A_SIDE:
        raise UploadError(
            f"the photograph has {width} x {height} pixels; at least {FEWEST_PIXELS_A_SIDE} a side are needed"
        )


def checked_pixels(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pixels as they are, where they are those of one photograph.

    Raises
    ------
    UploadError
    """
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise UploadError("a photograph is an array of whole numbers from 0 to 255 (uint8), height x width x 3")
    height, width = pixels.shape[:2]
    if min(height, width) < FEWEST_PIXELS_A_SIDE or height * width > MOST_PIXELS:
        raise UploadError(
            f"the photograph has {width} x {height} pixels; {FEWEST_PIXELS_A_SIDE} a side to "
            f"{MOST_PIXELS / 1e6:.0f} million in all are accepted"
        )
    return pixels


def reduced(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A photograph whose shorter side has at most `LONGEST_KEPT` pixels; smaller ones are as they were."""
    from PIL import Image

    height, width = pixels.shape[:2]
    shorter = min(height, width)
    if shorter <= LONGEST_KEPT:
        return pixels
    size = (round(width * LONGEST_KEPT / shorter), round(height * LONGEST_KEPT / shorter))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))


def _sentence(error: BaseException) -> str:
    return str(error).splitlines()[0].rstrip(".")
