"""Principal components of pixels or latents, and a ridge regression that predicts them from embeddings."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from braincodec.image_generators.base import GeneratorConfig
from braincodec.image_generators.request import Request
from braincodec.image_generators.sampling import normal_noise
from braincodec.models.lea.tiles import in_tiles
from braincodec.models.tensors import check_tensor_shapes
from braincodec.readouts import ridge_cv
from braincodec.readouts.principal import principal_axes
from braincodec.readouts.results import ReadoutWarning

if TYPE_CHECKING:
    from collections.abc import Mapping

EMBEDDINGS_AT_ONCE = 8


class LinearConfig(GeneratorConfig):
    """Settings of generators that predict components linearly.

    Attributes
    ----------
    components : int
        At most so many principal components, the largest; there are fewer where the images span fewer.
    alphas : tuple of float, optional
        Ridge strengths to choose from by cross-validation, for each component; default: twenty over eight decades.
    folds : int
        Of the cross-validation.
    temperature : float
        Samples differ by normal noise in each component, of so many times the standard deviation of its held-out
        residual. At 0 all samples are the most likely image, at 1 they vary as far as the embedding leaves it open.
    """

    components: int = Field(256, ge=1)
    alphas: tuple[float, ...] | None = None
    folds: int = Field(5, ge=2)
    temperature: float = Field(0.0, ge=0, allow_inf_nan=False)


@dataclass(frozen=True, eq=False)
class LinearMap:
    """From an embedding to a vector of pixels or latents.

    Parameters
    ----------
    weights : torch.Tensor, shape (dimension, components)
    intercept, residual : torch.Tensor, shape (components,)
        `residual` is the standard deviation of held-out residuals.
    components : torch.Tensor, shape (components, size)
    mean : torch.Tensor, shape (size,)
        All float32.
    """

    weights: torch.Tensor
    intercept: torch.Tensor
    residual: torch.Tensor
    components: torch.Tensor
    mean: torch.Tensor

    @classmethod
    def fit(
        cls, vectors: NDArray[Any], embeddings: NDArray[np.float32], config: LinearConfig, progress: bool | None = None
    ) -> Self:
        """Fit to `vectors` (images, size) and `embeddings` (images, dimension).

        Raises
        ------
        InputValueError
            When all images are the same, or there are fewer than folds.

        Examples
        --------
        >>> embeddings = np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32)
        >>> found = LinearMap.fit(embeddings @ [[1.0, 0, 2], [0, 1, 1]], embeddings, LinearConfig())
        >>> found.components.shape
        torch.Size([2, 3])
        """
        axes = principal_axes(vectors, centre=True, what="values of images")
        count = min(config.components, axes.coordinates.shape[1])
        scores = axes.coordinates[:, :count].numpy()  # (images, components)
        directions = axes.weights(torch.eye(count, axes.coordinates.shape[1]))  # (components, size)
        with warnings.catch_warnings():
            # a component that the embedding tells nothing of chooses the largest strength, as it should
            warnings.simplefilter("ignore", ReadoutWarning)
            # on the CPU: small, and equal wherever images are made
            found = ridge_cv(embeddings, scores, config.alphas, folds=config.folds, device="cpu", progress=progress)
        residual = np.sqrt(np.maximum(-found.score, 0))
        weights, intercept, spread, mean = (
            torch.from_numpy(np.asarray(part, np.float32))
            for part in (found.weights, found.intercept, residual, axes.mean)
        )
        return cls(weights, intercept, spread, directions.contiguous(), mean)

    def tensors(self) -> dict[str, torch.Tensor]:
        """All of it by name."""
        return {f"map.{name}": value for name, value in vars(self).items()}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, torch.Tensor]) -> Self:
        """The map that `tensors` of an earlier one make up.

        Raises
        ------
        InputValueError
        """
        count = len(tensors.get("map.intercept", ()))
        size = len(tensors.get("map.mean", ()))
        shapes: dict[str, tuple[int | None, ...]] = {
            "map.weights": (None, count), "map.intercept": (count,), "map.residual": (count,),
            "map.components": (count, size), "map.mean": (size,),
        }  # fmt: skip
        check_tensor_shapes(tensors, shapes)
        return cls(*(tensors[name].float() for name in shapes))

    @property
    def dimension(self) -> int:
        """Of the embedding."""
        return len(self.weights)

    def images(
        self, request: Request, temperature: float, render: Callable[[torch.Tensor], torch.Tensor]
    ) -> NDArray[np.uint8]:
        """What `render` makes of predicted vectors.

        Parameters
        ----------
        request : Request
        temperature : float
            See `LinearConfig`.
        render : callable
            Vectors (rows, size) to images (rows, height, width, 3) of uint8. Always called with equally many rows.

        Returns
        -------
        array of uint8, shape (n, n_samples, height, width, 3)
        """
        predicted = in_tiles(self._scores, request.embeddings, tile=EMBEDDINGS_AT_ONCE)  # (n, components)
        samples = request.n_samples if temperature else 1
        scores = predicted[:, None].repeat(1, samples, 1)  # (n, samples, components)
        if temperature:
            noise = normal_noise(request.seed, request.stimuli, samples, len(self.residual))
            scores += temperature * self.residual * noise

        def make(rows: torch.Tensor) -> torch.Tensor:  # (tile, components)
            return render(rows @ self.components + self.mean)

        repeats = request.n_samples // samples
        images = in_tiles(
            make, scores.flatten(0, 1), tile=EMBEDDINGS_AT_ONCE, on_tile=lambda rows: request.advance(rows * repeats)
        )
        return images.view(len(scores), samples, *images.shape[1:]).numpy().repeat(repeats, axis=1)

    def _scores(self, rows: torch.Tensor) -> torch.Tensor:
        return rows @ self.weights + self.intercept
