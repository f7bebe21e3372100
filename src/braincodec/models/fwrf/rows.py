"""Examples on disk: images and responses that training reads in any order, without holding them in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from braincodec import atomic
from braincodec.memory import tiles
from braincodec.models.fwrf.pictures import reserve, resized_images

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from braincodec.features.preprocessing import Preprocessing
    from braincodec.models.training_data import Examples

LOCK = "lock"
# of responses read at a time
BLOCK_BYTES = 128 * 2**20


@dataclass(frozen=True, eq=False)
class Rows:
    """Stimuli and responses of one subject's part.

    Attributes
    ----------
    images : array of uint8, shape (stimuli, 3, 227, 227)
        Mapped from disk.
    responses : array of float32, shape (repetitions * stimuli, units)
        Mapped from disk; NaN where there is none.
    examples : array of int, shape (examples,)
        Rows of `responses` that hold any.
    known : array of bool, shape (units,)
        Whether a unit has any response.
    varying : array of bool, shape (units,)
        Whether its responses differ.
    digest : str
        Hexadecimal SHA-256 of stimuli and responses.
    """

    images: NDArray[np.uint8]
    responses: NDArray[np.float32]
    examples: NDArray[np.int64]
    known: NDArray[np.bool_]
    varying: NDArray[np.bool_]
    digest: str

    def batch(
        self, examples: NDArray[np.int64], columns: NDArray[np.int64]
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Images (batch, 3, 227, 227) and responses (batch, columns) of some rows."""
        return self.images[examples % len(self.images)], self.responses[examples][:, columns]

    def in_order(
        self, columns: NDArray[np.int64], size: int
    ) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
        """Batches of all examples in their order."""
        for begin in range(0, len(self.examples), size):
            yield self.batch(self.examples[begin : begin + size], columns)


def stored_rows(
    examples: Examples,
    repetitions: Literal["single", "average"],
    preprocessing: Preprocessing,
    workspace: Path,
    progress: bool | None = None,
) -> Rows:
    """Put a part's images and responses where training reads them.

    Parameters
    ----------
    examples : Examples
    repetitions : {"single", "average"}
        Whether each repetition is an example of its own.
    preprocessing : Preprocessing
    workspace : Path
        Images that an earlier call has left there are used again.
    progress : bool, optional

    Raises
    ------
    OutputError
        When the disk is too small, or another process is preparing the same stimuli.
    """
    digest = hashlib.sha256(f"{preprocessing.hash()} {examples.stimuli.fingerprint()}".encode())
    folder = workspace / f"stimuli-{digest.hexdigest()[:20]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise atomic.write_error(folder, error) from error
    with atomic.exclusive_lock(folder / LOCK):
        images = resized_images(examples.stimuli, preprocessing, folder, progress)
        shown = examples.repetitions if repetitions == "single" else 1
        shape = (shown * len(images), examples.outputs)
        partial = folder / "responses.partial"
        reserve(partial, 4 * shape[0] * shape[1])
        values = np.memmap(partial, np.float32, "r+", shape=shape)
        some, known, varying = _copy(examples, values, shown, digest)
        values.flush()
        path = folder / f"responses-{digest.hexdigest()[:20]}.float32"
        atomic.replace(partial, path)
    responses = np.memmap(path, np.float32, "r", shape=shape)
    return Rows(images, responses, np.flatnonzero(some), known, varying, digest.hexdigest())


def _copy(
    examples: Examples, values: NDArray[np.float32], shown: int, digest: hashlib._Hash
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Write responses to disk; which examples and units have any, and which units vary."""
    count, units = len(examples.stimuli), examples.outputs
    some = np.zeros(len(values), bool)
    least, most = np.full(units, np.inf), np.full(units, -np.inf)
    for tile in tiles(units, 4 * count, BLOCK_BYTES):
        for repetition in range(shown):
            block = examples.block(tile, repetition if shown > 1 else None)  # (stimuli, tile)
            digest.update(block.tobytes())
            rows = slice(repetition * count, (repetition + 1) * count)
            values[rows, tile] = block
            finite = np.isfinite(block)
            some[rows] |= finite.any(1)
            least[tile] = np.minimum(least[tile], np.where(finite, block, np.inf).min(0))
            most[tile] = np.maximum(most[tile], np.where(finite, block, -np.inf).max(0))
    return some, np.isfinite(least), most > least
