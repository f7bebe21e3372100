"""What masked reconstruction hides."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from braincodec.errors import InputValueError


def draw_hidden_voxels(
    voxels: Sequence[int], batch: int, *, generator: torch.Generator, share: float = 0.75, run: int | None = 16
) -> torch.Tensor:
    """Voxels that masked reconstruction hides, drawn anew for each pattern.

    Parameters
    ----------
    voxels : sequence of int
        Voxels of each region.
    batch : int
    generator : torch.Generator
    share : float
        Part of the runs that is hidden; at least one is hidden, and at least one is seen.
    run : int, optional
        Neighbouring voxels of a region that are hidden together, since neighbours tell of each other (16, as in
        MinD-Vis). None: whole regions.

    Returns
    -------
    torch.Tensor of bool, shape (batch, voxels)
        On the generator's device.

    Examples
    --------
    >>> draw_hidden_voxels((2, 4), 1, generator=torch.Generator().manual_seed(1), share=0.5, run=None)
    tensor([[False, False,  True,  True,  True,  True]])
    """
    lengths = [min(run or size, size - begin) for size in voxels for begin in range(0, size, run or size)]
    if not 0 < share < 1 or (run is not None and run < 1) or len(lengths) < 2:
        raise InputValueError(
            f"hiding needs a share between 0 and 1 of at least two runs, got share {share} of {len(lengths)} runs of "
            f"{'a whole region' if run is None else run}"
        )
    count = min(max(1, round(share * len(lengths))), len(lengths) - 1)
    order = torch.rand(batch, len(lengths), generator=generator, device=generator.device).argsort(1)  # (batch, runs)
    hidden = torch.zeros_like(order, dtype=torch.bool).scatter_(1, order[:, :count], True)
    return hidden.repeat_interleave(torch.tensor(lengths, device=generator.device), 1)  # (batch, voxels)
