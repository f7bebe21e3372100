"""Images at the size of the network, resized once and kept on disk as bytes."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from braincodec import atomic
from braincodec.errors import OutputError
from braincodec.models.fwrf.network import IMAGE_SIZE
from braincodec.progress import progress_bar

if TYPE_CHECKING:
    from collections.abc import Generator

    import torch
    from numpy.typing import NDArray

    from braincodec.features.preprocessing import Preprocessing
    from braincodec.stimuli import Batch, StimulusSet

IMAGES, STATE = "images.uint8", "images.json"
SHAPE = (3, IMAGE_SIZE, IMAGE_SIZE)
IMAGES_A_BATCH = 64
# a killed run resizes at most what it did in this time once more
SECONDS_BETWEEN_SAVES = 2.0


def resized_images(
    stimuli: StimulusSet, preprocessing: Preprocessing, folder: Path, progress: bool | None = None
) -> NDArray[np.uint8]:
    """Images (stimuli, 3, 227, 227) on disk, mapped into memory; what an earlier run resized is not resized again.

    Parameters
    ----------
    stimuli : StimulusSet
    preprocessing : Preprocessing
        Ends in 227 x 227 pixels; its division is left to the reader.
    folder : Path
        Of these stimuli; exists.
    progress : bool, optional

    Raises
    ------
    OutputError
        When the disk is too small, before anything is written.
    """
    whole = preprocessing.model_copy(update={"divisor": 1.0})

    def as_bytes(images: NDArray[np.uint8]) -> torch.Tensor:
        import torch

        return whole(images).round_().clamp_(0, 255).to(torch.uint8)

    shape = (len(stimuli), *SHAPE)
    done = _done(folder, shape)
    if done < len(stimuli):
        pixels = _room(folder, shape)
        reading = stimuli.batches(IMAGES_A_BATCH, transform=as_bytes, start=done)
        last = time.monotonic()
        with (
            progress_bar("resize", len(stimuli), done=done, show=progress) as advance,
            contextlib.closing(cast("Generator[Batch, None, None]", reading)) as batches,
        ):
            for batch in batches:
                pixels[done : done + len(batch.ids)] = batch.images
                done += len(batch.ids)
                advance(len(batch.ids))
                if done == len(stimuli) or time.monotonic() - last > SECONDS_BETWEEN_SAVES:
                    pixels.flush()
                    atomic.write_json(folder / STATE, {"done": done, "shape": list(shape)})
                    last = time.monotonic()
    return np.memmap(folder / IMAGES, np.uint8, "r", shape=shape)


def _done(folder: Path, shape: tuple[int, ...]) -> int:
    """How many images an earlier run has left."""
    try:
        state = json.loads((folder / STATE).read_text())
        whole = (folder / IMAGES).stat().st_size == math.prod(shape) and state["shape"] == list(shape)
        return int(state["done"]) if whole else 0
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def _room(folder: Path, shape: tuple[int, ...]) -> np.memmap:
    path, needed = folder / IMAGES, math.prod(shape)
    if not path.exists() or path.stat().st_size != needed:
        reserve(path, needed)
    return np.memmap(path, np.uint8, "r+", shape=shape)


def reserve(path: Path, size: int) -> None:
    """Make a file of `size` bytes whose room on the disk is taken, so that writing to it cannot fail later.

    Raises
    ------
    OutputError
        When there is not as much room; then no file is left.
    """
    free = shutil.disk_usage(path.parent).free
    if free < size:
        raise OutputError(
            f"cannot write {path}: {size / 1e9:,.2f} GB are needed, {free / 1e9:,.2f} GB are free; "
            "choose a workspace on another disk"
        )
    try:
        with path.open("wb") as file:
            file.truncate(size)
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        atomic.remove(path)
        raise atomic.write_error(path, error) from error
