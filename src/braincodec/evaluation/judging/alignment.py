"""Predictions beside measurements: the same stimuli and units in the same order, or an error that says how not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from braincodec.datasets.base import shown_repetitions
from braincodec.errors import InputTypeError, InputValueError
from braincodec.evaluation.judging.unit_blocks import UnitBlocks
from braincodec.responses.checks import plain_strings, refuse_duplicates

# times are the same when they differ by less than this, seconds
TIME_TOLERANCE = 1e-6


def measured_blocks(responses: xr.DataArray, ids: Sequence[str]) -> UnitBlocks:
    """A recording's responses to these stimuli, without the repetitions that none of them has."""
    rows = _rows(responses["stimulus"].values, ids, "the recording")
    return UnitBlocks(shown_repetitions(responses, rows), rows)


def predicted_blocks(
    prediction: Any, ids: Sequence[str], measured: UnitBlocks, units: xr.Dataset, subject: str = ""
) -> UnitBlocks:
    """Predictions for the stimuli `ids` and the units of a recording, in their order.

    Parameters
    ----------
    prediction : DataArray or ndarray
        DataArray: stimuli are found by id, units by voxel or vertex, channels by name, times by time, where both sides
        know them. ndarray (stimuli, units), (stimuli, channels, times) or with repetitions after the stimuli: rows are
        in the order of `ids`, units in that of the recording.
    ids : sequence of str
    measured : UnitBlocks
    units : Dataset
        The recording's.
    subject : str
        Whose they are: of predictions for several subjects, this one's are taken.

    Raises
    ------
    InputTypeError, InputValueError
        When stimuli or units are missing or differ, naming how many and the first.
    """
    if isinstance(prediction, np.ndarray):
        prediction = _labelled(prediction, ids, measured)
    if not isinstance(prediction, xr.DataArray):
        raise InputTypeError(f"predictions must be an array or DataArray, not {type(prediction).__name__}")
    if prediction.dtype.kind not in "fiub":
        raise InputTypeError(f"predictions must be real numbers, not {prediction.dtype}")
    if "stimulus" not in prediction.coords:
        raise InputValueError("predictions need the ids of their stimuli in the coordinate `stimulus`")
    prediction = _of_subject(prediction, subject)
    expected = {"stimulus", *measured.unit_dims}
    if set(prediction.dims) - {"repetition"} != expected:
        raise InputValueError(
            f"predictions have the dimensions ({', '.join(map(str, prediction.dims))}); "
            f"expected (stimulus, {', '.join(measured.unit_dims)}), as the measured responses"
        )
    found = plain_strings(prediction["stimulus"].values).astype(str)
    refuse_duplicates("stimulus id of the predictions", found)
    rows = _rows(found, ids, "the predictions")
    if measured.unit_dims == ("unit",):
        return UnitBlocks(prediction, rows, _unit_columns(prediction, units))
    return UnitBlocks(prediction, rows, _sensor_columns(prediction, measured.array))


def _of_subject(prediction: xr.DataArray, subject: str) -> xr.DataArray:
    """The predictions for one subject, where there are some for several; numbers and names of subjects are compared."""
    if "subject" not in prediction.coords or not prediction["subject"].dims:
        return prediction
    (dim,) = prediction["subject"].dims
    whose = prediction["subject"].values.astype(str)
    names = np.unique(whose)
    if dim == "unit" and len(names) == 1:
        return prediction
    if subject not in names:
        raise InputValueError(
            f"predictions are of the subjects {', '.join(names)}, none of which is {subject!r}, whose recording this is"
        )
    chosen = np.flatnonzero(whose == subject)
    return prediction.isel({dim: chosen}) if dim == "unit" else prediction.isel({dim: int(chosen[0])}, drop=True)


def _rows(found: NDArray[Any], ids: Sequence[str], where: str) -> NDArray[np.int64]:
    place = {str(item): row for row, item in enumerate(found.tolist())}
    missing = [item for item in ids if item not in place]
    if missing:
        raise InputValueError(
            f"{where} lack {len(missing)} of {len(ids)} stimuli, the first is {missing[0]!r}"
            f" (there are {len(place)}, such as {next(iter(place), 'none')!r})"
        )
    return np.array([place[item] for item in ids], np.int64)


def _labelled(values: np.ndarray, ids: Sequence[str], measured: UnitBlocks) -> xr.DataArray:
    shape = (len(ids), *measured.unit_shape)
    dims = ["stimulus", *measured.unit_dims]
    if values.ndim == len(shape) + 1:
        dims.insert(1, "repetition")
    without = tuple(size for dim, size in zip(dims, values.shape, strict=False) if dim != "repetition")
    if without != shape or len(dims) != values.ndim:
        raise InputValueError(
            f"predictions have shape {values.shape}; expected {shape} (stimulus, {', '.join(measured.unit_dims)}), "
            "one row for each stimulus of the part that is judged"
        )
    coordinates = {dim: measured.array[dim].values for dim in measured.unit_dims if dim in measured.array.coords}
    return xr.DataArray(values, {"stimulus": np.asarray(ids, str), **coordinates}, dims)


def _unit_columns(prediction: xr.DataArray, units: xr.Dataset) -> tuple[NDArray[np.int64]] | None:
    """Where each unit of the recording is among the predicted ones; None where they are the same already."""
    names = next(
        (names for names in (("i", "j", "k"), ("hemisphere", "vertex")) if _have(names, prediction, units)), None
    )
    count, predicted = units.sizes["unit"], prediction.sizes["unit"]
    if names is None:
        if count != predicted:
            raise InputValueError(
                f"there are {predicted:,} predicted units and {count:,} measured ones, and no voxel indices or vertex "
                "numbers on both sides to match them by"
            )
        return None
    measured_key, predicted_key = ([array[name].values for name in names] for array in (units, prediction))
    if predicted == count and all(np.array_equal(a, b) for a, b in zip(measured_key, predicted_key, strict=True)):
        return None
    place: dict[tuple[Any, ...], int] = {}
    for column, key in enumerate(zip(*(part.tolist() for part in predicted_key), strict=True)):
        if key in place:
            raise InputValueError(
                f"the unit {_named(names, key)} is predicted more than once; take one prediction for each, such as by "
                ".bc.select(deduplicate=True)"
            )
        place[key] = column
    wanted = list(zip(*(part.tolist() for part in measured_key), strict=True))
    missing = [key for key in wanted if key not in place]
    if missing:
        raise InputValueError(
            f"{len(missing):,} of {count:,} measured units are not predicted, the first is "
            f"{_named(names, missing[0])}; {predicted:,} units are predicted"
        )
    return (np.array([place[key] for key in wanted], np.int64),)


def _have(names: tuple[str, ...], prediction: xr.DataArray, units: xr.Dataset) -> bool:
    return all(name in prediction.coords and name in units.variables for name in names)


def _named(names: tuple[str, ...], key: tuple[Any, ...]) -> str:
    return ", ".join(f"{name} {value}" for name, value in zip(names, key, strict=True))


def _sensor_columns(prediction: xr.DataArray, measured: xr.DataArray) -> tuple[NDArray[np.int64], ...] | None:
    channels, times = ([array[dim].values for array in (measured, prediction)] for dim in ("channel", "time"))
    names = [plain_strings(values).astype(str).tolist() for values in channels]
    missing = [name for name in names[0] if name not in names[1]]
    if missing:
        raise InputValueError(
            f"{len(missing)} of {len(names[0])} measured channels are not predicted, the first is {missing[0]!r}"
        )
    order = np.array([names[1].index(name) for name in names[0]], np.int64)
    nearest = np.abs(times[1][None, :] - times[0][:, None]).argmin(axis=1)
    apart = np.abs(times[1][nearest] - times[0]) > TIME_TOLERANCE
    if apart.any():
        first = times[0][apart][0]
        raise InputValueError(
            f"{int(apart.sum())} of {len(times[0])} measured times are not predicted, the first is {first:g} s; "
            f"predictions have {len(times[1])} times from {times[1].min():g} to {times[1].max():g} s"
        )
    if names[0] == names[1] and len(times[0]) == len(times[1]):
        return None
    return order, nearest.astype(np.int64)
