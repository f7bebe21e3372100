"""Linear maps that training starts from the ridge solution, between latents of mean 0 and mean variance 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from braincodec.models.lea.alignment.ridge import ridge_weights


@dataclass(frozen=True, eq=False)
class Space:
    """A latent space, moved and scaled so that training latents have mean 0 and mean variance 1.

    Parameters
    ----------
    mean : array of float64, shape (dimension,)
    scale : float
    """

    mean: NDArray[np.float64]
    scale: float

    @classmethod
    def of(cls, latents: NDArray[Any]) -> Self:
        """That of `latents`, shape (stimuli, dimension).

        Examples
        --------
        >>> Space.of(np.array([[1.0, 0.0], [3.0, 0.0]])).inside(np.array([[3.0, 0.0]])).round(3).tolist()
        [[1.4140000343322754, 0.0]]
        """
        mean = latents.mean(0, dtype=np.float64)
        return cls(mean, float(np.sqrt(((latents - mean) ** 2).mean())))

    def inside(self, latents: NDArray[Any]) -> NDArray[np.float32]:
        """Latents as they are computed with."""
        found: NDArray[np.float32] = ((latents - self.mean) / self.scale).astype(np.float32)
        return found


class ChangedMap(nn.Module):
    """A linear map that starts from given weights and an offset.

    The change of weights is divided by the number of inputs: a step of the optimiser then moves predictions alike,
    however many there are, and decay draws weights back to those they started from.

    Parameters
    ----------
    weights : torch.Tensor, shape (source, target)
    offset : torch.Tensor, shape (target,)
    """

    start: torch.Tensor
    start_offset: torch.Tensor

    def __init__(self, weights: torch.Tensor, offset: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("start", weights)
        self.register_buffer("start_offset", offset)
        self.change = nn.Parameter(torch.zeros_like(weights))
        self.offset_change = nn.Parameter(torch.zeros_like(offset))

    @property
    def weights(self) -> torch.Tensor:
        """Shape (source, target)."""
        return self.start + self.change / len(self.start)

    @property
    def offset(self) -> torch.Tensor:
        """Shape (target,)."""
        return self.start_offset + self.offset_change

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Rows (n, source) to (n, target)."""
        return rows @ self.weights + self.offset


def ridge_inside(
    source: NDArray[Any], target: NDArray[Any], source_space: Space, target_space: Space, alpha: NDArray[Any]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights (source, target) and offset (target,) of a ridge regression, between latents as they are computed with.

    Parameters
    ----------
    source, target : array, shape (stimuli, source) and (stimuli, target)
    source_space, target_space : Space
    alpha : array, shape (target,)
    """
    weights, mean, offset = ridge_weights(source, target, np.asarray(alpha, np.float64))
    moved = offset + (source_space.mean - mean) @ weights - target_space.mean  # what the space's mean is mapped to
    scale = target_space.scale
    return torch.from_numpy(weights * source_space.scale / scale).float(), torch.from_numpy(moved / scale).float()
