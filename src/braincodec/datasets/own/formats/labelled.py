"""Responses with labels: DataArrays, and the netCDF, Zarr and .npz files that braincodec writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from braincodec.datasets.own.settings import OwnSettings
from braincodec.datasets.own.trials import BlockTrials, Trials
from braincodec.datasets.reading import NUMBERS
from braincodec.errors import InputTypeError, InputValueError
from braincodec.responses import coordinates_to_units, open_responses

UNIT_DIMS = (("unit",), ("channel", "time"))


class LabelledRows:
    """Rows of a DataArray that may be lazy, as numpy arrays."""

    def __init__(self, responses: xr.DataArray) -> None:
        self._responses = responses
        self.shape, self.dtype = responses.shape, responses.dtype

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        """Some stimuli with all their values."""
        return np.asarray(self._responses[rows].values)


def read(path: Path, key: str | None, settings: OwnSettings) -> Trials:
    """Trials of a ``.nc`` or ``.zarr`` that braincodec wrote.

    Raises
    ------
    DamagedFileError, InputValueError
    """
    if key is not None:
        raise InputValueError(f"{path} holds labelled responses, so it takes no name of an array ({key!r})")
    return from_labelled(open_responses(path), str(path), (path,))


def from_labelled(responses: xr.DataArray, where: str, paths: tuple[Path, ...] = ()) -> Trials:
    """Trials of a DataArray (stimulus, [repetition,] unit) or (stimulus, [repetition,] channel, time).

    Raises
    ------
    InputTypeError, InputValueError
        When it has other dimensions or values.
    """
    dims = tuple(map(str, responses.dims))
    middle = 2 if dims[1:2] == ("repetition",) else 1
    if dims[:1] != ("stimulus",) or dims[middle:] not in UNIT_DIMS:
        raise InputValueError(
            f"{where} has the dimensions ({', '.join(dims)}); expected (stimulus, [repetition,] unit) or "
            "(stimulus, [repetition,] channel, time)"
        )
    if responses.dtype.kind not in NUMBERS:
        raise InputTypeError(f"{where} holds {responses.dtype}; expected real numbers")
    repetitions = responses.sizes.get("repetition", 1)
    labels = {
        str(name): coordinate.values
        for name, coordinate in responses.coords.items()
        if coordinate.dims == ("stimulus",)
    }
    table = pd.DataFrame({name: values for name, values in labels.items() if name != "repetitions"})
    if "stimulus" in table:
        table["stimulus"] = table["stimulus"].astype(str)
    units = coordinates_to_units(responses).drop_vars("repetition", errors="ignore")
    sensors = "channel" in dims
    return Trials(
        BlockTrials(LabelledRows(responses), repetitions),
        where,
        repetitions=repetitions,
        units=None if set(units.variables) == set() else units,
        table=table if "stimulus" in table else None,
        channels=tuple(map(str, responses["channel"].values)) if sensors else (),
        times=np.asarray(responses["time"].values, np.float64) if sensors else None,
        times_shown=np.asarray(labels["repetitions"], np.int64)
        if "repetitions" in labels and repetitions > 1
        else None,
        modality=str(responses.attrs.get("modality", "")),
        response_units=str(responses.attrs.get("response_units", "")),
        paths=paths,
    )
