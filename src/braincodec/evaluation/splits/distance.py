"""The search for a test set that is far from its training set image by image, and like it as a population."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from braincodec.errors import InputValueError
from braincodec.evaluation.checks import tiles
from braincodec.evaluation.splits.discrepancy import Population, fourier_features, kernel_width
from braincodec.evaluation.splits.linkage import Neighbours, SpanningTree, nearest_neighbours, spanning_tree

FEWEST_STIMULI = 10
SMALLEST_RADIUS = 1e-6  # identical images, whose features differ by rounding
RANDOM_SPLITS = 100  # of equal size, to know what discrepancy chance gives
RADII = 64  # tried by bisection
CANDIDATES = 2048  # groups looked at for each step of the search
SWAPS = 1000
# part of the stimuli by which the test set may miss the size asked for, where groups do not add up to it
SIZE_TOLERANCE = 0.01


def find_distant_test_set(
    unit: NDArray[np.float32], size: int, level: float, seed: int, progress: bool | None = None
) -> tuple[NDArray[np.bool_], dict[str, Any]]:
    """The test set, and what was measured of it; see `distance_splits`.

    Parameters
    ----------
    unit : array of float32, shape (images, features)
        Each of length one.
    size : int
        Of the test set.
    level : float
        Quantile of random splits' discrepancy that may be reached.
    seed : int
    progress : bool, optional

    Returns
    -------
    test : array of bool, shape (images,)
    measured : dict
        ``radius``; ``nearest_smallest`` and ``nearest_median``, distances of test images to their nearest training
        image; ``mmd2``; the same three of random splits as ``random_...`` (means over splits of the first two, and the
        quantile `level` of the third).

    Raises
    ------
    InputValueError
        When there are fewer than ten images, or fewer than two would be in the test set.
    """
    count = len(unit)
    if count < FEWEST_STIMULI or not 2 <= size <= count - 2:
        raise InputValueError(
            f"a distance split needs at least {FEWEST_STIMULI} stimuli and two on each side, "
            f"got {count} with {size} for testing"
        )
    width = kernel_width(unit, seed)
    rng = np.random.default_rng(seed)
    random_tests = [_membership(count, rng.permutation(count)[:size]) for _ in range(RANDOM_SPLITS)]
    population = Population(unit, width, random_tests)
    allowed = float(np.quantile(population.of_first, level))
    neighbours = nearest_neighbours(unit, progress)
    tree = spanning_tree(unit, neighbours)
    search = _Search(fourier_features(unit, width, seed), tree, size, seed)

    def suitable(radius: float) -> tuple[NDArray[np.bool_], float] | None:
        test = search.at(radius)
        if test is None:
            return None
        found = population.discrepancy(test)
        return (test, found) if found <= allowed else None

    best, radius = _largest_suitable(tree, suitable)
    if best is None:
        # no radius is suitable: only copies of one image stay together, and the discrepancy is what the search reaches
        whole = search.at(SMALLEST_RADIUS)
        if whole is None:
            raise InputValueError(f"copies of one image are so many that no test set of {size} stimuli is without them")
        best, radius = (whole, population.discrepancy(whole)), SMALLEST_RADIUS
    test, found = best
    ours = nearest_distances(unit, ~test, test, neighbours)
    usual = [nearest_distances(unit, ~other, other, neighbours) for other in random_tests[:5]]
    return test, {
        "radius": radius,
        "nearest_smallest": float(ours.min()),
        "nearest_median": float(np.median(ours)),
        "mmd2": found,
        "random_nearest_smallest": float(np.mean([item.min() for item in usual])),
        "random_nearest_median": float(np.mean([np.median(item) for item in usual])),
        "random_mmd2": allowed,
    }


def nearest_distances(
    unit: NDArray[np.float32],
    train: NDArray[np.bool_],
    test: NDArray[np.bool_],
    neighbours: Neighbours | None = None,
) -> NDArray[np.float64]:
    """1 - cosine similarity of each test image to its nearest training image, shape (test images,).

    Parameters
    ----------
    unit : array of float32, shape (images, features)
        Each of length one.
    train, test : array of bool, shape (images,)
    neighbours : Neighbours, optional
        Of all images, where they are known already: only images without training images among them are compared.

    Examples
    --------
    >>> unit = np.array([[1, 0], [0, 1], [0.6, 0.8]], np.float32)
    >>> nearest_distances(unit, np.array([True, True, False]), np.array([False, False, True])).round(2)
    array([0.2])
    """
    found = np.full(len(unit), np.inf)
    if neighbours is not None:
        found = neighbours.nearest(train[neighbours.places])[1].astype(np.float64)
    training, left = unit[train], np.flatnonzero(test & np.isinf(found))
    for rows in tiles(len(left), bytes_each=4 * max(1, len(training))):
        found[left[rows]] = 1 - (unit[left[rows]] @ training.T).max(axis=1)
    return found[test]


def _membership(count: int, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
    test = np.zeros(count, bool)
    test[rows] = True
    return test


def _largest_suitable(tree: SpanningTree, suitable: Any) -> tuple[Any, float]:
    """Bisection over radii: the result at the largest one found suitable, and that radius."""
    steps = np.unique(np.linspace(0, len(tree.distances) - 1, RADII).round().astype(int))
    radii = np.unique(np.concatenate([[SMALLEST_RADIUS], np.maximum(tree.distances[steps], SMALLEST_RADIUS)]))
    best, radius = None, 0.0
    low, high = -1, len(radii)
    while high - low > 1:
        middle = (low + high) // 2
        found = suitable(float(radii[middle]))
        if found is None:
            high = middle
        else:
            best, radius, low = found, float(radii[middle]), middle
    return best, radius


class _Search:
    """Test sets made of whole groups whose mean features are those of all images."""

    def __init__(self, features: NDArray[np.float32], tree: SpanningTree, size: int, seed: int) -> None:
        self.centred = features - features.mean(axis=0, dtype=np.float64).astype(np.float32)
        self.tree, self.size, self.seed = tree, size, seed

    def at(self, radius: float) -> NDArray[np.bool_] | None:
        """The best test set of groups at this radius; None where groups do not add up to its size."""
        from scipy.sparse import csr_array

        labels = self.tree.groups(radius)
        count, groups = len(labels), int(labels.max()) + 1
        sizes = np.bincount(labels, minlength=groups)
        members = csr_array((np.ones(count, np.float32), (labels, np.arange(count))), shape=(groups, count))
        sums = members @ self.centred  # (groups, features)
        rng = np.random.default_rng(self.seed)
        chosen = self._herd(sums, sizes, rng)
        missing = self.size - int(sizes[chosen].sum())
        if missing > max(1, SIZE_TOLERANCE * count):
            return None
        self._swap(chosen, sums, sizes, rng)
        return _membership(groups, np.array(chosen, np.intp))[labels]

    def _herd(self, sums: NDArray[np.float32], sizes: NDArray[np.intp], rng: np.random.Generator) -> list[int]:
        """Add one group after the other, each time the one that keeps the mean nearest to that of all images."""
        free = np.flatnonzero(sizes <= self.size)
        if len(free) > CANDIDATES:  # then each step looks at the next so many of a random order
            free = rng.permutation(free)
        shuffled, size_of = sums[free], sizes[free]
        squares = np.square(shuffled).sum(axis=1)
        taken = np.zeros(len(free), bool)
        chosen: list[int] = []
        room, total, begin = self.size, np.zeros(sums.shape[1], np.float32), 0
        windows_without = 0
        while room and windows_without * CANDIDATES < len(free):
            window = slice(begin, begin + CANDIDATES)
            begin = window.stop if window.stop < len(free) else 0
            fitting = ~taken[window] & (size_of[window] <= room)
            if not fitting.any():
                windows_without += 1
                continue
            after = squares[window] + 2 * (shuffled[window] @ total) + total @ total  # of the sum with each added
            after /= (self.size - room + size_of[window]) ** 2
            place = window.start + int(np.argmin(np.where(fitting, after, np.inf)))
            chosen.append(int(free[place]))
            taken[place] = True
            total += shuffled[place]
            room -= int(size_of[place])
            windows_without = 0
        return chosen

    def _swap(
        self, chosen: list[int], sums: NDArray[np.float32], sizes: NDArray[np.intp], rng: np.random.Generator
    ) -> None:
        """Exchange groups of equal size as long as that brings the means nearer."""
        inside = _membership(len(sizes), np.array(chosen, np.intp))
        squares = np.square(sums).sum(axis=1)
        total = sums[chosen].sum(axis=0)
        for place in rng.integers(0, len(chosen), SWAPS):
            leaving = chosen[place]
            others = np.flatnonzero(~inside & (sizes == sizes[leaving]))
            if not len(others):
                continue
            others = others if len(others) <= CANDIDATES else rng.choice(others, CANDIDATES, replace=False)
            kept = total - sums[leaving]
            after = squares[others] + 2 * (sums[others] @ kept) + kept @ kept  # of the sum with each in its place
            best = int(np.argmin(after))
            if after[best] < total @ total:
                entering = int(others[best])
                inside[leaving], inside[entering] = False, True
                total = total - sums[leaving] + sums[entering]
                chosen[place] = entering
