"""What fitting a readout gives: weights, what was chosen for each unit, and what should be known about it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braincodec.errors import InputValueError
from braincodec.readouts.targets import as_features

# stored weights are read so many at a time
WEIGHT_BYTES = 64 * 2**20
Doubles = NDArray[np.float64]
Mask = NDArray[np.bool_]
# units without signal choose the largest strength rightly; this many at the smallest mean that the grid is too short
SHARE_WORTH_A_WARNING = 0.05


class ReadoutWarning(UserWarning):
    """A readout was fitted, and something about some units should be known."""


def predict(features: ArrayLike, weights: Any, intercept: ArrayLike) -> NDArray[Any]:
    """Responses of a linear readout.

    Parameters
    ----------
    features : array_like, shape (stimuli, features)
    weights : array, shape (features, units)
        In memory or stored; read a block of units at a time.
    intercept : array_like, shape (units,)

    Returns
    -------
    array, shape (stimuli, units)
        In the dtype of the weights.

    Raises
    ------
    InputTypeError, InputValueError
        When the number of features is another, or some are NaN.

    Examples
    --------
    >>> predict([[1.0, 2.0]], np.array([[1.0], [10.0]]), [0.5])
    array([[21.5]])
    """
    array, offsets = as_features("features", features), np.asarray(intercept)
    if array.shape[1] != weights.shape[0]:
        raise InputValueError(f"features have {array.shape[1]} columns; the readout was fitted on {weights.shape[0]}")
    # the large common part of features in float64: in float32 it would drown what differs between stimuli
    common = array.mean(axis=0, dtype=np.float64)
    centred = (array - common).astype(weights.dtype)
    found = np.empty((len(array), weights.shape[1]), weights.dtype)
    step = max(1, WEIGHT_BYTES // (8 * len(common)))
    for begin in range(0, found.shape[1], step):
        units = slice(begin, begin + step)
        matrix = np.asarray(weights[:, units])
        found[:, units] = centred @ matrix + (common @ matrix + offsets[units]).astype(matrix.dtype)
    return found


@dataclass(frozen=True, eq=False, repr=False)
class LinearFit:
    """A linear readout.

    Attributes
    ----------
    weights : array, shape (features, units)
        Or what they were written to.
    intercept : array of float64, shape (units,)
    missing, constant : array of bool, shape (units,)
        Units that are NaN for every stimulus: all about them is NaN. Units that do not vary: with an intercept their
        weights are 0.
    """

    weights: Any
    intercept: Doubles
    missing: Mask
    constant: Mask

    def predict(self, features: ArrayLike) -> NDArray[Any]:
        """Responses to features (stimuli, features), shape (stimuli, units)."""
        return predict(features, self.weights, self.intercept)

    def summary(self) -> str:
        """How many units and features, and how many units cannot be fitted."""
        parts = [f"{len(self.intercept):,} units", f"{self.weights.shape[0]:,} features"]
        parts += [f"{int(self.missing.sum())} without data"] if self.missing.any() else []
        parts += [f"{int(self.constant.sum())} that do not vary"] if self.constant.any() else []
        return ", ".join(parts)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.summary()}>"


@dataclass(frozen=True, eq=False, repr=False)
class RidgeFit(LinearFit):
    """A ridge regression with what cross-validation found.

    Attributes
    ----------
    alpha : array of float64, shape (units,)
        The strength of each unit.
    score : array of float64, shape (units,)
        Negative mean squared error on held-out stimuli, averaged over folds, at that strength. Choosing the best of
        several strengths makes it slightly too good.
    scores : array of float64, shape (alphas, units)
        The same for all strengths.
    alphas : array of float64, shape (alphas,)
        Those tried, rising.
    variance : array of float64, shape (units,)
        Of the responses.
    """

    alpha: Doubles
    score: Doubles
    scores: Doubles
    alphas: Doubles
    variance: Doubles

    @property
    def r2(self) -> Doubles:
        """Cross-validated share of the variance that is explained, shape (units,); NaN where there is no variance."""
        found = np.full(len(self.score), np.nan)
        np.divide(self.score, self.variance, out=found, where=self.variance > 0)
        return 1 + found

    @property
    def at_smallest_alpha(self) -> Mask:
        """Units whose strength is the smallest tried, shape (units,): a smaller one might be better."""
        return (self.alpha == self.alphas[0]) & ~self.constant

    @property
    def at_largest_alpha(self) -> Mask:
        """Units whose strength is the largest tried, shape (units,); usual for units without signal."""
        return (self.alpha == self.alphas[-1]) & ~self.constant

    def summary(self) -> str:
        """One sentence: how many units, and at which edges of the grid they are."""
        return (
            f"{super().summary()}, {len(self.alphas)} strengths from {self.alphas[0]:.3g} to {self.alphas[-1]:.3g}, "
            f"{int(self.at_smallest_alpha.sum())} units at the smallest and {int(self.at_largest_alpha.sum())} at the "
            "largest"
        )


def warn_about_units(missing: Mask, constant: Mask, *others: str) -> None:
    """One `ReadoutWarning` about units without data or variance, and what else there is to say."""
    remarks = [remark for remark in others if remark]
    if constant.any():
        remarks.insert(
            0, f"{int(constant.sum())} of {len(constant)} units do not vary over stimuli: nothing can be learnt"
        )
    if missing.any():
        remarks.insert(0, f"{int(missing.sum())} of {len(missing)} units are NaN for every stimulus and stay NaN")
    if remarks:
        warnings.warn("; ".join(remarks), ReadoutWarning, stacklevel=3)


def edge_remark(fit: RidgeFit) -> str:
    """What to say about units at the small end of the grid; nothing where they are few."""
    count, smallest = int(fit.at_smallest_alpha.sum()), fit.alphas[0]
    if len(fit.alphas) == 1 or count <= SHARE_WORTH_A_WARNING * len(fit.alpha):
        return ""
    return f"{count} of {len(fit.alpha)} units chose the smallest strength, {smallest:.3g}: smaller ones may be better"
