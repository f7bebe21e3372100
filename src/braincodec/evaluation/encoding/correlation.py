"""Profile correlation: Pearson's r of each unit over stimuli, in one pass and bounded memory."""

from __future__ import annotations

import abc
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braincodec.errors import InputValueError
from braincodec.evaluation.checks import Floats, check_finite, check_pair, warn_undefined
from braincodec.evaluation.definition import Definition
from braincodec.evaluation.encoding.co_moments import CoMoments, co_moments, merge_moments, no_moments
from braincodec.evaluation.metric import Metric

PearsonState = CoMoments


def correlation(prediction: ArrayLike, response: ArrayLike) -> NDArray[np.float64]:
    """Pearson correlation over stimuli of each unit's prediction with its response.

    Parameters
    ----------
    prediction, response : array_like, shape (stimuli, units)
        Float32 and float64 are read in place, in tiles.

    Returns
    -------
    array of float64, shape (units,)
        In -1 to 1, chance 0. NaN, with one `UndefinedScoreWarning`, where prediction or response does not vary, or is
        NaN for every stimulus.

    Raises
    ------
    InputTypeError, InputValueError
        When these are not real numbers, their shapes differ, or values are NaN or infinite for some stimuli only.

    See Also
    --------
    UnitCorrelation : the same batch by batch.
    braincodec.evaluation.encoding.pattern_correlation : over units, for each stimulus.

    Notes
    -----
    Pearson 1895. With the mean over repetitions as response, its highest value is the square root of the noise ceiling.

    Examples
    --------
    >>> correlation([[1.0, 1.0], [2.0, 0.0], [3.0, 2.0]], [[2.0, 0.0], [4.0, 1.0], [6.0, -1.0]])
    array([ 1., -1.])
    """
    found = correlation_of(moments_of(prediction, response))
    _warn(found)
    return found


def pearson_start(units: int) -> PearsonState:
    """The state before any stimulus.

    Examples
    --------
    >>> pearson_start(3).count
    0
    """
    return no_moments(units)


def pearson_update(state: PearsonState, prediction: ArrayLike, response: ArrayLike) -> PearsonState:
    """Add a batch to what is known of each unit.

    Parameters
    ----------
    state : PearsonState
        Left as it is.
    prediction, response : array_like, shape (stimuli, units)
        Any number of stimuli.

    Raises
    ------
    InputTypeError, InputValueError
        As `correlation`; also when the number of units is another than before, or a unit has been NaN and is no more.

    Notes
    -----
    Pairwise update of means and co-moments (Chan, Golub and LeVeque, American Statistician 37, 1983): as exact for
    many batches as for one. Memory beyond the batch is some 10 MB for each thread and ten float64 for each unit.

    Examples
    --------
    >>> state = pearson_update(pearson_start(1), [[1.0], [2.0]], [[1.0], [3.0]])
    >>> pearson_compute(pearson_update(state, [[3.0]], [[5.0]]))
    array([1.])
    """
    return pearson_merge(state, moments_of(prediction, response))


def pearson_merge(first: PearsonState, second: PearsonState) -> PearsonState:
    """What is known of each unit after the stimuli of both.

    Raises
    ------
    InputValueError
        When the numbers of units differ, or a unit is NaN in one of the two only.

    Examples
    --------
    >>> halves = [pearson_update(pearson_start(1), [[a], [b]], [[b], [a]]) for a, b in ([1.0, 2.0], [4.0, 3.0])]
    >>> pearson_merge(*halves).count
    4
    """
    if first.units != second.units:
        raise InputValueError(f"batches have {first.units} and {second.units} units; they must be the same")
    if first.count and second.count:
        for name, a, b in (
            ("prediction", first.prediction_mean, second.prediction_mean),
            ("response", first.response_mean, second.response_mean),
        ):
            differs = np.isnan(a) != np.isnan(b)
            if differs.any():
                raise InputValueError(
                    f"{name} is NaN for some stimuli and not for others in {differs.sum()} units, "
                    f"the first is unit {np.argmax(differs)}"
                )
    return merge_moments(first, second)


def pearson_compute(state: PearsonState) -> NDArray[np.float64]:
    """Correlation of each unit, shape (units,).

    NaN, with one `UndefinedScoreWarning`, where prediction or response has no variance.

    Examples
    --------
    >>> pearson_compute(pearson_update(pearson_start(1), [[1.0], [2.0], [4.0]], [[3.0], [2.0], [0.0]]))
    array([-1.])
    """
    found = correlation_of(state)
    _warn(found)
    return found


def moments_of(prediction: ArrayLike, response: ArrayLike) -> CoMoments:
    """Checked moments of one batch: units NaN for all of its stimuli have NaN, other NaN are refused.

    Examples
    --------
    >>> moments_of([[1.0], [3.0]], [[0.0], [0.0]]).prediction_mean
    array([2.])
    """
    prediction, response = check_pair(prediction, response)
    found = co_moments(prediction, response)
    _refuse_stray_nan("prediction", prediction, found.prediction_mean)
    _refuse_stray_nan("response", response, found.response_mean)
    return found


def _refuse_stray_nan(name: str, values: Floats, mean: NDArray[np.float64]) -> None:
    suspects = np.flatnonzero(~np.isfinite(mean))
    if len(suspects) and not all(np.isnan(row[suspects]).all() for row in values):
        check_finite(name, values)


def correlation_of(state: CoMoments) -> NDArray[np.float64]:
    """Correlation of each unit, NaN where it is not defined, without a warning.

    Examples
    --------
    >>> correlation_of(moments_of([[1.0, 0.0], [2.0, 0.0]], [[1.0, 0.0], [2.0, 1.0]]))
    array([ 1., nan])
    """
    varies = (state.prediction_squares > 0) & (state.response_squares > 0)
    scale = np.sqrt(state.prediction_squares) * np.sqrt(state.response_squares)
    found = np.full(state.units, np.nan)
    np.divide(state.products, scale, out=found, where=varies)
    return np.clip(found, -1, 1, out=found)


def _warn(found: NDArray[np.float64]) -> None:
    reason = "prediction or response does not vary over stimuli, or is missing"
    warn_undefined("correlation", np.isnan(found), reason, stacklevel=4)


class UnitMetric(Metric):
    """A score of each unit over stimuli that follows from means, squares and products."""

    def __init__(self) -> None:
        self.state: PearsonState | None = None

    @abc.abstractmethod
    def _score(self, state: CoMoments) -> NDArray[np.float64]:
        """The score of each unit, shape (units,); NaN and one warning where it is not defined."""

    def update(self, prediction: ArrayLike, truth: ArrayLike) -> Self:
        """Add a batch; see `pearson_update`."""
        batch = moments_of(prediction, truth)
        self.state = batch if self.state is None else pearson_merge(self.state, batch)
        return self

    def merge(self, other: Self) -> Self:
        """Add what another worker saw; see `pearson_merge`."""
        self.refuse_other_kind(other)
        if other.state is not None:
            self.state = other.state if self.state is None else pearson_merge(self.state, other.state)
        return self

    def compute(self) -> NDArray[np.float64]:
        """The score of each unit, shape (units,)."""
        if self.state is None:
            raise InputValueError("there is nothing to score yet: call update with predictions and responses first")
        return self._score(self.state)


class UnitCorrelation(UnitMetric):
    """Profile correlation of each unit, batch by batch.

    Examples
    --------
    >>> one = UnitCorrelation().update([[1.0], [2.0]], [[1.0], [3.0]])
    >>> two = UnitCorrelation().update([[3.0]], [[5.0]])
    >>> one.merge(two).compute()
    array([1.])
    """

    definition = Definition(
        name="correlation",
        title="Profile correlation (Pearson r)",
        direction="encoding",
        of="unit",
        text="Pearson correlation of a unit's predicted and measured responses (mean over repetitions) over the test "
        "stimuli. Not defined where either does not vary.",
        range=(-1, 1),
        chance=0.0,
        better="higher",
        source="Pearson 1895, Proceedings of the Royal Society of London 58",
    )

    def _score(self, state: CoMoments) -> NDArray[np.float64]:
        return pearson_compute(state)
