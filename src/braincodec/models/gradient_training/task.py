"""What one kind of network does in a step of its training."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

if TYPE_CHECKING:
    from numpy.typing import NDArray


class GradientTask(ABC):
    """Networks, their optimisers, and what a batch of examples does to them.

    Attributes
    ----------
    modules : mapping of str to torch.nn.Module
        All whose weights and buffers make up the state of the training, on the device.
    optimisers : mapping of str to torch.optim.Optimizer
    kept : tuple of str
        Names of the modules whose best weights are kept; a discriminator, say, is not.
    examples : int
    criterion : str
        The entry of what `validate` gives that is to become small.
    candidate : bool
        Whether the present epoch may be the one that is kept, where another may.
    device : torch.device
    """

    modules: Mapping[str, nn.Module]
    optimisers: Mapping[str, torch.optim.Optimizer]
    kept: tuple[str, ...]
    examples: int
    criterion: str
    candidate: bool = True
    device: torch.device

    def batches(self, rng: np.random.Generator, batch_size: int) -> list[NDArray[np.int64]]:
        """Rows of the batches of one epoch: all examples shuffled, in equal parts."""
        return shuffled(np.arange(self.examples), rng, batch_size)

    @abstractmethod
    def step(self, rows: NDArray[np.int64], generator: torch.Generator, done: float) -> dict[str, float]:
        """Move the weights by one batch.

        Parameters
        ----------
        rows : array of int
            Examples.
        generator : torch.Generator
            Of the CPU, for what is drawn; torch's global generators are seeded for this step as well (dropout).
        done : float
            Share of all steps that are over.

        Returns
        -------
        dict of str to float
            Losses, means over the batch, by name.
        """

    @abstractmethod
    def validate(self) -> dict[str, float]:
        """Scores of the validation examples by name; not random."""


def shuffled(rows: NDArray[np.int64], rng: np.random.Generator, batch_size: int) -> list[NDArray[np.int64]]:
    """Batches of equal size, so that none is too small for its statistics.

    Examples
    --------
    >>> [len(batch) for batch in shuffled(np.arange(10), np.random.default_rng(0), 4)]
    [4, 3, 3]
    """
    return np.array_split(rng.permutation(rows), math.ceil(len(rows) / batch_size))
