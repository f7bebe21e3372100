"""Leading eigenvectors of a large matrix of which only products with a few vectors are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

OVERSAMPLING = 0.2
LEAST_OVERSAMPLING = 10
# of the largest eigenvalue: below it float32 products say nothing
NOISE = 1e-6


class KrylovBasis:
    """Principal components from products of the Gram matrix K = X X^T with blocks of vectors.

    A randomised block Krylov method (Musco and Musco 2015): the components are looked for among the combinations of
    X^T W, where W holds orthonormal blocks from the spaces of a random matrix G, K G, K^2 G and so on. Each product
    with K costs one pass over the features.

    Parameters
    ----------
    rows : int
        Of K.
    components : int
    seed : int
        Of the random matrix.
    device : torch.device

    Examples
    --------
    >>> import torch
    >>> x = torch.diag(torch.arange(40.0, 0, -1))
    >>> basis = KrylovBasis(40, 2, 0, torch.device("cpu"))
    >>> for _ in range(3):
    ...     basis.add(x @ (x.T @ basis.block).double().float())
    >>> basis.solve()[1].sqrt().round().tolist()
    [40.0, 39.0]
    """

    def __init__(self, rows: int, components: int, seed: int, device: torch.device) -> None:
        import torch

        self._components = components
        self._width = min(block_width(components), rows)
        start = torch.randn(rows, self._width, generator=torch.Generator().manual_seed(seed))
        self.block = torch.linalg.qr(start.to(device, torch.float64))[0].float()
        """The vectors, (rows, width) float32, whose product is asked for next."""
        self._basis: list[torch.Tensor] = []
        self._products: list[torch.Tensor] = []
        empty = torch.empty(0, 0, dtype=torch.float64, device=device)
        self._basis_by_product, self._product_by_product = empty, empty
        self._captured: list[float] = []

    @property
    def passes(self) -> int:
        """How many products there are."""
        return len(self._products)

    def add(self, product: torch.Tensor) -> None:
        """Take K @ `block`, (rows, width), and choose the next block."""
        import torch

        self._basis.append(self.block)
        self._products.append(product.float())
        self._basis_by_product = _bordered(self._basis_by_product, self._basis, self._products)
        self._product_by_product = _bordered(self._product_by_product, self._products, self._products)
        left = len(product) - sum(block.shape[1] for block in self._basis)
        residual = product.double()[:, : max(left, 0)]
        for _ in range(2):  # once leaves rounding errors
            for known in self._basis:
                known = known.double()
                residual = residual - known @ (known.T @ residual)
        self.block = torch.linalg.qr(residual)[0].float()
        self._captured.append(float(self.solve()[1].sum()))

    def converged(self, tolerance: float) -> bool:
        """Whether another pass would add less than `tolerance` of the variance found so far.

        The gains of successive passes shrink about geometrically, so that the last two tell what is left.
        """
        if self.block.shape[1] == 0:
            return True  # the basis spans everything
        if self.passes < 2:
            return False
        before, now = self._captured[-2:]
        gain = max(now - before, 0.0)
        gain_before = before - (self._captured[-3] if self.passes > 2 else 0.0)
        ratio = min(gain / max(gain_before, 1e-30), 1.0)
        return gain * ratio <= tolerance * now * (1 - ratio)

    def solve(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Coefficients (basis, components) and the sums of squares of the components, largest first, float64.

        With W the basis, Z the coefficients: the columns of X^T W Z are orthonormal, and those of X X^T W Z
        orthogonal with these sums of squares. Directions that float32 cannot tell from noise are left out, so there
        may be fewer components than asked for.
        """
        import torch

        values, vectors = torch.linalg.eigh((self._basis_by_product + self._basis_by_product.T) / 2)
        kept = values > NOISE * values[-1]
        whitened = vectors[:, kept] / values[kept].sqrt()
        squares, rotation = torch.linalg.eigh(whitened.T @ self._product_by_product @ whitened)
        best = slice(0, self._components)
        return (whitened @ rotation.flip(1))[:, best], squares.flip(0)[best]

    def combine(self, coefficients: torch.Tensor) -> torch.Tensor:
        """W @ `coefficients`, (rows, components) float32."""
        import torch

        total = torch.zeros(len(self._basis[0]), coefficients.shape[1], device=coefficients.device, dtype=torch.float64)
        begin = 0
        for block in self._basis:
            total += block.double() @ coefficients[begin : begin + block.shape[1]]
            begin += block.shape[1]
        return total.float()


def block_width(components: int) -> int:
    """How many vectors a block has for so many components.

    Examples
    --------
    >>> block_width(250), block_width(3)
    (300, 13)
    """
    return components + max(int(np.ceil(OVERSAMPLING * components)), LEAST_OVERSAMPLING)


def _bordered(known: torch.Tensor, left: list[torch.Tensor], right: list[torch.Tensor]) -> torch.Tensor:
    """Extend the symmetric matrix of left^T right by the last block of both."""
    import torch

    newest = right[-1].double()
    column = torch.cat([block.double().T @ newest for block in left])  # (basis, width)
    old, size = len(known), len(column)
    matrix = known.new_empty(size, size)
    matrix[:old, :old] = known
    matrix[:, old:] = column
    matrix[old:, :old] = column[:old].T
    return matrix
