"""How recordings are divided: units among networks, and training stimuli where validation stimuli are missing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from braincodec.errors import InputValueError, UnknownNameError
from braincodec.models.training_data import FEWEST_STIMULI, Examples, examples_of
from braincodec.responses.combine import concatenate_units
from braincodec.subjects import plain_subject

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from braincodec.models.fwrf.recipe import FwRFRecipe

# two points always correlate perfectly
FEWEST_TO_CORRELATE = 3
ALL, OTHER = "all units", "other"


@dataclass(frozen=True, eq=False)
class Region:
    """Units that one network predicts.

    Attributes
    ----------
    name : str
    columns : list of array of int
        Units of each subject.
    """

    name: str
    columns: list[NDArray[np.int64]]


@dataclass(frozen=True, eq=False)
class Division:
    """One subject's examples for training and for choosing the epoch.

    Attributes
    ----------
    train, validation : Examples
    held_out : list of str
        Ids of training stimuli that only choose the epoch.
    """

    train: Examples
    validation: Examples
    held_out: list[str]


def regions_of(data: Sequence[Examples], rois: Sequence[str]) -> list[Region]:
    """The networks to train: one for all units, or one for each region and one for all other units.

    Parameters
    ----------
    data : sequence of Examples
    rois : sequence of str
        A unit in several of them belongs to the first.

    Raises
    ------
    UnknownNameError
        For a region that no recording has.
    InputValueError
        For a region whose units all belong to those named before it.
    """
    left = [np.ones(one.outputs, bool) for one in data]
    if not rois:
        return [Region(ALL, [np.flatnonzero(mask) for mask in left])]
    known = list(dict.fromkeys(roi for one in data for roi in _names(one)))
    regions = []
    for roi in rois:
        if roi not in known:
            raise UnknownNameError("roi", roi, known)
        columns = [np.flatnonzero(_members(one, roi) & mask) for one, mask in zip(data, left, strict=True)]
        if not any(len(one) for one in columns):
            raise InputValueError(f"no unit is left for {roi}: it has none that no region named before it has")
        for mask, chosen in zip(left, columns, strict=True):
            mask[chosen] = False
        regions.append(Region(roi, columns))
    rest = [np.flatnonzero(mask) for mask in left]
    return [*regions, Region(OTHER, rest)] if any(len(one) for one in rest) else regions


def _members(one: Examples, roi: str) -> NDArray[np.bool_]:
    names = _names(one)
    if roi not in names:
        return np.zeros(one.outputs, bool)
    membership: NDArray[np.bool_] = one.units["roi_membership"].transpose("unit", "roi").values[:, names.index(roi)]
    return membership.astype(bool)


def _names(one: Examples) -> list[str]:
    return [str(name) for name in one.units["roi"].values] if "roi" in one.units.coords else []


def divided_units(data: Sequence[Examples], regions: Sequence[Region], *, named: bool) -> xr.Dataset:
    """Table of units in the order in which the networks predict them.

    Parameters
    ----------
    data : sequence of Examples
    regions : sequence of Region
    named : bool
        Add ``model_roi``, whose network predicts each unit.
    """
    tables = [one.units for one in data]
    if len(data) > 1:
        tables = [
            table.drop_vars("unit", errors="ignore").assign(
                subject=("unit", np.full(one.outputs, plain_subject(one.subject)))
            )
            for one, table in zip(data, tables, strict=True)
        ]
    begins = np.cumsum([0, *(one.outputs for one in data)])[:-1]
    order = np.concatenate(
        [begin + columns for region in regions for begin, columns in zip(begins, region.columns, strict=True)]
    )
    units = (concatenate_units(tables) if len(tables) > 1 else tables[0]).isel(unit=order)
    if named:
        names = [region.name for region in regions for columns in region.columns for _ in columns]
        units = units.assign(model_roi=("unit", np.asarray(names, str)))
    return units


def with_validation(examples: Examples, recipe: FwRFRecipe) -> Division:
    """A subject's validation stimuli, or some of its training stimuli in their place; never a test stimulus.

    Raises
    ------
    InputValueError
        When there are too few to choose an epoch by.
    """
    recording = examples.recording
    given = len(recording.split.ids("validation"))
    if given >= FEWEST_TO_CORRELATE:
        return Division(examples, examples_of(recording, "validation"), [])
    where = f"{recording.dataset}, subject {recording.subject}"
    if given:
        raise InputValueError(
            f"{where}, has {given} validation stimul{'us' if given == 1 else 'i'}: the epoch is chosen by a "
            f"correlation over at least {FEWEST_TO_CORRELATE}; give more, or none: then some training ones are held out"
        )
    count = len(examples.stimuli)
    wanted = max(FEWEST_TO_CORRELATE, math.ceil(recipe.held_out * count))
    chosen = held_out_rows(count, wanted, examples.groups, recipe.seed)
    if count - len(chosen) < FEWEST_STIMULI:
        raise InputValueError(
            f"{where}, has {count} training stimuli: when {len(chosen)} are held out to choose the epoch, "
            f"{count - len(chosen)} are left of at least {FEWEST_STIMULI}; give validation stimuli, or more to train on"
        )
    kept = np.setdiff1d(np.arange(count), chosen)
    held_out = _some(examples, chosen)
    return Division(_some(examples, kept), held_out, [str(name) for name in held_out.stimuli.ids])


def held_out_rows(count: int, wanted: int, groups: NDArray | None, seed: int) -> NDArray[np.int64]:
    """Rows to hold out, at random by the seed; what a group holds together stays together.

    Examples
    --------
    >>> held_out_rows(6, 2, np.array(["a", "a", "b", "b", "c", "c"]), seed=0).tolist() in ([0, 1], [2, 3], [4, 5])
    True
    """
    group_of = np.arange(count) if groups is None else np.unique(groups, return_inverse=True)[1]
    rng = np.random.default_rng([seed, count])
    rows = np.zeros(count, bool)
    for group in rng.permutation(group_of.max() + 1):
        if rows.sum() >= wanted:
            break
        rows |= group_of == group
    return np.flatnonzero(rows)


def _some(examples: Examples, rows: NDArray[np.int64]) -> Examples:
    return Examples(examples.recording, examples.stimuli[rows], examples.responses[rows])
