"""Accumulators that look at images through a pretrained network."""

from __future__ import annotations

import abc
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from braincodec.errors import InputTypeError, InputValueError
from braincodec.evaluation.decoding.feature_networks import FeatureNetwork, NetworkFeatures
from braincodec.evaluation.metric import Metric


class NetworkMetric(Metric):
    """Looks at images through a pretrained network, a batch at a time.

    Parameters
    ----------
    weights : str, optional
        Other weights for the network: ``"none-SEED"``, a path, or a name its backbone knows.
    network : FeatureNetwork, optional
        Another network.
    device : str

    Attributes
    ----------
    weights : str
        Backbone, layer and weights in use, for reports.

    Raises
    ------
    MissingExtraError, MissingFileError
        At once, when a package or the weights are neither here nor to be had.
    """

    default_network: ClassVar[FeatureNetwork]

    def __init__(
        self, *, weights: str | None = None, network: FeatureNetwork | None = None, device: str = "auto"
    ) -> None:
        self._features = NetworkFeatures((network or self.default_network).with_weights(weights), device)
        self.weights = self._features.weights

    @abc.abstractmethod
    def add(self, prediction: NDArray[np.float32], truth: NDArray[np.float32]) -> None:
        """Take in the features of a batch, shape (n, features)."""

    @abc.abstractmethod
    def take_over(self, other: Self) -> None:
        """Add what `other` holds after what is held here."""

    def update(self, prediction: Any, truth: Any) -> Self:
        """Look at a batch of images.

        Parameters
        ----------
        prediction, truth : array of uint8, shape (n, height, width, 3), or (n, height, width) for grey images
            Their sizes may differ, because the network's preprocessing resizes both.
        """
        images = [colour_images(prediction, "predicted"), colour_images(truth, "true")]
        if len(images[0]) != len(images[1]):
            raise InputValueError(f"there are {len(images[0])} predicted images and {len(images[1])} true ones")
        prediction, truth = (self._features(part) for part in images)
        if prediction.shape != truth.shape:
            raise InputValueError(
                f"images of {images[0].shape[1:3]} and {images[1].shape[1:3]} give {prediction.shape[1]} and "
                f"{truth.shape[1]} features; bring them to the same proportions"
            )
        self.add(prediction, truth)
        return self

    def merge(self, other: Self) -> Self:
        """Add the images that `other` saw after those seen here."""
        self.refuse_other_kind(other)
        if (other._features.network, other.weights) != (self._features.network, self.weights):
            raise InputValueError(f"features of different networks do not mix: {self.weights}; {other.weights}")
        self.take_over(other)
        return self


def colour_images(images: Any, name: str) -> NDArray[np.uint8]:
    """Images as networks take them, shape (n, height, width, 3); grey ones get three equal colours.

    Examples
    --------
    >>> import numpy as np
    >>> colour_images(np.zeros((2, 8, 8), np.uint8), "true").shape
    (2, 8, 8, 3)
    """
    images = np.asarray(images)
    if images.dtype != np.uint8:
        raise InputTypeError(f"{name} images have dtype {images.dtype}; expected uint8, as a StimulusSet gives")
    if images.ndim == 3 and images.shape[2] != 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[3] not in (1, 3) or 0 in images.shape:
        raise InputValueError(f"{name} images have the shape {images.shape}; expected (n, height, width, 3)")
    return images if images.shape[3] == 3 else images.repeat(3, axis=3)
