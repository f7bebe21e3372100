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
# with more, the products of all pairs of repetitions cost more than the means of all halves
MOST_REPETITIONS_FOR_PRODUCTS = 6
# of a constant, rounding leaves less than this part of its square where means are subtracted from squares, and less
# than the square of this part where they are subtracted before squaring
ROUNDING = 1e-12


@dataclass(frozen=True)
class Halves:
    """Means of both halves of the repetitions, for some draws.

    Parameters
    ----------
    first, second : array, shape (stimuli, draws, units)
        Stimuli are those with at least two repetitions.
    """

    first: Floats
    second: Floats


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

    def weights(self, draws: slice, split: NDArray[np.int64], counts: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """Weights of repetitions in the mean of the first and of the second half.

        Parameters
        ----------
        draws : slice
        split : array of int, shape (k,)
            Which stimuli.
        counts : array of int, shape (k,)
            Their repetitions, at least two.

        Returns
        -------
        first, second : array, shape (draws, k, repetitions)
            Zero for repetitions that do not exist.
        """
        keys = self._keys[draws][:, split]
        exists = np.arange(keys.shape[2]) < counts[:, None]
        ranks = np.argsort(np.argsort(np.where(exists, keys, 2), axis=2), axis=2)
        size = ((counts + self._round_up[draws][:, split]) // 2)[:, :, None]  # (draws, stimuli, 1)
        member = ranks < size
        return member / size, (exists & ~member) / (counts[:, None] - size)

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
        values = tile.values[split][:, :, units]  # (stimuli, repetitions, units)
        for draws in tiles(self.draws, 8 * max(1, split.size * len(units)), tile_bytes):
            first, second = (w.transpose(1, 0, 2) @ values for w in self.weights(draws, split, counts[split]))
            yield Halves(first, second)  # (stimuli, draws, units)

    def correlations(
        self, tile: RepeatedTile, units: NDArray[np.int64], counts: NDArray[np.int64], tile_bytes: int = TILE_BYTES
    ) -> Iterator[tuple[Floats, Floats, Floats]]:
        """Correlations of both halves of units that have the same counts, a block of draws at a time.

        Parameters
        ----------
        tile, units, counts, tile_bytes
            As in `halves`.

        Yields
        ------
        correlation : array, shape (draws, units)
        first_share, second_share : array, shape (draws, 1)
            Mean over stimuli of 1 / repetitions in each half.
        """
        split = np.flatnonzero(counts > 1)
        repetitions = tile.values.shape[1]
        by_products = repetitions <= MOST_REPETITIONS_FOR_PRODUCTS
        draws_bytes = 12 * split.size * repetitions * (repetitions + 1) if by_products else 8 * split.size * len(units)
        values = tile.values[split][:, :, units]  # (stimuli, repetitions, units)
        for draws in tiles(self.draws, draws_bytes, tile_bytes):
            first, second = self.weights(draws, split, counts[split])
            if by_products:
                found = _from_products(values, first, second, tile_bytes)
            else:
                found = correlations(*(w.transpose(1, 0, 2) @ values for w in (first, second)))
            # a mean of n repetitions has n weights of 1/n, whose squares sum up to 1/n
            yield found, *((w**2).sum(axis=2).mean(axis=1)[:, None] for w in (first, second))


def correlations(first: Floats, second: Floats) -> Floats:
    """Pearson correlation over the first axis; NaN where one does not vary."""
    centred, squares = [], []
    for values in (first, second):
        centred.append(values - values.mean(axis=0))
        square = np.einsum("i...,i...->...", centred[-1], centred[-1])
        constant = square <= ROUNDING**2 * np.einsum("i...,i...->...", values, values)
        squares.append(np.where(constant, np.nan, square))
    result: Floats = np.einsum("i...,i...->...", *centred) / np.sqrt(squares[0] * squares[1])
    return result


def _from_products(values: Floats, first: Floats, second: Floats, tile_bytes: int) -> Floats:
    """The same correlations, from the products of all pairs of repetitions: one matrix product instead of all means.

    Parameters
    ----------
    values : array, shape (stimuli, repetitions, units)
    first, second : array, shape (draws, stimuli, repetitions)
    tile_bytes : int
        Size of the products of a tile of units.
    """
    draws, stimuli, repetitions = first.shape
    j, k = np.triu_indices(repetitions)
    both = np.where(j == k, 1, 2)
    squares = [weights[:, :, j] * weights[:, :, k] * both for weights in (first, second)]
    mixed = (first[:, :, j] * second[:, :, k] + first[:, :, k] * second[:, :, j]) * both / 2
    of_products = np.concatenate([*squares, mixed]).reshape(3 * draws, -1) / stimuli
    of_values = np.concatenate([first, second]).reshape(2 * draws, -1) / stimuli
    result = np.empty((draws, values.shape[2]))
    for units in tiles(values.shape[2], 8 * stimuli * len(j), tile_bytes):
        part = values[:, :, units]
        # near the mean, so that little is lost when its square is subtracted; missing repetitions have no weight
        part = part - np.einsum("sr,sru->u", (first + second).mean(axis=0) / 2 / stimuli, part)
        moments = of_products @ (part[:, j] * part[:, k]).reshape(stimuli * len(j), -1)
        first_square, second_square, product = np.split(moments, 3)
        first_mean, second_mean = np.split(of_values @ part.reshape(stimuli * repetitions, -1), 2)
        variances = []
        for square, mean in ((first_square, first_mean), (second_square, second_mean)):
            variance = square - mean**2
            variances.append(np.where(variance > ROUNDING * square, variance, np.nan))
        result[:, units] = (product - first_mean * second_mean) / np.sqrt(variances[0] * variances[1])
    return result
