"""Representational similarity analysis: whether predicted responses tell stimuli apart as measured ones do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braincodec.errors import InputValueError, UnknownNameError
from braincodec.evaluation.checks import check_finite, check_pair, warn_undefined
from braincodec.evaluation.definition import Definition
from braincodec.evaluation.encoding.rdm import DISTANCES, Distance, Floats, rdm
from braincodec.evaluation.metric import Metric

Comparison = Literal["spearman", "pearson", "kendall_tau_a", "cosine"]
COMPARISONS: tuple[str, ...] = ("spearman", "pearson", "kendall_tau_a", "cosine")
FEWEST_STIMULI = 3  # two make one pair, which cannot vary
# numbers that `Rsa` keeps of predictions and responses together: 2 GiB in float32
MOST_VALUES = 2**29


def compare_rdms(first: ArrayLike, second: ArrayLike, comparison: Comparison = "spearman") -> float:
    """How alike two dissimilarity matrices are.

    Parameters
    ----------
    first, second : array_like, shape (pairs,)
        From `rdm`. Pairs that are NaN in either are left out.
    comparison : str
        - ``"spearman"``: correlation of ranks;
        - ``"pearson"``: correlation of dissimilarities;
        - ``"kendall_tau_a"``: how many more pairs of dissimilarities are in the same order than not, out of all; the
          one to choose where a model predicts ties (Nili et al. 2014);
        - ``"cosine"``: of the angle between the two, for distances with a meaningful zero such as "crossnobis".

    Returns
    -------
    float
        In -1 to 1, chance 0 (for "cosine" above it where both are never negative). NaN, with one
        `UndefinedScoreWarning`, where one of them does not vary or fewer than three pairs are left.

    Raises
    ------
    InputTypeError, InputValueError
        When the two are not of one length, or hold infinite values.
    UnknownNameError
        For another comparison.

    Examples
    --------
    >>> compare_rdms([0.1, 0.5, 0.9], [1.0, 2.0, 30.0])
    1.0
    """
    compare = comparison_function(comparison)
    a, b = checked_rdms(first, second)
    known = ~(np.isnan(a) | np.isnan(b))
    found = compare(a[known], b[known]) if known.sum() >= FEWEST_STIMULI else np.nan
    _warn(found)
    return found


def rsa(
    prediction: ArrayLike,
    response: ArrayLike,
    *,
    distance: Distance = "correlation",
    comparison: Comparison = "spearman",
) -> float:
    """How alike the dissimilarity matrices of predicted and measured responses are.

    Parameters
    ----------
    prediction : array_like, shape (stimuli, units)
    response : array_like, shape (stimuli, units) or (stimuli, repetitions, units)
        Units that are NaN for every stimulus in either are left out of both.
    distance : {"correlation", "cosine", "euclidean"}
        As in `rdm`; for whitened distances compare the matrices of `rdm` by `compare_rdms`.
    comparison : {"spearman", "pearson", "kendall_tau_a", "cosine"}

    Returns
    -------
    float

    Raises
    ------
    InputTypeError, InputValueError, UnknownNameError
        As `rdm` and `compare_rdms`; also when numbers of stimuli or units differ.

    See Also
    --------
    rsa_noise_ceiling, rsa_repetition_ceiling : the best that could be reached.
    rsa_bootstrap, rsa_permutation : how sure it is.

    Notes
    -----
    Source: Kriegeskorte, Mur, Bandettini 2008, Frontiers in Systems Neuroscience 2:4.

    Examples
    --------
    >>> measured = np.random.default_rng(0).standard_normal((10, 40))
    >>> rsa(2 * measured + 1, measured)
    1.0
    """
    comparison_function(comparison)
    check_distance(distance)
    predicted, measured = np.asarray(prediction), np.asarray(response)
    if measured.ndim == 3:
        from braincodec.evaluation.noise_ceiling.repetitions import mean_over_repetitions

        measured = mean_over_repetitions(measured)
    first, second = check_pair(predicted, measured)
    absent = check_finite("prediction", first) | check_finite("response", second)
    if absent.any():
        first, second = first[:, ~absent], second[:, ~absent]
    return compare_rdms(rdm(first, distance), rdm(second, distance), comparison)


def comparison_function(comparison: str) -> Callable[[Floats, Floats], float]:
    """The function of two dissimilarity vectors without NaN that a comparison's name stands for."""
    if comparison not in COMPARISONS:
        raise UnknownNameError("comparison", comparison, COMPARISONS)
    functions: dict[str, Callable[[Floats, Floats], float]] = {
        "spearman": lambda a, b: _correlation(ranks(a), ranks(b)),
        "pearson": _correlation,
        "kendall_tau_a": kendall_tau_a,
        "cosine": _cosine,
    }
    return functions[comparison]


def ranks(values: Floats) -> Floats:
    """Ranks from 1, ties sharing their mean rank.

    Examples
    --------
    >>> ranks(np.array([0.3, 0.1, 0.3]))
    array([2.5, 1. , 2.5])
    """
    from scipy.stats import rankdata

    found: Floats = rankdata(values)
    return found


def kendall_tau_a(first: Floats, second: Floats) -> float:
    """Pairs in the same order minus pairs in opposite order, out of all pairs; tied pairs count as neither.

    Notes
    -----
    From scipy's tau-b in n log n steps: tau-b divides the same difference by the geometric mean of the numbers of
    pairs that are not tied in each.

    Examples
    --------
    >>> round(kendall_tau_a(np.array([1.0, 2.0, 3.0]), np.array([1.0, 1.0, 2.0])), 3)
    0.667
    """
    from scipy.stats import kendalltau

    count = len(first)
    untied = 1.0
    for values in (first, second):
        repeats = np.unique(values, return_counts=True)[1].astype(np.float64)
        untied *= 1 - (repeats * (repeats - 1)).sum() / (count * (count - 1))
    if untied <= 0:
        return float("nan")
    return float(kendalltau(first, second).statistic * np.sqrt(untied))


def _correlation(first: Floats, second: Floats) -> float:
    # a constant minus its mean is rounding, not variance
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return _cosine(first - first.mean(), second - second.mean())


def _cosine(first: Floats, second: Floats) -> float:
    squared = float(first @ first) * float(second @ second)
    return float(np.clip(first @ second / np.sqrt(squared), -1, 1)) if squared > 0 else float("nan")


def check_distance(distance: str) -> None:
    """Refuse distances that predictions, which have no repetitions, do not have."""
    plain = tuple(name for name in DISTANCES if name not in ("mahalanobis", "crossnobis"))
    if distance not in plain:
        raise UnknownNameError("distance", distance, plain, where="of predictions, which have no noise to whiten")


def checked_rdms(first: ArrayLike, second: ArrayLike) -> tuple[Floats, Floats]:
    """Two dissimilarity vectors of one length as float64, NaN allowed."""
    a, b = check_pair(first, second, dims=("pairs",), names=("first", "second"))
    stimuli_of(len(a))
    for name, values in (("first", a), ("second", b)):
        if np.isinf(values).any():
            raise InputValueError(f"{name} has {int(np.isinf(values).sum())} infinite dissimilarities")
    return a.astype(np.float64), b.astype(np.float64)


def stimuli_of(pairs: int) -> int:
    """How many stimuli have so many pairs.

    Raises
    ------
    InputValueError
        When no number of stimuli has.

    Examples
    --------
    >>> stimuli_of(3)
    3
    """
    stimuli = int((1 + np.sqrt(1 + 8 * pairs)) / 2)
    if pairs < 1 or stimuli * (stimuli - 1) // 2 != pairs:
        raise InputValueError(
            f"{pairs} dissimilarities are not those of all pairs of some number of stimuli; "
            "give the upper triangle, as rdm() does"
        )
    return stimuli


def _warn(found: float) -> None:
    reason = "dissimilarities do not vary, or fewer than three pairs are known"
    warn_undefined("similarity of dissimilarity matrices", np.isnan([found]), reason, of="comparisons", stacklevel=4)


class Rsa(Metric):
    """Representational similarity of predictions and measured responses, batch by batch.

    A dissimilarity matrix needs every pattern, so all are kept: memory grows with stimuli x units, and more than
    `most_values` numbers are refused.

    Parameters
    ----------
    distance, comparison : str
        As in `rsa`.
    most_values : int
        Numbers kept of predictions and responses together; 2**29 are 2 GiB in float32.

    Examples
    --------
    >>> patterns = np.random.default_rng(0).standard_normal((6, 20))
    >>> float(Rsa().update(patterns[:4], patterns[:4]).update(patterns[4:], patterns[4:]).compute())
    1.0
    """

    definition = Definition(
        name="rsa",
        title="Representational similarity",
        direction="encoding",
        of="set",
        text="Rank correlation of two dissimilarity matrices over the test stimuli, one of predicted and one of "
        "measured response patterns (1 - correlation over units): does the model tell stimuli apart as the brain does.",
        range=(-1, 1),
        chance=0.0,
        better="higher",
        source="Kriegeskorte, Mur, Bandettini 2008, Frontiers in Systems Neuroscience 2:4",
    )
    settings = ("distance", "comparison")

    def __init__(
        self,
        distance: Distance = "correlation",
        comparison: Comparison = "spearman",
        most_values: int = MOST_VALUES,
    ) -> None:
        check_distance(distance)
        comparison_function(comparison)
        self.distance, self.comparison, self.most_values = distance, comparison, most_values
        self._batches: list[tuple[NDArray[Any], NDArray[Any]]] = []

    def update(self, prediction: ArrayLike, truth: ArrayLike) -> Self:
        """Add stimuli: predictions and responses, shape (stimuli, units)."""
        first, second = check_pair(prediction, truth)
        self._check(first.shape[1], 2 * first.size)
        self._batches.append((first.copy(), second.copy()))  # the caller may reuse its arrays
        return self

    def merge(self, other: Self) -> Self:
        """Add what another worker saw, after what was seen here."""
        self.refuse_other_kind(other)
        if other._batches:
            self._check(other._batches[0][0].shape[1], other._values())
            self._batches += other._batches
        return self

    def compute(self) -> NDArray[np.float64]:
        """One value, shape ()."""
        if not self._batches:
            raise InputValueError("there is nothing to score yet: call update with predictions and responses first")
        prediction, response = (np.concatenate(arrays) for arrays in zip(*self._batches, strict=True))
        return np.asarray(rsa(prediction, response, distance=self.distance, comparison=self.comparison))

    def _values(self) -> int:
        return sum(2 * prediction.size for prediction, _ in self._batches)

    def _check(self, units: int, more: int) -> None:
        if self._batches and units != self._batches[0][0].shape[1]:
            raise InputValueError(f"this batch has {units} units, earlier ones {self._batches[0][0].shape[1]}")
        if self._values() + more > self.most_values:
            raise InputValueError(
                f"representational similarity keeps every pattern, at most {self.most_values:,} numbers; "
                "choose a region or fewer stimuli, or raise most_values"
            )
