"""Means and scales of features, found while they are first read and applied whenever they are read again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from braincodec.errors import InputValueError

if TYPE_CHECKING:
    import torch

    from braincodec.features.reduction.table import Block

# of the mean: what rounding to float32 alone can make of a feature that is the same for all stimuli
ROUNDING = 1e-6


class Standardisation:
    """Mean and inverse scale of each feature; the inverse scale of a feature that does not vary is 0.

    Parameters
    ----------
    columns : int
        Features in all layers.
    scale : bool
        Divide by the standard deviation (of the population, as scikit-learn's StandardScaler does).
    device : torch.device
        Where blocks are.
    """

    def __init__(self, columns: int, scale: bool, device: torch.device) -> None:
        import torch

        self._scale = scale
        self.mean = torch.zeros(columns, device=device)
        self.inverse_scale = torch.full((columns,), torch.nan, device=device)
        self.variance = torch.zeros(columns, dtype=torch.float64)

    def __call__(self, block: Block) -> torch.Tensor:
        """Standardise a block in place; the first time its columns are seen, by their own mean and deviation."""
        import torch

        place = slice(block.offset, block.offset + block.values.shape[1])
        values = block.values
        if bool(self.inverse_scale[place].isnan().any()):
            self.mean[place] = values.mean(0)
            values.sub_(self.mean[place])
            deviation = torch.linalg.vector_norm(values, dim=0) / len(values) ** 0.5
            _refuse_not_finite(deviation, block)
            self.set(place, deviation)
        else:
            values.sub_(self.mean[place])
        return values.mul_(self.inverse_scale[place])

    def set(self, place: slice, deviation: torch.Tensor) -> None:
        """Take over standard deviations of some columns whose means are set."""
        import torch

        varies = deviation > ROUNDING * self.mean[place].abs()
        scale = deviation if self._scale else torch.ones_like(deviation)
        self.inverse_scale[place] = torch.where(varies, 1 / scale, 0)
        reached = deviation.double() * self.inverse_scale[place]
        self.variance[place] = reached.square().cpu()

    def constant(self) -> int:
        """How many features do not vary."""
        return int((self.inverse_scale == 0).sum())


def not_finite(layer: str, column: int) -> InputValueError:
    """The error for a feature without a finite variance."""
    return InputValueError(
        f"feature {column} of layer {layer!r} has NaN or infinite values, or some too large to be squared in float32"
    )


def _refuse_not_finite(deviation: torch.Tensor, block: Block) -> None:
    if not bool(deviation.isfinite().all()):
        raise not_finite(block.layer, int((~deviation.isfinite()).nonzero()[0, 0]) + block.begin)
