"""Patterns over the units of a region: every predicted one with every measured one, accumulated over tiles of units."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from braincodec.evaluation.judging.unit_blocks import UnitBlocks

Floats = NDArray[np.float64]
# of all matrices (stimuli, stimuli) that are accumulated together
MATRIX_BYTES = 512 * 2**20
MATRICES = 3  # predicted with measured, and each with itself
# more would need matrices of gigabytes
MOST_STIMULI = 4000


@dataclass(frozen=True, eq=False)
class PatternMatrices:
    """Correlations over the units of one region.

    Attributes
    ----------
    cross : array, shape (stimuli, stimuli)
        Of every predicted pattern (row) with every measured one.
    predicted, measured : array, shape (stimuli, stimuli)
        Among the predicted ones, and among the measured ones.
    trivial : array, shape (stimuli,)
        Of the mean training response with every measured one; NaN without training responses.
    units : int
        How many units have data.
    """

    cross: Floats
    predicted: Floats
    measured: Floats
    trivial: Floats
    units: int


class _Sums:
    """Running sums over units for one region; every value is shifted by one constant, which changes no correlation."""

    def __init__(self, stimuli: int) -> None:
        self.count = 0
        self.products = np.zeros((MATRICES, stimuli, stimuli))
        self.totals = np.zeros((2, stimuli))
        self.trivial = np.zeros(stimuli)
        self.trivial_total = self.trivial_square = 0.0
        self.shift: tuple[float, float] | None = None

    def add(self, prediction: Floats, target: Floats, mean: Floats) -> None:
        """Add units: (stimuli, units) twice, and the mean training response (units,)."""
        if not prediction.shape[1]:
            return
        if self.shift is None:
            self.shift = (float(prediction.mean()), float(target.mean()))
        prediction, target, mean = prediction - self.shift[0], target - self.shift[1], mean - self.shift[1]
        self.count += prediction.shape[1]
        self.products[0] += prediction @ target.T
        self.products[1] += prediction @ prediction.T
        self.products[2] += target @ target.T
        self.totals[0] += prediction.sum(axis=1)
        self.totals[1] += target.sum(axis=1)
        self.trivial += target @ mean
        self.trivial_total += float(mean.sum())
        self.trivial_square += float(mean @ mean)

    def correlations(self) -> PatternMatrices:
        """What the sums say."""
        count = max(self.count, 1)
        predicted, measured = self.totals
        covariance = [
            self.products[0] - np.outer(predicted, measured) / count,
            self.products[1] - np.outer(predicted, predicted) / count,
            self.products[2] - np.outer(measured, measured) / count,
        ]
        deviations = [_deviation(np.diagonal(covariance[place]), np.diagonal(self.products[place])) for place in (1, 2)]
        trivial = self.trivial - measured * self.trivial_total / count
        variance = np.array([self.trivial_square - self.trivial_total**2 / count])
        of_mean = _deviation(variance, np.array([self.trivial_square]))[0]
        return PatternMatrices(
            cross=_clipped(covariance[0] / deviations[0][:, None] / deviations[1]),
            predicted=_clipped(covariance[1] / deviations[0][:, None] / deviations[0]),
            measured=_clipped(covariance[2] / deviations[1][:, None] / deviations[1]),
            trivial=_clipped(trivial / deviations[1] / of_mean),
            units=self.count,
        )


def _deviation(variance: Floats, square: Floats) -> Floats:
    """Square root, NaN where the variance is zero but for rounding."""
    rounding = 16 * np.finfo(np.float64).eps
    return np.sqrt(np.where(variance > rounding * np.abs(square), variance, np.nan))


def _clipped(values: Floats) -> Floats:
    return np.clip(values, -1, 1)


def pattern_matrices(
    prediction: Callable[[slice], NDArray[np.floating]],
    measured: UnitBlocks,
    training_mean: Floats,
    groups: Mapping[str, NDArray[np.bool_]],
    advance: Callable[[int], None] = lambda _: None,
) -> Iterator[tuple[str, PatternMatrices]]:
    """Correlations of patterns for each region, in few passes over the units.

    Parameters
    ----------
    prediction : callable (slice) -> array (stimuli, units)
    measured : UnitBlocks
    training_mean : array, shape (units,)
        NaN where not known.
    groups : mapping of region to array of bool, shape (units,)
    advance : callable
        Told how many units of how many passes are done; `passes` says how many passes there are.

    Yields
    ------
    str, PatternMatrices
    """
    stimuli = len(measured.rows)
    names = list(groups)
    for chosen in _parcels(names, stimuli):
        sums = {name: _Sums(stimuli) for name in chosen}
        for tile in measured.tiles(measured):
            inside = {name: groups[name][tile] for name in chosen}
            if any(member.any() for member in inside.values()):
                _add_tile(sums, inside, prediction(tile), measured.read_mean(tile), training_mean[tile])
            advance(tile.stop - tile.start)
        for name in chosen:
            yield name, sums.pop(name).correlations()


def passes(groups: int, stimuli: int) -> int:
    """How often all units are read for so many regions."""
    return len(list(_parcels([str(number) for number in range(groups)], stimuli)))


def _parcels(names: Sequence[str], stimuli: int) -> Iterator[Sequence[str]]:
    size = max(1, MATRIX_BYTES // (8 * MATRICES * stimuli**2))
    for start in range(0, len(names), size):
        yield names[start : start + size]


def _add_tile(
    sums: Mapping[str, _Sums],
    inside: Mapping[str, NDArray[np.bool_]],
    prediction: NDArray[np.floating],
    target: NDArray[np.floating],
    mean: Floats,
) -> None:
    predicted, measured = prediction.astype(np.float64), target.astype(np.float64)
    known = np.isfinite(predicted).all(axis=0) & np.isfinite(measured).all(axis=0)
    for name, total in sums.items():
        chosen = np.flatnonzero(inside[name] & known)
        total.add(predicted[:, chosen], measured[:, chosen], mean[chosen])
