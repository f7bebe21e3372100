"""Values on the vertices of fsaverage5: from units, dictionaries and scores; regions; the map in words."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from braincodec.errors import InputTypeError, InputValueError
from braincodec.evaluation.scores import Scores
from braincodec.mesh import HEMISPHERES, VERTICES, HemisphereName
from braincodec.responses.checks import ROI_MEMBERSHIP, ROI_PREFIX
from braincodec.viz.alternative import number
from braincodec.viz.unit_values import metric_values, unit_dataset

Maps = dict[HemisphereName, NDArray[np.floating]]
Outlines = dict[HemisphereName, dict[str, NDArray[np.bool_]]]

# the icosahedron is divided again and again: the first 10,242 vertices of fsaverage are those of fsaverage5
FINE_VERTICES = 163_842
SPACES = ("fsaverage5", "fsaverage")


def vertex_maps(data: Any, metric: str | None, subject: object) -> Maps:
    """One value for each vertex of both hemispheres, from whatever holds them.

    Parameters
    ----------
    data : Scores, DataArray (unit,) or dict of hemisphere to array (10242,) or (163842,)
    metric : str, optional
        Of scores; default: the correlation.
    subject : optional
        Of scores; default: all, a vertex shows their mean.

    Raises
    ------
    InputTypeError, InputValueError
        When there are no vertices of fsaverage or fsaverage5.
    """
    if isinstance(data, Scores):
        units = unit_dataset(data, subject)
        values = metric_values(units, metric or "correlation")
        coordinates = {name: units[name] for name in ("vertex", "hemisphere") if name in units}
        return vertex_values(values.assign_coords(coordinates).assign_attrs(units.attrs))
    if isinstance(data, xr.DataArray):
        return vertex_values(data)
    if not isinstance(data, dict):
        raise InputTypeError(f"a cortex map takes Scores, a DataArray or a dict, not {type(data).__name__}")
    maps: Maps = {}
    for name in HEMISPHERES:
        array = np.asarray(data.get(name, np.full(VERTICES, np.nan)), dtype=float)
        if array.shape not in ((VERTICES,), (FINE_VERTICES,)):
            raise InputValueError(
                f"the map of the {name} hemisphere has shape {array.shape}; "
                f"expected ({VERTICES},) or ({FINE_VERTICES},)"
            )
        maps[name] = array[:VERTICES]
    unknown = sorted(set(data) - set(HEMISPHERES))
    if unknown:
        raise InputValueError(f"hemispheres are left and right, not {', '.join(map(str, unknown))}")
    return maps


def vertex_values(responses: xr.DataArray) -> Maps:
    """Spread one response over the vertices of both hemispheres of fsaverage5.

    Parameters
    ----------
    responses : xarray.DataArray, dims (unit,)
        With coordinates ``vertex`` and ``hemisphere``, and ``attrs["space"]`` ``"fsaverage5"``, or ``"fsaverage"``, of
        which every sixteenth vertex is one of fsaverage5.

    Returns
    -------
    dict of hemisphere to array of float64, shape (10242,)
        NaN where there is no unit; the mean where a vertex has several.

    Raises
    ------
    InputValueError
        For another space or other dims, or when no unit lies at a vertex of fsaverage5.
    """
    if responses.dims != ("unit",) or not {"vertex", "hemisphere"} <= set(responses.coords):
        raise InputValueError(
            f"a cortex map takes one value for each unit, with coordinates vertex and hemisphere, got {responses.dims}"
        )
    space = responses.attrs.get("space")
    if space not in SPACES:
        raise InputValueError(f"a cortex map takes units on fsaverage5 or fsaverage, got space {space!r}")
    vertices, array = responses["vertex"].values, responses.values.astype(float)
    if len(vertices) and vertices.max() >= (VERTICES if space == "fsaverage5" else FINE_VERTICES):
        raise InputValueError(f"{space} has no vertex {int(vertices.max())}")
    kept = vertices < VERTICES
    if len(vertices) and not kept.any():
        raise InputValueError(f"none of the {len(vertices)} units on fsaverage lies at a vertex of fsaverage5")
    values: Maps = {}
    for name in HEMISPHERES:
        here = (responses["hemisphere"].values == name) & kept & np.isfinite(array)
        count = np.bincount(vertices[here], minlength=VERTICES)
        total = np.bincount(vertices[here], array[here], minlength=VERTICES)
        values[name] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return values


def roi_outlines(responses: xr.DataArray | xr.Dataset) -> Outlines:
    """Which vertices of fsaverage5 belong to which region, from a response array or a table of units."""
    members = {
        str(key).removeprefix(ROI_PREFIX): responses[key].values
        for key in responses.coords
        if str(key).startswith(ROI_PREFIX)
    }
    if isinstance(responses, xr.Dataset) and ROI_MEMBERSHIP in responses.variables:
        table = responses[ROI_MEMBERSHIP].transpose("unit", "roi").values
        members = {str(roi): table[:, column] for column, roi in enumerate(responses["roi"].values)}
    vertices = responses["vertex"].values
    outlines: Outlines = {}
    for name in HEMISPHERES:
        here = (responses["hemisphere"].values == name) & (vertices < VERTICES)
        outlines[name] = {}
        for roi, member in members.items():
            inside = np.zeros(VERTICES, bool)
            inside[vertices[here & member]] = True
            outlines[name][roi] = inside
    return outlines


def colour_limits(maps: Maps, scale: str) -> tuple[float, float]:
    """First and last value of the colour scale, from the 98th percentile of the size, or the 1st and 99th.

    Examples
    --------
    >>> colour_limits({"left": np.array([0.0, 1.0]), "right": np.array([3.0, np.nan])}, "symmetric")
    (-2.92, 2.92)
    """
    known = np.concatenate([values[np.isfinite(values)] for values in maps.values()])
    if not known.size:
        return (-1.0, 1.0) if scale == "symmetric" else (0.0, 1.0)
    if scale == "symmetric":
        top = float(np.percentile(np.abs(known), 98)) or 1.0
        return -top, top
    low, high = (float(value) for value in np.percentile(known, [1, 99]))
    return (low, high) if high > low else (low, low + 1.0)


def describe_map(maps: Maps, outlines: Outlines | None = None) -> str:
    """A map in words: mean of each region and hemisphere, or of each hemisphere.

    Examples
    --------
    >>> describe_map({"left": np.array([1.0, 2.0]), "right": np.array([np.nan, 4.0])})
    'Cortex map: left hemisphere mean 1.50 (2 vertices); right hemisphere mean 4.00 (1 vertices).'
    """
    parts = []
    for name, values in maps.items():
        regions = {roi: values[inside] for roi, inside in (outlines or {}).get(name, {}).items()}
        means = [f"{roi} {float(np.nanmean(part)):+.2f}" for roi, part in regions.items() if np.isfinite(part).any()]
        known = values[np.isfinite(values)]
        if means:
            parts.append(f"{name} hemisphere {', '.join(means)}")
        elif known.size:
            parts.append(f"{name} hemisphere mean {number(float(known.mean()))} ({known.size:,} vertices)")
    return f"Cortex map: {'; '.join(parts)}." if parts else "Cortex map without values."
