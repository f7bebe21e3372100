"""Pixels inside the page: images as addresses that hold their own data."""

from __future__ import annotations

import base64
import html
import io
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

QUALITY = 88


def jpeg(pixels: NDArray[np.uint8], side: int | None = None) -> bytes:
    """A photograph as JPEG.

    Parameters
    ----------
    pixels : array of uint8, shape (height, width, 3)
    side : int, optional
        Of the square that its middle is cropped to, in pixels; default: as it is.
    """
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(pixels))
    if side is not None:
        shorter = min(picture.size)
        left, top = (picture.width - shorter) // 2, (picture.height - shorter) // 2
        picture = picture.crop((left, top, left + shorter, top + shorter))
        picture = picture.resize((side, side), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=QUALITY)
    return stream.getvalue()


def inside(content: bytes, kind: str = "image/jpeg") -> str:
    """An address that holds its own data.

    Examples
    --------
    >>> inside(b"abc", "image/png")
    'data:image/png;base64,YWJj'
    """
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def image(pixels: NDArray[np.uint8], words: str, side: int = 160) -> str:
    """An ``img`` of the square middle of a photograph, with what it shows in `words`."""
    address = inside(jpeg(pixels, side))
    return f'<img src="{address}" width="{side}" height="{side}" alt="{html.escape(words, quote=True)}">'
