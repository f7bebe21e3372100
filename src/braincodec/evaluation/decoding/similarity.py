"""Similarity of features: of every prediction and every truth by one matrix product over tiles, or of each pair."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braincodec.errors import InputValueError
from braincodec.evaluation.definition import UndefinedScoreWarning

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
    product, norms = _centred_products(*_fitting(prediction, truth), matrix_product)
    return np.clip(product / norms[0][:, None] / norms[1], -1, 1)


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
    product, squares = _products(a, b, None, matrix_product)
    norms = [np.sqrt(np.where(square > 0, square, np.nan)) for square in squares]
    return np.clip(product / norms[0][:, None] / norms[1], -1, 1)


def row_correlation(prediction: Any, truth: Any) -> NDArray[np.float64]:
    """Pearson correlation of the features of each prediction with those of its own truth.

    Parameters
    ----------
    prediction, truth : array, shape (stimuli, ...)

    Returns
    -------
    array of float64, shape (stimuli,)
        NaN where one of the two has no variance.

    Raises
    ------
    InputValueError
        When the shapes differ, or a feature is NaN or infinite.

    Examples
    --------
    >>> row_correlation([[0.0, 1.0, 2.0], [1.0, 1.0, 1.0]], [[0.0, 2.0, 4.0], [3.0, 2.0, 1.0]])
    array([ 1., nan])
    """
    a, b = _fitting(prediction, truth)
    if a.stimuli != b.stimuli:
        raise InputValueError(f"there are {a.stimuli} predictions and {b.stimuli} truths; they must be as many")
    product, norms = _centred_products(a, b, lambda x, y: np.einsum("sf,sf->s", x, y))
    return np.clip(product / norms[0] / norms[1], -1, 1)


def correlation_distance(prediction: Any, truth: Any) -> NDArray[np.float64]:
    """One minus the Pearson correlation of the features of each prediction and its truth.

    Parameters
    ----------
    prediction, truth : array, shape (stimuli, ...)
        Features, flattened here.

    Returns
    -------
    array of float64, shape (stimuli,)
        From 0 to 2. NaN, with one `UndefinedScoreWarning`, where features have no variance.

    Raises
    ------
    InputValueError
        When the shapes differ, or a feature is NaN or infinite.

    Notes
    -----
    What MindEye (Scotti et al. 2023) and Brain-Diffuser (Ozcelik and VanRullen 2023) report for EfficientNet-B1 and
    SwAV (``scipy.spatial.distance.correlation``).

    Examples
    --------
    >>> correlation_distance([[1.0, 2.0, 3.0]], [[3.0, 2.0, 1.0]]).round(6)
    array([2.])
    """
    distance = 1 - row_correlation(prediction, truth)
    undefined = np.isnan(distance)
    if undefined.any():
        warnings.warn(
            f"correlation distance of {undefined.sum()} of {len(distance)} images is NaN: their features have no "
            "variance",
            UndefinedScoreWarning,
            stacklevel=2,
        )
    return distance


def _fitting(prediction: Any, truth: Any) -> tuple[Features, Features]:
    a, b = Features.of(prediction, "predicted"), Features.of(truth, "true")
    if a.count != b.count:
        raise InputValueError(f"predictions have {a.count} features, truths {b.count}; they must be the same")
    return a, b


def _centred_products(
    a: Features, b: Features, multiply: Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]
) -> tuple[NDArray[np.float64], list[NDArray[np.float64]]]:
    """Products of centred features, and their norms: NaN where what is left after centring is rounding."""
    means = [a.means(), b.means()]
    product, squares = _products(a, b, means, multiply)
    eps = np.finfo(np.result_type(a.dtype, b.dtype)).eps
    norms = [
        np.sqrt(np.where(square > a.count * (CONSTANT_UNITS * eps * mean) ** 2, square, np.nan))
        for mean, square in zip(means, squares, strict=True)
    ]
    return product, norms


def _products(
    a: Features,
    b: Features,
    means: list[NDArray[np.float64]] | None,
    multiply: Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]],
) -> tuple[NDArray[np.float64], list[NDArray[np.float64]]]:
    """Products of features, and sums of squares of each stimulus, after subtracting the means where given."""
    dtype = np.result_type(a.dtype, b.dtype)
    product: Any = np.float64(0)
    squares = [np.zeros(a.stimuli), np.zeros(b.stimuli)]
    for start in range(0, a.count, TILE_FEATURES):
        columns = slice(start, min(start + TILE_FEATURES, a.count))
        tiles = [features.tile(columns, dtype) for features in (a, b)]  # (stimuli, features of the tile)
        for number, tile in enumerate(tiles):
            if means is not None:
                tile -= means[number][:, None].astype(dtype)
            squares[number] += np.einsum("sf,sf->s", tile, tile)
        product = product + multiply(*tiles)
    return product, squares


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
                    # a mean in float32 would leave float32's rounding in float64 products
                    tile = part[:, start : start + TILE_FEATURES]
                    total[begin : begin + len(part)] += tile.sum(axis=1, dtype=np.float64)
                begin += len(part)
        bad = np.flatnonzero(~np.isfinite(total))
        if len(bad):
            raise InputValueError(
                f"{self._name} features of {len(bad)} of {self.stimuli} stimuli are NaN or infinite; "
                f"the first is {bad[0]}"
            )
        return total / self.count
