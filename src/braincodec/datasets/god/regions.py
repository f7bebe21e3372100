"""Regions of Generic Object Decoding, which the files give as overlapping masks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Masks = dict[str, NDArray[np.bool_]]
RegionForm = Literal["disjoint", "overlapping"]


def disjoint_regions(masks: Mapping[str, NDArray[np.bool_]]) -> Masks:
    """Each voxel to the first region that has it; regions that are left empty are dropped.

    Parameters
    ----------
    masks : mapping of name to array of bool, shape (voxels,)
        In the order of the file.

    Notes
    -----
    As LEA does: V1 to PPA overlap a little, and lower, higher and whole visual cortex hold the others; of those, the
    voxels that belong to no named region remain.

    Examples
    --------
    >>> masks = {"V1": np.array([True, True, False]), "V2": np.array([False, True, False]), "VC": np.ones(3, bool)}
    >>> {name: mask.tolist() for name, mask in disjoint_regions(masks).items()}
    {'V1': [True, True, False], 'VC': [False, False, True]}
    """
    taken = np.zeros(len(next(iter(masks.values()))), bool)
    regions: Masks = {}
    for name, mask in masks.items():
        own = mask & ~taken
        taken |= mask
        if own.any():
            regions[name] = own
    return regions


def arrange_units(masks: Mapping[str, NDArray[np.bool_]], form: RegionForm) -> tuple[NDArray[np.int64], Masks]:
    """Columns of the file in the order of the units, and the membership of the units.

    Parameters
    ----------
    masks : mapping of name to array of bool, shape (voxels,)
    form : {"disjoint", "overlapping"}
        Of the membership; the units and their order are the same: region after disjoint region, in the file's order.

    Examples
    --------
    >>> columns, regions = arrange_units({"V1": np.array([False, True]), "VC": np.ones(2, bool)}, "overlapping")
    >>> columns.tolist(), regions["VC"].tolist()
    ([1, 0], [True, True])
    """
    disjoint = disjoint_regions(masks)
    columns = np.concatenate([np.flatnonzero(mask) for mask in disjoint.values()])
    chosen = disjoint if form == "disjoint" else {name: mask for name, mask in masks.items() if mask.any()}
    return columns, {name: mask[columns] for name, mask in chosen.items()}
