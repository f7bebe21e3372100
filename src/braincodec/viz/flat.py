"""The flat maps of fsaverage5 that come inside nilearn: cortex cut open and unfolded."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from braincodec.errors import MissingFileError
from braincodec.extras import import_optional
from braincodec.mesh import HemisphereName

if TYPE_CHECKING:
    from numpy.typing import NDArray

PURPOSE = "the flat map of the cortex"


@functools.cache
def flat_surface(hemisphere: HemisphereName) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Positions and triangles of one unfolded hemisphere; the back of the head points to the other hemisphere.

    Parameters
    ----------
    hemisphere : {"left", "right"}

    Returns
    -------
    points : array of float64, shape (10242, 3)
        Millimetres to the right and up; the third is 0. Vertices in no triangle (the wall between the hemispheres and
        the cuts) have no place of their own.
    faces : array of int32, shape (triangles, 3)
        Counter-clockwise.

    Raises
    ------
    MissingFileError
        When this nilearn has no flat maps.
    """
    nibabel = import_optional("nibabel", PURPOSE)
    files = import_optional("nilearn.datasets", PURPOSE).fetch_surf_fsaverage("fsaverage5")
    name = f"flat_{hemisphere}"
    if name not in files:
        raise MissingFileError(name, "flat map of fsaverage5", "a newer nilearn has it: pip install -U nilearn")
    positions, faces = (item.data for item in nibabel.load(files[name]).darrays)
    points = positions.astype(np.float64)
    points[:, 2] = 0
    triangles = faces.astype(np.int32)
    for array in (points, triangles):
        array.flags.writeable = False
    return points, triangles
