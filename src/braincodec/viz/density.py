"""Many points in one plane, coloured by how many lie in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from braincodec.viz.style import density_colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

# beyond this, points would only cover each other: cells are coloured instead
MOST_POINTS = 50_000
# more points than this are stored as pixels in SVG and PDF files
MOST_VECTORS = 2_000
CELLS, SMOOTHING = 96, 1.6


def draw_density(
    axes: Axes, x: NDArray[np.floating], y: NDArray[np.floating], limits: tuple[float, float], size: float = 9.0
) -> None:
    """Draw points, dense places darker and on top; very many points as cells.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    x, y : array, shape (points,)
        Finite.
    limits : (float, float)
        Of both axes.
    size : float
        Of a point, square points of print; smaller where there are many.
    """
    if not len(x):
        return
    if len(x) > MOST_POINTS:
        cells, across, up = np.histogram2d(x, y, bins=2 * CELLS, range=(limits, limits))
        shown = np.ma.masked_equal(cells.T, 0)  # rows go up
        axes.pcolormesh(across, up, np.log1p(shown), cmap=density_colours(), rasterized=True, zorder=2)
        return
    density = point_density(x, y, limits)
    order = np.argsort(density, kind="stable")
    area = size * float(np.clip(np.sqrt(300 / len(x)), 0.25, 1.6))
    axes.scatter(
        x[order], y[order], c=density[order], cmap=density_colours(), s=area, linewidths=0, zorder=2,
        rasterized=len(x) > MOST_VECTORS,
    )  # fmt: skip


def point_density(
    x: NDArray[np.floating], y: NDArray[np.floating], limits: tuple[float, float]
) -> NDArray[np.floating]:
    """How many points lie around each point: counts in cells, smoothed, read off at the points.

    Examples
    --------
    >>> x = np.array([0.5, 0.5, 0.51, 0.1])
    >>> density = point_density(x, x, (0, 1))
    >>> bool(density[0] > 2 * density[3])
    True
    """
    from scipy.ndimage import gaussian_filter, map_coordinates

    cells, _, _ = np.histogram2d(x, y, bins=CELLS, range=(limits, limits))
    smooth = gaussian_filter(cells, SMOOTHING, mode="constant")
    places = [(axis - limits[0]) / (limits[1] - limits[0]) * CELLS - 0.5 for axis in (x, y)]
    return np.asarray(map_coordinates(smooth, places, order=1, mode="nearest"))
