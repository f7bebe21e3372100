"""LPIPS: the learned perceptual distance over AlexNet, between pairs of images and between all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from braincodec.errors import InputValueError
from braincodec.evaluation.decoding.feature_networks import FeatureNetwork, NetworkFeatures
from braincodec.evaluation.decoding.image_metric import ImageMetric, TwoWayMetric
from braincodec.evaluation.decoding.network_metric import colour_images
from braincodec.evaluation.decoding.two_way import Anchor
from braincodec.evaluation.decoding.two_way_images import two_way_definition
from braincodec.evaluation.definition import Definition
from braincodec.features.lpips import EPSILON, LAYERS, PREPROCESSING, read_heads

if TYPE_CHECKING:
    import torch

SMALLEST_SIDE = 31  # below it AlexNet's maps become empty
BLOCK_BYTES = 256 * 2**20  # of embedded images; two such blocks are held at a time
BATCH_IMAGES = 16
TOLERANCE = 1e-5  # of distances from float32 products
SOURCE = "Zhang et al. 2018, version 0.1 of the lpips package"

NETWORK = FeatureNetwork(
    "torchvision:alexnet@IMAGENET1K_V1",
    LAYERS["alexnet"],
    "LPIPS over AlexNet",
    SOURCE,
    PREPROCESSING,
    pooling="none",
)


class PerceptualDistance:
    """LPIPS with the AlexNet of the backbone registry and the linear heads of the lpips package.

    Parameters
    ----------
    weights : str, optional
        Other weights for AlexNet: ``"none-SEED"`` or a path.
    device : str

    Attributes
    ----------
    weights : str
        Trunk and heads in use, for reports.

    Raises
    ------
    MissingExtraError, MissingFileError
        At once, when a package or the weights are neither here nor to be had.

    Notes
    -----
    The distance is the squared Euclidean distance between embeddings: each layer's features, divided by their length
    at each place, times the square root of the head's weight over the number of places. All pairs of images are
    therefore one matrix product.
    """

    def __init__(self, weights: str | None = None, device: str = "auto") -> None:
        heads = read_heads("alexnet")
        self._features = NetworkFeatures(NETWORK.with_weights(weights), device)
        self._roots = [head.sqrt().to(self._features.device) for head in heads]
        self.weights = f"{self._features.weights}; linear heads: lpips v0.1"

    def distance(self, prediction: Any, truth: Any) -> NDArray[np.float64]:
        """LPIPS of each predicted image and its true one.

        Parameters
        ----------
        prediction, truth : array of uint8, shape (n, height, width, 3) or (n, height, width)

        Returns
        -------
        array of float64, shape (n,)
        """
        prediction, truth = self._checked(prediction, truth)
        distances = []
        for start in range(0, len(prediction), BATCH_IMAGES):
            rows = slice(start, start + BATCH_IMAGES)
            layers = zip(self._layers(prediction[rows]), self._layers(truth[rows]), strict=True)
            distances.append(sum((a - b).square().sum(1) for a, b in layers).double().cpu().numpy())  # type: ignore[union-attr]
        return np.concatenate(distances)

    def pairwise(self, prediction: Any, truth: Any) -> NDArray[np.float64]:
        """LPIPS of every predicted image and every true one, in blocks.

        Parameters
        ----------
        prediction, truth : array of uint8, shape (n, height, width, 3) or (n, height, width)

        Returns
        -------
        array of float64, shape (predictions, truths)
            Within 1e-5 of `distance`: products are in float32.
        """
        prediction, truth = self._checked(prediction, truth)
        count = len(prediction)
        each = 4 * self._embed(prediction[:1]).shape[1]
        images = max(1, BLOCK_BYTES // each)
        result = np.empty((count, count))
        for first in range(0, count, images):
            a = self._embed(prediction[first : first + images])
            for second in range(0, count, images):
                b = self._embed(truth[second : second + images])
                result[first : first + images, second : second + images] = self._squared_distances(a, b)
        return result

    def _squared_distances(self, a: torch.Tensor, b: torch.Tensor) -> NDArray[np.float64]:
        from braincodec.device import fast_matmul

        with fast_matmul(self._features.device):
            product = (a @ b.T).double()
        squares = [x.square().sum(1, dtype=product.dtype) for x in (a, b)]
        distances: NDArray[np.float64] = (squares[0][:, None] + squares[1] - 2 * product).clamp_min(0).cpu().numpy()
        return distances

    def _embed(self, images: NDArray[np.uint8]) -> torch.Tensor:
        import torch

        batches = [images[start : start + BATCH_IMAGES] for start in range(0, len(images), BATCH_IMAGES)]
        return torch.cat([torch.cat(self._layers(batch), 1) for batch in batches])

    def _layers(self, images: NDArray[np.uint8]) -> list[torch.Tensor]:
        embedded = []
        for root, maps in zip(self._roots, self._features.tensors(images).values(), strict=True):
            unit = maps / (maps.square().sum(1, keepdim=True).sqrt() + EPSILON)  # (n, channels, height, width)
            places = maps.shape[2] * maps.shape[3]
            embedded.append((unit * (root / places**0.5)).flatten(1))
        return embedded

    @staticmethod
    def _checked(prediction: Any, truth: Any) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        prediction, truth = colour_images(prediction, "predicted"), colour_images(truth, "true")
        if prediction.shape != truth.shape:
            raise InputValueError(
                f"predicted images have the shape {prediction.shape}, true ones {truth.shape}; they must be the same"
            )
        if min(prediction.shape[1:3]) < SMALLEST_SIDE:
            size = " x ".join(map(str, prediction.shape[1:3]))
            raise InputValueError(f"images of {size} pixels are too small for LPIPS; at least {SMALLEST_SIDE} a side")
        return prediction, truth


class LearnedPerceptualDistance(ImageMetric):
    """LPIPS over AlexNet of each image: ``LearnedPerceptualDistance().update(prediction, truth)``.

    Parameters
    ----------
    weights : str, optional
    device : str
        See `PerceptualDistance`.

    Attributes
    ----------
    weights : str
        Trunk and heads in use, for reports.
    """

    definition = Definition(
        "lpips",
        "LPIPS (AlexNet)",
        "decoding",
        "stimulus",
        "Learned perceptual distance: weighted squared differences of unit-length AlexNet features, averaged over "
        "places, summed over five layers.",
        (0.0, float("inf")),
        None,
        "lower",
        SOURCE,
    )

    def __init__(self, *, weights: str | None = None, device: str = "auto") -> None:
        super().__init__()
        self._perceptual = PerceptualDistance(weights, device)
        self.weights = self._perceptual.weights

    def update(self, prediction: Any, truth: Any) -> Self:
        """Score a batch of images.

        Parameters
        ----------
        prediction, truth : array of uint8, shape (n, height, width, 3) or (n, height, width)
            True images of another size are resized to that of the predicted ones.
        """
        self._scores.append(self._perceptual.distance(*self._matched(prediction, truth)))
        return self

    def merge(self, other: Self) -> Self:
        """Add the images that `other` saw after those seen here."""
        _refuse_other_weights(self, other)
        return super().merge(other)


class TwoWayLPIPS(TwoWayMetric):
    """Two-way identification by LPIPS over AlexNet: ``TwoWayLPIPS().update(prediction, truth)``.

    Parameters
    ----------
    anchor : {"prediction", "truth"}
    weights : str, optional
    device : str
        See `PerceptualDistance`.

    Attributes
    ----------
    weights : str
        Trunk and heads in use, for reports.
    """

    definition = two_way_definition(
        "two_way_lpips",
        "Two-way identification (LPIPS)",
        "LPIPS over AlexNet",
        "LEA (Qian et al. 2023), there called psm",
    )
    tolerance = TOLERANCE

    def __init__(self, anchor: Anchor = "prediction", *, weights: str | None = None, device: str = "auto") -> None:
        super().__init__(anchor)
        self._perceptual = PerceptualDistance(weights, device)
        self.weights = self._perceptual.weights

    def similarity(self, prediction: NDArray[np.uint8], truth: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Negative LPIPS of every predicted image and every true one."""
        return -self._perceptual.pairwise(prediction, truth)

    def merge(self, other: Self) -> Self:
        """Add the images that `other` saw after those seen here."""
        _refuse_other_weights(self, other)
        return super().merge(other)


def _refuse_other_weights(metric: Any, other: Any) -> None:
    metric.refuse_other_kind(other)
    if other.weights != metric.weights:
        raise InputValueError(f"distances by different weights do not mix: {metric.weights}; {other.weights}")
