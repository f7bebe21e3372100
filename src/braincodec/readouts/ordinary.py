"""Ordinary least squares of every unit on the same features: what a published encoder fits on principal components."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike

from braincodec.device import fast_matmul, resolve_device
from braincodec.errors import InputValueError
from braincodec.progress import progress_bar
from braincodec.readouts.centring import centre_responses, feature_means
from braincodec.readouts.principal import precise_device
from braincodec.readouts.results import LinearFit, warn_about_units
from braincodec.readouts.targets import Responses, Sink, as_features, check_sink, open_targets
from braincodec.readouts.torch_dtype import readout_dtype

# singular values below this multiple of the features' own rounding are no directions
ROUNDING_MULTIPLE = 10


@dataclass(frozen=True, eq=False, repr=False)
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
    By a singular value decomposition in float64 of features brought to the same length. Of features that depend on
    each other, the solution of smallest norm is given, with a `ReadoutWarning`.

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
    if fit_intercept and stimuli < 2:
        raise InputValueError("least squares with an intercept needs at least 2 stimuli, not 1")
    place = resolve_device(device)
    number = readout_dtype(dtype, place)
    kind = np.dtype(dtype)
    weights = np.empty((count, targets.units), kind) if weights_out is None else weights_out
    intercept = np.full(targets.units, np.nan)
    absent, constant = np.zeros((2, targets.units), bool)
    mean = feature_means(array) if fit_intercept else np.zeros(count)
    with torch.inference_mode(), fast_matmul(place):
        inverse, rank = _pseudo_inverse(torch.as_tensor(array - mean, device=precise_device(place)), array.dtype)
        if not rank:
            raise InputValueError(
                f"all {count} features are constant over the {stimuli} stimuli; there is nothing to fit"
            )
        inverse = inverse.to(number).to(place)  # (features, stimuli)
        with progress_bar("least squares", targets.units, show=progress) as advance:
            for block in targets.blocks():
                responses = centre_responses(*targets.block(block), centre=fit_intercept, dtype=kind)
                found = (inverse @ torch.as_tensor(responses.values).to(place)).cpu().numpy()
                found *= responses.scale.astype(kind)
                found[:, responses.missing] = np.nan
                weights[:, block] = found
                intercept[block] = np.where(responses.missing, np.nan, responses.mean - mean @ found)
                absent[block], constant[block] = responses.missing, responses.constant
                advance(block.stop - block.start)
    fit = LeastSquaresFit(weights, intercept, absent, constant, rank)
    remark = f"only {rank} of {count} features are linearly independent; the solution of smallest norm is given"
    warn_about_units(absent, constant, remark if rank < count else "")
    return fit


def _pseudo_inverse(features: torch.Tensor, given: np.dtype) -> tuple[torch.Tensor, int]:
    """Of float64 features (stimuli, features) that were rounded to dtype `given`, and their rank."""
    length = torch.linalg.vector_norm(features, dim=0)
    # a feature is rounded in proportion to its own size: only at equal sizes does a small direction mean dependence
    equal = features / torch.where(length > 0, length, 1)
    inverse, rank = _truncated_inverse(equal, given)
    if rank == features.shape[1]:
        return inverse / length[:, None], rank
    # among many solutions, the smallest is meant in the features' own sizes
    return _truncated_inverse(features, given)


def _truncated_inverse(features: torch.Tensor, given: np.dtype) -> tuple[torch.Tensor, int]:
    if len(features) >= features.shape[1]:
        orthogonal, upper = torch.linalg.qr(features)
        left, values, right = torch.linalg.svd(upper, full_matrices=False)
        left = orthogonal @ left
    else:
        left, values, right = torch.linalg.svd(features, full_matrices=False)
    least = values[0] * ROUNDING_MULTIPLE * float(np.finfo(given).eps)
    kept = values > least
    return (right[kept].T / values[kept]) @ left[:, kept].T, int(kept.sum())
