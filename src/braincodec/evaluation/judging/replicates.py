"""Replicates of every unit's score, kept until the median over a region can be taken in each of them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import IO, Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from braincodec.errors import OutputError
from braincodec.evaluation.checks import tiles
from braincodec.evaluation.statistics import medians_over_units

# a table of replicates up to this size stays in memory; a larger one lies in a temporary file
IN_MEMORY_BYTES = 64 * 2**20
# of replicates that are looked at together
BLOCK_BYTES = 32 * 2**20
Key = TypeVar("Key", bound=Hashable)
Transform = Callable[[NDArray[np.float64]], NDArray[np.float64]]
Wanted = tuple[NDArray[np.int64], Transform]


class ReplicateTable:
    """Replicates (draws, units), float32, written some units at a time and read some draws at a time.

    Parameters
    ----------
    draws, units : int
    in_memory_bytes : int
        A larger table goes to a temporary file, which needs 4 bytes a replicate of a unit on the disk of `tempfile`.

    Raises
    ------
    OutputError
        When that disk has no room.

    Examples
    --------
    >>> with ReplicateTable(2, 3) as table:
    ...     table.write(slice(0, 3), np.array([[1.0, 2.0, 6.0], [0.0, 1.0, 2.0]]))
    ...     table.medians({"V1": (np.array([0, 2]), lambda block: block)})["V1"].tolist()
    [3.5, 1.0]
    """

    def __init__(self, draws: int, units: int, in_memory_bytes: int = IN_MEMORY_BYTES) -> None:
        self.draws, self.units = draws, units
        self._places: list[tuple[slice, int]] = []
        self._file: IO[bytes] | None = None
        self._values: NDArray[np.float32] | None = None
        size = 4 * draws * units
        if size <= in_memory_bytes:
            self._values = np.empty((draws, units), np.float32)
        else:
            self._file = _scratch_file(size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give memory or disk back."""
        self._values = None
        if self._file is not None:
            self._file.close()
            self._file = None

    def write(self, units: slice, block: NDArray[Any]) -> None:
        """Replicates (draws, some units)."""
        if self._values is not None:
            self._values[:, units] = block
            return
        assert self._file is not None
        offset = self._file.seek(0, os.SEEK_END)
        self._file.write(np.ascontiguousarray(block, np.float32).data)
        self._places.append((units, offset))

    def blocks(self) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Some draws of all units at a time, shape (some draws, units)."""
        for draws in tiles(self.draws, bytes_each=8 * max(1, self.units), tile_bytes=BLOCK_BYTES):
            if self._values is not None:
                yield draws, self._values[draws]
                continue
            assert self._file is not None
            count = draws.stop - draws.start
            block = np.empty((count, self.units), np.float32)
            for units, offset in self._places:
                width = units.stop - units.start
                self._file.seek(offset + 4 * draws.start * width)
                part = np.frombuffer(self._file.read(4 * count * width), np.float32)
                block[:, units] = part.reshape(count, width)
            yield draws, block

    def medians(
        self, wanted: Mapping[Key, Wanted], advance: Callable[[int], None] = lambda _: None
    ) -> dict[Key, NDArray[np.float64]]:
        """Medians over chosen units of transformed replicates, in every draw.

        Parameters
        ----------
        wanted : mapping of any key to (positions of units, transform)
            A transform takes replicates of all units (draws, units) and gives the same shape. Where it gives NaN, the
            unit is left out of that draw.
        advance : callable
            Told how many draws are done.

        Returns
        -------
        dict of key to array, shape (draws,)
            NaN where no unit is chosen.
        """
        found = {key: np.full(self.draws, np.nan) for key in wanted}
        # what shares a transform follows one another, and the transform is computed once
        by_transform = sorted(wanted.items(), key=lambda item: id(item[1][1]))
        for draws, block in self.blocks():
            values, last = block.astype(np.float64), None
            transformed = values
            for key, (members, transform) in by_transform:
                if transform is not last:
                    transformed, last = transform(values), transform
                if len(members):
                    found[key][draws] = medians_of(transformed[:, members])
            advance(draws.stop - draws.start)
        return found


def medians_of(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median of each row over what is not NaN.

    Examples
    --------
    >>> medians_of(np.array([[1.0, np.nan, 3.0], [2.0, 9.0, 4.0]])).tolist()
    [2.0, 4.0]
    """
    return medians_over_units(values, np.ones((1, values.shape[1]), bool))[:, 0]


def _scratch_file(size: int) -> IO[bytes]:
    file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by its owner
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
            file.truncate(0)
        elif shutil.disk_usage(tempfile.gettempdir()).free < size:
            raise OSError("no space left")
    except OSError as error:
        file.close()
        raise OutputError(
            f"{size / 1e9:.1f} GB of temporary space for replicates are not free in {tempfile.gettempdir()} "
            f"({error.strerror or error}); take fewer draws or permutations, or set TMPDIR to a larger disk"
        ) from error
    return file
