"""Mean responses of several subjects' regions to one stimulus set, labelled; and what had to be left out."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from braincodec.control.reading import Scale, Weights, region_mean
from braincodec.control.sources import RegionResponses, Source
from braincodec.errors import InputTypeError, InputValueError
from braincodec.progress import progress_bar
from braincodec.subjects import Subject

if TYPE_CHECKING:
    import xarray as xr

PARTS = ("first half of the units", "second half of the units")


class LeftOutWarning(UserWarning):
    """Images or units took no part, because responses are missing or do not vary."""


def check_regions(**named: Any) -> list[tuple[str, ...]]:
    """Names of regions from names or sequences of them, none twice.

    Examples
    --------
    >>> check_regions(drive="V1", suppress=None)
    [('V1',), ()]
    """
    found: list[tuple[str, ...]] = []
    for what, given in named.items():
        several = isinstance(given, Iterable) and not isinstance(given, str)
        names: tuple[Any, ...] = () if given is None else tuple(given) if several else (given,)
        if not all(isinstance(name, str) for name in names):
            raise InputTypeError(f"{what} takes the name of a region or several, got {given!r}")
        found.append(names)
    every = [name for names in found for name in names]
    twice = sorted({name for name in every if every.count(name) > 1})
    if twice:
        raise InputValueError(f"a region can be named once, {', '.join(twice)} is named again")
    if not every:
        raise InputValueError(f"no region was named: give {' or '.join(f'{what}=' for what in named)}")
    return found


def gather(
    source: Source,
    subjects: Sequence[Subject],
    rois: Sequence[str],
    *,
    scale: Scale = "zscored",
    weights: Weights = "equal",
    least_noise_ceiling: float = 0.0,
    parts: int = 1,
    seed: int = 0,
    progress: bool | None = None,
) -> xr.DataArray:
    """Mean responses of regions, read a block at a time.

    Parameters
    ----------
    source : Source
    subjects : sequence of int or str
    rois : sequence of str
    scale, weights, least_noise_ceiling, parts, seed
        As in `braincodec.control.reading.region_mean`; parts of the units stand in the place of subjects.
    progress : bool, optional

    Returns
    -------
    DataArray
        Dimensions (subject, roi, stimulus), float64, NaN for images without responses; coordinate ``units`` (subject,
        roi): how many were averaged.

    Raises
    ------
    InputValueError
        When subjects answer to different stimuli, or two of them have the same responses.
    UnknownNameError
        For a region that a subject does not have.
    """
    import xarray as xr

    regions = [[source.region(subject, roi) for roi in rois] for subject in subjects]
    ids = common_ids([one for own in regions for one in own])
    values = np.empty((len(subjects), parts, len(rois), len(ids)))
    units = np.empty((len(subjects), parts, len(rois)), np.int64)
    left_out = []
    with progress_bar("read responses", len(subjects) * len(rois), show=progress) as advance:
        for row, own in enumerate(regions):
            for column, region in enumerate(own):
                found = region_mean(region, scale, weights, least_noise_ceiling, parts, seed)
                values[row, :, column], units[row, :, column] = found.values, found.units
                left_out += [f"{region.title}: {n:,} {what}" for what, n in found.left_out.items() if n]
                advance(1)
    labels = [
        str(subject) if parts == 1 else f"{subject}, {PARTS[part]}" for subject in subjects for part in range(parts)
    ]
    flat = values.reshape(-1, len(rois), len(ids))
    refuse_same_responses(flat, labels)
    unknown = np.isnan(flat).any(axis=(0, 1))
    if unknown.any():
        left_out.append(f"{int(unknown.sum()):,} of {len(ids):,} images without responses")
    if left_out:
        warnings.warn(f"left out: {'; '.join(left_out)}", LeftOutWarning, stacklevel=3)
    coordinates = {
        "subject": labels,
        "roi": list(rois),
        "stimulus": ids,
        "units": (("subject", "roi"), units.reshape(-1, len(rois))),
    }
    return xr.DataArray(
        flat,
        dims=("subject", "roi", "stimulus"),
        coords=coordinates,
        attrs={"left_out": left_out},
        name="responses",
    )


def common_ids(regions: Sequence[RegionResponses]) -> NDArray[np.str_]:
    """The stimulus ids that all regions have in the same order.

    Raises
    ------
    InputValueError
        Where two differ, with the first difference; or where an id repeats.
    """
    first = regions[0]
    for other in regions[1:]:
        if len(other.ids) != len(first.ids):
            raise InputValueError(
                f"stimulus sets differ: {first.title} answers to {len(first.ids):,} images, {other.title} to "
                f"{len(other.ids):,}; give responses to the same images"
            )
        differs = np.flatnonzero(other.ids != first.ids)
        if len(differs):
            place = int(differs[0])
            raise InputValueError(
                f"stimulus sets differ: row {place} of {first.title} is {str(first.ids[place])!r}, of {other.title} "
                f"{str(other.ids[place])!r}; give responses to the same images in the same order"
            )
    return first.ids


def refuse_same_responses(values: NDArray[np.float64], labels: Sequence[str]) -> None:
    """Refuse two subjects with the same responses: one would confirm what was chosen on itself.

    Parameters
    ----------
    values : array, shape (subjects, regions, images)
    labels : sequence of str
    """
    for row in range(1, len(values)):
        for other in range(row):
            if np.array_equal(values[row], values[other], equal_nan=True):
                raise InputValueError(
                    f"subjects {labels[other]} and {labels[row]} have the same responses; what was chosen on one would "
                    "be tested on the same data"
                )


def known_images(responses: xr.DataArray) -> NDArray[np.intp]:
    """Positions of the images that every subject and region has a response to."""
    found: NDArray[np.intp] = np.flatnonzero(np.isfinite(responses.values).all(axis=(0, 1)))
    return found
