"""Mean responses of regions from arrays too large to hold: two passes over blocks of rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from braincodec.control.sources import RegionResponses
from braincodec.errors import InputValueError, UnknownNameError
from braincodec.memory import tiles

Scale = Literal["zscored", "raw"]
Weights = Literal["equal", "noise_ceiling"]

# of values read, and again as float64 while they are worked on
BLOCK_BYTES = 16 * 2**20
# a unit varies less than this part of its size: rounding, not variance
ROUNDING = 1e-6


@dataclass(frozen=True)
class UnitMoments:
    """Mean and spread of each unit over images, and what cannot be used.

    Parameters
    ----------
    mean, deviation : array, shape (units,)
    missing : array of bool, shape (stimuli,)
        Images without any response.
    incomplete : array of bool, shape (units,)
        Units without a response to some of the others.
    constant : array of bool, shape (units,)
    """

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    missing: NDArray[np.bool_]
    incomplete: NDArray[np.bool_]
    constant: NDArray[np.bool_]


@dataclass(frozen=True)
class RegionMean:
    """A region's mean response to each image.

    Parameters
    ----------
    values : array, shape (parts, stimuli)
        One row, or one for each part of the units; NaN for images without responses.
    units : tuple of int
        How many were averaged in each.
    left_out : dict
        How many ``"units without some response"``, ``"constant units"``, ``"units below the noise ceiling asked for"``.
    """

    values: NDArray[np.float64]
    units: tuple[int, ...]
    left_out: dict[str, int]


def check_choices(scale: str, weights: str = "equal") -> None:
    """Refuse unknown names of scales and weights."""
    for what, asked, known in (("scale", scale, get_args(Scale)), ("weights", weights, get_args(Weights))):
        if asked not in known:
            raise UnknownNameError(what, asked, known)


def blocks(region: RegionResponses) -> Iterator[tuple[slice, NDArray[Any]]]:
    """Rows of a region's responses, averaged over repetitions, a block at a time: float32 or float64."""
    shape = region.values.shape
    for rows in tiles(shape[0], 4 * int(np.prod(shape[1:])), BLOCK_BYTES):
        block = np.asarray(region.values[rows])
        if block.dtype.kind != "f" or block.dtype.itemsize < 4:
            block = block.astype(np.float32)
        if block.ndim == 3:
            block = _mean_over_repetitions(block)
        if np.isinf(block).any():
            raise InputValueError(f"the responses of {region.title} hold infinite values")
        yield rows, block


def _mean_over_repetitions(block: NDArray[Any]) -> NDArray[Any]:
    known = np.isfinite(block)
    counts = known.sum(axis=1)
    means: NDArray[Any] = np.where(known, block, 0).sum(axis=1) / np.where(counts, counts, np.nan)
    return means


def unit_moments(region: RegionResponses) -> UnitMoments:
    """Mean and spread of each unit, in one pass.

    Raises
    ------
    InputValueError
        When a value is infinite.

    Notes
    -----
    Moments are taken around the first complete row, which keeps their difference exact enough in float64.
    """
    stimuli, units = region.values.shape[0], region.values.shape[-1]
    missing, incomplete = np.zeros(stimuli, bool), np.zeros(units, bool)
    shift: NDArray[np.float64] | None = None
    total, squares, count = np.zeros(units), np.zeros(units), 0
    for rows, block in blocks(region):
        unknown = np.isnan(block)
        if unknown.any():
            missing[rows] = unknown.all(axis=1)
            block, unknown = block[~missing[rows]], unknown[~missing[rows]]
            incomplete |= unknown.any(axis=0)
        if not len(block):
            continue
        values = block.astype(np.float64)
        if shift is None:
            shift = np.nan_to_num(values[0])
        values -= shift
        total += values.sum(axis=0)
        squares += np.einsum("iu,iu->u", values, values)
        count += len(values)
    if shift is None:
        raise InputValueError(f"the responses of {region.title} are all NaN")
    mean = total / count
    deviation = np.sqrt(np.clip(squares / count - mean**2, 0, None))
    size = np.sqrt(squares / count) + np.abs(shift)
    constant = deviation <= ROUNDING * np.maximum(size, np.finfo(np.float32).tiny)
    return UnitMoments(mean + shift, deviation, missing, incomplete, constant & ~incomplete)


def usable_units(
    region: RegionResponses, moments: UnitMoments, least_noise_ceiling: float
) -> tuple[NDArray[np.bool_], dict[str, int]]:
    """Which units take part, and how many were left out why.

    Raises
    ------
    InputValueError
        When none is left, or a noise ceiling is asked for that the units do not know.
    """
    keep = ~(moments.incomplete | moments.constant)
    left_out = {
        "units without some response": int(moments.incomplete.sum()),
        "constant units": int(moments.constant.sum()),
    }
    if least_noise_ceiling > 0:
        above = _ceiling(region) > least_noise_ceiling
        left_out["units below the noise ceiling asked for"] = int((keep & ~above).sum())
        keep &= above
    if not keep.any():
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in left_out.items() if count)
        raise InputValueError(f"none of the {len(keep):,} units of {region.title} can be used: {reasons}")
    return keep, left_out


def region_mean(
    region: RegionResponses,
    scale: Scale = "zscored",
    weights: Weights = "equal",
    least_noise_ceiling: float = 0.0,
    parts: int = 1,
    seed: int = 0,
) -> RegionMean:
    """A region's mean response to each image, in two passes over blocks of rows.

    Parameters
    ----------
    region : RegionResponses
    scale : {"zscored", "raw"}
        Units, and their mean, in standard deviations over the images; or as they are.
    weights : {"equal", "noise_ceiling"}
    least_noise_ceiling : float
        Only units whose noise ceiling is above.
    parts : int
        Divide the units at random into this many parts, each with a mean of its own.
    seed : int
        Of that division.

    Returns
    -------
    RegionMean

    Raises
    ------
    InputValueError
        When no unit can be used, a value is infinite, or there are fewer units than parts.
    UnknownNameError
        For another scale or other weights.

    Examples
    --------
    >>> from braincodec.control.sources import open_source
    >>> region = open_source({"V1": np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]])}).region(1, "V1")
    >>> region_mean(region).values.round(3), region_mean(region, "raw").values
    (array([[-1.225,  0.   ,  1.225]]), array([[ 5.5, 11. , 16.5]]))
    """
    check_choices(scale, weights)
    moments = unit_moments(region)
    keep, left_out = usable_units(region, moments, least_noise_ceiling)
    weight = np.where(keep, 1.0, 0.0)
    if weights == "noise_ceiling":
        weight *= np.clip(np.nan_to_num(_ceiling(region)), 0, None)
        if not weight.any():
            raise InputValueError(f"the noise ceiling of every unit of {region.title} is zero")
    columns = _divided(weight, parts, seed, region.title)  # (units, parts), each sums to one
    scaled = columns / np.where(keep, moments.deviation, 1.0)[:, None] if scale == "zscored" else columns
    values = np.full((parts, len(moments.missing)), np.nan)
    used = np.flatnonzero(keep)
    for rows, block in blocks(region):
        chosen = block if len(used) == block.shape[1] else block[:, used]
        values[:, rows] = ((chosen - moments.mean[used]) @ scaled[used]).T
    values += 0.0 if scale == "zscored" else (moments.mean[used] @ columns[used])[:, None]
    if scale == "zscored":
        values /= _spread(values, region.title)
    return RegionMean(values, tuple(int((column > 0).sum()) for column in columns.T), left_out)


def _divided(weight: NDArray[np.float64], parts: int, seed: int, title: str) -> NDArray[np.float64]:
    used = np.flatnonzero(weight)
    if len(used) < parts:
        raise InputValueError(f"{len(used)} units of {title} cannot be divided into {parts} parts")
    order = np.random.default_rng([seed, 4]).permutation(used) if parts > 1 else used
    columns = np.zeros((len(weight), parts))
    for part in range(parts):
        columns[order[part::parts], part] = weight[order[part::parts]]
    return columns / columns.sum(axis=0)


def _spread(values: NDArray[np.float64], title: str) -> NDArray[np.float64]:
    spread = np.nanstd(values, axis=1, keepdims=True)
    if (spread <= ROUNDING).any():  # units are in standard deviations
        raise InputValueError(f"the mean response of {title} does not vary over images")
    found: NDArray[np.float64] = spread
    return found


def _ceiling(region: RegionResponses) -> NDArray[np.float64]:
    if region.noise_ceiling is None:
        raise InputValueError(f"the units of {region.title} know no noise ceiling; weigh them equally")
    return region.noise_ceiling
