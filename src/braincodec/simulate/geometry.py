"""Where a simulated subject's visual areas lie on fsaverage5, and what each vertex sees.

This geometry is made up: smooth maps of our own, placed near where the areas are found in people. It is no atlas,
and no measured person's cortex was used beyond the mesh itself.

V1, V2, V3 and hV4 form one complex around a foveal confluence at the occipital pole, by the wedge-dipole idea of
Balasubramanian, Polimeni and Schwartz (2002): a point z = e * exp(i * phi) of an extended visual half field lies at
cortical position k * log(z / a + 1), so magnification falls with eccentricity e. V1 is the wedge |phi| < 0.8, V2 and V3
are the wedges beside it (dorsal halves see the lower field, ventral halves the upper one), and hV4 follows ventrally
with a whole half field. Polar angle runs back at each border. Category-selective areas are discs.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from braincodec.mesh import HEMISPHERES, HemisphereName, fsaverage5

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

# width of the stimulus in degrees of visual angle, as in the Natural Scenes Dataset
VISUAL_ANGLE = 8.4
LARGEST_ECCENTRICITY = VISUAL_ANGLE / 2
# approximate anatomical anchors in the right hemisphere's pial space (mm); the left one mirrors x
FOVEAL_CONFLUENCE = (25.0, -96.0, -8.0)
ANTERIOR_CALCARINE = (11.0, -68.0, 7.0)
DORSAL_CUNEUS = (8.0, -84.0, 28.0)
# eccentricity (degrees) at which magnification has halved, and the map's scale on the sphere (mm)
HALVING_ECCENTRICITY = 0.9
MAP_SCALE = 27.0
V1_BORDER, V2_BORDER, V3_BORDER, HV4_BORDER = 0.80, 1.30, 1.75, 2.45


@dataclass(frozen=True)
class ReceptiveFieldSize:
    """Standard deviation of the Gaussian receptive field, degrees: offset + slope * eccentricity."""

    offset: float
    slope: float


@dataclass(frozen=True)
class CategoryArea:
    """A disc of category-selective vertices.

    Attributes
    ----------
    category : str
    centre : (float, float, float)
        Anchor in the right hemisphere's pial space, mm.
    radius : float
        On the sphere, mm.
    hemispheres : tuple of str
    field : (float, float)
        Mean receptive-field centre: degrees towards the opposite visual field, degrees up.
    """

    category: str
    centre: tuple[float, float, float]
    radius: float
    hemispheres: tuple[HemisphereName, ...]
    field: tuple[float, float]


# grow from area to area, as population receptive fields do
SIZES = {
    "V1": ReceptiveFieldSize(0.20, 0.09),
    "V2": ReceptiveFieldSize(0.30, 0.14),
    "V3": ReceptiveFieldSize(0.45, 0.20),
    "hV4": ReceptiveFieldSize(0.70, 0.32),
    "EBA": ReceptiveFieldSize(1.60, 0.40),
    "FFA": ReceptiveFieldSize(1.70, 0.40),
    "PPA": ReceptiveFieldSize(2.60, 0.45),
    "VWFA": ReceptiveFieldSize(1.40, 0.40),
}
CATEGORY_AREAS = {
    "EBA": CategoryArea("body", (48.0, -71.0, 3.0), 17.0, HEMISPHERES, (1.2, -0.4)),
    "FFA": CategoryArea("face", (41.0, -53.0, -21.0), 12.0, HEMISPHERES, (0.6, 0.0)),
    "PPA": CategoryArea("place", (27.0, -46.0, -9.0), 14.0, HEMISPHERES, (1.5, 1.0)),
    "VWFA": CategoryArea("word", (46.0, -60.0, -13.0), 11.0, ("left",), (0.5, 0.0)),
}
RETINOTOPIC_AREAS = ("V1", "V2", "V3", "hV4")
AREAS = (*RETINOTOPIC_AREAS, *CATEGORY_AREAS)


def simulated_units() -> xr.Dataset:
    """The vertices of all simulated areas, both hemispheres, with their receptive fields.

    Returns
    -------
    xarray.Dataset
        dims (unit, roi). Variables on ``unit``: ``vertex`` (int32), ``hemisphere``, and in degrees of visual angle
        ``receptive_field_x`` (positive to the right of fixation), ``receptive_field_y`` (positive above),
        ``receptive_field_size`` (standard deviation of the Gaussian) and ``eccentricity``; ``polar_angle`` in degrees,
        counter-clockwise from the right horizontal meridian. ``roi_membership`` (unit, roi) is boolean; areas overlap.
    """
    import xarray as xr

    parts = [_hemisphere_units(name) for name in HEMISPHERES]
    columns = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    membership = columns.pop("roi_membership")
    units = xr.Dataset(
        {key: ("unit", values) for key, values in columns.items()} | {"roi_membership": (("unit", "roi"), membership)},
        coords={"roi": np.asarray(AREAS)},
        attrs={
            "space": "fsaverage5",
            "modality": "fmri",
            "simulated": 1,
            "geometry": "simulated: smooth made-up areas near their usual places, no atlas",
            "visual_angle": VISUAL_ANGLE,
        },
    )
    for name in ("receptive_field_x", "receptive_field_y", "receptive_field_size", "eccentricity"):
        units[name].attrs["units"] = "degrees of visual angle"
    return units


@functools.cache
def retinotopy(hemisphere: HemisphereName) -> tuple[NDArray[np.str_], NDArray[np.float64], NDArray[np.float64]]:
    """Area, eccentricity and polar angle at every vertex of a hemisphere.

    Parameters
    ----------
    hemisphere : {"left", "right"}

    Returns
    -------
    area : array of str, shape (10242,)
        Empty outside V1, V2, V3 and hV4.
    eccentricity : array of float64, shape (10242,)
        Degrees of visual angle; NaN outside.
    angle : array of float64, shape (10242,)
        Radians above the horizontal meridian of the opposite visual field; NaN outside.
    """
    position = _cortical_position(hemisphere)  # complex, mm on the sphere
    z = HALVING_ECCENTRICITY * (np.exp(position / MAP_SCALE) - 1)
    eccentricity, phi = np.abs(z), np.angle(z)
    area = np.full(len(z), "", dtype="<U4")
    angle = np.full(len(z), np.nan)
    inside = (eccentricity <= LARGEST_ECCENTRICITY) & (np.abs(position.imag) < MAP_SCALE * math.pi)
    side = np.where(phi > 0, -1.0, 1.0)  # dorsal vertices see the lower field
    bands = (
        ("V1", np.abs(phi) < V1_BORDER, -phi / V1_BORDER),
        ("V2", _between(np.abs(phi), V1_BORDER, V2_BORDER), side * _falling(np.abs(phi), V1_BORDER, V2_BORDER)),
        ("V3", _between(np.abs(phi), V2_BORDER, V3_BORDER), side * (1 - _falling(np.abs(phi), V2_BORDER, V3_BORDER))),
        ("hV4", _between(-phi, V3_BORDER, HV4_BORDER), 2 * _falling(-phi, V3_BORDER, HV4_BORDER) - 1),
    )
    for name, where, elevation in bands:
        chosen = where & inside
        area[chosen] = name
        angle[chosen] = elevation[chosen] * math.pi / 2
    return area, np.where(area == "", np.nan, eccentricity), angle


def category_strength(hemisphere: HemisphereName, area: str) -> NDArray[np.float64]:
    """How strongly each vertex belongs to a category-selective area.

    Parameters
    ----------
    hemisphere : {"left", "right"}
    area : str
        One of `CATEGORY_AREAS`.

    Returns
    -------
    array of float64, shape (10242,)
        1 in the centre, falling to 0.3 at the border, 0 outside.
    """
    disc = CATEGORY_AREAS[area]
    sphere = fsaverage5(hemisphere).sphere
    if hemisphere not in disc.hemispheres:
        return np.zeros(len(sphere))
    distance = _arc(sphere, sphere[_nearest_vertex(hemisphere, disc.centre)])
    # the retinotopic areas come first where a disc would reach into them
    inside = (distance <= disc.radius) & (retinotopy(hemisphere)[0] == "")
    return np.where(inside, 1 - 0.7 * (distance / disc.radius) ** 2, 0.0)


def _hemisphere_units(hemisphere: HemisphereName) -> dict[str, NDArray]:
    area, eccentricity, angle = retinotopy(hemisphere)
    opposite = 1.0 if hemisphere == "left" else -1.0
    membership = np.stack(
        [area == name for name in RETINOTOPIC_AREAS]
        + [category_strength(hemisphere, name) > 0 for name in CATEGORY_AREAS],
        axis=1,
    )
    x, y = opposite * eccentricity * np.cos(angle), eccentricity * np.sin(angle)
    size = np.zeros(len(area))
    for name in RETINOTOPIC_AREAS:
        size = np.where(area == name, SIZES[name].offset + SIZES[name].slope * eccentricity, size)
    for name, disc in CATEGORY_AREAS.items():
        chosen = category_strength(hemisphere, name) > 0
        right, up = _disc_field(hemisphere, disc)
        x, y = np.where(chosen, opposite * right, x), np.where(chosen, up, y)
        size = np.where(chosen, SIZES[name].offset + SIZES[name].slope * np.hypot(right, up), size)
    vertices = np.flatnonzero(membership.any(1))
    x, y = x[vertices], y[vertices]
    return {
        "vertex": vertices.astype(np.int32),
        "hemisphere": np.full(len(vertices), hemisphere, dtype="<U5"),
        "receptive_field_x": x.astype(np.float32),
        "receptive_field_y": y.astype(np.float32),
        "receptive_field_size": size[vertices].astype(np.float32),
        "eccentricity": np.hypot(x, y).astype(np.float32),
        "polar_angle": np.degrees(np.arctan2(y, x)).astype(np.float32),
        "roi_membership": membership[vertices],
    }


def _disc_field(hemisphere: HemisphereName, disc: CategoryArea) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Receptive-field centres that drift smoothly across a disc: degrees towards the opposite field, degrees up."""
    sphere = fsaverage5(hemisphere).sphere
    centre = sphere[_nearest_vertex(hemisphere, disc.centre)]
    east, north = _tangents(centre, np.array([0.0, 0.0, 100.0]))
    offset = (sphere - centre) / disc.radius
    return disc.field[0] + 0.5 * offset @ east, disc.field[1] + 0.5 * offset @ north


def _cortical_position(hemisphere: HemisphereName) -> NDArray[np.complex128]:
    """Flat position of every vertex around the fovea: real part along the calcarine, imaginary part dorsal, mm."""
    sphere = fsaverage5(hemisphere).sphere
    fovea, calcarine, cuneus = (
        sphere[_nearest_vertex(hemisphere, place)] for place in (FOVEAL_CONFLUENCE, ANTERIOR_CALCARINE, DORSAL_CUNEUS)
    )
    dorsal, along = _tangents(fovea, calcarine)
    if (cuneus - fovea) @ dorsal < 0:
        dorsal = -dorsal
    # azimuthal equidistant projection: distances and directions from the fovea are kept
    right, up = sphere @ along, sphere @ dorsal
    direction = np.arctan2(up, right)
    return _arc(sphere, fovea) * np.exp(1j * direction)


def _tangents(point: NDArray[np.float64], target: NDArray[np.float64]) -> tuple[NDArray, NDArray]:
    """Two unit tangents of the sphere at `point`; the second one leads towards `target`."""
    normal = point / np.linalg.norm(point)
    towards = target - (target @ normal) * normal
    towards /= np.linalg.norm(towards)
    return np.cross(towards, normal), towards


def _nearest_vertex(hemisphere: HemisphereName, place: tuple[float, float, float]) -> int:
    x, y, z = place
    target = np.array([x if hemisphere == "right" else -x, y, z])
    return int(np.linalg.norm(fsaverage5(hemisphere).pial - target, axis=1).argmin())


def _arc(points: NDArray[np.float64], centre: NDArray[np.float64]) -> NDArray[np.float64]:
    radius = np.linalg.norm(centre)
    return radius * np.arccos(np.clip(points @ centre / radius**2, -1, 1))


def _between(values: NDArray[np.float64], low: float, high: float) -> NDArray[np.bool_]:
    return (values >= low) & (values < high)


def _falling(values: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    """1 at `low`, 0 at `high`."""
    return (high - values) / (high - low)
