"""Random halves of the repetitions of each stimulus."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from braincodec.errors import InputValueError
from braincodec.evaluation.checks import TILE_BYTES, tiles
from braincodec.evaluation.noise_ceiling.repetitions import RepeatedTile

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Halves:
    """Means of both halves of the repetitions, for some draws.

    Parameters
    ----------
    first, second : array, shape (stimuli, draws, units)
        Stimuli are those with at least two repetitions.
    first_size, second_size : array of int, shape (stimuli, draws)
    """

    first: Floats
    second: Floats
    first_size: NDArray[np.int64]
    second_size: NDArray[np.int64]


class RandomSplits:
    """Splits of repetitions into two halves, drawn anew for each stimulus; the same for all units.

    Parameters
    ----------
    stimuli, repetitions : int
    draws : int
    seed : int
    larger_first : bool
        Of an odd number of repetitions, give the first half the larger part. Otherwise chance decides for each
        stimulus, so that both halves are of one size on average.
    """

    def __init__(self, stimuli: int, repetitions: int, draws: int, seed: int, larger_first: bool = False) -> None:
        if draws < 1:
            raise InputValueError(f"draws must be at least 1, got {draws}")
        rng = np.random.default_rng(seed)
        # repetitions with the lowest keys among those that exist make the first half
        self._keys = rng.random((draws, stimuli, repetitions), dtype=np.float32)
        # half of the stimuli, in each draw others, round up
        self._round_up = np.argsort(rng.random((draws, stimuli), dtype=np.float32), axis=1) % 2
        if larger_first:
            self._round_up[:] = 1
        self.draws = draws

    def halves(
        self, tile: RepeatedTile, units: NDArray[np.int64], counts: NDArray[np.int64], tile_bytes: int = TILE_BYTES
    ) -> Iterator[Halves]:
        """Half means of units that have the same counts, a block of draws at a time.

        Parameters
        ----------
        tile : RepeatedTile
        units : array of int
            Positions in the tile.
        counts : array of int, shape (stimuli,)
            Repetitions of each stimulus, for all these units.
        tile_bytes : int
            Size of the means of one half.
        """
        split = np.flatnonzero(counts > 1)
        counts = counts[split]
        values = tile.values[split][:, :, units]  # (stimuli, repetitions, units)
        total = values.sum(axis=1)[:, None]
        for draws in tiles(self.draws, 8 * max(1, split.size * len(units)), tile_bytes):
            member, first_size = self._members(draws, split, counts)
            second_size = counts[:, None] - first_size
            first = member @ values  # (stimuli, draws, units)
            second = (total - first) / second_size[:, :, None]
            yield Halves(first / first_size[:, :, None], second, first_size, second_size)

    def _members(
        self, draws: slice, split: NDArray[np.int64], counts: NDArray[np.int64]
    ) -> tuple[Floats, NDArray[np.int64]]:
        keys = self._keys[draws][:, split]  # (draws, stimuli, repetitions)
        exists = np.arange(keys.shape[2]) < counts[:, None]
        ranks = np.argsort(np.argsort(np.where(exists, keys, 2), axis=2), axis=2)
        size = (counts + self._round_up[draws][:, split]) // 2  # (draws, stimuli)
        member = (ranks < size[:, :, None]).astype(np.float64)
        return member.transpose(1, 0, 2), size.T


def correlations(first: Floats, second: Floats) -> Floats:
    """Pearson correlation over the first axis; NaN where one does not vary."""
    first, second = first - first.mean(axis=0), second - second.mean(axis=0)
    products = np.einsum("i...,i...->...", first, second)
    squares = np.einsum("i...,i...->...", first, first) * np.einsum("i...,i...->...", second, second)
    result: Floats = products / np.sqrt(np.where(squares > 0, squares, np.nan))
    return result
