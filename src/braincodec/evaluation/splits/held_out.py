"""What a model may see of a split, what it is scored against, and what it predicts."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from braincodec.datasets.base import Recording, Split
from braincodec.errors import InputTypeError, InputValueError
from braincodec.evaluation.noise_ceiling.repetitions import mean_over_repetitions


def without_test(recording: Recording) -> Recording:
    """The recording without anything of the test part."""
    split = recording.split
    ids = [*split.train, *split.validation]
    rows = {str(item): row for row, item in enumerate(recording.responses["stimulus"].values)}
    return Recording(
        recording.dataset,
        recording.subject,
        recording.stimuli[ids],
        recording.responses[[rows[item] for item in ids]],
        recording.units,
        Split(train=split.train, validation=split.validation),
    )


def mean_responses(responses: xr.DataArray) -> NDArray[Any]:
    """Responses (stimuli, units), the mean over repetitions; channels and times in one row.

    Examples
    --------
    >>> values = xr.DataArray(np.ones((3, 2, 4)), dims=("stimulus", "repetition", "unit"))
    >>> mean_responses(values).shape
    (3, 4)
    """
    if "repetition" in responses.dims:
        values = mean_over_repetitions(responses.transpose("stimulus", "repetition", ...).values)
    else:
        values = np.asarray(responses.values)
    return values.reshape(len(values), -1)


def predicted_responses(model: Any, stimuli: Any, ids: list[str], shape: tuple[int, ...]) -> NDArray[Any]:
    """What a model predicts for stimuli, rows in the order of `ids`, of the shape (stimuli, units).

    Parameters
    ----------
    model : object with ``encode(stimuli)``, or callable
    stimuli : StimulusSet
    ids : list of str
    shape : (int, int)

    Raises
    ------
    InputTypeError, InputValueError
        When it is no model, stimuli lack a prediction, or the shape is another.

    Examples
    --------
    >>> predicted_responses(lambda stimuli: [[1.0], [2.0]], None, ["a", "b"], (2, 1)).shape
    (2, 1)
    """
    if hasattr(model, "encode"):
        found = model.encode(stimuli)
    elif callable(model):
        found = model(stimuli)
    else:
        raise InputTypeError(
            f"fit must give an encoder or a function of stimuli, not {type(model).__name__}; predictions of test "
            "stimuli come from what it gives"
        )
    if isinstance(found, xr.DataArray) and "stimulus" in found.coords:
        order = {str(item): row for row, item in enumerate(found["stimulus"].values)}
        absent = [item for item in ids if item not in order]
        if absent:
            raise InputValueError(f"{len(absent)} test stimuli have no prediction, the first is {absent[0]!r}")
        found = found.transpose("stimulus", ...)[[order[item] for item in ids]]
    values = np.asarray(found)
    if len(values) != shape[0] or values.size != shape[0] * shape[1]:
        raise InputValueError(
            f"predictions have shape {values.shape}; the test part has {shape[0]} stimuli and {shape[1]} units"
        )
    return values.reshape(shape)
