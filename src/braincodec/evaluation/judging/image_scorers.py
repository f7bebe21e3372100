"""One decoding metric at a time: scores of pairs, and scores of every prediction with every true image."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braincodec.evaluation.decoding.n_way import below_k_by_competitors, true_class
from braincodec.evaluation.decoding.retrieval import cosine_similarity
from braincodec.evaluation.decoding.similarity import correlation_matrix, rounding_of
from braincodec.evaluation.definition import Definition
from braincodec.evaluation.judging.null import competitors, identification_rates
from braincodec.evaluation.metric import METRICS, Metric

Floats = NDArray[np.float64]
Images = NDArray[np.uint8]
BATCH = 32


class ImageScorer:
    """A registered metric, applied to predicted images, to their shuffled pairings and to one image for all.

    Parameters
    ----------
    name : str
    prediction, truth : array of uint8, shape (n, height, width, 3)
    beside : ImageScorer, optional
        The same metric over the same true images, whose work on these is used again.

    Raises
    ------
    MissingExtraError, MissingFileError
        When packages or weights are absent.
    """

    def __init__(self, name: str, prediction: Images, truth: Images, beside: ImageScorer | None = None) -> None:
        self.beside = beside
        self.name, self.prediction, self.truth = name, prediction, truth
        # kept, so that other metrics over the same network find it loaded
        self.metric: Metric = METRICS.get(name)()

    @property
    def definition(self) -> Definition:
        """After `score`, with what only the data decide, such as the number of candidates."""
        return self.metric.definition

    def score(self) -> Floats:
        """One value for each image, shape (n,), or one for all, shape ()."""
        return self._update(self.metric, self.prediction)

    def score_of(self, prediction: Images) -> Floats:
        """The same for other predicted images."""
        return self._update(METRICS.get(self.name)(), prediction)

    def rates(self) -> Floats | None:
        """Score of prediction i if it belonged to stimulus j, shape (n, n); None where that has no short cut."""
        if self.name == "pixel_correlation":
            return correlation_matrix(self.prediction, self.truth)
        similarity, anchor = getattr(self.metric, "similarity", None), getattr(self.metric, "anchor", None)
        if not callable(similarity) or anchor is None:
            return None
        return identification_rates(
            similarity(self.prediction, self.truth), anchor, getattr(self.metric, "tolerance", 0.0)
        )

    def _update(self, metric: Metric, prediction: Images) -> Floats:
        for start in range(0, len(self.truth), BATCH):
            metric.update(prediction[start : start + BATCH], self.truth[start : start + BATCH])
        return np.asarray(metric.compute(), np.float64)


class FeatureScorer(ImageScorer):
    """A metric over a network's features, which are computed once for each image."""

    @cached_property
    def _network(self) -> Any:
        if isinstance(self.beside, FeatureScorer):
            return self.beside._network
        from braincodec.evaluation.decoding.feature_networks import NetworkFeatures

        return NetworkFeatures(self.metric.default_network)  # type: ignore[attr-defined]

    @cached_property
    def _features(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        truth = self.beside._features[1] if isinstance(self.beside, FeatureScorer) else self._of(self.truth)
        return self._of(self.prediction), truth

    def _of(self, images: Images) -> NDArray[np.float32]:
        batches = (images[start : start + BATCH] for start in range(0, len(images), BATCH))
        return np.concatenate([self._network(batch) for batch in batches])

    def score_of(self, prediction: Images) -> Floats:
        """The same for other predicted images; one image for all is seen by the network once."""
        if prediction.strides[0] == 0:
            features = np.repeat(self._of(prediction[:1]), len(prediction), axis=0)
        else:
            features = self._of(prediction)
        return self._add(METRICS.get(self.name)(), features)

    def _update(self, metric: Metric, prediction: Images) -> Floats:
        return self._add(metric, self._features[0])

    def _add(self, metric: Any, features: NDArray[np.float32]) -> Floats:
        truth = self._features[1]
        for start in range(0, len(truth), BATCH):
            metric.add(features[start : start + BATCH], truth[start : start + BATCH])
        return np.asarray(metric.compute(), np.float64)

    def rates(self) -> Floats | None:
        """As `ImageScorer.rates`, by the kind of metric."""
        from braincodec.evaluation.decoding.feature_metrics import FeatureDistance, TwoWayFeatures
        from braincodec.evaluation.decoding.network_choices import NWayTopK, RetrievalTopK

        prediction, truth = self._features
        metric = self.metric
        if isinstance(metric, TwoWayFeatures):
            similarity = correlation_matrix(prediction, truth)
            return identification_rates(similarity, metric.anchor, rounding_of(prediction, truth))
        if isinstance(metric, FeatureDistance):
            return 1 - correlation_matrix(prediction, truth)
        if isinstance(metric, RetrievalTopK):
            similarity = cosine_similarity(prediction, truth)
            forward = metric.direction == "forward"
            rivals = competitors(similarity if forward else similarity.T, rounding_of(prediction, truth))
            among = min(metric.among, len(truth))
            rates = below_k_by_competitors(len(truth) - 1, among - 1, metric.k)[rivals]
            return rates if forward else rates.T
        if isinstance(metric, NWayTopK):
            rivals = competitors(prediction.astype(np.float64))[:, true_class(truth)]
            return below_k_by_competitors(prediction.shape[1] - 1, metric.n - 1, metric.k)[rivals]
        return None


def image_scorer(name: str, prediction: Images, truth: Images, beside: ImageScorer | None = None) -> ImageScorer:
    """The scorer that suits a metric; raises when its packages or weights are absent.

    Examples
    --------
    >>> images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)
    >>> image_scorer("two_way_pixels", images, images).score().tolist()
    [1.0, 1.0, 1.0]
    """
    kind = METRICS.get(name)
    by_features = hasattr(kind, "default_network") and hasattr(kind, "add")
    return (FeatureScorer if by_features else ImageScorer)(name, prediction, truth, beside)
