"""Scores of decoded images by what pretrained networks see in them: two-way identification and correlation distance."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

from braincodec.errors import InputValueError, UnknownNameError
from braincodec.evaluation.decoding.feature_networks import FEATURE_NETWORKS, FeatureNetwork
from braincodec.evaluation.decoding.image_metric import joined
from braincodec.evaluation.decoding.network_metric import NetworkMetric
from braincodec.evaluation.decoding.similarity import correlation_distance
from braincodec.evaluation.decoding.two_way import ANCHORS, Anchor, two_way_identification
from braincodec.evaluation.decoding.two_way_images import two_way_definition
from braincodec.evaluation.definition import Definition


class TwoWayFeatures(NetworkMetric):
    """`two_way_identification` of the features of one network.

    Parameters
    ----------
    anchor : {"prediction", "truth"}
    weights, network, device
        See `NetworkMetric`.

    Notes
    -----
    The features of all images are held, in float32.

    Examples
    --------
    >>> import numpy as np
    >>> gabor = FeatureNetwork("gabor:bank", ("scales.3",), "Gabor filters", "example")
    >>> class TwoWayGabor(TwoWayFeatures):
    ...     default_network = gabor
    ...     definition = network_two_way_definition("two_way_gabor", gabor)
    >>> images = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), np.uint8)
    >>> TwoWayGabor(device="cpu").update(images, images).compute()
    array([1., 1., 1., 1.])
    """

    settings = ("anchor",)

    def __init__(
        self,
        anchor: Anchor = "prediction",
        *,
        weights: str | None = None,
        network: FeatureNetwork | None = None,
        device: str = "auto",
    ) -> None:
        if anchor not in ANCHORS:
            raise UnknownNameError("anchor", anchor, ANCHORS)
        super().__init__(weights=weights, network=network, device=device)
        self.anchor = anchor
        self._predictions: list[NDArray[np.float32]] = []
        self._truths: list[NDArray[np.float32]] = []

    def add(self, prediction: NDArray[np.float32], truth: NDArray[np.float32]) -> None:
        """Keep the features of a batch."""
        self._predictions.append(prediction)
        self._truths.append(truth)

    def take_over(self, other: Self) -> None:
        """Keep the features that `other` holds too."""
        self._predictions += other._predictions
        self._truths += other._truths

    def compute(self) -> NDArray[np.float64]:
        """One rate for each image, shape (n,)."""
        if not self._predictions:
            raise InputValueError("there is nothing to score yet: call update with predicted and true images first")
        return two_way_identification(self._predictions, self._truths, self.anchor)


class FeatureDistance(NetworkMetric):
    """`correlation_distance` of the features of one network, image by image.

    Examples
    --------
    >>> import numpy as np
    >>> gabor = FeatureNetwork("gabor:bank", ("scales.3",), "Gabor filters", "example")
    >>> class GaborDistance(FeatureDistance):
    ...     default_network = gabor
    ...     definition = distance_definition("distance_gabor", gabor)
    >>> images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    >>> abs(GaborDistance(device="cpu").update(images, images).compute()) < 1e-6
    array([ True,  True])
    """

    def __init__(
        self, *, weights: str | None = None, network: FeatureNetwork | None = None, device: str = "auto"
    ) -> None:
        super().__init__(weights=weights, network=network, device=device)
        self._distances: list[NDArray[np.float64]] = []

    def add(self, prediction: NDArray[np.float32], truth: NDArray[np.float32]) -> None:
        """Score a batch."""
        self._distances.append(correlation_distance(prediction, truth))

    def take_over(self, other: Self) -> None:
        """Keep the scores that `other` holds too."""
        self._distances += other._distances

    def compute(self) -> NDArray[np.float64]:
        """One distance for each image, shape (n,)."""
        return joined(self._distances)


def network_two_way_definition(name: str, network: FeatureNetwork) -> Definition:
    """The definition of a two-way identification by the features of a network."""
    return two_way_definition(
        name, f"Two-way identification ({network.title})", f"correlation of features: {network.title}", network.source
    )


def distance_definition(name: str, network: FeatureNetwork) -> Definition:
    """The definition of a correlation distance in the features of a network."""
    return Definition(
        name,
        f"Correlation distance ({network.title})",
        "decoding",
        "stimulus",
        f"One minus the correlation of the features of the predicted and the true image: {network.title}.",
        (0.0, 2.0),
        1.0,
        "lower",
        network.source,
    )


class TwoWayAlexNet2(TwoWayFeatures):
    """Two-way identification by AlexNet's second convolution: ``TwoWayAlexNet2().update(prediction, truth)``."""

    default_network = FEATURE_NETWORKS["alexnet_2"]
    definition = network_two_way_definition("two_way_alexnet_2", default_network)


class TwoWayAlexNet5(TwoWayFeatures):
    """Two-way identification by AlexNet's fifth convolution: ``TwoWayAlexNet5().update(prediction, truth)``."""

    default_network = FEATURE_NETWORKS["alexnet_5"]
    definition = network_two_way_definition("two_way_alexnet_5", default_network)


class TwoWayInception(TwoWayFeatures):
    """Two-way identification by Inception's pooled features: ``TwoWayInception().update(prediction, truth)``."""

    default_network = FEATURE_NETWORKS["inception"]
    definition = network_two_way_definition("two_way_inception", default_network)


class TwoWayCLIP(TwoWayFeatures):
    """Two-way identification by CLIP's image embedding: ``TwoWayCLIP().update(prediction, truth)``."""

    default_network = FEATURE_NETWORKS["clip"]
    definition = network_two_way_definition("two_way_clip", default_network)


class TwoWayEfficientNetLite(TwoWayFeatures):
    """Two-way identification by EfficientNet-lite0, whose weights come with a package: it works without a network.

    Examples
    --------
    >>> TwoWayEfficientNetLite.definition.chance
    0.5
    """

    default_network = FEATURE_NETWORKS["efficientnet_lite"]
    definition = network_two_way_definition("two_way_efficientnet_lite", default_network)


class DistanceEfficientNetB1(FeatureDistance):
    """Correlation distance in EfficientNet-B1: ``DistanceEfficientNetB1().update(prediction, truth)``."""

    default_network = FEATURE_NETWORKS["efficientnet_b1"]
    definition = distance_definition("distance_efficientnet_b1", default_network)


class DistanceSwAV(FeatureDistance):
    """Correlation distance in SwAV's ResNet-50: ``DistanceSwAV().update(prediction, truth)``."""

    default_network = FEATURE_NETWORKS["swav"]
    definition = distance_definition("distance_swav", default_network)
