"""The fsaverage5 surface that comes inside nilearn: 10,242 vertices a hemisphere, no download."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from braincodec.errors import UnknownNameError
from braincodec.extras import import_optional

if TYPE_CHECKING:
    from numpy.typing import NDArray

HemisphereName = Literal["left", "right"]
HEMISPHERES: tuple[HemisphereName, HemisphereName] = ("left", "right")
VERTICES = 10_242


@dataclass(frozen=True)
class Hemisphere:
    """One hemisphere of fsaverage5; vertex n is the same place on every surface.

    Attributes
    ----------
    name : {"left", "right"}
    faces : array of int32, shape (20480, 3)
        Vertex numbers of each triangle, counter-clockwise seen from outside.
    white, pial, inflated, sphere : array of float64, shape (10242, 3)
        Positions in millimetres: x to the right, y to the front, z up. The cortex lies between white and pial; the
        sphere has a radius of 100.
    sulcal_depth : array of float64, shape (10242,)
        Positive in sulci.
    """

    name: HemisphereName
    faces: NDArray[np.int32]
    white: NDArray[np.float64]
    pial: NDArray[np.float64]
    inflated: NDArray[np.float64]
    sphere: NDArray[np.float64]
    sulcal_depth: NDArray[np.float64]


@functools.cache
def fsaverage5(hemisphere: HemisphereName) -> Hemisphere:
    """Load one hemisphere.

    Parameters
    ----------
    hemisphere : {"left", "right"}

    Returns
    -------
    Hemisphere
        Arrays are read-only.

    Raises
    ------
    UnknownNameError
        For another name.
    MissingExtraError
        When nilearn or nibabel is not installed.

    Examples
    --------
    >>> fsaverage5("left").inflated.shape
    (10242, 3)
    """
    if hemisphere not in HEMISPHERES:
        raise UnknownNameError("hemisphere", hemisphere, HEMISPHERES)
    what = "the fsaverage5 surface"
    nibabel = import_optional("nibabel", what)
    files = import_optional("nilearn.datasets", what).fetch_surf_fsaverage("fsaverage5")

    def arrays(surface: str) -> list[NDArray[np.generic]]:
        return [item.data for item in nibabel.load(files[f"{surface}_{hemisphere}"]).darrays]

    inflated, faces = arrays("infl")
    return Hemisphere(
        name=hemisphere,
        faces=_fixed(faces.astype(np.int32)),
        white=_fixed(arrays("white")[0].astype(np.float64)),
        pial=_fixed(arrays("pial")[0].astype(np.float64)),
        inflated=_fixed(inflated.astype(np.float64)),
        sphere=_fixed(arrays("sphere")[0].astype(np.float64)),
        sulcal_depth=_fixed(arrays("sulc")[0].astype(np.float64).ravel()),
    )


def _fixed(array: NDArray) -> NDArray:
    array.flags.writeable = False
    return array
