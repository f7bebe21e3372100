"""Batches of images in which two regions represent alike, or differently: a seeded genetic search over matrices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from braincodec.control.batches import Positions, random_batches, replace_some
from braincodec.errors import InputValueError, UnknownNameError

Goal = Literal["align", "disentangle"]
Floats = NDArray[np.floating]

FEWEST_IMAGES = 4  # six pairs: with three a correlation is almost always near 1 or -1
# shares of a batch's images that a changed copy has others of; 0 is a single one
MUTATIONS = (0.0, 0.1, 0.25, 0.5, 0.75)
BATCHES_AT_ONCE = 128  # their pairs stay in the processor's cache
# a pattern varies less than this part of its size: rounding, not variance
ROUNDING = 1e-6


@dataclass(frozen=True)
class Evolution:
    """What a genetic search went through.

    Parameters
    ----------
    batches : array of int, shape (generations, size)
        The best batch of each generation, sorted.
    similarity : array, shape (generations,)
        Its similarity of the two regions.
    kept : array, shape (generations,)
        Median similarity of the batches that went on to the next generation.
    """

    batches: Positions
    similarity: NDArray[np.float64]
    kept: NDArray[np.float64]


def similarity_matrix(patterns: Floats) -> NDArray[np.float32]:
    """Pearson correlation over units of the response patterns of each pair of images.

    Parameters
    ----------
    patterns : array, shape (images, units)

    Returns
    -------
    array of float32, shape (images, images)

    Raises
    ------
    InputValueError
        With fewer than two units, or for an image whose pattern does not vary over units.

    Examples
    --------
    >>> similarity_matrix(np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [3.0, 2.0, 1.0]])).round(3)[0]
    array([ 1.,  1., -1.], dtype=float32)
    """
    if patterns.shape[1] < 2:
        raise InputValueError(f"the similarity of patterns needs at least two units, there are {patterns.shape[1]}")
    size = np.sqrt(np.einsum("iu,iu->i", patterns, patterns, dtype=np.float64))
    centred = (patterns - patterns.mean(axis=1, keepdims=True, dtype=np.float64)).astype(np.float32)
    length = np.sqrt(np.einsum("iu,iu->i", centred, centred, dtype=np.float64))
    constant = np.flatnonzero(length <= ROUNDING * np.maximum(size, np.finfo(np.float32).tiny))
    if len(constant):
        raise InputValueError(
            f"the responses to {len(constant):,} of {len(patterns):,} images do not vary over units, so their patterns "
            f"have no similarity; the first is number {constant[0]}"
        )
    centred /= length[:, None].astype(np.float32)
    found: NDArray[np.float32] = centred @ centred.T
    return found


def paired_matrices(first: Floats, second: Floats) -> NDArray[np.complex64]:
    """Two similarity matrices as one, so that a pair of images is looked up once for both.

    Parameters
    ----------
    first, second : array, shape (images, images)

    Returns
    -------
    array of complex64, shape (images, images)
        The first as its real part, the second as its imaginary part.

    Examples
    --------
    >>> paired_matrices(np.eye(2), np.ones((2, 2)))[0].tolist()
    [(1+1j), 1j]
    """
    if first.shape != second.shape or first.ndim != 2 or first.shape[0] != first.shape[1]:
        raise InputValueError(f"two square matrices of one size are needed, not {first.shape} and {second.shape}")
    pair = np.empty(first.shape, np.complex64)
    pair.real, pair.imag = first, second
    return pair


def batch_similarity(pair: NDArray[np.complex64], batches: Positions) -> NDArray[np.float64]:
    """How alike two regions' similarity matrices are within each batch: Pearson correlation over its pairs of images.

    Parameters
    ----------
    pair : array of complex64, shape (images, images)
        From `paired_matrices`.
    batches : array of int, shape (batches, size)

    Returns
    -------
    array, shape (batches,)
        0 where one of the two does not vary.

    Examples
    --------
    >>> a, b = np.random.default_rng(0).random((2, 6, 6)).astype(np.float32)
    >>> pair = paired_matrices(a + a.T, b + b.T)
    >>> rows, columns = np.triu_indices(6, 1)
    >>> plain = np.corrcoef((a + a.T)[rows, columns], (b + b.T)[rows, columns])[0, 1]
    >>> bool(np.isclose(batch_similarity(pair, np.arange(6)[None])[0], plain))
    True
    """
    images, flat = len(pair), np.ascontiguousarray(pair).reshape(-1)
    rows, columns = np.triu_indices(batches.shape[1], 1)
    found = np.empty(len(batches))
    for start in range(0, len(batches), BATCHES_AT_ONCE):
        part = np.ascontiguousarray(batches[start : start + BATCHES_AT_ONCE])
        values = flat.take(part[:, rows] * images + part[:, columns])  # (batches, pairs)
        a, b = (np.ascontiguousarray(one, np.float64) for one in (values.real, values.imag))
        a -= a.mean(axis=1, keepdims=True)
        b -= b.mean(axis=1, keepdims=True)
        squares = np.einsum("bp,bp->b", a, a) * np.einsum("bp,bp->b", b, b)
        products = np.einsum("bp,bp->b", a, b)
        found[start : start + len(part)] = products / np.sqrt(np.where(squares > 0, squares, np.inf))
    return np.clip(found, -1, 1)


def goal_score(similarity: NDArray[np.float64] | float, goal: Goal) -> NDArray[np.float64]:
    """What a search makes large: the similarity itself to align, how near it is to zero to disentangle.

    Examples
    --------
    >>> goal_score(-0.2, "align").item(), goal_score(-0.2, "disentangle").item()
    (-0.2, -0.2)
    """
    if goal not in get_args(Goal):
        raise UnknownNameError("goal", goal, get_args(Goal))
    values = np.asarray(similarity, np.float64)
    return values if goal == "align" else -np.abs(values)


def evolve(
    pair: NDArray[np.complex64],
    size: int = 50,
    goal: Goal = "align",
    *,
    generations: int = 500,
    batches: int = 200,
    newcomers: int = 200,
    mutations: Sequence[float] = MUTATIONS,
    patience: int | None = 100,
    seed: int = 0,
    on_generation: Callable[[int], None] | None = None,
) -> Evolution:
    """Search a batch of images by generations of change and choice.

    Each generation keeps the best batches, adds changed copies of them (a single image replaced, a tenth, a quarter,
    half, three quarters) and new random batches, and chooses again.

    Parameters
    ----------
    pair : array of complex64, shape (images, images)
        From `paired_matrices`.
    size : int
        Images in a batch.
    goal : {"align", "disentangle"}
        The similarity of the two matrices within the batch as high as possible, or as near to zero.
    generations : int
        At most so many.
    batches, newcomers : int
        How many are kept, and how many random ones are added each time.
    mutations : sequence of float
        What part of its images each changed copy has others of; at least one image is replaced.
    patience : int, optional
        End after so many generations in which the best did not improve.
    seed : int
    on_generation : callable, optional
        Called with 1 after each.

    Returns
    -------
    Evolution

    Raises
    ------
    InputValueError
        When a batch has fewer than four images or not fewer than there are, or a number is below 1.

    Notes
    -----
    Source: Gifford, Jastrzebowska, Singer, Cichy 2024 (relational neural control), which makes as many random batches
    as it has others, and goes through 2,000 generations.
    """
    images = len(pair)
    if not FEWEST_IMAGES <= size < images:
        raise InputValueError(f"a batch needs {FEWEST_IMAGES} to {images - 1:,} of the {images:,} images, not {size:,}")
    if min(generations, batches) < 1 or newcomers < 0:
        raise InputValueError(f"a search needs generations and batches, got {generations=}, {batches=}, {newcomers=}")
    rng = np.random.default_rng([seed, 3])
    population = random_batches(batches, size, images, rng)
    similarity = batch_similarity(pair, population)
    best: list[float] = []
    kept: list[float] = []
    history: list[Positions] = []
    waited = 0
    for _ in range(generations):
        changed = [replace_some(population, max(1, round(part * size)), images, rng) for part in mutations]
        added = np.concatenate([*changed, random_batches(newcomers, size, images, rng)]) if newcomers else (
            np.concatenate(changed)
        )  # fmt: skip
        population = np.concatenate([population, added])
        similarity = np.concatenate([similarity, batch_similarity(pair, added)])
        order = np.argsort(-goal_score(similarity, goal), kind="stable")[:batches]
        population, similarity = population[order], similarity[order]
        improved = not best or goal_score(similarity[0], goal) > goal_score(best[-1], goal)
        waited = 0 if improved else waited + 1
        best.append(float(similarity[0]))
        kept.append(float(np.median(similarity)))
        history.append(np.sort(population[0]))
        if on_generation is not None:
            on_generation(1)
        if patience is not None and waited >= patience:
            break
    return Evolution(np.stack(history), np.array(best), np.array(kept))
