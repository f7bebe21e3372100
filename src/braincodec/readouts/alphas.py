"""The grid of regularisation strengths, and the few of it that all others can be computed from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike, NDArray

from braincodec.errors import InputTypeError, InputValueError

Doubles = NDArray[np.float64]
# of the default grid: eight decades around the mean eigenvalue of the features
DEFAULT_COUNT, DEFAULT_DECADES = 20, 4.0
# largest error of a prediction, relative to the responses; far below what float32 products leave
TOLERANCE = {"float32": 3e-7, "float64": 1e-12}


def check_alphas(alphas: ArrayLike) -> Doubles:
    """Strengths in rising order, each once.

    Parameters
    ----------
    alphas : array_like, shape (alphas,)

    Raises
    ------
    InputTypeError, InputValueError
        When there is none, or one is not a positive number, or is there twice.

    Examples
    --------
    >>> check_alphas([10, 1])
    array([ 1., 10.])
    """
    array = np.atleast_1d(np.asarray(alphas))
    if array.dtype.kind not in "iuf":
        raise InputTypeError(f"alphas must be numbers, not {array.dtype}")
    if array.ndim != 1 or not array.size:
        raise InputValueError(f"alphas must be a list of at least one strength, not of shape {array.shape}")
    values = array.astype(np.float64)
    wrong = values[~(np.isfinite(values) & (values > 0))]
    if wrong.size:
        raise InputValueError(
            f"alphas must be positive and finite, not {wrong[0]:g}; without regularisation use least_squares"
        )
    if len(np.unique(values)) < len(values):
        raise InputValueError("alphas has the same strength more than once")
    return np.sort(values)


def default_alphas(eigenvalues: Doubles) -> Doubles:
    """Twenty strengths over eight decades around the mean eigenvalue of the features' scatter matrix.

    Parameters
    ----------
    eigenvalues : array, shape (components,)

    Examples
    --------
    >>> default_alphas(np.array([1.0, 3.0]))[[0, -1]]
    array([2.e-04, 2.e+04])
    """
    return eigenvalues.mean() * np.logspace(-DEFAULT_DECADES, DEFAULT_DECADES, DEFAULT_COUNT)


@dataclass(frozen=True, eq=False)
class Skeleton:
    """A few strengths, and what makes the shrinkage of all from theirs.

    Parameters
    ----------
    chosen : array of int, shape (chosen,)
    coefficients : array, shape (alphas, chosen)
        ``shrinkage(alphas) = coefficients @ shrinkage(alphas[chosen])``, up to the tolerance.
    """

    chosen: NDArray[Any]
    coefficients: Doubles


def skeleton(
    eigenvalues: Doubles, alphas: Doubles, gain: Doubles | float = 1.0, *, tolerance: float = TOLERANCE["float32"]
) -> Skeleton:
    """The fewest strengths whose predictions give those of all others.

    Parameters
    ----------
    eigenvalues : array, shape (components,)
        Of the training features' scatter matrix, positive.
    alphas : array, shape (alphas,)
    gain : array, shape (components,)
        How much larger a component is, in root mean square, where predictions are judged than where they are fitted.
    tolerance : float
        Largest error of a prediction, as a share of the responses that it is fitted to.

    Returns
    -------
    Skeleton

    Notes
    -----
    Ridge shrinks component j by eigenvalue_j / (eigenvalue_j + alpha). As functions of the eigenvalue these curves are
    smooth and much alike, so the matrix (alphas, components) has low numerical rank: an interpolative decomposition by
    pivoted QR (Cheng, Gimbutas, Martinsson, Rokhlin 2005) finds rows from which the others follow with small
    coefficients. A row is scaled by the size of its predictions, so that where small strengths predict wildly, their
    rounding does not reach the others.

    Examples
    --------
    >>> found = skeleton(np.logspace(0, 4, 100), np.logspace(-3, 6, 20))
    >>> len(found.chosen) < 20
    True
    """
    shrinkage = eigenvalues / (eigenvalues + alphas[:, None]) * np.maximum(1.0, gain)  # (alphas, components)
    scale = np.maximum(1.0, np.sqrt((shrinkage**2).mean(axis=1, keepdims=True)))
    rows = shrinkage / scale
    _, upper, order = scipy.linalg.qr(rows.T, mode="economic", pivoting=True)
    for count in range(1, len(upper) + 1):
        square, rest = upper[:count, :count], upper[:count, count:]
        coefficients = np.zeros((len(alphas), count))
        coefficients[order[:count]] = np.eye(count)
        coefficients[order[count:]] = scipy.linalg.solve_triangular(square, rest).T
        if np.abs(rows - coefficients @ rows[order[:count]]).max() <= tolerance:
            break
    chosen = order[:count]
    return Skeleton(chosen, coefficients * scale / scale[chosen].T)
