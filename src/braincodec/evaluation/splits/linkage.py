"""Groups of images that are joined by steps no longer than a radius: single linkage, in blocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from braincodec.evaluation.checks import tiles
from braincodec.progress import Advance, progress_bar


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


def spanning_tree(unit: NDArray[np.float32], progress: bool | None = None) -> SpanningTree:
    """Minimum spanning tree over the distances 1 - cosine similarity.

    Parameters
    ----------
    unit : array of float32, shape (images, features)
        Each of length one.
    progress : bool, optional

    Notes
    -----
    Boruvka's algorithm: every group finds its nearest image outside, and groups are joined, until one is left.
    At least half of the groups vanish in each round; a round is one product of all images with all, in blocks.

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
    rounds = max(1, int(np.ceil(np.log2(max(2, count)))))
    with progress_bar("nearest images", rounds * count, show=progress) as advance:
        while len(edges) < count - 1:
            nearest, far = _nearest_outside(unit, group, advance)
            # of each group the image with the shortest way out, shortest ways first
            order = np.lexsort((far, group))
            first_of_group = order[np.flatnonzero(np.diff(group[order], prepend=-1))]
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


def _nearest_outside(
    unit: NDArray[np.float32], group: NDArray[np.intp], advance: Advance
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Nearest image of another group, for each image, and its distance."""
    nearest = np.empty(len(unit), np.intp)
    far = np.empty(len(unit), np.float32)
    for rows in tiles(len(unit), bytes_each=5 * len(unit)):
        cosine = unit[rows] @ unit.T  # (rows, images)
        cosine[group[rows, None] == group] = -np.inf
        nearest[rows] = cosine.argmax(axis=1)
        far[rows] = 1 - cosine.max(axis=1)
        advance(rows.stop - rows.start)
    return nearest, far


def _root(parents: list[int], image: int) -> int:
    while parents[image] != image:
        parents[image] = parents[parents[image]]
        image = parents[image]
    return image
