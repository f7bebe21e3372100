"""A surface seen from one side, as pixels: which triangle each pixel shows, and where in it.

Drawing thousands of triangles anew for every map is slow. The view is computed once; then a map is one weighted
sum for each pixel, interpolated within triangles.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from braincodec.errors import UnknownNameError
from braincodec.mesh import HemisphereName, fsaverage5
from braincodec.viz.flat import flat_surface

if TYPE_CHECKING:
    from numpy.typing import NDArray

# where the camera stands (lateral, front, up) and which way is up in the picture; lateral is mirrored for the left
VIEWS = {
    "lateral": ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0)),
    "medial": ((-1.0, 0.0, 0.0), (0.0, 0.0, 1.0)),
    "ventral": ((0.0, 0.0, -1.0), (0.0, 1.0, 0.0)),
    "dorsal": ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0)),
    "posterior": ((0.0, -1.0, 0.0), (0.0, 0.0, 1.0)),
    "anterior": ((0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    # from behind and below: early visual, lateral and ventral temporal areas at once
    "occipital": ((0.0, -1.0, -0.62), (0.0, 0.0, 1.0)),
}
FLAT = "flat"
# the picture is computed at twice its size and averaged, for smooth edges
OVERSAMPLING = 2
# pixels per millimetre before averaging down
RESOLUTION = 2.5
MARGIN = 2.0


@dataclass(frozen=True)
class Raster:
    """What each pixel of a view shows.

    Attributes
    ----------
    vertices : array of int32, shape (height, width, 3)
        Corners of the triangle in front; 0 on the background.
    weights : array of float32, shape (height, width, 3)
        Barycentric coordinates; 0 on the background.
    shade : array of float32, shape (height, width)
        Brightness under a light beside the camera, 0 to 1.
    """

    vertices: NDArray[np.int32]
    weights: NDArray[np.float32]
    shade: NDArray[np.float32]

    @property
    def visible(self) -> NDArray[np.bool_]:
        """Pixels that show the surface, shape (height, width)."""
        return np.asarray(self.weights.any(-1))

    def interpolate(self, values: NDArray[np.floating]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Values (10242,) of vertices at every pixel; corners that are NaN have no say.

        Returns
        -------
        values : array of float32, shape (height, width)
            NaN on the background and where all corners are NaN.
        share : array of float32, shape (height, width)
            Weight of the corners that have a value, 0 to 1.
        """
        known = np.isfinite(values).astype(np.float32)
        filled = np.where(known > 0, values, 0.0).astype(np.float32)
        share = np.einsum("hwc,hwc->hw", self.weights, known[self.vertices])
        total = np.einsum("hwc,hwc->hw", self.weights, filled[self.vertices])
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(share > 0, total / share, np.nan), share


@functools.lru_cache(maxsize=16)
def raster(hemisphere: HemisphereName, view: str = "occipital", resolution: float = RESOLUTION) -> Raster:
    """Rasterise one hemisphere: its inflated surface from one side, or the whole of it unfolded.

    Parameters
    ----------
    hemisphere : {"left", "right"}
    view : str
        One of `VIEWS`, or ``"flat"``.
    resolution : float
        Pixels per millimetre.

    Raises
    ------
    UnknownNameError
        For another view.
    """
    points, faces = _surface(hemisphere, view)
    used = points[np.unique(faces), :2]
    low, high = used.min(0) - MARGIN, used.max(0) + MARGIN
    width, height = np.ceil((high - low) * resolution).astype(int)
    # pixel coordinates: columns to the right, rows downwards
    flat = np.stack([(points[:, 0] - low[0]) * resolution, (high[1] - points[:, 1]) * resolution], 1)
    normals = _vertex_normals(points, faces)
    front = faces[_signed_area(flat, faces) < 0]  # rows grow downwards, so facing triangles turn clockwise
    pixel, corner, weight = _cover(flat, front, int(width), int(height))
    # the nearest triangle wins: written last
    order = np.argsort((points[:, 2][front][corner] * weight).sum(1), kind="stable")
    vertices = np.zeros((height * width, 3), np.int32)
    weights = np.zeros((height * width, 3), np.float32)
    vertices[pixel[order]] = front[corner[order]]
    weights[pixel[order]] = weight[order]
    light = np.array([-0.35, 0.45, 0.82])
    brightness = np.clip(normals @ (light / np.linalg.norm(light)), 0, 1)
    shade = (brightness[vertices] * weights).sum(-1)
    return Raster(
        vertices.reshape(height, width, 3),
        weights.reshape(height, width, 3),
        shade.reshape(height, width).astype(np.float32),
    )


def _surface(hemisphere: HemisphereName, view: str) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Vertices (n, 3) as right, up and towards the camera, and triangles."""
    if view == FLAT:
        return flat_surface(hemisphere)
    if view not in VIEWS:
        raise UnknownNameError("view", view, VIEWS)
    mesh = fsaverage5(hemisphere)
    return mesh.inflated @ _camera(hemisphere, view).T, mesh.faces


def _camera(hemisphere: HemisphereName, view: str) -> NDArray[np.float64]:
    """Rotation whose rows are the picture's right, its up, and the direction to the camera."""
    place, up = (np.array(vector) for vector in VIEWS[view])
    if hemisphere == "left":
        place = place * (-1.0, 1.0, 1.0)
    towards = place / np.linalg.norm(place)
    right = np.cross(up, towards)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(towards, right), towards])


def _signed_area(flat: NDArray[np.float64], faces: NDArray[np.int32]) -> NDArray[np.float64]:
    a, b, c = (flat[faces[:, corner]] for corner in range(3))
    return (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (c[:, 0] - a[:, 0]) * (b[:, 1] - a[:, 1])


def _cover(
    flat: NDArray[np.float64], faces: NDArray[np.int32], width: int, height: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Every (pixel, triangle) pair whose pixel centre lies in the triangle, with barycentric coordinates."""
    corners = flat[faces]  # (faces, 3, 2)
    first = np.floor(corners.min(1)).astype(int)
    extent = np.ceil(corners.max(1)).astype(int) - first
    area = _signed_area(flat, faces)
    pixels, triangles, weights = [], [], []
    # triangles of about one size are tested together, each against the pixels of its bounding box
    largest = extent.max(1)
    for size in np.unique(largest):
        chosen = np.flatnonzero(largest == size)
        offset = np.stack(np.meshgrid(np.arange(size), np.arange(size)), -1).reshape(-1, 2)
        place = first[chosen, None, :] + offset  # (chosen, pixels, 2)
        centre = place + 0.5
        a, b, c = (corners[chosen, None, corner, :] for corner in range(3))
        share_a = _cross(b - centre, c - centre) / area[chosen, None]
        share_b = _cross(c - centre, a - centre) / area[chosen, None]
        share = np.stack([share_a, share_b, 1 - share_a - share_b], -1)
        # a little over the edge, so that rounding leaves no gaps
        inside = (share > -1e-6).all(-1) & (place >= 0).all(-1) & (place < (width, height)).all(-1)
        triangle, at = np.nonzero(inside)
        pixels.append(place[triangle, at, 1] * width + place[triangle, at, 0])
        triangles.append(chosen[triangle])
        weights.append(share[triangle, at])
    return np.concatenate(pixels), np.concatenate(triangles), np.concatenate(weights).astype(np.float32)


def _cross(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    return first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0]


def _vertex_normals(points: NDArray[np.float64], faces: NDArray[np.int32]) -> NDArray[np.float64]:
    a, b, c = (points[faces[:, corner]] for corner in range(3))
    of_face = np.cross(b - a, c - a)
    normals = np.zeros_like(points)
    for corner in range(3):
        np.add.at(normals, faces[:, corner], of_face)
    # a vertex of no triangle has none
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
