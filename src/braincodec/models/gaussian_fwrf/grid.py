"""The coarse grid of Gaussian receptive fields that every unit tries."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from braincodec.errors import InputValueError

if TYPE_CHECKING:
    from braincodec.models.gaussian_fwrf.recipe import GaussianFwRFRecipe

Fields = NDArray[np.float64]  # (fields, 3): x, y, standard deviation in degrees
# of the image's width: from the smallest fields of V1 in an image of 8.4 degrees to those of anterior areas
SMALLEST_SHARE, LARGEST_SHARE = 1 / 40, 0.4


@dataclass(frozen=True)
class FieldGrid:
    """Receptive fields of several sizes, centres a multiple of the size apart.

    Parameters
    ----------
    sizes : tuple of float
        Standard deviations in degrees, rising.
    extent : float
        Width of the square that centres fill, around the centre of the image, in degrees.
    spacing : float
        Largest distance between neighbouring centres, in standard deviations.
    most_centres : int
        Along each axis; small fields lie further apart where this is too few.

    Examples
    --------
    >>> FieldGrid(sizes=(1.0, 2.0), extent=4.0, spacing=2.0, most_centres=9).fields().tolist()[-4:]
    [[-2.0, -2.0, 2.0], [2.0, -2.0, 2.0], [-2.0, 2.0, 2.0], [2.0, 2.0, 2.0]]
    """

    sizes: tuple[float, ...]
    extent: float
    spacing: float
    most_centres: int

    def fields(self, widest_gap: float = math.inf) -> Fields:
        """Fields of all sizes, shape (fields, 3).

        Parameters
        ----------
        widest_gap : float
            Leave out sizes whose centres lie further apart, in standard deviations; the largest stays.
        """
        rows = []
        for size in self.sizes:
            places = self.centres(size)
            near = len(places) == 1 or places[1] - places[0] <= widest_gap * size
            if near or size == self.sizes[-1]:
                rows += [(x, y, size) for y in places for x in places]
        return np.array(rows)

    def centres(self, size: float) -> NDArray[np.float64]:
        """Places along one axis for fields of a size, in degrees."""
        wanted = math.ceil(round(self.extent / (self.spacing * size), 6)) + 1
        count = min(wanted, self.most_centres)
        return np.linspace(-self.extent / 2, self.extent / 2, count) if count > 1 else np.zeros(1)

    def clip(self, fields: Fields) -> Fields:
        """Fields brought back to where the grid reaches."""
        half = self.extent / 2
        return np.stack(
            [
                fields[:, 0].clip(-half, half),
                fields[:, 1].clip(-half, half),
                fields[:, 2].clip(self.sizes[0], self.sizes[-1]),
            ],
            axis=1,
        )


def make_grid(recipe: GaussianFwRFRecipe, visual_angle: float) -> FieldGrid:
    """The grid that a recipe asks for.

    Raises
    ------
    InputValueError
        When fields would lie outside the image or be wider than it, or sizes fall.

    Examples
    --------
    >>> from braincodec.models.gaussian_fwrf.recipe import GaussianFwRFRecipe
    >>> grid = make_grid(GaussianFwRFRecipe(backbone="gabor:bank", layers="scales.*"), visual_angle=8.4)
    >>> [round(size, 2) for size in grid.sizes], len(grid.fields())
    ([0.21, 0.33, 0.53, 0.84, 1.33, 2.12, 3.36], 368)
    """
    smallest = SMALLEST_SHARE * visual_angle if recipe.smallest_size is None else recipe.smallest_size
    largest = max(LARGEST_SHARE * visual_angle, smallest) if recipe.largest_size is None else recipe.largest_size
    extent = visual_angle if recipe.extent is None else recipe.extent
    image = f"the image, which is {visual_angle:g} degrees wide"
    if smallest > largest:
        raise InputValueError(f"sizes would fall from {smallest:g} to {largest:g} degrees; give smallest_size as well")
    for name, value in (("extent", extent), ("largest_size", largest)):
        if value > visual_angle * (1 + 1e-6):
            raise InputValueError(f"{name} {value:g} reaches beyond {image}: receptive fields there see nothing")
    sizes = np.geomspace(smallest, largest, recipe.sizes) if recipe.sizes > 1 else [math.sqrt(smallest * largest)]
    return FieldGrid(tuple(float(size) for size in sizes), extent, recipe.spacing, recipe.most_centres)
