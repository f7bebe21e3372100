"""Putting units of several models or subjects side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from braincodec.errors import InputValueError
from braincodec.responses.checks import ROI_MEMBERSHIP, check_units, plain_strings, refuse_duplicates
from braincodec.responses.coordinates import build_responses, coordinates_to_units

# attributes that place voxels in space, and so belong to one subject
GEOMETRY = ("affine", "volume_shape")
FILL_OF_KIND: dict[str, Any] = {"f": np.nan, "i": -1, "u": 0, "b": False, "U": ""}


def concatenate_units(units: Sequence[xr.Dataset]) -> xr.Dataset:
    """Units of several models or subjects as one Dataset.

    A region that one part does not know has no members there; a score that it lacks is NaN. Attributes that all
    parts share stay. Where the affine or the volume's shape differ between subjects, they are kept for each as
    ``affine_subject_<n>``, so that one subject's responses can still be exported after selecting it.

    Parameters
    ----------
    units : sequence of Dataset
        Each with the dimension `unit`.

    Examples
    --------
    >>> from braincodec.responses import build_units
    >>> v1 = build_units(ijk=[[0, 0, 0]], rois={"V1": [True]}, model_roi="V1", subject=1)
    >>> v2 = build_units(ijk=[[0, 0, 1]], rois={"V2": [True]}, model_roi="V2", subject=1)
    >>> both = concatenate_units([v1, v2])
    >>> both.model_roi.values.tolist(), both.roi_membership.values.tolist()
    (['V1', 'V2'], [[True, False], [False, True]])
    """
    if not units:
        raise InputValueError("no units to put together")
    if any("unit" not in part.sizes for part in units):
        raise InputValueError("only responses with the dimension `unit` can be put side by side")
    units = [check_units(part) for part in units]
    spaces = {str(part.attrs.get("space")) for part in units}
    if len(spaces) > 1:
        raise InputValueError(f"units of different spaces cannot be put together: {', '.join(sorted(spaces))}")
    names = list(dict.fromkeys(str(name) for part in units for name in part.variables))
    data: dict[str, Any] = {
        name: ("unit", _joined(name, units)) for name in names if name not in (ROI_MEMBERSHIP, "roi")
    }
    regions = list(dict.fromkeys(str(roi) for part in units if "roi" in part.coords for roi in part["roi"].values))
    if regions:
        data[ROI_MEMBERSHIP] = (("unit", "roi"), np.concatenate([_membership(part, regions) for part in units]))
    coordinates = {"roi": np.asarray(regions, str)} if regions else None
    return xr.Dataset(data, coordinates, _shared_attrs(units))


def concatenate_responses(responses: Sequence[xr.DataArray]) -> xr.DataArray:
    """Responses of several models or subjects to the same stimuli as one array.

    Examples
    --------
    >>> from braincodec.responses import build_responses, build_units
    >>> left = build_responses([[1.0]], ["a"], build_units(vertex=[3], hemisphere="left", space="fsaverage"))
    >>> right = build_responses([[2.0]], ["a"], build_units(vertex=[3], hemisphere="right", space="fsaverage"))
    >>> concatenate_responses([left, right]).values.tolist()
    [[1.0, 2.0]]
    """
    units = concatenate_units([coordinates_to_units(part) for part in responses])
    ids = responses[0]["stimulus"].values
    if any(not np.array_equal(part["stimulus"].values, ids) for part in responses[1:]):
        raise InputValueError("responses to different stimuli cannot be put side by side")
    return build_responses(np.concatenate([part.values for part in responses], axis=-1), ids, units)


def volume_geometry(responses: xr.DataArray) -> tuple[np.ndarray, tuple[int, int, int]]:
    """Affine (4, 4) and shape of the volume that the units lie in.

    Raises
    ------
    InputValueError
        When units are no voxels, come from several subjects, repeat, or their volume is not known.
    """
    if not all(name in responses.coords for name in "ijk"):
        space = responses.attrs.get("space", "an unknown space")
        raise InputValueError(
            f"a NIfTI file needs units with i, j and k; these lie in {space} (to_volume, to_gifti, to_evoked?)"
        )
    subjects = np.unique(responses["subject"].values) if "subject" in responses.coords else np.array([])
    if len(subjects) > 1:
        raise InputValueError(
            f"a NIfTI file holds one subject; these are {', '.join(map(str, subjects))}: select(subject=...) first"
        )
    own = f"_subject_{subjects[0]}" if len(subjects) else ""
    found = [responses.attrs.get(name + own, responses.attrs.get(name)) for name in GEOMETRY]
    if found[0] is None or found[1] is None:
        raise InputValueError("these responses lack the attributes `affine` and `volume_shape` that place their voxels")
    ijk = np.stack([responses[name].values for name in "ijk"], axis=1)
    if len(np.unique(ijk, axis=0)) < len(ijk):
        raise InputValueError(
            "a voxel occurs twice (two models predict it): select(deduplicate=True) or a model_roi first"
        )
    shape = (int(found[1][0]), int(found[1][1]), int(found[1][2]))
    if len(ijk) and (ijk.max(axis=0) >= shape).any():
        raise InputValueError(f"voxel indices up to {ijk.max(axis=0).tolist()} lie outside the volume {shape}")
    return np.asarray(found[0], float).reshape(4, 4), shape


def _joined(name: str, units: Sequence[xr.Dataset]) -> np.ndarray:
    known = [part[name].values for part in units if name in part.variables]
    dtype = np.result_type(*(known if known[0].dtype.kind not in "UOT" else [plain_strings(array) for array in known]))
    fill = FILL_OF_KIND[dtype.kind]
    parts = [
        plain_strings(part[name].values).astype(dtype)
        if name in part.variables
        else np.full(part.sizes["unit"], fill, dtype)
        for part in units
    ]
    joined = np.concatenate(parts)
    if name == "unit":
        refuse_duplicates("unit", joined)
    return joined


def _membership(part: xr.Dataset, regions: list[str]) -> np.ndarray:
    membership = np.zeros((part.sizes["unit"], len(regions)), bool)
    if ROI_MEMBERSHIP in part.variables:
        columns = [regions.index(str(roi)) for roi in part["roi"].values]
        membership[:, columns] = part[ROI_MEMBERSHIP].transpose("unit", "roi").values
    return membership


def _shared_attrs(units: Sequence[xr.Dataset]) -> dict[str, Any]:
    shared = {
        name: value
        for name, value in units[0].attrs.items()
        if all(part.attrs.get(name) == value for part in units[1:])
    }
    if any(part.attrs.get("simulated") for part in units):
        shared["simulated"] = 1
    for part in units:
        for name in GEOMETRY:
            if name in part.attrs and name not in shared:
                shared[f"{name}_subject_{_only_subject(part)}"] = part.attrs[name]
        shared |= {
            name: value
            for name, value in part.attrs.items()
            if name.startswith(tuple(f"{g}_subject_" for g in GEOMETRY))
        }
    return shared


def _only_subject(part: xr.Dataset) -> str:
    subjects = np.unique(part["subject"].values) if "subject" in part.variables else np.array([])
    if len(subjects) != 1:
        raise InputValueError("units in different volumes need the coordinate `subject`, one subject in each part")
    return str(subjects[0])
