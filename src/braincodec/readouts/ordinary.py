"""Ordinary least squares of every unit on the same features: what a published encoder fits on principal components."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike

from braincodec.device import fast_matmul, resolve_device
from braincodec.errors import InputValueError
from braincodec.progress import progress_bar
from braincodec.readouts.principal import precise_device
from braincodec.readouts.results import LinearFit, warn_about_units
from braincodec.readouts.targets import Responses, Sink, as_features, check_sink, open_targets
from braincodec.readouts.torch_dtype import readout_dtype

# singular values below this multiple of the features' own rounding are no directions
ROUNDING_MULTIPLE = 10


@dataclass(frozen=True, eq=False)
class LeastSquaresFit(LinearFit):
    """A least-squares regression.

    Attributes
    ----------
    rank : int
        Number of linearly independent features.
    """

    rank: int


def least_squares(
    features: ArrayLike,
    responses: Responses,
    *,
    fit_intercept: bool = True,
    units: int | None = None,
    weights_out: Sink | None = None,
    device: str = "auto",
    dtype: str = "float32",
    progress: bool | None = None,
) -> LeastSquaresFit:
    """Least squares without regularisation, as fits principal components.

    Parameters
    ----------
    features : array_like, shape (stimuli, features)
    responses, units, weights_out, device, dtype, progress
        As in `ridge_cv`.
    fit_intercept : bool

    Returns
    -------
    LeastSquaresFit

    Raises
    ------
    InputTypeError, InputValueError
        As `ridge_cv`.

    Notes
    -----
    By a singular value decomposition in float64. Of features that depend on each other, the solution of smallest norm
    is given, with a `ReadoutWarning`.

    Examples
    --------
    >>> features = np.array([[0.0], [1.0], [2.0]])
    >>> fit = least_squares(features, 3 * features + 1, dtype="float64")
    >>> fit.weights.round(6), fit.intercept.round(6)
    (array([[3.]]), array([1.]))
    """
    array = as_features("features", features)
    stimuli, count = array.shape
    targets = open_targets(responses, stimuli, units)
    check_sink(weights_out, count, targets.units)
    place = resolve_device(device)
    number = readout_dtype(dtype, place)
    kind = np.dtype(dtype)
    weights = np.empty((count, targets.units), kind) if weights_out is None else weights_out
    intercept = np.full(targets.units, np.nan)
    absent, constant = np.zeros((2, targets.units), bool)
    mean = array.mean(axis=0, dtype=np.float64) if fit_intercept else np.zeros(count)
    with torch.inference_mode(), fast_matmul(place):
        inverse, rank = _pseudo_inverse(torch.as_tensor(array - mean, device=precise_device(place)), array.dtype)
        if not rank:
            raise InputValueError(
                f"all {count} features are constant over the {stimuli} stimuli; there is nothing to fit"
            )
        inverse = inverse.to(number).to(place)  # (features, stimuli)
        with progress_bar("least squares", targets.units, show=progress) as advance:
            for block in targets.blocks():
                values, gone = targets.block(block)
                values = np.where(gone, 0, values) if gone.any() else values
                offset = values.mean(axis=0, dtype=np.float64) if fit_intercept else np.zeros(values.shape[1])
                found = (inverse @ torch.as_tensor((values - offset).astype(kind)).to(place)).cpu().numpy()
                absent[block], constant[block] = gone, ~gone & (values.max(axis=0) == values.min(axis=0))
                if fit_intercept:
                    found[:, constant[block]] = 0
                found[:, gone] = np.nan
                weights[:, block] = found
                intercept[block] = np.where(gone, np.nan, offset - mean @ found)
                advance(block.stop - block.start)
    fit = LeastSquaresFit(weights, intercept, absent, constant, rank)
    remark = f"only {rank} of {count} features are linearly independent; the solution of smallest norm is given"
    warn_about_units(absent, constant, remark if rank < count else "")
    return fit


def _pseudo_inverse(features: torch.Tensor, given: np.dtype) -> tuple[torch.Tensor, int]:
    """Of float64 features (stimuli, features) that were rounded to dtype `given`, and their rank."""
    if len(features) >= features.shape[1]:
        orthogonal, upper = torch.linalg.qr(features)
        left, values, right = torch.linalg.svd(upper, full_matrices=False)
        left = orthogonal @ left
    else:
        left, values, right = torch.linalg.svd(features, full_matrices=False)
    least = values[0] * ROUNDING_MULTIPLE * float(np.finfo(given).eps)
    kept = values > least
    return (right[kept].T / values[kept]) @ left[:, kept].T, int(kept.sum())
