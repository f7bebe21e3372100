"""Identification of stimuli: which measured pattern a predicted pattern is most like."""

from __future__ import annotations

import abc
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braincodec.errors import InputValueError
from braincodec.evaluation.checks import Floats, warn_undefined
from braincodec.evaluation.decoding.n_way import check_count
from braincodec.evaluation.decoding.similarity import correlation_matrix, rounding_of
from braincodec.evaluation.definition import Definition
from braincodec.evaluation.encoding.pattern_correlation import PresentUnits, present_units
from braincodec.evaluation.metric import Metric

UNDEFINED = "their own predicted or measured pattern does not vary over units"


def pattern_identification(prediction: ArrayLike, response: ArrayLike) -> NDArray[np.float64]:
    """Two-way identification: the share of other stimuli whose measured pattern is less like the prediction.

    Parameters
    ----------
    prediction, response : array_like, shape (stimuli, units)
        At least two stimuli. Units that are NaN for every stimulus are left out.

    Returns
    -------
    array of float64, shape (stimuli,)
        In 0 to 1, chance 0.5. NaN, with one `UndefinedScoreWarning`, where a stimulus's own patterns do not vary; those
        of other stimuli then count as not beaten.

    Raises
    ------
    InputTypeError, InputValueError
        As `pattern_correlation`; also with fewer than two stimuli.

    See Also
    --------
    pattern_top_k : among all stimuli at once.
    braincodec.evaluation.decoding.two_way_identification : the same of decoded features, in both directions.

    Notes
    -----
    Likeness is Pearson correlation over units. Ties, which are correlations that differ by rounding alone, fail. The
    identification of Kay et al., Nature 452, 2008, for every pair of candidates.

    Examples
    --------
    >>> response = np.random.default_rng(0).normal(size=(5, 50))
    >>> pattern_identification(response, response)
    array([1., 1., 1., 1., 1.])
    """
    predicted, measured, _ = present_units(prediction, response)
    found = _two_way(_rivals(predicted, measured))
    warn_undefined("pattern identification", np.isnan(found), UNDEFINED, of="stimuli")
    return found


def pattern_top_k(prediction: ArrayLike, response: ArrayLike, k: int = 1) -> NDArray[np.float64]:
    """Whether a stimulus's own measured pattern is among the `k` of all that are most like the prediction.

    Parameters
    ----------
    prediction, response : array_like, shape (stimuli, units)
        Units that are NaN for every stimulus are left out.
    k : int
        Less than the number of stimuli.

    Returns
    -------
    array of float64, shape (stimuli,)
        1 or 0, chance k / stimuli. NaN, with one `UndefinedScoreWarning`, where a stimulus's own patterns do not vary.

    Raises
    ------
    InputTypeError, InputValueError
        As `pattern_identification`; also when `k` is impossible.

    Notes
    -----
    Kay et al., Nature 452, 2008, for k = 1. Likeness is Pearson correlation over units; ties fail.

    Examples
    --------
    >>> pattern_top_k([[1.0, 2.0, 3.0], [1.0, 2.0, 4.0]], [[3.0, 2.0, 0.0], [1.0, 2.0, 3.0]])
    array([0., 1.])
    """
    predicted, measured, _ = present_units(prediction, response)
    check_count("k", k, 1, max(1, len(predicted) - 1))
    found = _among_first(_rivals(predicted, measured), k)
    warn_undefined("pattern top-k", np.isnan(found), UNDEFINED, of="stimuli")
    return found


Patterns = Floats | list[Floats]


def _rivals(predicted: Patterns, measured: Patterns) -> NDArray[np.float64]:
    """How many other measured patterns are at least as like each prediction as its own; NaN where that is undefined."""
    likeness = correlation_matrix(predicted, measured)  # (predictions, measured patterns)
    if len(likeness) < 2:
        raise InputValueError(f"there is {len(likeness)} stimulus; identification needs at least 2")
    own = np.diagonal(likeness)
    least = own - rounding_of(predicted, measured)
    rivals = (~(likeness < least[:, None])).sum(axis=1) - 1.0  # it is none of its own
    rivals[np.isnan(own)] = np.nan
    return rivals


def _two_way(rivals: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 - rivals / (len(rivals) - 1)


def _among_first(rivals: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    return np.where(np.isnan(rivals), np.nan, (rivals < k).astype(np.float64))


class PatternMetric(Metric):
    """Compares every predicted pattern with every measured one, so keeps all of them, in their own precision."""

    def __init__(self) -> None:
        self._present = PresentUnits()
        self._predicted: list[Floats] = []
        self._measured: list[Floats] = []

    def update(self, prediction: ArrayLike, truth: ArrayLike) -> Self:
        """Keep a batch of patterns (stimuli, units)."""
        predicted, measured, present = present_units(prediction, truth)
        self._present.expect(present)
        if len(predicted):
            self._predicted.append(predicted.copy())  # the caller may use its buffer again
            self._measured.append(measured.copy())
        return self

    def merge(self, other: Self) -> Self:
        """Add the stimuli that `other` saw after those seen here."""
        self.refuse_other_kind(other)
        self._present.expect(other._present.mask)
        self._predicted += other._predicted
        self._measured += other._measured
        return self

    def compute(self) -> NDArray[np.float64]:
        """One value for each stimulus, shape (stimuli,)."""
        if not self._predicted:
            raise InputValueError("there is nothing to score yet: call update with predictions and responses first")
        found = self._score(_rivals(self._predicted, self._measured))
        warn_undefined(self.definition.name, np.isnan(found), UNDEFINED, of="stimuli")
        return found

    @abc.abstractmethod
    def _score(self, rivals: NDArray[np.float64]) -> NDArray[np.float64]: ...


class PatternTwoWay(PatternMetric):
    """Two-way identification of each stimulus by its pattern; see `pattern_identification`.

    Examples
    --------
    >>> patterns = np.random.default_rng(0).normal(size=(4, 50))
    >>> PatternTwoWay().update(patterns[:1], patterns[:1]).update(patterns[1:], patterns[1:]).compute()
    array([1., 1., 1., 1.])
    """

    definition = Definition(
        name="pattern_two_way",
        title="Two-way identification by pattern",
        direction="encoding",
        of="stimulus",
        text="Share of the other stimuli whose measured pattern correlates less with a stimulus's predicted pattern "
        "than its own measured pattern does. Ties fail.",
        range=(0, 1),
        chance=0.5,
        better="higher",
        source="Kay et al. 2008, Nature 452, for pairs of candidates",
    )

    def _score(self, rivals: NDArray[np.float64]) -> NDArray[np.float64]:
        return _two_way(rivals)


class PatternTopK(PatternMetric):
    """Identification of each stimulus among all by its pattern; see `pattern_top_k`.

    Parameters
    ----------
    k : int

    Attributes
    ----------
    definition : Definition
        After `compute` with the chance level of as many stimuli as there were.

    Examples
    --------
    >>> patterns = np.random.default_rng(0).normal(size=(4, 50))
    >>> metric = PatternTopK().update(patterns, patterns)
    >>> metric.compute(), metric.definition.chance
    (array([1., 1., 1., 1.]), 0.25)
    """

    definition = Definition(
        name="pattern_top_k",
        title="Top-1 identification by pattern",
        direction="encoding",
        of="stimulus",
        text="Whether a stimulus's own measured pattern is the one of all stimuli that correlates most with its "
        "predicted pattern. Ties fail. Chance is one in as many as there are stimuli.",
        range=(0, 1),
        chance=None,
        better="higher",
        source="Kay et al. 2008, Nature 452",
    )
    settings = ("k",)

    def __init__(self, k: int = 1) -> None:
        check_count("k", k, 1)
        super().__init__()
        self.k = k
        if k > 1:
            self._describe(
                title=f"Top-{k} identification by pattern",
                text=f"Whether a stimulus's own measured pattern is among the {k} of all stimuli that correlate most "
                f"with its predicted pattern. Ties fail. Chance is {k} in as many as there are stimuli.",
            )

    def _describe(self, **changed: Any) -> None:
        vars(self)["definition"] = replace(self.definition, **changed)

    def _score(self, rivals: NDArray[np.float64]) -> NDArray[np.float64]:
        check_count("k", self.k, 1, len(rivals) - 1)
        self._describe(chance=self.k / len(rivals))
        return _among_first(rivals, self.k)
