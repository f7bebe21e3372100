"""Batches of images: drawn at random without repeats, and changed a little."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from braincodec.errors import InputValueError

Positions = NDArray[np.intp]

# with so few images that most draws would hit a batch's own, a random order of all of them is quicker
DENSE = 4


def random_batches(count: int, size: int, images: int, rng: np.random.Generator) -> Positions:
    """Draw batches of images, each image at most once in a batch.

    Parameters
    ----------
    count, size : int
        How many batches, and how many images in each.
    images : int
        How many there are to draw from.
    rng : numpy.random.Generator

    Returns
    -------
    array of int, shape (count, size)
        Positions from 0, in no order.

    Raises
    ------
    InputValueError
        When a batch would have no image, or more than there are.

    Examples
    --------
    >>> batches = random_batches(100, 5, 8, np.random.default_rng(0))
    >>> {len(set(batch.tolist())) for batch in batches}
    {5}
    """
    if not 1 <= size <= images:
        raise InputValueError(f"a batch has 1 to {images:,} images, as many as there are; not {size:,}")
    return _fresh(np.empty((count, 0), np.intp), size, images, rng)


def replace_some(batches: Positions, amount: int, images: int, rng: np.random.Generator) -> Positions:
    """Replace some images of each batch, chosen at random, by images that it did not have.

    Parameters
    ----------
    batches : array of int, shape (batches, size)
    amount : int
        How many of each; fewer where not so many others exist.
    images : int
        How many there are to draw from.
    rng : numpy.random.Generator

    Returns
    -------
    array of int, shape (batches, size)

    Examples
    --------
    >>> batch = np.array([[0, 1, 2, 3]])
    >>> len(set(replace_some(batch, 2, 50, np.random.default_rng(0))[0]) & {0, 1, 2, 3})
    2
    """
    size = batches.shape[1]
    amount = min(amount, size, images - size)
    if amount < 1:
        return batches.copy()
    places = np.argpartition(rng.random(batches.shape), amount - 1, axis=1)[:, :amount]
    changed = batches.copy()
    np.put_along_axis(changed, places, _fresh(batches, amount, images, rng), axis=1)
    return changed


def nearest_batch(values: NDArray[np.floating], batches: Positions) -> int:
    """Which batch has a mean nearest to the mean over all batches.

    Parameters
    ----------
    values : array, shape (quantities, images)
        Such as the responses of some regions; each quantity counts alike, whatever its scale.
    batches : array of int, shape (batches, size)

    Returns
    -------
    int

    Examples
    --------
    >>> nearest_batch(np.array([[0.0, 1.0, 2.0, 9.0]]), np.array([[0, 1], [1, 2], [0, 3]]))
    1
    """
    means = np.stack([one[batches].mean(axis=1) for one in values])  # (quantities, batches)
    spread = means.std(axis=1, keepdims=True)
    away = (means - means.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1)
    return int(np.argmin((away**2).sum(axis=0)))


def _fresh(taken: Positions, amount: int, images: int, rng: np.random.Generator) -> Positions:
    """Distinct images for each row that the row has not taken, shape (rows, amount)."""
    rows, before = taken.shape
    if images <= DENSE * (before + amount):
        order = rng.random((rows, images))
        np.put_along_axis(order, taken, 2.0, axis=1)  # last
        return np.argpartition(order, amount - 1, axis=1)[:, :amount]
    drawn = rng.integers(images, size=(rows, amount))
    unsettled = np.arange(rows)
    while len(unsettled):
        again = _repeats(taken[unsettled], drawn[unsettled])
        unsettled, again = unsettled[again.any(axis=1)], again[again.any(axis=1)]
        redrawn = drawn[unsettled]
        redrawn[again] = rng.integers(images, size=int(again.sum()))
        drawn[unsettled] = redrawn
    return drawn


def _repeats(taken: Positions, drawn: Positions) -> NDArray[np.bool_]:
    """Which of the images drawn for a row are taken, or were drawn for it before."""
    both = np.concatenate([taken, drawn], axis=1)
    order = np.argsort(both, axis=1, kind="stable")  # of equal ones, the taken first
    ordered = np.take_along_axis(both, order, axis=1)
    repeated = np.zeros(both.shape, bool)
    np.put_along_axis(repeated, order[:, 1:], ordered[:, 1:] == ordered[:, :-1], axis=1)
    return repeated[:, taken.shape[1] :]
