"""Passes over the features: each reads all of them once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from braincodec.device import fast_matmul
from braincodec.features.reduction.krylov import KrylovBasis
from braincodec.features.reduction.standardise import Standardisation, not_finite
from braincodec.features.reduction.table import Block, FeatureTable
from braincodec.progress import progress_bar

if TYPE_CHECKING:
    import torch

TILE_ROWS = 2048
MOST_PASSES = 8
SIGN_COLUMNS = 1024

# takes a layer, the first of its columns, and components x columns
Sink = Callable[[str, int, "torch.Tensor"], None]


@dataclass
class Passes:
    """The table that is read, how it is standardised, and where it is computed."""

    table: FeatureTable
    standardisation: Standardisation
    device: torch.device
    progress: bool | None
    count: int = 0

    def blocks(self, what: str) -> Iterator[Block]:
        """Blocks of columns, standardised; the values of each are gone when the next is asked for."""
        self.count += 1
        with (
            progress_bar(f"{what} (pass {self.count})", self.table.columns, show=self.progress) as advance,
            fast_matmul(self.device),
        ):
            for block in self.table.column_blocks(self.device):
                self.standardisation(block)
                width = block.values.shape[1]
                yield block
                # here, because the caller's variable would keep them until there is a next block
                del block.values
                advance(width)

    def gram(self) -> torch.Tensor:
        """Lower triangle of X X^T, float64 (rows, rows); X are the standardised features."""
        import torch

        rows = len(self.table.rows)
        gram = torch.zeros(rows, rows, dtype=torch.float64, device=self.device)
        for block in self.blocks("products of stimuli"):
            for begin in range(0, rows, TILE_ROWS):
                tile = slice(begin, begin + TILE_ROWS)
                gram[begin:, tile] += block.values[begin:] @ block.values[tile].T
        return gram

    def krylov(self, components: int, seed: int, tolerance: float) -> KrylovBasis:
        """Add products to a basis until it holds the components."""
        import torch

        basis = KrylovBasis(len(self.table.rows), components, seed, self.device)
        while basis.passes < MOST_PASSES and not (basis.passes and basis.converged(tolerance)):
            product = torch.zeros(basis.block.shape, dtype=torch.float64, device=self.device)
            for block in self.blocks("components"):
                product += block.values @ (block.values.T @ basis.block)  # (rows, columns) @ (columns, width)
            basis.add(product)
        return basis

    def project(self, combinations: torch.Tensor, sink: Sink) -> torch.Tensor:
        """Hand the components X^T `combinations`, divided by the scales, to `sink`; returns the bias, float64.

        Parameters
        ----------
        combinations : torch.Tensor, shape (rows, components)
        sink : callable
        """
        import torch

        combinations = combinations * self._signs(combinations)
        bias = torch.zeros(combinations.shape[1], dtype=torch.float64, device=self.device)
        for block in self.blocks("weights"):
            components = combinations.T @ block.values  # (components, columns)
            place = slice(block.offset, block.offset + components.shape[1])
            weights = components.mul_(self.standardisation.inverse_scale[place])
            bias -= weights.double() @ self.standardisation.mean[place].double()
            sink(block.layer, block.begin, weights)
        return bias

    def _signs(self, combinations: torch.Tensor) -> torch.Tensor:
        layer, columns = next(iter(self.table.layers.items()))
        first = Block(layer, 0, 0, self.table.read(layer, 0, min(columns, SIGN_COLUMNS), self.device))
        return signs(combinations.T @ self.standardisation(first))

    def covariance(self) -> torch.Tensor:
        """X^T X, float64 (columns, columns), from one pass over rows; sets means and scales."""
        import torch

        self.count += 1
        columns, rows = self.table.columns, len(self.table.rows)
        sums = torch.zeros(columns, dtype=torch.float64, device=self.device)
        products = torch.zeros(columns, columns, dtype=torch.float64, device=self.device)
        shift: torch.Tensor | None = None
        with (
            progress_bar(f"products of features (pass {self.count})", rows, show=self.progress) as advance,
            fast_matmul(self.device),
        ):
            for values in self.table.row_blocks(self.device):
                if shift is None:  # near the mean and of about unit size, so that float32 products are exact enough
                    shift = values.mean(0)
                    size = (values - shift).abs().amax(0)
                    size = torch.where(size > 0, size, 1)
                values.sub_(shift).div_(size)
                sums += values.sum(0)
                products += values.T @ values
                advance(len(values))
        assert shift is not None
        mean = sums / rows
        products = (products - rows * torch.outer(mean, mean)) * torch.outer(size, size).double()
        self._refuse_not_finite(products)
        self.standardisation.mean[:] = (shift.double() + mean * size.double()).float()
        deviation = (products.diagonal() / rows).clamp(min=0).sqrt()
        self.standardisation.set(slice(0, columns), deviation.float())
        inverse = self.standardisation.inverse_scale.double()
        return products * torch.outer(inverse, inverse)

    def _refuse_not_finite(self, products: torch.Tensor) -> None:
        bad = (~products.diagonal().isfinite()).nonzero()
        if len(bad):
            column = int(bad[0, 0])
            for layer, count in self.table.layers.items():
                if column < count:
                    raise not_finite(layer, column)
                column -= count


def signs(components: torch.Tensor) -> torch.Tensor:
    """1 or -1 for each component, so that the largest of its weights is positive: (components,).

    Parameters
    ----------
    components : torch.Tensor, shape (components, columns)
        Weights of the first `SIGN_COLUMNS` features of the first layer: all that is known before the last pass.
    """
    import torch

    largest = components.gather(1, components.abs().argmax(1, keepdim=True))[:, 0]
    return torch.where(largest < 0, -1.0, 1.0)
