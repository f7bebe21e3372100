"""The two quantities that are both called r2: explained variance, and the squared correlation."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braincodec.evaluation.checks import warn_undefined
from braincodec.evaluation.definition import Definition
from braincodec.evaluation.encoding.co_moments import CoMoments
from braincodec.evaluation.encoding.correlation import UnitMetric, moments_of, pearson_compute


def r2_determination(prediction: ArrayLike, response: ArrayLike) -> NDArray[np.float64]:
    """Coefficient of determination of each unit: 1 - SSE / SST over stimuli.

    Parameters
    ----------
    prediction, response : array_like, shape (stimuli, units)

    Returns
    -------
    array of float64, shape (units,)
        At most 1; 0 for a prediction of the mean, below it for worse. NaN, with one `UndefinedScoreWarning`, where the
        response does not vary, or either is NaN for every stimulus.

    Raises
    ------
    InputTypeError, InputValueError
        When these are not real numbers, their shapes differ, or values are NaN or infinite for some stimuli only.

    See Also
    --------
    r2_correlation : blind to scale and offset of the prediction.

    Notes
    -----
    SST is about the mean of these responses, as in `sklearn.metrics.r2_score` (which gives 0 or 1 without variance).

    Examples
    --------
    >>> r2_determination([[1.0], [2.0], [3.0]], [[1.0], [2.0], [4.0]]).round(3)
    array([0.786])
    """
    return determination_of(moments_of(prediction, response))


def r2_correlation(prediction: ArrayLike, response: ArrayLike) -> NDArray[np.float64]:
    """Square of the correlation of each unit, 0 where it is negative.

    Parameters
    ----------
    prediction, response : array_like, shape (stimuli, units)

    Returns
    -------
    array of float64, shape (units,)
        In 0 to 1. NaN, with one `UndefinedScoreWarning`, where prediction or response does not vary.

    Raises
    ------
    InputTypeError, InputValueError
        As `r2_determination`.

    Notes
    -----
    clip(r, 0)^2: what the Algonauts Project 2023 and BERG call r2. With the mean over repetitions as response, its
    highest value is the noise ceiling.

    Examples
    --------
    >>> r2_correlation([[1.0, 3.0], [2.0, 2.0], [3.0, 1.0]], [[10.0, 1.0], [20.0, 2.0], [30.0, 3.0]])
    array([1., 0.])
    """
    return squared_correlation_of(moments_of(prediction, response))


def determination_of(state: CoMoments) -> NDArray[np.float64]:
    """`r2_determination` from what `pearson_update` gathered.

    Examples
    --------
    >>> determination_of(moments_of([[1.0], [2.0]], [[1.0], [2.0]]))
    array([1.])
    """
    offset = state.prediction_mean - state.response_mean
    errors = state.prediction_squares - 2 * state.products + state.response_squares + state.count * offset**2
    found = np.full(state.units, np.nan)
    np.divide(errors, state.response_squares, out=found, where=state.response_squares > 0)
    found = 1 - np.maximum(found, 0)  # rounding may leave a negative sum of squares
    warn_undefined("r2_determination", np.isnan(found), "the response does not vary over stimuli, or is missing")
    return found


def squared_correlation_of(state: CoMoments) -> NDArray[np.float64]:
    """`r2_correlation` from what `pearson_update` gathered.

    Examples
    --------
    >>> squared_correlation_of(moments_of([[1.0], [2.0]], [[3.0], [2.0]]))
    array([0.])
    """
    return np.clip(pearson_compute(state), 0, None) ** 2


class R2Determination(UnitMetric):
    """Coefficient of determination of each unit, batch by batch.

    Examples
    --------
    >>> R2Determination().update([[1.0], [2.0]], [[1.0], [2.0]]).update([[3.0]], [[4.0]]).compute().round(3)
    array([0.786])
    """

    definition = Definition(
        name="r2_determination",
        title="Coefficient of determination (1 - SSE/SST)",
        direction="encoding",
        of="unit",
        text="1 - SSE / SST of a unit over the test stimuli: SSE of the prediction, SST about the mean response. "
        "Scale and offset of the prediction count; worse than predicting the mean is negative.",
        range=(-np.inf, 1),
        chance=None,
        better="higher",
        source="Wright 1921, Journal of Agricultural Research 20; as sklearn.metrics.r2_score",
    )

    def _score(self, state: CoMoments) -> NDArray[np.float64]:
        return determination_of(state)


class R2Correlation(UnitMetric):
    """Squared correlation of each unit, 0 where it is negative, batch by batch.

    Examples
    --------
    >>> R2Correlation().update([[1.0], [2.0], [3.0]], [[5.0], [6.0], [7.0]]).compute()
    array([1.])
    """

    definition = Definition(
        name="r2_correlation",
        title="Squared correlation",
        direction="encoding",
        of="unit",
        text="Square of a unit's correlation over the test stimuli, with negative correlations counted as 0. Blind to "
        "scale and offset of the prediction, unlike the coefficient of determination.",
        range=(0, 1),
        chance=None,
        better="higher",
        source="Gifford et al. 2023, The Algonauts Project 2023 Challenge; Brain Encoding Response Generator",
    )

    def _score(self, state: CoMoments) -> NDArray[np.float64]:
        return squared_correlation_of(state)
