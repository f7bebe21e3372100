"""Means, sums of squares and of products for each unit, in one pass over the stimuli and little memory."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braincodec.evaluation.checks import Floats, tiles

# Long stretches of a row read fastest from memory, and a centred block of both arrays stays in the processor's cache
UNITS_A_TILE = 8192
ROWS = 64  # so many values at most are summed in the input's own precision
# of stimuli that share a shift, which is the mean of their first block: cancellation then costs at most this
# many times the rounding error, whatever the data
BLOCKS_A_SHIFT = 8
# below this share the sum of squares is mostly the shift's own error: computed anew
LEAST_SHARE_LEFT = 0.01
RECOMPUTED_BYTES = 8 * 2**20
MOST_THREADS = 8  # more do not read faster from one memory


@dataclass(frozen=True, eq=False)
class CoMoments:
    """What correlation and explained variance need to know of the stimuli seen so far; each array (units,), float64.

    Parameters
    ----------
    count : int
        Stimuli seen.
    prediction_mean, response_mean : array
    prediction_squares, response_squares : array
        Sums of squared differences from the mean.
    products : array
        Sum of products of differences from the means.
    """

    count: int
    prediction_mean: NDArray[np.float64]
    response_mean: NDArray[np.float64]
    prediction_squares: NDArray[np.float64]
    response_squares: NDArray[np.float64]
    products: NDArray[np.float64]

    @property
    def arrays(self) -> tuple[NDArray[np.float64], ...]:
        """All five, in the order of the parameters."""
        return (
            self.prediction_mean,
            self.response_mean,
            self.prediction_squares,
            self.response_squares,
            self.products,
        )

    @property
    def units(self) -> int:
        """How many units there are."""
        return len(self.products)


def no_moments(units: int) -> CoMoments:
    """The state before any stimulus."""
    return CoMoments(0, *np.zeros((5, units)))


def merge_moments(first: CoMoments, second: CoMoments) -> CoMoments:
    """Moments of the stimuli of both.

    Notes
    -----
    Pairwise update of Chan, Golub and LeVeque, "Algorithms for computing the sample variance", American Statistician
    37, 1983: exact but for rounding in float64, in any order.
    """
    if not (first.count and second.count):
        return first if first.count else second
    count = first.count + second.count
    share = second.count / count
    by_prediction = second.prediction_mean - first.prediction_mean
    by_response = second.response_mean - first.response_mean
    weight = first.count * share
    return CoMoments(
        count,
        first.prediction_mean + by_prediction * share,
        first.response_mean + by_response * share,
        first.prediction_squares + second.prediction_squares + by_prediction * by_prediction * weight,
        first.response_squares + second.response_squares + by_response * by_response * weight,
        first.products + second.products + by_prediction * by_response * weight,
    )


def co_moments(prediction: Floats, response: Floats, threads: int | None = None) -> CoMoments:
    """Moments of one batch, computed in its own precision and summed in float64.

    Parameters
    ----------
    prediction, response : array, shape (stimuli, units), float32 or float64
        Units with a NaN get NaN.
    threads : int, optional
        Default: one for each core that this process may use, at most 8.

    Notes
    -----
    Before they are squared, values are centred by the mean of the first eighth of the stimuli around them, so float32
    input keeps float32's relative accuracy however large its mean is. Units for which even that is not enough (nearly
    or entirely constant ones, and squares outside float32's range) are computed anew in float64.
    """
    units = prediction.shape[1]
    threads = threads or _usable_cores()
    out = np.zeros((5, units))
    step = -(-units // max(1, -(-units // UNITS_A_TILE)))  # equal tiles
    cuts = list(tiles(units, bytes_each=1, tile_bytes=step))

    def run(cut: slice) -> None:
        out[:, cut] = _tile_moments(prediction[:, cut], response[:, cut])

    if min(threads, len(cuts)) > 1:
        with ThreadPoolExecutor(threads, thread_name_prefix="braincodec-moments") as pool:
            list(pool.map(run, cuts))
    else:
        for cut in cuts:
            run(cut)
    return CoMoments(len(prediction), *out)


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return min(MOST_THREADS, len(os.sched_getaffinity(0)))
    return min(MOST_THREADS, os.cpu_count() or 1)


def _tile_moments(prediction: Floats, response: Floats) -> NDArray[np.float64]:
    """The five arrays of `CoMoments` for some units, shape (5, units)."""
    units = prediction.shape[1]
    buffers = [np.empty((ROWS, units), values.dtype) for values in (prediction, response)]
    total = no_moments(units)
    with np.errstate(invalid="ignore", over="ignore", under="ignore"):
        for begin in range(0, len(prediction), ROWS * BLOCKS_A_SHIFT):
            group = slice(begin, begin + ROWS * BLOCKS_A_SHIFT)
            total = merge_moments(total, _shifted_moments(prediction[group], response[group], buffers))
    return np.stack(total.arrays)


def _shifted_moments(prediction: Floats, response: Floats, buffers: list[Floats]) -> CoMoments:
    """Moments by one shift for each unit; the two buffers have `ROWS` rows."""
    count, units = prediction.shape
    shifts = [values[:ROWS].mean(axis=0) for values in (prediction, response)]
    sums = np.zeros((5, units))  # of x, y, x x, y y, x y
    block = np.empty((5, units), np.result_type(prediction, response))
    for begin in range(0, count, ROWS):
        size = min(ROWS, count - begin)
        x = np.subtract(prediction[begin : begin + size], shifts[0], out=buffers[0][:size])
        y = np.subtract(response[begin : begin + size], shifts[1], out=buffers[1][:size])
        np.add.reduce(x, axis=0, out=block[0])
        np.add.reduce(y, axis=0, out=block[1])
        np.einsum("su,su->u", x, x, out=block[2])
        np.einsum("su,su->u", y, y, out=block[3])
        np.einsum("su,su->u", x, y, out=block[4])
        sums += block
    found = _from_sums(count, shifts, sums)
    with_nan = np.isnan(prediction[0]) | np.isnan(response[0])  # remain NaN
    lost = [
        np.flatnonzero(_lost(squares, shifted, values.dtype) & ~with_nan)
        for squares, shifted, values in (
            (found.prediction_squares, sums[2], prediction),
            (found.response_squares, sums[3], response),
        )
    ]
    again = np.union1d(
        _settle_constant(lost[0], prediction, found.prediction_mean, found.prediction_squares, found.products),
        _settle_constant(lost[1], response, found.response_mean, found.response_squares, found.products),
    )
    if len(again):
        _recompute(found, prediction, response, again)
    return found


def _from_sums(count: int, shifts: list[Floats], sums: NDArray[np.float64]) -> CoMoments:
    by_x, by_y = sums[:2] / count
    return CoMoments(
        count,
        shifts[0] + by_x,
        shifts[1] + by_y,
        sums[2] - by_x * sums[0],
        sums[3] - by_y * sums[1],
        sums[4] - by_x * sums[1],
    )


def _lost(squares: NDArray[np.float64], shifted: NDArray[np.float64], dtype: np.dtype) -> NDArray[np.bool_]:
    """Where a sum of squares is not known to the accuracy of its dtype."""
    limits = np.finfo(dtype)
    far_from_limits = (squares > float(limits.tiny) / float(limits.eps)) & (squares < float(limits.max) * limits.eps)
    return ~(far_from_limits & (squares >= LEAST_SHARE_LEFT * shifted))


def _settle_constant(
    units: NDArray[np.intp], values: Floats, mean: NDArray[Any], squares: NDArray[Any], products: NDArray[Any]
) -> NDArray[np.intp]:
    """Write what is exact for those of `units` that are constant; return the others."""
    if not len(units):
        return units
    constant = (values[:, units] == values[0, units]).all(axis=0)
    settled = units[constant]
    mean[settled], squares[settled], products[settled] = values[0, settled], 0, 0
    return units[~constant]


def _recompute(found: CoMoments, prediction: Floats, response: Floats, units: NDArray[np.intp]) -> None:
    """Moments of a few units in float64, shifted by the first stimulus, so that what is constant gives exactly 0."""
    for some in tiles(len(units), bytes_each=16 * len(prediction), tile_bytes=RECOMPUTED_BYTES):
        few = units[some]
        shifts = [values[0, few].astype(np.float64) for values in (prediction, response)]
        x, y = (values[:, few] - shift for values, shift in zip((prediction, response), shifts, strict=True))
        by_x, by_y = x.mean(axis=0), y.mean(axis=0)
        found.prediction_mean[few], found.response_mean[few] = shifts[0] + by_x, shifts[1] + by_y
        x -= by_x
        y -= by_y
        found.prediction_squares[few] = np.einsum("su,su->u", x, x)
        found.response_squares[few] = np.einsum("su,su->u", y, y)
        found.products[few] = np.einsum("su,su->u", x, y)
