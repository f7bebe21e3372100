"""What the labels of responses must be, checked in one place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args

import numpy as np
import xarray as xr

from braincodec.errors import InputTypeError, InputValueError, UnknownNameError

ROI_PREFIX = "roi_"
ROI_MEMBERSHIP = "roi_membership"
SPACES = ("volume", "fsaverage", "fsaverage5", "sensor")
ResponseUnits = Literal["zscored_within_session", "noise_normalised", "original", "microvolt", "unknown"]
RESPONSE_UNITS = get_args(ResponseUnits)
HEMISPHERES = ("left", "right")


def check_units(units: xr.Dataset) -> xr.Dataset:
    """The same units with plain dtypes, or an error that says what is wrong with them."""
    if not isinstance(units, xr.Dataset):
        raise InputTypeError(f"units must be an xarray.Dataset (build_units makes one), not {type(units).__name__}")
    if not {"unit"} <= set(units.sizes) and not {"channel", "time"} <= set(units.sizes):
        raise InputValueError(f"units need the dimension unit, or channel and time; they have {list(units.sizes)}")
    units = units.assign_attrs(check_attrs(units.attrs))
    if sum(name in units for name in "ijk") not in (0, 3):
        raise InputValueError("units need all of i, j and k, or none")
    if "vertex" in units and "hemisphere" not in units:
        raise InputValueError("units with `vertex` need `hemisphere`, because vertex numbers repeat in each")
    for name in {"i", "j", "k", "vertex"} & set(units.variables):
        if units.sizes["unit"] and int(units[name].min()) < 0:
            raise InputValueError(f"`{name}` must not be negative (smallest is {int(units[name].min())})")
        units[name] = units[name].astype(np.int32)
    if "hemisphere" in units:
        for value in np.unique(plain_strings(units["hemisphere"].values)):
            if value not in HEMISPHERES:
                raise UnknownNameError("hemisphere", str(value), HEMISPHERES)
    if "volume_shape" in units.attrs and "i" in units and units.sizes["unit"]:
        largest = [int(units[name].max()) for name in "ijk"]
        if any(index >= size for index, size in zip(largest, units.attrs["volume_shape"], strict=True)):
            raise InputValueError(
                f"voxel indices up to {largest} lie outside volume_shape {units.attrs['volume_shape']}"
            )
    for name in {"channel", "repetition"} & set(units.coords):
        refuse_duplicates(name, units[name].values)
    _check_membership(units)
    return units


def check_attrs(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes as plain numbers, strings and lists, with the known ones checked; None is left out.

    Examples
    --------
    >>> check_attrs({"simulated": True, "volume_shape": np.array([2, 3, 4]), "model": None})
    {'simulated': 1, 'volume_shape': [2, 3, 4]}
    """
    plain: dict[str, Any] = {}
    for name, value in attrs.items():
        if value is None:
            continue
        value = np.asarray(value).ravel().tolist() if isinstance(value, np.ndarray | list | tuple) else value
        value = value.item() if isinstance(value, np.generic) else value
        plain[str(name)] = int(value) if isinstance(value, bool) else value
    for name, choices in (("space", SPACES), ("response_units", RESPONSE_UNITS)):
        if name in plain and plain[name] not in choices:
            raise UnknownNameError(name, plain[name], choices)
    for name, value in plain.items():
        if name.startswith("affine") and len(value) != 16:
            raise InputValueError(f"{name} must be 4 x 4, but it has {len(value)} numbers")
        if name.startswith("volume_shape") and len(value) != 3:
            raise InputValueError(f"{name} must be three sizes, but it is {value}")
    return plain


def refuse_duplicates(what: str, values: np.ndarray) -> None:
    """Raise when a value occurs twice."""
    unique, counts = np.unique(values, return_counts=True)
    if (counts > 1).any():
        again = unique[counts > 1]
        raise InputValueError(f"{what} {str(again[0])!r} occurs {counts.max()} times; each may occur once")


def plain_strings(values: np.ndarray) -> np.ndarray:
    """Any array of strings (objects, variable length) as fixed-width str; other arrays as they are."""
    # numpy casts a variable-length string dtype to a fixed-width one only by way of objects
    return values.astype(object).astype(str) if values.dtype.kind in "OT" else values


def check_stimulus_ids(stimulus_ids: Iterable[object]) -> np.ndarray:
    """Ids as an array of str, each once."""
    ids = np.asarray([str(item) for item in stimulus_ids], dtype=str)
    refuse_duplicates("stimulus id", ids)
    return ids


def _check_membership(units: xr.Dataset) -> None:
    if ROI_MEMBERSHIP not in units.variables:
        return
    membership = units[ROI_MEMBERSHIP]
    if membership.dtype != bool:
        raise InputTypeError(f"{ROI_MEMBERSHIP} must be boolean, not {membership.dtype}")
    if set(membership.dims) != {"unit", "roi"} or "roi" not in units.coords:
        raise InputValueError(f"{ROI_MEMBERSHIP} needs the dimensions (unit, roi) and the names in coordinate `roi`")
    refuse_duplicates("roi", plain_strings(units["roi"].values))
    for roi in units["roi"].values:
        if not str(roi).strip() or f"{ROI_PREFIX}{roi}" == ROI_MEMBERSHIP:
            raise InputValueError(f"a roi cannot be called {str(roi)!r}")
