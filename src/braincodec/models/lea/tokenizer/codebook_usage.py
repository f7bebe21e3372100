"""Which codebook entries are used, and new places for those that are not."""

from __future__ import annotations

import torch
from torch import nn

DECAY = 0.9  # of the usage, in a step; an entry that is never used is dead after about thirty
JITTER = 0.01  # of a new entry, as a multiple of the vectors' standard deviation, where there are fewer vectors


class CodebookUsage(nn.Module):
    """A running count of each entry's use, in multiples of its fair share.

    An entry far from all vectors is nearest to none and gets no gradient: it is dead. Dead entries move to vectors of
    the present batch, chosen at random (as in Jukebox, Dhariwal et al. 2020).

    Parameters
    ----------
    entries : int
    fresh : bool
        Whether the codebook is a random one, which the first batch then replaces.

    Examples
    --------
    >>> usage = CodebookUsage(3, fresh=False)
    >>> for _ in range(150):
    ...     usage.update(torch.tensor([[0, 2]]))
    >>> usage.dead(0.03).tolist()
    [1]
    """

    shares: torch.Tensor

    def __init__(self, entries: int, *, fresh: bool) -> None:
        super().__init__()
        self.register_buffer("shares", torch.zeros(entries) if fresh else torch.ones(entries))

    def update(self, ids: torch.Tensor) -> None:
        """Count the entries `ids` of a batch, of any shape."""
        counts = torch.bincount(ids.flatten(), minlength=len(self.shares)).float()
        self.shares.lerp_(counts * (len(self.shares) / ids.numel()), 1 - DECAY)

    def dead(self, below: float) -> torch.Tensor:
        """Numbers of entries whose use is below that many fair shares."""
        return (self.shares < below).nonzero()[:, 0]

    @torch.no_grad()
    def restart(
        self,
        codebook: torch.Tensor,
        latents: torch.Tensor,
        below: float,
        optimiser: torch.optim.Optimizer,
        generator: torch.Generator,
    ) -> int:
        """Move dead entries to vectors of a batch, and let the optimiser forget them.

        Parameters
        ----------
        codebook : torch.Tensor, shape (entries, code width)
        latents : torch.Tensor, shape (batch, code width, rows, columns)
        below : float
        optimiser : torch.optim.Optimizer
        generator : torch.Generator
            Of the CPU.

        Returns
        -------
        int
            How many moved.
        """
        dead = self.dead(below)
        if not len(dead):
            return 0
        vectors = latents.detach().float().movedim(1, -1).flatten(0, -2)  # (vectors, code width)
        order = torch.randperm(len(vectors), generator=generator)
        chosen = order[torch.arange(len(dead)) % len(order)].to(vectors.device)
        noise = torch.randn(len(dead), vectors.shape[1], generator=generator).to(vectors.device)
        several = len(dead) > len(vectors)  # else entries would be equal, and all but the first stay dead
        codebook[dead] = vectors[chosen] + (JITTER * vectors.std() * noise if several else 0)
        self.shares[dead] = 1
        for moment in optimiser.state.get(codebook, {}).values():
            if moment.shape == codebook.shape:
                moment[dead] = 0
        return len(dead)
