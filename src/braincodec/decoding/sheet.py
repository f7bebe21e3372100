"""All decoded images on one sheet, each stimulus' samples side by side, beside what was seen where that is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braincodec.atomic import atomic_path
from braincodec.errors import InputValueError

THUMBNAIL = 112  # pixels of the longer side
GAP, BETWEEN, MARGIN = 3, 24, 12
AFTER_SEEN = 10  # what was seen stands apart from what was decoded
CAPTION = 15  # height of a line, in pixels
WIDTH = 1500
CHARACTER = 7  # width of one, in the font that comes with Pillow
WHITE, INK, GREY = (255, 255, 255), (40, 40, 40), (110, 110, 110)
MOST_STIMULI, MOST_SAMPLES = 120, 8


def write_sheet(
    path: Path, samples: NDArray[np.uint8], ids: Sequence[str], seen: NDArray[np.uint8] | None = None, title: str = ""
) -> Path:
    """Write the sheet as PNG, with its description inside the file.

    Parameters
    ----------
    path : Path
        Replaced, whole or not at all.
    samples : array of uint8, shape (stimuli, samples, height, width, 3)
    ids : sequence of str
        Of the stimuli.
    seen : array of uint8, shape (stimuli, height, width, 3), optional
        What was seen, in its own size.
    title : str
        For the top line.

    Returns
    -------
    Path

    Notes
    -----
    Of more than 120 stimuli those shown are spread evenly; of more than eight samples the first are shown.

    Examples
    --------
    >>> import tempfile
    >>> from PIL import Image
    >>> images = np.zeros((2, 3, 8, 8, 3), np.uint8)
    >>> sheet = write_sheet(Path(tempfile.mkdtemp()) / "sheet.png", images, ["a", "b"], images[:, 0])
    >>> Image.open(sheet).text["Description"]
    '2 of 2 stimuli: seen, then 3 decoded samples of each. In order: a, b.'
    """
    from PIL.PngImagePlugin import PngInfo

    if len(samples) != len(ids) or (seen is not None and len(seen) != len(ids)) or not len(ids):
        raise InputValueError(f"a sheet of {len(samples)} decoded stimuli needs as many ids, and at least one")
    chosen = np.unique(np.linspace(0, len(ids) - 1, min(len(ids), MOST_STIMULI)).round().astype(int))
    shown = samples[chosen, :MOST_SAMPLES]
    names = [str(ids[place]) for place in chosen]
    words = _words(len(names), len(ids), shown.shape[1], samples.shape[1], seen is not None)
    canvas = _drawn(shown, names, None if seen is None else seen[chosen], f"{title}: {words}" if title else words)
    about = PngInfo()
    about.add_text("Description", f"{words} In order: {', '.join(names)}.")
    with atomic_path(path, overwrite=True) as temporary:
        canvas.save(temporary, "PNG", pnginfo=about)
    return path


def _words(shown: int, count: int, samples: int, all_samples: int, seen: bool) -> str:
    decoded = "the decoded image" if samples == 1 else f"{samples} decoded samples"
    decoded += f" (of {all_samples})" if samples < all_samples else ""
    first = "seen, then " if seen else ""
    return f"{shown} of {count} stimul{'us' if count == 1 else 'i'}: {first}{decoded} of each."


def _drawn(samples: NDArray[np.uint8], names: Sequence[str], seen: NDArray[np.uint8] | None, heading: str) -> Any:
    from PIL import Image, ImageDraw, ImageFont

    size = _thumbnail_size(samples.shape[3], samples.shape[2])
    before = 0 if seen is None else size[0] + AFTER_SEEN
    group = (before + samples.shape[1] * (size[0] + GAP) - GAP, size[1] + CAPTION)
    columns = max(1, min(len(names), (WIDTH - 2 * MARGIN + BETWEEN) // (group[0] + BETWEEN)))
    rows = -(-len(names) // columns)
    width = max(2 * MARGIN + columns * (group[0] + BETWEEN) - BETWEEN, 2 * MARGIN + CHARACTER * len(heading))
    height = MARGIN + CAPTION + BETWEEN // 2 + rows * (group[1] + BETWEEN)
    canvas = Image.new("RGB", (width, height), WHITE)
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(12)
    draw.text((MARGIN, MARGIN - 4), heading, GREY, font)
    for place, name in enumerate(names):
        row, column = divmod(place, columns)
        left = MARGIN + column * (group[0] + BETWEEN)
        top = MARGIN + CAPTION + BETWEEN // 2 + row * (group[1] + BETWEEN)
        placed = [(0, seen[place])] if seen is not None else []
        placed += [(before + cell * (size[0] + GAP), picture) for cell, picture in enumerate(samples[place])]
        for shift, picture in placed:
            small = Image.fromarray(np.ascontiguousarray(picture)).resize(size, Image.Resampling.LANCZOS)
            canvas.paste(small, (left + shift, top))
        draw.text((left, top + size[1] + 1), _shortened(name, group[0] // CHARACTER), INK, font)
    return canvas


def _thumbnail_size(width: int, height: int) -> tuple[int, int]:
    scale = THUMBNAIL / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _shortened(name: str, most: int) -> str:
    """The end of a long id, which tells it from others.

    Examples
    --------
    >>> _shortened("COCO_train2014_000000000001.jpg", 16)
    '...000000001.jpg'
    """
    plain = name.encode("ascii", "replace").decode()
    return plain if len(plain) <= most else f"...{plain[3 - most :]}"
