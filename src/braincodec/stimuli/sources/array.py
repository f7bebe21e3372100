"""Images in memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from braincodec.stimuli.checks import channels_last, check_values
from braincodec.stimuli.sources.base import ArraySource, as_index

HASHED_BYTES = 32 * 2**20  # compared at a time, because strided arrays are copied for it


class InMemoryArray(ArraySource):
    """A numpy array, viewed and never copied whole; its values are checked once, at the beginning."""

    def __init__(
        self,
        array: np.ndarray,
        layout: str = "auto",
        value_range: tuple[float, float] | None = None,
        ids: np.ndarray | None = None,
    ) -> None:
        super().__init__("the array", array.shape, array.dtype, layout, value_range)
        self.array = array
        names = self.default_ids() if ids is None or len(ids) != self.count else ids
        check_values(channels_last(array, self.layout), self.value_range, names)

    def stored(self, index: slice | np.ndarray) -> np.ndarray:
        """A view for consecutive positions, else a copy."""
        return self.array[index]

    def tokens(self, positions: np.ndarray) -> Iterator[bytes]:
        """The bytes of the images, with layout and range."""
        yield f"{self.layout},{self.value_range},{self.shape[1:]},{self.dtype};".encode()
        step = max(1, HASHED_BYTES // self.image_bytes)
        for start in range(0, len(positions), step):
            yield np.ascontiguousarray(self.stored(as_index(positions[start : start + step]))).tobytes()
