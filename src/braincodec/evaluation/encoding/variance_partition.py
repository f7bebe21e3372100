"""Which feature space explains what: the explained variance of a joint model, divided among its feature spaces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from braincodec.errors import InputValueError
from braincodec.evaluation.checks import Floats, as_floats, tiles, warn_undefined
from braincodec.evaluation.definition import Definition
from braincodec.evaluation.encoding.co_moments import CoMoments
from braincodec.evaluation.encoding.correlation import moments_of, pearson_merge
from braincodec.evaluation.metric import Metric

PARTIAL = ("spaces", "stimuli", "units")
Doubles = NDArray[np.float64]


def product_measure(partial_predictions: ArrayLike, response: ArrayLike, intercept: ArrayLike | None = None) -> Doubles:
    """The coefficient of determination of each unit, divided among feature spaces.

    Parameters
    ----------
    partial_predictions : array_like, shape (spaces, stimuli, units)
        What each feature space adds to the prediction of a joint model, such as a banded ridge: its features times
        its coefficients. Their sum, plus `intercept`, is the full prediction.
    response : array_like, shape (stimuli, units)
    intercept : array_like, shape (units,), optional
        What the model adds that belongs to no space.

    Returns
    -------
    array of float64, shape (spaces, units)
        The sum over spaces is `r2_determination` of the full prediction. NaN, with one `UndefinedScoreWarning`, where
        the response does not vary, or something is NaN for every stimulus.

    Raises
    ------
    InputTypeError, InputValueError
        When shapes do not fit, or values are NaN or infinite for some stimuli only.

    Notes
    -----
    With x_s the partial predictions, f their sum and y the response, all without their mean over stimuli, space s has
    the share sum(x_s (2 y - f)) / sum(y^2): it gains where it points to the response, and pays for what all spaces
    together predict too much. Spaces that predict the same share what that explains, in proportion to what they add; a
    space can be below 0 where it makes the joint prediction worse. This is not the unique variance of a space, which is
    what a model without it would lose. The error of the mean over stimuli, which no space can be said to have made, is
    divided equally, so that the sum is exact.

    Hoffman, Psychological Bulletin 57, 1960; Pratt 1987; for predictions of new data Dupre la Tour, Eickenberg,
    Nunez-Elizalde and Gallant, NeuroImage 264, 2022.

    Examples
    --------
    >>> response = np.array([[1.0], [2.0], [3.0], [6.0]])
    >>> edges, faces = 0.75 * response, 0.25 * response
    >>> product_measure([edges, faces], response)
    array([[0.75],
           [0.25]])
    """
    found = _shares(_partition_of(*_check_partial(partial_predictions, response)), intercept)
    _warn(found)
    return found


def variance_partition(
    partial_predictions: Mapping[str, ArrayLike], response: ArrayLike, intercept: ArrayLike | None = None
) -> xr.DataArray:
    """`product_measure` with names of feature spaces.

    Parameters
    ----------
    partial_predictions : mapping of str to array_like, each of shape (stimuli, units)
    response : array_like, shape (stimuli, units)
    intercept : array_like, shape (units,), optional

    Returns
    -------
    DataArray, dims (space, unit)

    Raises
    ------
    InputTypeError, InputValueError
        As `product_measure`; also without any space.

    Examples
    --------
    >>> response = np.array([[1.0], [2.0], [3.0], [6.0]])
    >>> parts = variance_partition({"edges": 0.75 * response, "faces": 0.25 * response}, response)
    >>> float(parts.sel(space="edges")[0])
    0.75
    """
    if not partial_predictions:
        raise InputValueError("there is no feature space to divide variance among")
    shapes = {name: np.shape(values) for name, values in partial_predictions.items()}
    if len(set(shapes.values())) > 1:
        raise InputValueError(f"feature spaces have predictions of different shapes: {shapes}")
    found = product_measure(np.stack([np.asarray(v) for v in partial_predictions.values()]), response, intercept)
    return xr.DataArray(
        found, dims=("space", "unit"), coords={"space": list(partial_predictions)}, name="variance_partition"
    )


@dataclass(frozen=True, eq=False)
class _Partition:
    """Moments of every space's prediction with the response and with the sum; units of one space after another's."""

    spaces: int
    with_response: CoMoments
    with_sum: CoMoments


def _check_partial(partial_predictions: ArrayLike, response: ArrayLike) -> tuple[Floats, Floats]:
    partial, measured = as_floats("partial_predictions", partial_predictions, PARTIAL), as_floats("response", response)
    if partial.shape[1:] != measured.shape or not len(partial):
        raise InputValueError(
            f"partial_predictions have shape {partial.shape} and response {measured.shape}; expected "
            "(spaces, stimuli, units) and (stimuli, units), with at least one space"
        )
    return partial, measured


def _partition_of(partial: Floats, response: Floats) -> _Partition:
    spaces, stimuli, units = partial.shape
    parts = []
    for cut in tiles(units, bytes_each=8 * 4 * spaces * max(1, stimuli)):
        predicted = partial[:, :, cut].astype(np.float64)
        total, measured = predicted.sum(axis=0), response[:, cut].astype(np.float64)
        parts.append(
            [[moments_of(one, other) for one in predicted] for other in (measured, total)]  # [2][spaces]
        )
    return _Partition(spaces, *(_joined([part[number] for part in parts], stimuli) for number in (0, 1)))


def _joined(parts: list[list[CoMoments]], stimuli: int) -> CoMoments:
    """Moments of all units of the first space, then of the second, from tiles of units."""
    arrays = [
        [np.concatenate([tile[space].arrays[number] for tile in parts]) for space in range(len(parts[0]))]
        for number in range(5)
    ]
    return CoMoments(stimuli, *(np.concatenate(array) for array in arrays))


def _merged(first: _Partition, second: _Partition) -> _Partition:
    if first.spaces != second.spaces:
        raise InputValueError(f"batches have {first.spaces} and {second.spaces} feature spaces; they must be the same")
    return _Partition(
        first.spaces,
        pearson_merge(first.with_response, second.with_response),
        pearson_merge(first.with_sum, second.with_sum),
    )


def _shares(partition: _Partition, intercept: ArrayLike | None) -> Doubles:
    moments = partition.with_response
    units = moments.units // partition.spaces
    offset = as_floats("intercept", np.zeros(units) if intercept is None else intercept, ("units",))
    if len(offset) != units:
        raise InputValueError(f"there are {len(offset)} intercepts for {units} units")
    means, products, with_sum = (
        values.reshape(partition.spaces, units)
        for values in (moments.prediction_mean, moments.products, partition.with_sum.products)
    )
    squares = moments.response_squares[:units]  # of the response, the same beside every space
    bias = means.sum(axis=0) + offset - moments.response_mean[:units]
    gained = 2 * products - with_sum - moments.count * bias**2 / partition.spaces
    found = np.full(gained.shape, np.nan)
    np.divide(gained, squares, out=found, where=squares > 0)
    return found


def _warn(found: Doubles) -> None:
    reason = "the response does not vary over stimuli, or something is missing"
    warn_undefined("variance partition", np.isnan(found[0]), reason, stacklevel=4)


class VariancePartition(Metric):
    """`product_measure` batch by batch.

    Parameters
    ----------
    intercept : array_like, shape (units,), optional

    Examples
    --------
    >>> response = np.array([[1.0], [2.0], [3.0], [6.0]])
    >>> metric = VariancePartition()
    >>> for batch in (response[:1], response[1:]):
    ...     metric = metric.update([0.75 * batch, 0.25 * batch], batch)
    >>> metric.compute()
    array([[0.75],
           [0.25]])
    """

    definition = Definition(
        name="variance_partition",
        title="Variance partition (product measure)",
        direction="encoding",
        of="set",
        text="The coefficient of determination of a joint model divided among its feature spaces, for each unit: how "
        "far a space's part of the prediction points to the response, less its part in what is predicted too much. The "
        "shares add up to the whole. They are not unique variance: spaces that predict the same divide it.",
        range=(-np.inf, np.inf),
        chance=None,
        better="higher",
        source="Hoffman 1960, Psychological Bulletin 57; Dupre la Tour et al. 2022, NeuroImage 264",
    )

    def __init__(self, intercept: ArrayLike | None = None) -> None:
        self.intercept = intercept
        self._partition: _Partition | None = None

    def update(self, prediction: ArrayLike, truth: ArrayLike) -> Self:
        """Add a batch.

        Parameters
        ----------
        prediction : array_like, shape (spaces, stimuli, units)
        truth : array_like, shape (stimuli, units)
        """
        return self._add(_partition_of(*_check_partial(prediction, truth)))

    def merge(self, other: Self) -> Self:
        """Add what another worker saw."""
        self.refuse_other_kind(other)
        return self if other._partition is None else self._add(other._partition)

    def _add(self, batch: _Partition) -> Self:
        self._partition = batch if self._partition is None else _merged(self._partition, batch)
        return self

    def compute(self) -> Doubles:
        """The share of each space, shape (spaces, units)."""
        if self._partition is None:
            raise InputValueError("there is nothing to score yet: call update with predictions and responses first")
        found = _shares(self._partition, self.intercept)
        _warn(found)
        return found
