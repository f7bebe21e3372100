"""What training makes small, and the correlation that chooses the epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from braincodec.memory import tiles

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

# keeps the squared correlation finite where a unit does not vary within a batch
LEAST_VARIANCE = 1e-6


def weighted_error(
    prediction: torch.Tensor, response: torch.Tensor, least_weight: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Squared error of each unit, and their sum weighted by how well each unit is predicted already.

    Parameters
    ----------
    prediction, response : torch.Tensor, shape (batch, units)
        Responses that are NaN do not count.
    least_weight : float
        Weights are squared correlations within the batch, at least this; they carry no gradient.

    Returns
    -------
    error : torch.Tensor, shape (units,)
        Sum over the batch, detached.
    loss : torch.Tensor
        Weighted sum over units, divided by the mean weight.

    Examples
    --------
    >>> import torch
    >>> response = torch.tensor([[1.0, 0.0], [3.0, 2.0]])
    >>> error, loss = weighted_error(response + 1, response, least_weight=0.1)
    >>> error.tolist(), round(float(loss), 3)
    ([2.0, 2.0], 4.0)
    """
    import torch

    known = torch.isfinite(response)
    response = torch.where(known, response, 0)
    difference = torch.where(known, prediction - response, 0)
    error = (difference * difference).sum(0)
    with torch.no_grad():
        count = known.sum(0).clamp(min=1)
        p, r = (torch.where(known, x - torch.where(known, x, 0).sum(0) / count, 0) for x in (prediction, response))
        covariance, variances = (p * r).sum(0) / count, ((p * p).sum(0) / count) * ((r * r).sum(0) / count)
        weight = (covariance**2 / (variances + LEAST_VARIANCE)).clamp(least_weight, 1)
    return error.detach(), (weight * error).sum() / weight.mean()


def correlations(prediction: NDArray[np.floating], response: NDArray[np.floating]) -> NDArray[np.float64]:
    """Pearson correlation of each unit over stimuli; 0 where one of the two does not vary, as published.

    Parameters
    ----------
    prediction, response : array, shape (stimuli, units)
        Responses that are NaN do not count.

    Examples
    --------
    >>> correlations(np.array([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]]), np.array([[1.0, 0.0], [2.0, 1.0], [4.0, 2.0]]))
    array([0.98198051, 0.        ])
    """
    found = np.zeros(prediction.shape[1])
    for tile in tiles(prediction.shape[1], 8 * 4 * len(prediction)):
        p, r = (np.asarray(x[:, tile], np.float64) for x in (prediction, response))
        known = np.isfinite(r)
        count = np.maximum(known.sum(0), 1)
        p, r = (np.where(known, x - np.where(known, x, 0).sum(0) / count, 0) for x in (p, r))
        scale = np.sqrt((p * p).sum(0) * (r * r).sum(0))
        found[tile] = np.divide((p * r).sum(0), scale, out=np.zeros(len(scale)), where=scale > 0)
    return np.nan_to_num(found)
