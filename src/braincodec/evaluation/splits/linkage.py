"""Groups of images that are joined by steps no longer than a radius: single linkage, in blocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from braincodec.evaluation.checks import tiles
from braincodec.progress import progress_bar

# of each image, known after the first pass
NEIGHBOURS = 16


@dataclass(frozen=True)
class Neighbours:
    """The nearest few images of each image, nearest first.

    Parameters
    ----------
    places : array of int, shape (images, few)
    distances : array of float32, shape (images, few)
        1 - cosine similarity.
    """

    places: NDArray[np.intp]
    distances: NDArray[np.float32]

    def nearest(self, wanted: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """The first neighbour of each image that is wanted, and its distance; infinite where none is.

        Parameters
        ----------
        wanted : array of bool, shape (images, few)

        Examples
        --------
        >>> few = Neighbours(np.array([[1, 2]]), np.array([[0.1, 0.3]], np.float32))
        >>> few.nearest(np.array([[False, True]]))[0].tolist()
        [2]
        """
        first = wanted.argmax(axis=1)[:, None]
        place: NDArray[np.intp] = np.take_along_axis(self.places, first, axis=1)[:, 0]
        distance: NDArray[np.float32] = np.take_along_axis(self.distances, first, axis=1)[:, 0]
        distance[~wanted.any(axis=1)] = np.inf
        return place, distance


@dataclass(frozen=True)
class SpanningTree:
    """The shortest edges that join all images.

    Parameters
    ----------
    edges : array of int, shape (images - 1, 2)
    distances : array of float64, shape (images - 1,)
        Ascending.
    """

    edges: NDArray[np.intp]
    distances: NDArray[np.float64]

    def groups(self, radius: float) -> NDArray[np.intp]:
        """Group of each image; images of different groups are farther apart than `radius`.

        Examples
        --------
        >>> tree = SpanningTree(np.array([[0, 1], [1, 2]]), np.array([0.1, 0.7]))
        >>> tree.groups(0.5).tolist()
        [0, 0, 1]
        """
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        count = len(self.edges) + 1
        kept = self.edges[: int(np.searchsorted(self.distances, radius, side="right"))]
        graph = coo_array((np.ones(len(kept), np.int8), (kept[:, 0], kept[:, 1])), shape=(count, count))
        labels: NDArray[np.intp] = connected_components(graph.tocsr(), directed=False)[1].astype(np.intp)
        return labels


def spanning_tree(unit: NDArray[np.float32], neighbours: Neighbours | None = None) -> SpanningTree:
    """Minimum spanning tree over the distances 1 - cosine similarity.

    Parameters
    ----------
    unit : array of float32, shape (images, features)
        Each of length one.
    neighbours : Neighbours, optional
        Where they are known already.

    Notes
    -----
    Boruvka's algorithm: every group but the largest finds its nearest image outside, and groups are joined, until one
    is left. At least half of the others vanish in each round. Beyond the nearest few neighbours, only those images are
    compared with all others whose neighbours are all in their own group, and nearer than the group's best way out.

    Examples
    --------
    >>> tree = spanning_tree(np.array([[1, 0], [0, 1], [0.6, 0.8]], np.float32))
    >>> tree.edges.tolist(), tree.distances.round(2).tolist()
    ([[1, 2], [0, 2]], [0.2, 0.4])
    """
    count = len(unit)
    group = np.arange(count)
    parents = list(range(count))
    edges: list[tuple[int, int]] = []
    distances: list[float] = []
    neighbours = neighbours or nearest_neighbours(unit, progress=False)
    while len(edges) < count - 1:
        nearest, far = _ways_out(unit, neighbours, group)
        # of each group the image with the shortest way out, shortest ways first
        order = np.lexsort((far, group))
        first_of_group = order[np.flatnonzero(np.diff(group[order], prepend=-1))]
        first_of_group = first_of_group[np.isfinite(far[first_of_group])]
        for start in first_of_group[np.argsort(far[first_of_group], kind="stable")].tolist():
            end = int(nearest[start])
            here, there = _root(parents, start), _root(parents, end)
            if here != there:  # an earlier edge of this round may have joined them
                parents[here] = there
                edges.append((min(start, end), max(start, end)))
                distances.append(float(far[start]))
        group = np.array([_root(parents, image) for image in range(count)])
    order = np.argsort(distances, kind="stable")
    return SpanningTree(np.array(edges, np.intp).reshape(-1, 2)[order], np.array(distances, np.float64)[order])


def nearest_neighbours(unit: NDArray[np.float32], progress: bool | None = None) -> Neighbours:
    """The nearest few images of each image, from one product of all images with all, in blocks.

    Parameters
    ----------
    unit : array of float32, shape (images, features)
        Each of length one.
    progress : bool, optional

    Examples
    --------
    >>> nearest_neighbours(np.array([[1, 0], [0, 1], [0.6, 0.8]], np.float32)).places.tolist()
    [[2, 1], [2, 0], [1, 0]]
    """
    import torch

    count = len(unit)
    few = min(NEIGHBOURS, count - 1)
    places, distances = np.empty((count, few), np.intp), np.empty((count, few), np.float32)
    with progress_bar("nearest images", count, show=progress) as advance:
        for rows in tiles(count, bytes_each=5 * count):
            cosine = unit[rows] @ unit.T  # (rows, images)
            cosine[np.arange(len(cosine)), np.arange(rows.start, rows.stop)] = -np.inf
            nearest, found = torch.from_numpy(cosine).topk(few)
            places[rows], distances[rows] = found.numpy(), 1 - nearest.numpy()
            advance(rows.stop - rows.start)
    return Neighbours(places, distances)


def _ways_out(
    unit: NDArray[np.float32], neighbours: Neighbours, group: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Nearest image of another group and its distance; infinite for images that cannot be their group's nearest."""
    nearest, far = neighbours.nearest(group[neighbours.places] != group[:, None])
    _, member, sizes = np.unique(group, return_inverse=True, return_counts=True)
    best = np.full(len(sizes), np.inf, np.float32)
    np.minimum.at(best, member, far)
    # ways out of the largest group are found from their other ends
    hidden = np.isinf(far) & (neighbours.distances[:, -1] < best[member]) & (member != sizes.argmax())
    searched = np.flatnonzero(hidden)
    for tile in tiles(len(searched), bytes_each=5 * len(unit)):
        rows = searched[tile]
        cosine = unit[rows] @ unit.T
        cosine[group[rows, None] == group] = -np.inf
        nearest[rows] = cosine.argmax(axis=1)
        far[rows] = 1 - cosine.max(axis=1)
    return nearest, far


def _root(parents: list[int], image: int) -> int:
    while parents[image] != image:
        parents[image] = parents[parents[image]]
        image = parents[image]
    return image
