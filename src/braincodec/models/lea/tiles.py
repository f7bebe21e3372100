"""Networks run on tiles of a fixed size, so that a result does not depend on what else was asked for.

Matrix products of other shapes may take another path through the processor's libraries and end in other last bits,
which sampling can turn into another image. Here every call of a network has the same shape.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F

# rows of one call, by device: a processor's cores are busy with one image, a GPU's need several
TILE = {"cpu": 1}
TILE_ELSEWHERE = 16


def tile_for(device: torch.device) -> int:
    """Rows of one call of a network on `device`.

    Examples
    --------
    >>> tile_for(torch.device("cpu"))
    1
    """
    return TILE.get(device.type, TILE_ELSEWHERE)


def in_tiles(
    run: Callable[..., torch.Tensor],
    *inputs: torch.Tensor,
    tile: int | None = None,
    on_tile: Callable[[int], object] | None = None,
) -> torch.Tensor:
    """What `run` gives for rows of the inputs, always called with `tile` rows; the last tile is filled with zeros.

    Parameters
    ----------
    run : callable
        Tensors of `tile` rows to a tensor of as many rows, each row of it made of the same row of the inputs.
    *inputs : torch.Tensor
        Equally many rows, at least one, on the device where they are needed.
    tile : int, optional
        Default: what suits the device of the first input.
    on_tile : callable, optional
        Told how many rows were done after each tile.

    Returns
    -------
    torch.Tensor

    Examples
    --------
    >>> in_tiles(lambda x: x + len(x), torch.arange(3), tile=2)
    tensor([2, 3, 4])
    """
    size = tile or tile_for(inputs[0].device)
    results = []
    for begin in range(0, len(inputs[0]), size):
        rows = [one[begin : begin + size] for one in inputs]
        count = len(rows[0])
        results.append(run(*(_filled(one, size) for one in rows))[:count])
        if on_tile is not None:
            on_tile(count)
    return torch.cat(results)


def _filled(rows: torch.Tensor, size: int) -> torch.Tensor:
    return F.pad(rows, (*[0] * (2 * (rows.ndim - 1)), 0, size - len(rows))) if len(rows) < size else rows
