"""Procedural images: dead leaves, Gabor textures, letters, shapes; each from a random generator and a size."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Image = NDArray[np.uint8]

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHJKLMNPRSTUVWXYZ0123456789"
# drawn larger, then reduced, so that edges are smooth
OVERSAMPLING = 2


def dead_leaves(rng: np.random.Generator, size: int) -> Image:
    """Discs that occlude each other, radii by a power law of exponent -3: natural edge statistics.

    Parameters
    ----------
    rng : numpy.random.Generator
    size : int
        Height and width in pixels.

    Returns
    -------
    array of uint8, shape (size, size, 3)

    Examples
    --------
    >>> dead_leaves(np.random.default_rng(0), 32).shape
    (32, 32, 3)
    """
    canvas, draw, side = _canvas(size, _colour(rng))
    smallest, largest = 0.02 * side, 0.35 * side
    count = 300
    uniform = rng.random(count)
    radii = (smallest**-2 + uniform * (largest**-2 - smallest**-2)) ** -0.5  # density proportional to radius^-3
    places = rng.uniform(-0.1 * side, 1.1 * side, (count, 2))
    hue = rng.random()
    for (x, y), radius in zip(places, radii, strict=True):
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=_colour(rng, hue, spread=0.25))
    return _finished(canvas, size)


def gabor_texture(rng: np.random.Generator, size: int) -> Image:
    """Gabor patches of one dominant orientation and many scales, added up.

    Parameters
    ----------
    rng : numpy.random.Generator
    size : int

    Returns
    -------
    array of uint8, shape (size, size, 3)
    """
    axis = (np.arange(size) + 0.5) / size
    texture = np.zeros((size, size))
    orientation, spread = rng.uniform(0, math.pi), rng.uniform(0.05, 0.8)
    for _ in range(int(rng.integers(12, 40))):
        x, y = axis[None, :] - rng.random(), axis[:, None] - rng.random()
        angle = orientation + spread * rng.standard_normal()
        width = math.exp(rng.uniform(math.log(0.04), math.log(0.25)))
        # one envelope holds about as many cycles at every scale
        frequency = rng.uniform(0.5, 1.5) / width
        # a Gaussian is separable, so the envelope is an outer product
        envelope = np.exp(-(y**2) / (2 * width**2)) * np.exp(-(x**2) / (2 * width**2))
        phase = 2 * math.pi * (frequency * (math.cos(angle) * x + math.sin(angle) * y) + rng.random())
        texture += rng.uniform(0.5, 1.0) * envelope * np.cos(phase)
    texture /= max(1e-6, float(np.abs(texture).max()))
    dark, bright = np.asarray(_colour(rng), float), np.asarray(_colour(rng), float)
    middle, swing = (dark + bright) / 2, np.maximum(np.abs(bright - dark) / 2, 40.0)
    return np.clip(middle + texture[..., None] * swing, 0, 255).astype(np.uint8)


def letters(rng: np.random.Generator, size: int) -> Image:
    """Lines of random letters on a plain ground.

    Parameters
    ----------
    rng : numpy.random.Generator
    size : int

    Returns
    -------
    array of uint8, shape (size, size, 3)
    """
    from PIL import ImageFont

    hue = rng.random()
    ground, ink = _colour(rng, hue, value=(0.75, 1.0)), _colour(rng, hue + 0.5, value=(0.0, 0.35))
    if rng.random() < 0.5:
        ground, ink = ink, ground
    canvas, draw, side = _canvas(size, ground)
    lines = int(rng.integers(1, 7))
    height = side / (lines + 0.5)
    font = ImageFont.load_default(size=max(6.0, 0.85 * height))
    top = rng.uniform(-0.1, 0.3) * height
    for line in range(lines):
        count = int(rng.integers(2, 5 + 2 * lines))
        text = "".join(" " if rng.random() < 0.12 else LETTERS[rng.integers(len(LETTERS))] for _ in range(count))
        left = rng.uniform(-0.05, 0.35) * side
        draw.text((left, top + line * height), text, fill=ink, font=font)
    return _finished(canvas.rotate(rng.uniform(-12, 12), fillcolor=ground), size)


def shapes(rng: np.random.Generator, size: int) -> Image:
    """A few large polygons, stars and ellipses over a colour gradient.

    Parameters
    ----------
    rng : numpy.random.Generator
    size : int

    Returns
    -------
    array of uint8, shape (size, size, 3)
    """
    from PIL import Image as PillowImage
    from PIL import ImageDraw

    side = size * OVERSAMPLING
    ramp = np.linspace(0, 1, side)[:, None, None]
    gradient = (1 - ramp) * np.asarray(_colour(rng)) + ramp * np.asarray(_colour(rng))
    canvas = PillowImage.fromarray(np.broadcast_to(gradient, (side, side, 3)).astype(np.uint8))
    draw = ImageDraw.Draw(canvas)
    for _ in range(int(rng.integers(1, 6))):
        centre, radius = rng.uniform(0.15, 0.85, 2) * side, rng.uniform(0.08, 0.35) * side
        corners = int(rng.integers(3, 8))
        star = rng.random() < 0.4
        turns = rng.random() + np.arange(corners * (2 if star else 1)) / (corners * (2 if star else 1))
        reach = radius * np.where(np.arange(len(turns)) % 2, 0.45, 1.0) if star else np.full(len(turns), radius)
        outline = centre + reach[:, None] * np.stack([np.cos(2 * math.pi * turns), np.sin(2 * math.pi * turns)], 1)
        fill, edge, width = _colour(rng), _colour(rng), int(rng.integers(0, 4)) * OVERSAMPLING
        if rng.random() < 0.3:
            x, y = centre
            flat = radius * rng.uniform(0.4, 1.0)
            draw.ellipse((x - radius, y - flat, x + radius, y + flat), fill=fill, outline=edge, width=width)
        else:
            draw.polygon([tuple(point) for point in outline], fill=fill, outline=edge, width=width)
    return _finished(canvas, size)


PROCEDURES: dict[str, Callable[[np.random.Generator, int], Image]] = {
    "dead_leaves": dead_leaves,
    "gabor_texture": gabor_texture,
    "letters": letters,
    "shapes": shapes,
}


def _canvas(size: int, colour: tuple[int, int, int]):  # type: ignore[no-untyped-def]
    from PIL import Image as PillowImage
    from PIL import ImageDraw

    side = size * OVERSAMPLING
    canvas = PillowImage.new("RGB", (side, side), colour)
    return canvas, ImageDraw.Draw(canvas), side


def _finished(canvas, size: int) -> Image:  # type: ignore[no-untyped-def]
    return np.asarray(canvas.reduce(OVERSAMPLING).resize((size, size)))


def _colour(
    rng: np.random.Generator,
    hue: float | None = None,
    *,
    spread: float = 0.1,
    value: tuple[float, float] = (0.15, 1.0),
) -> tuple[int, int, int]:
    """A random colour (red, green, blue); with `hue` near that one, which counts in turns."""
    centre = rng.random() if hue is None else hue + spread * rng.standard_normal()
    red, green, blue = colorsys.hsv_to_rgb(centre % 1.0, rng.uniform(0.05, 0.9), rng.uniform(*value))
    return int(255 * red), int(255 * green), int(255 * blue)
