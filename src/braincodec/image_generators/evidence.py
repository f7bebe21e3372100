"""What an image is to explain: numbers that depend on its embedding linearly, with independent noise of variance 1."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import torch


class Evidence(NamedTuple):
    """Measured values, and the values that an embedding predicts: ``embedding @ projection + offset``.

    Parameters
    ----------
    values : torch.Tensor, shape (stimuli, evidence)
        In units of the noise, which is independent between them.
    projection : torch.Tensor, shape (dimension, evidence)
    offset : torch.Tensor, shape (evidence,)

    Examples
    --------
    >>> import torch
    >>> evidence = Evidence(torch.tensor([[3.0, 0.0]]), torch.eye(2), torch.zeros(2))
    >>> one, = evidence.rows()
    >>> one.squared_distance(one.predicted(torch.tensor([[3.0, 4.0], [3.0, 0.0]]))).tolist()
    [16.0, 0.0]
    """

    values: torch.Tensor
    projection: torch.Tensor
    offset: torch.Tensor

    def to(self, device: torch.device) -> Evidence:
        """The same in float32 on a device."""
        return Evidence(*(part.to(device).float() for part in self))

    def rows(self) -> Iterator[Evidence]:
        """The evidence of each stimulus alone."""
        for row in self.values.split(1):
            yield self._replace(values=row)

    def predicted(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Values (images, evidence) that embeddings (images, dimension) predict."""
        return embeddings @ self.projection + self.offset

    def squared_distance(self, predicted: torch.Tensor) -> torch.Tensor:
        """Between predicted values (images, evidence) and those measured of one stimulus: -2 log likelihood."""
        distance: torch.Tensor = ((predicted - self.values) ** 2).sum(1)
        return distance
