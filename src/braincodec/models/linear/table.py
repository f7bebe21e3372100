"""Features standardised, read a block of columns at a time, in double precision."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from braincodec.errors import InputValueError
from braincodec.features.reduction.standardise import ROUNDING
from braincodec.features.reduction.table import Block, FeatureTable, device_with_doubles
from braincodec.progress import progress_bar

if TYPE_CHECKING:
    from collections.abc import Mapping

TILE_ROWS = 2048


@dataclass(frozen=True, eq=False)
class ScaledTable:
    """Features of several layers as ``(features - mean) * scale``.

    Parameters
    ----------
    table : FeatureTable
    mean, scale : Tensor of float64, shape (features,)
        The scale of a feature that does not vary is 0.
    """

    table: FeatureTable
    mean: torch.Tensor
    scale: torch.Tensor
    progress: bool | None = None

    def blocks(self, what: str) -> Iterator[tuple[Block, slice, torch.Tensor]]:
        """Blocks of columns, their place among all, and their scaled values (rows, columns), float64."""
        with progress_bar(what, self.table.columns, show=self.progress) as advance:
            for block in self.table.column_blocks(self.mean.device):
                place = slice(block.offset, block.offset + block.values.shape[1])
                yield block, place, (block.values.double() - self.mean[place]) * self.scale[place]
                advance(block.values.shape[1])


@dataclass(frozen=True, eq=False)
class Survey:
    """What one pass over the features gives.

    Parameters
    ----------
    scaled : ScaledTable
    gram : Tensor of float64, shape (rows, rows), or None
        Products of the scaled features of all stimuli.
    """

    scaled: ScaledTable
    gram: torch.Tensor | None


def survey(
    arrays: Mapping[str, Any],
    *,
    standardise: bool,
    equal: bool,
    products: bool,
    device: str,
    progress: bool | None,
) -> Survey:
    """Means, scales and (where wanted) products of stimuli, in one pass.

    Parameters
    ----------
    arrays : mapping of str to array-like, each of shape (stimuli, features)
    standardise : bool
        Divide each feature by its standard deviation.
    equal : bool
        Scale each layer to a total variance of 1.
    products : bool
    device : str
    progress : bool, optional

    Raises
    ------
    InputValueError
        When the features (with `equal`: of one layer) do not vary.
    """
    target = device_with_doubles(device)
    table = FeatureTable(arrays)
    rows, columns = len(table.rows), table.columns
    mean, scale = torch.zeros(2, columns, dtype=torch.float64, device=target)
    scaled = ScaledTable(table, mean, scale, progress)
    gram = torch.zeros(rows, rows, dtype=torch.float64, device=target) if products else None
    own = torch.zeros_like(gram) if gram is not None and equal else gram
    offset, done = 0, 0
    total = dict.fromkeys(table.layers, 0.0)
    with progress_bar("features", columns, show=progress) as advance:
        for block in table.column_blocks(target):
            place = slice(block.offset, block.offset + block.values.shape[1])
            values = _scale_block(scaled, block, place, standardise)
            total[block.layer] += float(values.square().sum())
            if own is not None:
                _add_products(own, values)
            done += values.shape[1]
            if done == offset + table.layers[block.layer]:
                if equal:
                    _equalise(scaled, slice(offset, done), total[block.layer], own, gram, block.layer)
                offset = done
            advance(values.shape[1])
    if not any(total.values()):
        raise InputValueError(
            f"all {columns} features of {', '.join(table.layers)} are constant over the {rows} stimuli; "
            "there is nothing to fit"
        )
    if gram is not None:
        gram += gram.tril(-1).T.clone()
    return Survey(scaled, gram)


def _scale_block(scaled: ScaledTable, block: Block, place: slice, standardise: bool) -> torch.Tensor:
    values = block.values.double()
    # of a feature that does not vary its value itself, so that nothing remains
    same = values.amax(0) == values.amin(0)
    mean = torch.where(same, values[0], values.mean(0))
    values -= mean
    deviation = values.square().mean(0).sqrt()
    if not bool(deviation.isfinite().all()):
        raise InputValueError(f"layer {block.layer!r} has features that are NaN or infinite")
    varies = deviation > ROUNDING * mean.abs()
    scale = torch.where(varies, 1 / deviation if standardise else torch.ones_like(deviation), 0)
    scaled.mean[place], scaled.scale[place] = mean, scale
    return values.mul_(scale)


def _add_products(gram: torch.Tensor, values: torch.Tensor) -> None:
    for begin in range(0, len(gram), TILE_ROWS):
        tile = slice(begin, begin + TILE_ROWS)
        gram[begin:, tile].addmm_(values[begin:], values[tile].T)


def _equalise(
    scaled: ScaledTable,
    place: slice,
    total: float,
    own: torch.Tensor | None,
    gram: torch.Tensor | None,
    layer: str,
) -> None:
    rows = len(scaled.table.rows)
    if not total:
        raise InputValueError(f"all features of layer {layer!r} are constant over the {rows} stimuli")
    scaled.scale[place] *= (rows / total) ** 0.5
    if gram is not None and own is not None:
        gram += own * (rows / total)
        own.zero_()
