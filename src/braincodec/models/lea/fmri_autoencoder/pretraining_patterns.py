"""Patterns of one recording on disk, standardised, as pre-training reads them."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from braincodec.atomic import write_error
from braincodec.datasets.split import Split
from braincodec.errors import InputValueError
from braincodec.memory import tiles
from braincodec.models.lea.fmri_autoencoder.pretraining_stimuli import Division, name_of
from braincodec.models.lea.regions import Regions, disjoint_regions, kept_voxels
from braincodec.models.training_data import Examples, examples_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from braincodec.datasets.base import Recording

# of responses read at a time
BLOCK_BYTES = 128 * 2**20
FEWEST_TRAINING_PATTERNS = 2


@dataclass(frozen=True, eq=False)
class StoredPatterns:
    """Patterns of one recording.

    Attributes
    ----------
    name : str
    regions : Regions
        Of the voxels that a pattern has.
    train, validation : array of float32, shape (patterns, voxels)
        Each repetition is a pattern; on disk, gone when the process ends. Standardised by the training patterns.
    left_out : int
        Voxels that have no value in some pattern, or the same in all.
    digest : str
        Hexadecimal SHA-256 of it all.
    """

    name: str
    regions: Regions
    train: NDArray[np.float32]
    validation: NDArray[np.float32]
    left_out: int
    digest: str


def stored_patterns(
    recording: Recording, division: Division, rois: Sequence[str] | None, folder: Path
) -> StoredPatterns:
    """Read a recording's training responses a tile of units at a time, and put them on disk, standardised.

    Parameters
    ----------
    recording : Recording
    division : Division
    rois : sequence of str, optional
        Regions to use; default: all units, as `disjoint_regions` arranges them.
    folder : Path
        Where there is room.

    Raises
    ------
    InputValueError
        When units have no regions, no voxel is usable, or too few patterns are there.
    OutputError
        When the disk is too small.
    """
    name = name_of(recording)
    examples = examples_of(replace(recording, split=Split(train=division.train + division.held_out)), "train")
    if examples.output_dims != ("unit",):
        raise InputValueError(f"{name} has responses over {', '.join(examples.output_dims)}; pre-training takes units")
    raw, there = _raw(examples, folder)
    held_out = np.tile(np.isin(examples.stimuli.ids, division.held_out), examples.repetitions)
    rows, validation_rows = np.flatnonzero(there & ~held_out), np.flatnonzero(there & held_out)
    if len(rows) < FEWEST_TRAINING_PATTERNS or not len(validation_rows):
        raise InputValueError(
            f"{name} has {len(rows)} training patterns and {len(validation_rows)} to choose the epoch; at least "
            f"{FEWEST_TRAINING_PATTERNS} and 1 are needed"
        )
    wanted = disjoint_regions(examples.units, rois)
    usable = _usable(raw, rows, validation_rows)
    left_out = int((~usable[wanted.columns]).sum())
    if left_out == len(wanted.columns):
        raise InputValueError(f"{name} has no voxel with a value in every pattern, and not the same in all")
    regions = kept_voxels(wanted, usable)
    train, validation = (disk_array(folder, (len(part), len(regions.columns))) for part in (rows, validation_rows))
    digest = hashlib.sha256(f"{name} {regions.names} {regions.voxels}".encode())
    for tile in tiles(len(regions.columns), 4 * len(raw), BLOCK_BYTES):
        values = raw[:, regions.columns[tile]]
        mean = values[rows].mean(0, dtype=np.float64)
        deviation = values[rows].std(0, dtype=np.float64)
        for part, chosen in ((train, rows), (validation, validation_rows)):
            part[:, tile] = (values[chosen] - mean) / deviation
            digest.update(np.ascontiguousarray(part[:, tile]).data)
    return StoredPatterns(name, regions, train, validation, left_out, digest.hexdigest())


def disk_array(folder: Path, shape: tuple[int, int]) -> NDArray[np.float32]:
    """An array of float32 on disk, in a file without a name: nothing is left of it, however the process ends.

    Raises
    ------
    OutputError
        When there is not as much room.
    """
    size = 4 * shape[0] * shape[1]
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.truncate(size)
            if hasattr(os, "posix_fallocate"):  # else writing to it could fail later, without an exception
                os.posix_fallocate(file.fileno(), 0, size)
            return np.memmap(file, np.float32, "r+", shape=shape)
    except OSError as error:
        raise write_error(folder / "patterns", error) from error


def _raw(examples: Examples, folder: Path) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Responses (repetitions * stimuli, units), and which rows have any."""
    count, shown = len(examples.stimuli), examples.repetitions
    raw = disk_array(folder, (shown * count, examples.outputs))
    there = np.zeros(len(raw), bool)
    for tile in tiles(examples.outputs, 4 * count, BLOCK_BYTES):
        for repetition in range(shown):
            block = examples.block(tile, repetition if shown > 1 else None)  # (stimuli, tile)
            rows = slice(repetition * count, (repetition + 1) * count)
            raw[rows, tile] = block
            there[rows] |= np.isfinite(block).any(1)
    return raw, there


def _usable(raw: NDArray[np.float32], rows: NDArray[np.int64], validation_rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Units with a value in every pattern that is there, and not the same in all training patterns."""
    usable = np.zeros(raw.shape[1], bool)
    for tile in tiles(raw.shape[1], 4 * len(raw), BLOCK_BYTES):
        train, validation = raw[rows, tile], raw[validation_rows, tile]
        finite = np.isfinite(train).all(0) & np.isfinite(validation).all(0)
        usable[tile] = finite & (train.max(0) > train.min(0))
    return usable
