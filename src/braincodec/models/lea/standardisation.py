"""fMRI patterns brought to a common scale by values of training patterns, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from braincodec.errors import InputValueError
from braincodec.models.tensors import check_tensor_shapes

if TYPE_CHECKING:
    import torch

Rule = Literal["training", "global", "published"]
# data sets whose published preprocessing is known, and whether it takes in the patterns that are to be judged
PUBLISHED = {"god": False, "bold5000": True}
PUBLISHED_WORDS = {
    "god": "fMRI was scaled by one mean and deviation of all training values, and test patterns were left as they are, "
    "as in LEA's published code",
    "bold5000": "fMRI was scaled by one mean and deviation of all values, those of the test patterns among them, as in "
    "LEA's published code: statistics of the test set enter its predictions",
}
PREFIX = "standardisation."


class LeakWarning(UserWarning):
    """Something of the test set enters what is predicted for it, because that was asked for."""


@dataclass(frozen=True, eq=False)
class Standardisation:
    """Mean and standard deviation of voxels.

    Parameters
    ----------
    mean, deviation : array of float32, shape (voxels,)
        Of the patterns that the model was fitted to; the deviation is 1 where it would be 0.
    given_mean, given_deviation : array of float32, shape (voxels,)
        What patterns that are to be decoded are brought to the same scale by: the same, except in published code that
        leaves them as they are.

    Examples
    --------
    >>> found = fit_standardisation(np.array([[1.0, 5.0], [3.0, 5.0]], np.float32))
    >>> found.given(np.array([[3.0, 6.0]], np.float32)).tolist(), found.undo(np.zeros((1, 2), np.float32)).tolist()
    ([[1.0, 1.0]], [[2.0, 5.0]])
    """

    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]
    given_mean: NDArray[np.float32]
    given_deviation: NDArray[np.float32]

    def training(self, patterns: NDArray[np.float32]) -> NDArray[np.float32]:
        """Standardised training patterns, shape (trials, voxels)."""
        found: NDArray[np.float32] = (patterns - self.mean) / self.deviation
        return found

    def given(self, patterns: NDArray[np.float32]) -> NDArray[np.float32]:
        """Standardised patterns of new stimuli, shape (stimuli, voxels)."""
        found: NDArray[np.float32] = (patterns - self.given_mean) / self.given_deviation
        return found

    def undo(self, patterns: NDArray[np.float32]) -> NDArray[np.float32]:
        """Patterns in the measured scale, from standardised ones."""
        found: NDArray[np.float32] = patterns * self.deviation + self.mean
        return found

    def tensors(self) -> dict[str, torch.Tensor]:
        """All of it by name."""
        import torch

        return {f"{PREFIX}{name}": torch.from_numpy(np.array(value)) for name, value in vars(self).items()}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, torch.Tensor], voxels: int) -> Self:
        """The one that `tensors` of an earlier one make up.

        Raises
        ------
        InputValueError
        """
        names = tuple(cls.__dataclass_fields__)
        check_tensor_shapes(tensors, {f"{PREFIX}{name}": (voxels,) for name in names})
        return cls(*(tensors[f"{PREFIX}{name}"].detach().cpu().float().numpy() for name in names))


def common_standardisation(patterns: NDArray[np.float32]) -> Standardisation:
    """One mean and one standard deviation of all values of training patterns (trials, voxels), for every pattern.

    As published networks know patterns, but for test patterns too.

    Examples
    --------
    >>> found = common_standardisation(np.array([[1.0, 5.0], [3.0, 3.0]], np.float32))
    >>> found.mean.tolist(), found.given(np.array([[3.0, 3.0]], np.float32)).tolist()
    ([3.0, 3.0], [[0.0, 0.0]])

    Raises
    ------
    InputValueError
        When the values do not vary.
    """
    mean, deviation = patterns.mean(dtype=np.float64), patterns.std(dtype=np.float64)
    if not deviation > 0:
        raise InputValueError("the training patterns do not vary; there is nothing to fit")
    return _alike(np.full(patterns.shape[1], mean), np.full(patterns.shape[1], deviation))


def fit_standardisation(patterns: NDArray[np.float32]) -> Standardisation:
    """Mean and standard deviation of each voxel over training patterns (trials, voxels)."""
    mean, deviation = patterns.mean(0, dtype=np.float64), patterns.std(0, dtype=np.float64)
    # not by the deviation, which rounding makes larger than zero
    varies = (patterns.max(0) > patterns.min(0)) & (deviation > np.finfo(np.float32).tiny)
    return _alike(mean, np.where(varies, deviation, 1.0))


def published_standardisation(
    patterns: NDArray[np.float32], dataset: str, judged: NDArray[np.float32] | None = None
) -> Standardisation:
    """As LEA's public code has it: one mean and one standard deviation of all values.

    Parameters
    ----------
    patterns : array, shape (trials, voxels)
        Of training.
    dataset : {"god", "bold5000"}
    judged : array, shape (stimuli, voxels), optional
        The patterns that are going to be decoded, which for bold5000 count too.

    Notes
    -----
    For god the values come from the training patterns alone, and a variable is overwritten, so that test patterns stay
    as they are. For bold5000 the values come from training and test patterns together: what is predicted for one test
    pattern then depends on the others.

    Raises
    ------
    InputValueError
        For another data set, and when `judged` is missing or not wanted.
    """
    if dataset not in PUBLISHED:
        raise InputValueError(
            f"preprocessing 'published' is known of {' and '.join(PUBLISHED)}, not of {dataset}; take 'training'"
        )
    if PUBLISHED[dataset] and judged is None:
        raise InputValueError(
            f"the published preprocessing of {dataset} takes mean and deviation over training and test patterns "
            "together: give the latter to fit(..., judged_patterns=), or take preprocessing='training'"
        )
    if judged is not None and not PUBLISHED[dataset]:
        raise InputValueError(f"the published preprocessing of {dataset} looks at training patterns only")
    values: list[NDArray[Any]] = [patterns.ravel()] if judged is None else [patterns.ravel(), judged.ravel()]
    everything = np.concatenate(values)
    mean, deviation = everything.mean(dtype=np.float64), everything.std(dtype=np.float64)
    if not deviation > 0:
        raise InputValueError("the training patterns do not vary; there is nothing to fit")
    voxels = patterns.shape[1]
    found = _alike(np.full(voxels, mean), np.full(voxels, deviation))
    if PUBLISHED[dataset]:
        return found
    as_they_are = np.zeros(voxels, np.float32), np.ones(voxels, np.float32)
    return Standardisation(found.mean, found.deviation, *as_they_are)


def _alike(mean: NDArray[np.float64], deviation: NDArray[np.float64]) -> Standardisation:
    mean32, deviation32 = mean.astype(np.float32), deviation.astype(np.float32)
    return Standardisation(mean32, deviation32, mean32, deviation32)
