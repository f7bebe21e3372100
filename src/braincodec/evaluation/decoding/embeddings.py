"""Decoded image embeddings: whether a stimulus is found by the embedding that was predicted from its response."""

from __future__ import annotations

import abc
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braincodec.errors import InputValueError
from braincodec.evaluation.checks import Floats, check_pair
from braincodec.evaluation.decoding.n_way import check_count
from braincodec.evaluation.decoding.retrieval import retrieval_top_k
from braincodec.evaluation.decoding.two_way import two_way_identification
from braincodec.evaluation.definition import Definition
from braincodec.evaluation.metric import Metric

SOURCE = "Scotti et al. 2023, MindEye, for retrieval in the space of image embeddings"


class EmbeddingMetric(Metric):
    """Compares every predicted embedding with the true one of every stimulus, so keeps all of them."""

    def __init__(self) -> None:
        self._predicted: list[Floats] = []
        self._true: list[Floats] = []

    def update(self, prediction: ArrayLike, truth: ArrayLike) -> Self:
        """Keep a batch of embeddings (stimuli, dimension)."""
        predicted, true = check_pair(prediction, truth, ("stimuli", "dimension"), ("prediction", "truth"))
        if len(predicted):
            self._predicted.append(predicted.copy())  # the caller may use its buffer again
            self._true.append(true.copy())
        return self

    def merge(self, other: Self) -> Self:
        """Add the stimuli that `other` saw after those seen here."""
        self.refuse_other_kind(other)
        self._predicted += other._predicted
        self._true += other._true
        return self

    def compute(self) -> NDArray[np.float64]:
        """One value for each stimulus, shape (stimuli,)."""
        if not self._predicted:
            raise InputValueError("there is nothing to score yet: call update with embeddings first")
        return self._score(self._predicted, self._true)

    @abc.abstractmethod
    def _score(self, predicted: list[Floats], true: list[Floats]) -> NDArray[np.float64]: ...


class TwoWayEmbedding(EmbeddingMetric):
    """Two-way identification of each stimulus by its predicted embedding; see `two_way_identification`.

    Examples
    --------
    >>> embeddings = np.random.default_rng(0).normal(size=(4, 50))
    >>> TwoWayEmbedding().update(embeddings, embeddings).compute()
    array([1., 1., 1., 1.])
    """

    definition = Definition(
        name="two_way_embedding",
        title="Two-way identification (decoded embedding)",
        direction="decoding",
        of="stimulus",
        text="Share of the other stimuli whose image embedding correlates less with the embedding predicted from a "
        "response than that of its own stimulus does. Ties fail. The embedding is the model's own.",
        range=(0.0, 1.0),
        chance=0.5,
        better="higher",
        source=SOURCE,
    )

    def _score(self, predicted: list[Floats], true: list[Floats]) -> NDArray[np.float64]:
        return two_way_identification(predicted, true)


class RetrievalTop1Embedding(EmbeddingMetric):
    """Whether a stimulus's own embedding is the nearest to the predicted one; see `retrieval_top_k`.

    Attributes
    ----------
    definition : Definition
        After `compute` with the chance level of as many stimuli as there were.

    Examples
    --------
    >>> embeddings = np.random.default_rng(0).normal(size=(4, 50))
    >>> metric = RetrievalTop1Embedding().update(embeddings, embeddings)
    >>> metric.compute(), metric.definition.chance
    (array([1., 1., 1., 1.]), 0.25)
    """

    k: ClassVar[int] = 1
    definition = Definition(
        name="retrieval_top_1_embedding",
        title="Top-1 retrieval (decoded embedding)",
        direction="decoding",
        of="stimulus",
        text="Whether a stimulus's own image embedding is, of all judged stimuli, the nearest by cosine similarity to "
        "the embedding predicted from its response. Ties fail. The embedding is the model's own. Chance is one in as "
        "many as there are stimuli.",
        range=(0.0, 1.0),
        chance=None,
        better="higher",
        source=SOURCE,
    )

    def _score(self, predicted: list[Floats], true: list[Floats]) -> NDArray[np.float64]:
        count = sum(map(len, predicted))
        check_count("k", self.k, 1, count - 1)
        vars(self)["definition"] = replace(type(self).definition, chance=self.k / count)
        return retrieval_top_k(predicted, true, self.k)


class RetrievalTop5Embedding(RetrievalTop1Embedding):
    """Whether a stimulus's own embedding is among the five nearest to the predicted one; see `retrieval_top_k`.

    Examples
    --------
    >>> embeddings = np.random.default_rng(0).normal(size=(10, 50))
    >>> metric = RetrievalTop5Embedding().update(embeddings, embeddings)
    >>> metric.compute().mean(), metric.definition.chance
    (np.float64(1.0), 0.5)
    """

    k = 5
    definition = replace(
        RetrievalTop1Embedding.definition,
        name="retrieval_top_5_embedding",
        title="Top-5 retrieval (decoded embedding)",
        text=RetrievalTop1Embedding.definition.text.replace("the nearest", "among the five nearest").replace(
            "Chance is one in", "Chance is five in"
        ),
    )


def embedding_array(name: str, values: Any, count: int) -> NDArray[np.float32]:
    """Embeddings as a float32 array with a row for each of `count` stimuli.

    Parameters
    ----------
    name : str
        For messages.
    values : array_like, DataArray or torch.Tensor, shape (count, dimension)
    count : int

    Raises
    ------
    InputValueError
        For another shape, or values that are not finite.

    Examples
    --------
    >>> embedding_array("embed", [[1, 2]], 1).shape
    (1, 2)
    """
    array = np.asarray(getattr(values, "values", values), np.float32)
    if array.ndim != 2 or len(array) != count:
        raise InputValueError(f"{name} gave embeddings of shape {array.shape}; expected ({count}, dimension)")
    if not np.isfinite(array).all():
        raise InputValueError(f"{name} gave embeddings with {int((~np.isfinite(array)).sum())} values not finite")
    return array
