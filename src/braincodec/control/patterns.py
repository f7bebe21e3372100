"""Response patterns of the images that a multivariate search can choose from, and the similarity of their pairs."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braincodec.control.batches import Positions
from braincodec.control.gathering import LeftOutWarning, common_ids
from braincodec.control.multivariate import paired_matrices, similarity_matrix
from braincodec.control.reading import ROUNDING, Scale, blocks
from braincodec.control.sources import RegionResponses, Source
from braincodec.errors import InputValueError
from braincodec.memory import free_main_memory
from braincodec.progress import progress_bar
from braincodec.subjects import Subject

# of each pair of images: both regions' similarity, and what it is made from
BYTES_OF_A_PAIR = 20


@dataclass(frozen=True)
class Patterns:
    """Response patterns of regions of subjects to a pool of images.

    Parameters
    ----------
    values : list of list of array, shape (images, units)
        For each subject each region's.
    subjects : list of str
    ids : array of str
        Of the whole stimulus set.
    pool : array of int
        Positions of the images that have patterns.
    """

    values: list[list[NDArray[np.float32]]]
    subjects: list[str]
    ids: NDArray[np.str_]
    pool: Positions

    def units(self, place: int) -> int:
        """How many units one subject's regions have together."""
        return sum(one.shape[1] for one in self.values[place])

    def pair(self, places: Sequence[int] | None = None) -> NDArray[np.complex64]:
        """Similarity matrices of both regions, averaged over subjects; see `paired_matrices`."""
        chosen = range(len(self.subjects)) if places is None else places
        total: Any = 0
        for place in chosen:
            total = total + paired_matrices(*(similarity_matrix(one) for one in self.values[place]))
        found: NDArray[np.complex64] = total / np.float32(len(chosen))
        return found


def gather_patterns(
    source: Source,
    subjects: Sequence[Subject],
    rois: Sequence[str],
    *,
    candidates: int,
    scale: Scale = "zscored",
    least_noise_ceiling: float = 0.0,
    parts: int = 1,
    pool: Positions | None = None,
    seed: int = 0,
    progress: bool | None = None,
) -> Patterns:
    """Read the patterns of at most `candidates` images, drawn at random where there are more.

    Parameters
    ----------
    source : Source
    subjects : sequence of int or str
    rois : sequence of str
        Two.
    candidates : int
    scale : {"zscored", "raw"}
        Each unit in standard deviations over the pool, or as it is.
    least_noise_ceiling : float
        Only units whose noise ceiling is above.
    parts : int
        Divide the units of each region at random into so many parts, which stand in the place of subjects.
    pool : array of int, optional
        Positions to read instead, such as those of an earlier search; all of them have to have responses.
    seed : int
    progress : bool, optional

    Returns
    -------
    Patterns

    Raises
    ------
    InputValueError
        When stimuli differ, no unit can be used, or the matrices would not fit in memory.
    """
    regions = [[source.region(subject, roi) for roi in rois] for subject in subjects]
    ids = common_ids([one for own in regions for one in own])
    drawn = pool if pool is not None else draw_pool(len(ids), candidates, seed)
    with progress_bar("read responses", len(subjects) * len(rois), show=progress) as advance:
        read: list[list[NDArray[np.float32]]] = []
        for own in regions:
            read.append([])
            for region in own:
                read[-1].append(_rows(region, drawn))
                advance(1)
    missing = np.any([np.isnan(values).all(axis=1) for own in read for values in own], axis=0)
    left_out = []
    if missing.any():
        if pool is not None:
            raise InputValueError(f"{int(missing.sum()):,} images of the search have no responses here")
        left_out.append(f"{int(missing.sum()):,} images without responses")
    labels, kept = [], []
    for subject, own, values in zip(subjects, regions, read, strict=True):
        usable = [_usable(region, one[~missing], scale, least_noise_ceiling, left_out)
                  for region, one in zip(own, values, strict=True)]  # fmt: skip
        for part in range(parts):
            labels.append(str(subject) if parts == 1 else f"{subject}, part {part + 1} of {parts} of the units")
            kept.append([_part(one, part, parts, seed) for one in usable])
    if left_out:
        warnings.warn(f"left out: {'; '.join(left_out)}", LeftOutWarning, stacklevel=3)
    return Patterns(kept, labels, ids, drawn[~missing])


def draw_pool(images: int, candidates: int, seed: int) -> Positions:
    """Positions of all images, or of `candidates` drawn at random; sorted.

    Raises
    ------
    InputValueError
        When the similarity of all pairs would not fit in memory.
    """
    count = min(images, candidates)
    need, free = BYTES_OF_A_PAIR * count**2, free_main_memory()
    if need > free:
        fitting = int(np.sqrt(free / BYTES_OF_A_PAIR))
        raise InputValueError(
            f"the similarity of all pairs of {count:,} images takes {need / 1e9:.1f} GB, and {free / 1e9:.1f} GB are "
            f"free; search fewer with candidates={max(1, fitting // 100 * 100)}"
        )
    if count == images:
        return np.arange(images)
    return np.sort(np.random.default_rng([seed, 7]).choice(images, count, replace=False))


def _rows(region: RegionResponses, pool: Positions) -> NDArray[np.float32]:
    found = np.empty((len(pool), region.values.shape[-1]), np.float32)
    for rows, block in blocks(region):
        first, last = np.searchsorted(pool, [rows.start, rows.stop])
        found[first:last] = block[pool[first:last] - rows.start]
    return found


def _usable(
    region: RegionResponses, values: NDArray[np.float32], scale: Scale, least: float, left_out: list[str]
) -> NDArray[np.float32]:
    """The units that can be used, scaled; what could not is noted in `left_out`."""
    if not len(values):
        raise InputValueError(f"the responses of {region.title} are all NaN")
    keep = np.asarray(~np.isnan(values).any(axis=0))
    if not keep.all():
        left_out.append(f"{region.title}: {int((~keep).sum()):,} units without some response")
    if least > 0:
        if region.noise_ceiling is None:
            raise InputValueError(f"the units of {region.title} know no noise ceiling")
        keep &= region.noise_ceiling > least
    mean = values.mean(axis=0, dtype=np.float64)
    deviation = values.std(axis=0, dtype=np.float64)
    constant = keep & (deviation <= ROUNDING * np.maximum(np.abs(mean), np.finfo(np.float32).tiny))
    if constant.any():
        left_out.append(f"{region.title}: {int(constant.sum()):,} constant units")
        keep &= ~constant
    if keep.sum() < 2:
        raise InputValueError(
            f"{int(keep.sum())} of {len(keep):,} units of {region.title} can be used; patterns need two"
        )
    if scale == "raw":
        return values[:, keep]
    scaled: NDArray[np.float32] = ((values[:, keep] - mean[keep]) / deviation[keep]).astype(np.float32)
    return scaled


def _part(values: NDArray[np.float32], part: int, parts: int, seed: int) -> NDArray[np.float32]:
    if parts == 1:
        return values
    if values.shape[1] < 2 * parts:
        raise InputValueError(f"{values.shape[1]} units cannot be divided into {parts} parts with patterns")
    order = np.random.default_rng([seed, 4]).permutation(values.shape[1])
    return values[:, order[part::parts]]
