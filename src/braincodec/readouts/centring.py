"""Means taken from features and responses, and responses brought to a size whose squares float32 can hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]


def feature_means(features: NDArray[Any]) -> Doubles:
    """Mean of each feature, shape (features,); of one that does not vary its value itself, so that nothing remains.

    Examples
    --------
    >>> feature_means(np.full((3, 1), 0.1)).item() == 0.1
    True
    """
    mean = features.mean(axis=0, dtype=np.float64)
    return np.where(features.max(axis=0) == features.min(axis=0), features[0], mean)


@dataclass(frozen=True, eq=False)
class CentredResponses:
    """Responses as they are computed with: ``given = values * scale + mean``.

    Parameters
    ----------
    values : array, shape (stimuli, units)
        Zero for units without data, and with an intercept for those that do not vary.
    mean : array of float64, shape (units,)
        Zero without an intercept.
    scale : array of float64, shape (units,)
        Powers of two, by which division is exact.
    missing, constant : array of bool, shape (units,)
        Units without data, and without variance.
    """

    values: NDArray[Any]
    mean: Doubles
    scale: Doubles
    missing: NDArray[np.bool_]
    constant: NDArray[np.bool_]


def centre_responses(
    values: NDArray[Any], missing: NDArray[np.bool_], *, centre: bool, dtype: np.dtype[Any]
) -> CentredResponses:
    """Subtract means where there is an intercept, and divide each unit by about its largest value.

    Parameters
    ----------
    values : array of float, shape (stimuli, units)
    missing : array of bool, shape (units,)
        Units that are NaN for every stimulus.
    centre : bool
    dtype : numpy.dtype
        To compute in.

    Examples
    --------
    >>> found = centre_responses(np.array([[1e30], [5e30]]), np.array([False]), centre=True, dtype=np.dtype("float32"))
    >>> bool(np.abs(found.values).max() < 1), (found.values * found.scale + found.mean).round(-28).tolist()
    (True, [[1e+30], [5e+30]])
    """
    # contiguous copies: the rows of a tile lie far apart
    values = np.where(missing, 0, values) if missing.any() else np.ascontiguousarray(values)
    highest, lowest = values.max(axis=0).astype(np.float64), values.min(axis=0).astype(np.float64)
    constant = highest == lowest
    mean = np.where(constant, lowest, values.mean(axis=0, dtype=np.float64)) if centre else np.zeros(len(highest))
    _, exponent = np.frexp(np.maximum(highest - mean, mean - lowest))  # 0 for nothing but zeros
    found = np.subtract(values, mean, dtype=np.float64)
    found *= np.ldexp(1.0, -exponent)
    return CentredResponses(found.astype(dtype), mean, np.ldexp(1.0, exponent), missing, constant & ~missing)
