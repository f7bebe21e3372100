"""Accumulators of decoding metrics: scores of each pair of images, or images kept until all of them are there."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from braincodec.errors import InputTypeError, InputValueError, UnknownNameError
from braincodec.evaluation.decoding.images import match_size
from braincodec.evaluation.decoding.two_way import ANCHORS, Anchor, two_way_by_similarity
from braincodec.evaluation.metric import Metric


class SizedMetric(Metric):
    """Takes uint8 images, resizes true ones to the size of the predicted ones, and holds that size.

    Attributes
    ----------
    size : (int, int) or None
        Height and width at which images were compared; None before the first batch.
    """

    def __init__(self) -> None:
        self.size: tuple[int, int] | None = None

    def _matched(self, prediction: Any, truth: Any) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        prediction, truth = np.asarray(prediction), np.asarray(truth)
        for images, name in ((prediction, "predicted"), (truth, "true")):
            if images.dtype != np.uint8:
                raise InputTypeError(f"{name} images have dtype {images.dtype}; expected uint8, as a StimulusSet gives")
        truth = match_size(prediction, truth)
        self._fix_size(prediction.shape[1:3])
        return prediction, truth

    def _fix_size(self, size: tuple[int, ...]) -> None:
        if self.size not in (None, size):
            raise InputValueError(f"images of {size[0]} x {size[1]} cannot follow images of {self.size}; resize them")
        self.size = (size[0], size[1])

    def _fix_size_of(self, other: SizedMetric) -> None:
        self.refuse_other_kind(other)
        if other.size is not None:
            self._fix_size(other.size)


class ImageMetric(SizedMetric):
    """A score of each pair of images on its own: the subclass's `score` of a batch."""

    score: ClassVar[Callable[..., NDArray[np.float64]]]

    def __init__(self) -> None:
        super().__init__()
        self._scores: list[NDArray[np.float64]] = []

    def update(self, prediction: Any, truth: Any) -> Self:
        """Score a batch of images.

        Parameters
        ----------
        prediction, truth : array of uint8, shape (n, height, width, 3) or (n, height, width)
            True images of another size are resized to that of the predicted ones.
        """
        self._scores.append(type(self).score(*self._matched(prediction, truth)))
        return self

    def merge(self, other: Self) -> Self:
        """Add the images that `other` saw after those seen here."""
        self._fix_size_of(other)
        self._scores += other._scores
        return self

    def compute(self) -> NDArray[np.float64]:
        """One score for each image, shape (n,)."""
        return joined(self._scores)


class TwoWayMetric(SizedMetric):
    """Two-way identification by a similarity of images: keeps images until all are there, then compares each with each.

    Parameters
    ----------
    anchor : {"prediction", "truth"}
        What is compared with all others of the other kind; see `two_way_by_similarity`.
    """

    settings: ClassVar[tuple[str, ...]] = ("anchor",)
    tolerance: ClassVar[float] = 0.0  # within which similarities are equal

    def __init__(self, anchor: Anchor = "prediction") -> None:
        super().__init__()
        if anchor not in ANCHORS:
            raise UnknownNameError("anchor", anchor, ANCHORS)
        self.anchor = anchor
        self._predictions: list[NDArray[np.uint8]] = []
        self._truths: list[NDArray[np.uint8]] = []

    @abc.abstractmethod
    def similarity(self, prediction: NDArray[np.uint8], truth: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Similarity of every predicted image and every true one, shape (predictions, truths); higher is nearer."""

    def update(self, prediction: Any, truth: Any) -> Self:
        """Keep a batch of images.

        Parameters
        ----------
        prediction, truth : array of uint8, shape (n, height, width, 3) or (n, height, width)
            True images of another size are resized to that of the predicted ones.
        """
        prediction, truth = self._matched(prediction, truth)
        self._predictions.append(prediction.copy())  # the caller may use its buffer again
        self._truths.append(truth.copy())
        return self

    def merge(self, other: Self) -> Self:
        """Add the images that `other` saw after those seen here."""
        self._fix_size_of(other)
        self._predictions += other._predictions
        self._truths += other._truths
        return self

    def compute(self) -> NDArray[np.float64]:
        """One rate for each image, shape (n,)."""
        similarity = self.similarity(joined(self._predictions), joined(self._truths))
        return two_way_by_similarity(similarity, self.anchor, tolerance=self.tolerance)


def joined(parts: list[NDArray[Any]]) -> NDArray[Any]:
    """Batches one after the other.

    Examples
    --------
    >>> joined([np.array([1, 2]), np.array([3])])
    array([1, 2, 3])
    """
    if not parts:
        raise InputValueError("there is nothing to score yet: call update with predicted and true images first")
    return np.concatenate(parts)
