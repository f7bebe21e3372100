"""What both forms of the recordings of Generic Object Decoding hold; and the form that LEA and MinD-Vis read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braincodec.datasets.god.regions import Masks
from braincodec.datasets.god.trial_order import picture_of_each_trial
from braincodec.datasets.trial_rows import ArrayTrials, TrialStore
from braincodec.errors import DamagedFileError
from braincodec.legacy.read import read_legacy

TRAIN, TEST, AVERAGES, ORDER = "arr_0", "arr_1", "arr_2", "arr_3"


@dataclass(frozen=True)
class GodFile:
    """One subject's file, its trials unread.

    Attributes
    ----------
    path : Path
    train, test : TrialStore
        (trials, voxels of the file).
    shown_in_train, shown_in_test : list of str
        The picture of each trial; None where the file does not say it and it could not be found.
    averages : array, shape (test pictures, voxels), or None
        Published means over the test trials, in the order of the test pictures.
    masks : mapping of name to array of bool, shape (voxels,)
    coordinates : mapping of name to array, shape (voxels,)
        What else the file says of each voxel.
    """

    path: Path
    train: TrialStore
    test: TrialStore
    shown_in_train: list[str]
    shown_in_test: list[str] | None
    averages: NDArray[Any] | None
    masks: Masks
    coordinates: Mapping[str, NDArray[Any]] = field(default_factory=dict)


def read_npz_file(path: Path, names: Mapping[str, Sequence[str]]) -> GodFile:
    """One subject from ``sbj_1.npz``.

    Parameters
    ----------
    path : Path
    names : mapping of {"train", "test"} to list of str
        Pictures in the order of ``images_256.npz``.

    Raises
    ------
    DamagedFileError
        When an array is absent, or they do not fit each other or the pictures.
    """
    held = read_legacy(path)
    if not isinstance(held, dict):
        raise DamagedFileError(f"{path} is no .npz file of arrays")
    arrays = {name: _numbers(path, held, name, 1 if name == ORDER else 2) for name in (TRAIN, TEST, AVERAGES, ORDER)}
    voxels = arrays[TRAIN].shape[1]
    masks = _masks(path, held, voxels)
    for name in (TEST, AVERAGES):
        if arrays[name].shape[1] != voxels:
            raise DamagedFileError(f"{path}: {TRAIN} has {voxels} voxels, {name} {arrays[name].shape[1]}")
    if len(arrays[AVERAGES]) != len(names["test"]):
        raise DamagedFileError(
            f"{path}: {AVERAGES} holds {len(arrays[AVERAGES])} averages, but there are {len(names['test'])} test images"
        )
    picture = picture_of_each_trial(arrays[TEST], arrays[AVERAGES])
    return GodFile(
        path,
        train=ArrayTrials(arrays[TRAIN]),
        test=ArrayTrials(arrays[TEST]),
        shown_in_train=_shown_in_train(path, arrays[ORDER], len(arrays[TRAIN]), names["train"]),
        shown_in_test=None if picture is None else [names["test"][number] for number in picture],
        averages=arrays[AVERAGES],
        masks=masks,
    )


def _numbers(path: Path, held: dict[str, Any], name: str, dims: int) -> NDArray[Any]:
    found = held.get(name)
    kinds = "iu" if name == ORDER else "f"
    if not isinstance(found, np.ndarray) or found.dtype.kind not in kinds or found.ndim != dims or 0 in found.shape:
        what = "is absent" if found is None else f"is {getattr(found, 'dtype', '')} {np.shape(found)}"
        expected = "whole numbers (trial)" if name == ORDER else "numbers (trial, voxel)"
        raise DamagedFileError(f"{path}: {name} {what}; expected {expected}. It holds {', '.join(held)}")
    return found


def _masks(path: Path, held: dict[str, Any], voxels: int) -> Masks:
    masks: Masks = {}
    for name, mask in held.items():
        if name in (TRAIN, TEST, AVERAGES, ORDER) or not isinstance(mask, np.ndarray) or mask.dtype != bool:
            continue
        if mask.shape != (voxels,):
            raise DamagedFileError(f"{path}: the mask of {name} has shape {mask.shape}, but there are {voxels} voxels")
        masks[name] = mask
    if not any(mask.any() for mask in masks.values()):
        raise DamagedFileError(f"{path} holds no mask of a region; it holds {', '.join(held)}")
    return masks


def _shown_in_train(path: Path, order: NDArray[Any], trials: int, names: Sequence[str]) -> list[str]:
    if len(order) != trials:
        raise DamagedFileError(f"{path}: {ORDER} names the pictures of {len(order)} trials, but there are {trials}")
    if order.min() < 0 or order.max() >= len(names):
        raise DamagedFileError(
            f"{path}: {ORDER} runs from {order.min()} to {order.max()}, but there are {len(names)} training images"
        )
    return [names[number] for number in order]
