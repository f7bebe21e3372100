"""Accumulators of n-way classification accuracy and of retrieval, on images seen through a pretrained network."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from braincodec.errors import InputValueError
from braincodec.evaluation.decoding.feature_networks import FEATURE_NETWORKS, FeatureNetwork
from braincodec.evaluation.decoding.image_metric import joined
from braincodec.evaluation.decoding.n_way import check_count, n_way_top_k
from braincodec.evaluation.decoding.network_metric import NetworkMetric
from braincodec.evaluation.decoding.retrieval import Direction, retrieval_top_k
from braincodec.evaluation.definition import Definition


def n_way_definition(name: str, network: FeatureNetwork) -> Definition:
    """The definition of 50-way top-1 accuracy by some classifier."""
    return Definition(
        name,
        f"50-way top-1 accuracy ({network.title})",
        "decoding",
        "stimulus",
        "Probability that the classifier finds the class of the true image (its own answer on that image) in the "
        f"predicted one, among 50 classes; expectation over all choices of the other 49. {network.title}.",
        (0.0, 1.0),
        1 / 50,
        "higher",
        network.source,
    )


class NWayTopK(NetworkMetric):
    """`n_way_top_k` of images; the true class is the classifier's own answer on the true image.

    Parameters
    ----------
    n, k : int
        See `n_way_top_k`.
    weights, network, device
        See `NetworkMetric`; the network is a classifier that gives logits.

    Attributes
    ----------
    definition : Definition
        With the `n` and `k` in use.

    Examples
    --------
    >>> NWayTopK.definition.chance
    0.02
    """

    default_network = FEATURE_NETWORKS["vit_h_14"]
    settings = ("n", "k")
    definition: ClassVar[Definition] = n_way_definition("n_way_top_k", default_network)

    def __init__(
        self,
        n: int = 50,
        k: int = 1,
        *,
        weights: str | None = None,
        network: FeatureNetwork | None = None,
        device: str = "auto",
    ) -> None:
        check_count("n", n, 2)
        check_count("k", k, 1, n - 1)
        super().__init__(weights=weights, network=network, device=device)
        self.n, self.k = n, k
        text = type(self).definition.text.replace("50 classes", f"{n} classes").replace("other 49", f"other {n - 1}")
        title = type(self).definition.title.replace("50-way top-1", f"{n}-way top-{k}")
        vars(self)["definition"] = replace(type(self).definition, title=title, text=text, chance=k / n)
        self._rates: list[NDArray[np.float64]] = []

    def add(self, prediction: NDArray[np.float32], truth: NDArray[np.float32]) -> None:
        """Score the logits of a batch."""
        self._rates.append(n_way_top_k(prediction, truth, self.n, self.k))

    def take_over(self, other: Self) -> None:
        """Keep the scores that `other` holds too."""
        self._rates += other._rates

    def compute(self) -> NDArray[np.float64]:
        """One probability for each image, shape (n,)."""
        return joined(self._rates)


class NWayTopKEfficientNetLite(NWayTopK):
    """`NWayTopK` by EfficientNet-lite0, whose weights come with a package: it works without a network.

    Examples
    --------
    >>> NWayTopKEfficientNetLite.definition.name
    'n_way_top_k_efficientnet_lite'
    """

    default_network = FEATURE_NETWORKS["efficientnet_lite_classes"]
    definition = n_way_definition("n_way_top_k_efficientnet_lite", default_network)


def retrieval_definition(name: str, network: FeatureNetwork, direction: Direction) -> Definition:
    """The definition of top-1 retrieval by the features of a network; how many candidates, only the data tell."""
    looked_up, other = ("true", "predicted") if direction == "forward" else ("predicted", "true")
    reverse = "" if direction == "forward" else ", reverse"
    return Definition(
        name,
        f"Top-1 retrieval{reverse} ({network.title})",
        "decoding",
        "stimulus",
        f"How often the {looked_up} image is found with the {other} one, by cosine similarity of features among 300 "
        "candidates (all, where there are fewer); mean of 30 draws of the other candidates. Chance is one in as many "
        f"as there are candidates. {network.title}.",
        (0.0, 1.0),
        None,
        "higher",
        network.source,
    )


class RetrievalTopK(NetworkMetric):
    """`retrieval_top_k` of the true image with the predicted one, by features of a network.

    Parameters
    ----------
    k : int
    among : int
        Candidates; all stimuli where there are fewer.
    draws : int or None
    seed : int
    weights, network, device
        See `NetworkMetric`.

    Attributes
    ----------
    definition : Definition
        With the settings in use; after `compute`, with the chance level of as many candidates as there were.

    Notes
    -----
    The features of all images are held, in float32.

    Examples
    --------
    >>> RetrievalTopK.definition.better
    'higher'
    """

    default_network = FEATURE_NETWORKS["clip"]
    settings = ("k", "among", "draws", "seed")
    direction: ClassVar[Direction] = "forward"
    definition: ClassVar[Definition] = retrieval_definition("retrieval_top_k", default_network, "forward")

    def __init__(
        self,
        k: int = 1,
        among: int = 300,
        draws: int | None = 30,
        seed: int = 0,
        *,
        weights: str | None = None,
        network: FeatureNetwork | None = None,
        device: str = "auto",
    ) -> None:
        check_count("among", among, 2)
        check_count("k", k, 1, among - 1)
        super().__init__(weights=weights, network=network, device=device)
        self.k, self.among, self.draws, self.seed = k, among, draws, seed
        self._describe(among)
        self._predictions: list[NDArray[np.float32]] = []
        self._truths: list[NDArray[np.float32]] = []

    def _describe(self, candidates: int) -> None:
        shared = type(self).definition
        title = shared.title.replace("Top-1 retrieval", f"Top-{self.k} retrieval among {candidates}")
        text = shared.text.replace("among 300", f"among {self.among}").replace("Chance is one", f"Chance is {self.k}")
        drawn = "expectation over all draws" if self.draws is None else f"mean of {self.draws} draws"
        text = text.replace("mean of 30 draws", drawn)
        vars(self)["definition"] = replace(shared, title=title, text=text, chance=self.k / candidates)

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
        count = sum(map(len, self._predictions))
        if count <= self.k:
            raise InputValueError(f"there are {count} images; top-{self.k} retrieval needs more than {self.k}")
        among = min(self.among, count)
        self._describe(among)
        return retrieval_top_k(
            self._predictions,
            self._truths,
            self.k,
            among=among,
            draws=self.draws,
            seed=self.seed,
            direction=self.direction,
        )


class ReverseRetrievalTopK(RetrievalTopK):
    """`retrieval_top_k` of the predicted image with the true one, by features of a network.

    Examples
    --------
    >>> ReverseRetrievalTopK.direction
    'reverse'
    """

    direction = "reverse"
    definition = retrieval_definition("retrieval_top_k_reverse", RetrievalTopK.default_network, "reverse")


class RetrievalTopKEfficientNetLite(RetrievalTopK):
    """`RetrievalTopK` by EfficientNet-lite0, whose weights come with a package: it works without a network.

    Examples
    --------
    >>> RetrievalTopKEfficientNetLite.direction
    'forward'
    """

    default_network = FEATURE_NETWORKS["efficientnet_lite"]
    definition = retrieval_definition("retrieval_top_k_efficientnet_lite", default_network, "forward")


class ReverseRetrievalTopKEfficientNetLite(RetrievalTopKEfficientNetLite):
    """`ReverseRetrievalTopK` by EfficientNet-lite0, whose weights come with a package: it works without a network.

    Examples
    --------
    >>> ReverseRetrievalTopKEfficientNetLite.direction
    'reverse'
    """

    direction = "reverse"
    definition = retrieval_definition(
        "retrieval_top_k_reverse_efficientnet_lite", RetrievalTopKEfficientNetLite.default_network, "reverse"
    )
