"""Similarity of the features of every prediction and every truth: one matrix product, over standardised tiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braincodec.errors import InputValueError

TILE_FEATURES = 8192  # copied at a time: two tiles of 1,000 stimuli take 64 MiB
# similarities nearer than this many units of rounding count as equal
ROUNDING_UNITS = 8
# a standard deviation of fewer such units of the mean is rounding alone: constant features
CONSTANT_UNITS = 32
# below this many multiplications numpy is done before torch is imported
SMALL_PRODUCT = 2e9


def correlation_matrix(prediction: Any, truth: Any) -> NDArray[np.float64]:
    """Pearson correlation of the features of every prediction with those of every truth.

    Parameters
    ----------
    prediction, truth : array, shape (stimuli, ...), or a list of such arrays, one for each batch
        Their numbers of stimuli may differ, their features may not.

    Returns
    -------
    array of float64, shape (predictions, truths)
        NaN in the row of a prediction, and the column of a truth, without variance.

    Raises
    ------
    InputValueError
        When the numbers of features differ, or a feature is NaN or infinite.

    Notes
    -----
    Beside the features a tile of them is held, which is centred and multiplied in their own precision (float32, or
    float64 where they are); sums over tiles are in float64.

    Examples
    --------
    >>> import numpy as np
    >>> correlation_matrix([[0.0, 1.0, 2.0]], [[0.0, 2.0, 4.0], [3.0, 2.0, 1.0], [1.0, 1.0, 1.0]])
    array([[ 1., -1., nan]])
    """
    a, b = _fitting(prediction, truth)
    means = [a.means(), b.means()]
    product, squares, dtype = _products(a, b, means)
    for features, mean, square in zip((a, b), means, squares, strict=True):
        rounding = CONSTANT_UNITS * np.finfo(dtype).eps * mean
        square[square <= features.count * rounding**2] = np.nan
    return _normalised(product, squares)


def cosine_similarity(prediction: Any, truth: Any) -> NDArray[np.float64]:
    """Cosine of the angle between the features of every prediction and every truth.

    Parameters
    ----------
    prediction, truth : array, shape (stimuli, ...), or a list of such arrays, one for each batch

    Returns
    -------
    array of float64, shape (predictions, truths)
        NaN where all features of one are zero.

    Raises
    ------
    InputValueError
        When the numbers of features differ, or a feature is NaN or infinite.

    Examples
    --------
    >>> cosine_similarity([[1.0, 0.0]], [[2.0, 0.0], [0.0, 1.0]])
    array([[1., 0.]])
    """
    a, b = _fitting(prediction, truth)
    for features in (a, b):
        features.means()  # refuses NaN and infinity
    product, squares, _ = _products(a, b, None)
    for square in squares:
        square[square == 0] = np.nan
    return _normalised(product, squares)


def _fitting(prediction: Any, truth: Any) -> tuple[Features, Features]:
    a, b = Features.of(prediction, "predicted"), Features.of(truth, "true")
    if a.count != b.count:
        raise InputValueError(f"predictions have {a.count} features, truths {b.count}; they must be the same")
    return a, b


def _products(
    a: Features, b: Features, means: list[NDArray[np.float64]] | None
) -> tuple[NDArray[np.float64], list[NDArray[np.float64]], np.dtype[Any]]:
    """Products of all pairs, and sums of squares of each, after subtracting the means."""
    dtype = np.result_type(a.dtype, b.dtype)
    product = np.zeros((a.stimuli, b.stimuli))
    squares = [np.zeros(a.stimuli), np.zeros(b.stimuli)]
    for start in range(0, a.count, TILE_FEATURES):
        columns = slice(start, min(start + TILE_FEATURES, a.count))
        tiles = [features.tile(columns, dtype) for features in (a, b)]  # (stimuli, features of the tile)
        for number, tile in enumerate(tiles):
            if means is not None:
                tile -= means[number][:, None].astype(dtype)
            squares[number] += np.einsum("sf,sf->s", tile, tile)
        product += matrix_product(*tiles)
    return product, squares, dtype


def _normalised(product: NDArray[np.float64], squares: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    product /= np.sqrt(squares[0])[:, None]
    product /= np.sqrt(squares[1])
    return np.clip(product, -1, 1, out=product)


def rounding_of(*features: Any) -> float:
    """Similarities of such features are known up to this."""
    dtype = np.result_type(*(Features.of(item, "given").dtype for item in features))
    return ROUNDING_UNITS * float(np.finfo(dtype).eps)


def matrix_product(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """``a @ b.T``; large ones by torch, whose float32 product is up to twice as fast.

    Examples
    --------
    >>> import numpy as np
    >>> matrix_product(np.eye(2), np.array([[1.0, 2.0]]))
    array([[1.],
           [2.]])
    """
    if a.shape[0] * a.shape[1] * b.shape[0] < SMALL_PRODUCT:
        return a @ b.T
    import torch

    from braincodec.device import fast_matmul

    with fast_matmul():
        return (torch.from_numpy(a) @ torch.from_numpy(b).T).numpy()


class Features:
    """Features of stimuli, in one or several arrays, read a tile of columns at a time.

    Attributes
    ----------
    stimuli, count : int
        Rows in all, and features of each.
    dtype : dtype
        In which products are computed: float64 where an array has it (or 64-bit integers), otherwise float32.
    """

    def __init__(self, parts: Sequence[NDArray[Any]], name: str) -> None:
        self._name = name
        if any(0 in part.shape for part in parts):
            raise InputValueError(f"{name} features have the shape {parts[0].shape}; there is nothing to compare")
        self._parts = [part.reshape(len(part), -1) for part in parts]
        if len({part.shape[1] for part in self._parts}) != 1:
            shapes = ", ".join(str(part.shape) for part in parts)
            raise InputValueError(f"batches of {name} features have different shapes: {shapes}")
        if any(part.dtype.kind not in "uif" for part in parts):
            raise InputValueError(f"{name} features have dtype {parts[0].dtype}; expected numbers")
        self.stimuli = sum(map(len, self._parts))
        self.count = self._parts[0].shape[1]
        self.dtype = np.result_type(np.float32, *(part.dtype for part in self._parts))

    @classmethod
    def of(cls, values: Any, name: str) -> Features:
        """Features from an array or a list of arrays."""
        several = isinstance(values, list) and all(isinstance(part, np.ndarray) and part.ndim > 1 for part in values)
        parts = values if several and values else [np.asarray(values)]
        if any(part.ndim < 2 for part in parts):
            raise InputValueError(f"{name} features have the shape {parts[0].shape}; expected (stimuli, features)")
        return cls(parts, name)

    def tile(self, columns: slice, dtype: np.dtype[Any]) -> NDArray[Any]:
        """A copy of some columns, shape (stimuli, columns)."""
        tile = np.empty((self.stimuli, columns.stop - columns.start), dtype)
        start = 0
        for part in self._parts:
            tile[start : start + len(part)] = part[:, columns]
            start += len(part)
        return tile

    def means(self) -> NDArray[np.float64]:
        """Mean over the features of each stimulus, shape (stimuli,)."""
        total = np.zeros(self.stimuli)
        for start in range(0, self.count, TILE_FEATURES):
            begin = 0
            for part in self._parts:
                with np.errstate(invalid="ignore"):
                    total[begin : begin + len(part)] += part[:, start : start + TILE_FEATURES].sum(1)
                begin += len(part)
        bad = np.flatnonzero(~np.isfinite(total))
        if len(bad):
            raise InputValueError(
                f"{self._name} features of {len(bad)} of {self.stimuli} stimuli are NaN or infinite; "
                f"the first is {bad[0]}"
            )
        return total / self.count
