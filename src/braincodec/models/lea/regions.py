"""Regions as the fMRI autoencoder takes them: each voxel in one, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from braincodec.datasets.god.regions import disjoint_regions as disjoint_masks
from braincodec.errors import InputValueError, UnknownNameError
from braincodec.responses.checks import ROI_MEMBERSHIP, plain_strings

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

# name of the region that gathers the units of no other
NO_REGION = "no region"


class Regions(NamedTuple):
    """Where the voxels of a pattern come from.

    Parameters
    ----------
    names : tuple of str
        Regions in the order in which a pattern has them.
    columns : array of int64, shape (voxels,)
        Place of each voxel of a pattern among the units: ``patterns = responses[:, columns]``.
    voxels : tuple of int
        Voxels of each region.
    """

    names: tuple[str, ...]
    columns: NDArray[np.int64]
    voxels: tuple[int, ...]


def disjoint_regions(units: xr.Dataset, names: Sequence[str] | str | None = None) -> Regions:
    """Each unit to the first region that has it; regions that are left empty are dropped.

    Parameters
    ----------
    units : xarray.Dataset
        Of a recording or a model: dimension `unit`, and, where regions are known, `roi_membership` (unit, roi).
    names : sequence of str, optional
        Regions to use, in this order; other units are left out. Default: all, in their order, and units
        that are in none make up a last region, so that every unit is in a pattern.

    Returns
    -------
    Regions

    Raises
    ------
    UnknownNameError
        When the units know no region of that name.
    InputValueError
        When units have no dimension `unit`, or no unit is left.

    Examples
    --------
    >>> from braincodec.responses import build_units
    >>> rois = {"V2": [False, True, True, False], "V1": [True, True, False, False]}
    >>> disjoint_regions(build_units(ijk=np.zeros((4, 3), int), rois=rois))
    Regions(names=('V2', 'V1', 'no region'), columns=array([1, 2, 0, 3]), voxels=(2, 1, 1))
    >>> disjoint_regions(build_units(ijk=np.zeros((4, 3), int), rois=rois), ["V1", "V2"]).columns
    array([0, 1, 2])
    """
    if not units.sizes.get("unit"):
        raise InputValueError(f"regions need units along the dimension unit; these have {dict(units.sizes)}")
    masks = _memberships(units)
    if names is None:
        in_none = ~np.any(list(masks.values()), axis=0) if masks else np.ones(units.sizes["unit"], bool)
        masks[NO_REGION] = masks.get(NO_REGION, False) | in_none
    else:
        masks = {name: _member(masks, name) for name in ([names] if isinstance(names, str) else names)}
    disjoint = disjoint_masks(masks) if masks else {}
    if not disjoint:
        raise InputValueError(f"no unit is in any of these regions: {', '.join(masks) or 'none given'}")
    places = [np.flatnonzero(mask) for mask in disjoint.values()]
    return Regions(tuple(disjoint), np.concatenate(places), tuple(len(one) for one in places))


def kept_voxels(regions: Regions, usable: NDArray[np.bool_]) -> Regions:
    """The same regions without some of their voxels; those that are left empty are dropped.

    Parameters
    ----------
    regions : Regions
    usable : array of bool, shape (units,)
        Which of the units, in their own order, stay.

    Examples
    --------
    >>> regions = Regions(("V1", "V2"), np.array([2, 0, 1]), (2, 1))
    >>> kept_voxels(regions, np.array([True, False, True]))
    Regions(names=('V1',), columns=array([2, 0]), voxels=(2,))
    """
    stays = usable[regions.columns]
    parts = np.split(stays, np.cumsum(regions.voxels)[:-1])
    counts = {name: int(part.sum()) for name, part in zip(regions.names, parts, strict=True) if part.any()}
    return Regions(tuple(counts), regions.columns[stays], tuple(counts.values()))


def _memberships(units: xr.Dataset) -> dict[str, NDArray[np.bool_]]:
    if ROI_MEMBERSHIP not in units.variables:
        return {}
    membership = units[ROI_MEMBERSHIP].transpose("unit", "roi").values
    return dict(zip(plain_strings(units["roi"].values).tolist(), membership.T, strict=True))


def _member(masks: dict[str, NDArray[np.bool_]], name: str) -> NDArray[np.bool_]:
    if name not in masks:
        raise UnknownNameError("roi", name, masks)
    return masks[name]
