"""Pattern correlation: Pearson's r of each stimulus over units."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braincodec.errors import InputValueError
from braincodec.evaluation.checks import Floats, check_finite, check_pair, tiles, warn_undefined
from braincodec.evaluation.definition import Definition
from braincodec.evaluation.encoding.co_moments import CoMoments, merge_moments, no_moments
from braincodec.evaluation.encoding.correlation import correlation_of
from braincodec.evaluation.metric import Metric

# two such tiles in float64 stay in the processor's cache
STIMULI_A_TILE, UNITS_A_TILE = 8, 16384
UNDEFINED = "predicted or measured pattern does not vary over units, or is missing"


def pattern_correlation(prediction: ArrayLike, response: ArrayLike) -> NDArray[np.float64]:
    """Pearson correlation over units of each stimulus's predicted and measured pattern.

    Parameters
    ----------
    prediction, response : array_like, shape (stimuli, units)
        Units that are NaN for every stimulus are left out.

    Returns
    -------
    array of float64, shape (stimuli,)
        In -1 to 1. NaN, with one `UndefinedScoreWarning`, where a pattern does not vary over units.

    Raises
    ------
    InputTypeError, InputValueError
        When these are not real numbers, their shapes differ, or values are NaN or infinite for some stimuli only.

    See Also
    --------
    braincodec.evaluation.encoding.correlation : over stimuli, for each unit.

    Notes
    -----
    Differences between the means of units count: a prediction of the mean response correlates too. Its level is the
    floor to compare with; `pattern_identification` has a chance level of its own.

    Examples
    --------
    >>> pattern_correlation([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]], [[0.0, 1.0, 2.0], [0.0, 1.0, 2.0]])
    array([ 1., -1.])
    """
    found = _correlations(*present_units(prediction, response)[:2])
    warn_undefined("pattern correlation", np.isnan(found), UNDEFINED, of="stimuli")
    return found


def present_units(prediction: ArrayLike, response: ArrayLike) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Both arrays without the units that are NaN for every stimulus in one of them, and which units are left.

    Examples
    --------
    >>> present_units([[1.0, 2.0]], [[np.nan, 3.0]])
    (array([[2.]]), array([[3.]]), array([False,  True]))
    """
    prediction, response = check_pair(prediction, response)
    present = ~(check_finite("prediction", prediction) | check_finite("response", response))
    if present.all():
        return prediction, response, present
    return prediction[:, present], response[:, present], present


def _correlations(prediction: Floats, response: Floats) -> NDArray[np.float64]:
    found = np.full(len(prediction), np.nan)
    for rows in tiles(len(found), bytes_each=1, tile_bytes=STIMULI_A_TILE):
        state = no_moments(rows.stop - rows.start)
        for some in tiles(prediction.shape[1], bytes_each=1, tile_bytes=UNITS_A_TILE):
            state = merge_moments(state, _moments_of_rows(prediction[rows, some], response[rows, some]))
        found[rows] = correlation_of(state)
    return found


def _moments_of_rows(prediction: Floats, response: Floats) -> CoMoments:
    """Moments of each stimulus over some units, in float64: the roles of the two are exchanged."""
    first = [values[:, 0].astype(np.float64) for values in (prediction, response)]
    # shifted by a value of its own, what is constant becomes exactly 0
    x, y = (values - shift[:, None] for values, shift in zip((prediction, response), first, strict=True))
    means = [values.mean(axis=1) for values in (x, y)]
    x -= means[0][:, None]
    y -= means[1][:, None]
    products = (np.vecdot(a, b) for a, b in ((x, x), (y, y), (x, y)))
    return CoMoments(prediction.shape[1], first[0] + means[0], first[1] + means[1], *products)


class PresentUnits:
    """Which units take part in all batches: one that is missing is missing for every stimulus."""

    def __init__(self) -> None:
        self.mask: NDArray[np.bool_] | None = None

    def expect(self, mask: NDArray[np.bool_] | None) -> None:
        """Hold `mask`, or refuse another than the one held.

        Examples
        --------
        >>> PresentUnits().expect(np.array([True, False]))
        """
        if mask is None or self.mask is None:
            self.mask = self.mask if mask is None else mask
        elif len(mask) != len(self.mask):
            raise InputValueError(f"batches have {len(self.mask)} and {len(mask)} units; they must be the same")
        elif (mask != self.mask).any():
            differs = mask != self.mask
            raise InputValueError(
                f"{differs.sum()} units are NaN for some stimuli and not for others, the first is {np.argmax(differs)}"
            )


class PatternCorrelation(Metric):
    """Pattern correlation of each stimulus, batch by batch.

    Examples
    --------
    >>> metric = PatternCorrelation().update([[1.0, 2.0, 3.0]], [[0.0, 1.0, 2.0]])
    >>> metric.update([[3.0, 2.0, 1.0]], [[0.0, 1.0, 2.0]]).compute()
    array([ 1., -1.])
    """

    definition = Definition(
        name="pattern_correlation",
        title="Pattern correlation (Pearson r)",
        direction="encoding",
        of="stimulus",
        text="Pearson correlation of a stimulus's predicted and measured responses over units. Differences between the "
        "means of units count, so that predicting the mean response is above 0: compare with the floor.",
        range=(-1, 1),
        chance=None,
        better="higher",
        source="Pearson 1895; as pattern correlation in Horikawa and Kamitani 2017, Nature Communications 8:15037",
    )

    def __init__(self) -> None:
        self._present = PresentUnits()
        self._scores: list[NDArray[np.float64]] = []

    def update(self, prediction: ArrayLike, truth: ArrayLike) -> Self:
        """Score the stimuli of a batch; see `pattern_correlation`."""
        predicted, measured, present = present_units(prediction, truth)
        self._present.expect(present)
        self._scores.append(_correlations(predicted, measured))
        return self

    def merge(self, other: Self) -> Self:
        """Add the stimuli that `other` saw after those seen here."""
        self.refuse_other_kind(other)
        self._present.expect(other._present.mask)
        self._scores += other._scores
        return self

    def compute(self) -> NDArray[np.float64]:
        """One correlation for each stimulus, shape (stimuli,)."""
        if not self._scores:
            raise InputValueError("there is nothing to score yet: call update with predictions and responses first")
        found = np.concatenate(self._scores)
        warn_undefined("pattern correlation", np.isnan(found), UNDEFINED, of="stimuli")
        return found
