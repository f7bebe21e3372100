"""Contrastive loss between predicted and true latents: each should be nearest to its own."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

# as CLIP begins with, and as low as it lets it become (Radford et al. 2021)
START_TEMPERATURE, LEAST_TEMPERATURE = 0.07, 0.01
# a validation loss is that of the best of these, so that it does not judge how well a temperature is tuned
TEMPERATURES = tuple(math.exp(step / 2) for step in range(-10, 3))


class Temperature(nn.Module):
    """Temperatures that are learnt as logarithms.

    Parameters
    ----------
    count : int

    Examples
    --------
    >>> Temperature(2)().detach()
    tensor([0.0700, 0.0700])
    """

    def __init__(self, count: int) -> None:
        super().__init__()
        self.logarithm = nn.Parameter(torch.full((count,), START_TEMPERATURE).log())

    def forward(self) -> torch.Tensor:
        """Shape (count,)."""
        return self.logarithm.exp().clamp(min=LEAST_TEMPERATURE)


def cosines(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Cosine similarity of every row of `first` with every row of `second`; 0 for a row of zeros.

    Parameters
    ----------
    first, second : torch.Tensor, shape (n, dimension) and (m, dimension)

    Returns
    -------
    torch.Tensor, shape (n, m)

    Examples
    --------
    >>> cosines(torch.tensor([[2.0, 0.0]]), torch.tensor([[3.0, 0.0], [0.0, 1.0], [0.0, 0.0]])).tolist()
    [[1.0, 0.0, 0.0]]
    """
    return F.normalize(first, dim=1) @ F.normalize(second, dim=1).T


def info_nce(similarity: torch.Tensor, temperature: torch.Tensor | float) -> torch.Tensor:
    """Mean negative log probability of the right pair, over rows and over columns.

    Parameters
    ----------
    similarity : torch.Tensor, shape (n, n)
        Row i and column i belong together.
    temperature : torch.Tensor or float

    Returns
    -------
    torch.Tensor
        A number; log(n) where nothing is told apart.

    Notes
    -----
    Source: the symmetric loss of CLIP (Radford et al. 2021, Learning transferable visual models from natural language
    supervision).

    Examples
    --------
    >>> round(float(info_nce(torch.zeros(8, 8), 0.1)) / math.log(8), 6)
    1.0
    """
    logits, own = similarity / temperature, torch.arange(len(similarity), device=similarity.device)
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


def least_info_nce(similarity: torch.Tensor) -> torch.Tensor:
    """`info_nce` at the best of `TEMPERATURES`.

    Examples
    --------
    >>> bool(least_info_nce(torch.eye(4)) < 1e-3)
    True
    """
    return torch.stack([info_nce(similarity, temperature) for temperature in TEMPERATURES]).min()
