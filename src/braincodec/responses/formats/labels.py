"""Coordinates and attributes of responses as a Dataset that netCDF and Zarr can hold, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from braincodec.errors import DamagedFileError
from braincodec.responses.checks import check_attrs, plain_strings
from braincodec.responses.coordinates import build_responses, coordinates_to_units, units_to_coordinates

VARIABLE = "responses"


def labels_of(responses: xr.DataArray, *, with_stimuli: bool = True) -> xr.Dataset:
    """Everything but the values: regions as one `roi_membership`, strings as variable-length."""
    labels = coordinates_to_units(responses)
    if with_stimuli:
        of_stimuli = {name: item for name, item in responses.coords.items() if "stimulus" in item.dims}
        labels = labels.assign_coords(of_stimuli)
    labels = labels.assign_attrs(check_attrs(responses.attrs))
    for name, variable in labels.variables.items():
        if variable.dtype.kind in "UT":
            labels = labels.assign({name: (variable.dims, variable.values.astype(object))})
        # otherwise netCDF and Zarr would keep the encoding of the file that the labels were read from
        labels[name].encoding = {}
    return labels.reset_coords([name for name in labels.coords if name not in labels.dims])


def coordinate_names(labels: xr.Dataset, dims: tuple[Any, ...]) -> str:
    """The CF attribute `coordinates` of the responses, by which xarray knows their labels."""
    return " ".join(str(name) for name in labels.variables if name not in dims and name != "roi")


def responses_from(dataset: xr.Dataset, source: object) -> xr.DataArray:
    """The labelled array in an opened file, values still unread."""
    if VARIABLE not in dataset.variables:
        found = ", ".join(map(str, dataset.variables)) or "nothing"
        raise DamagedFileError(f"{source} holds no variable {VARIABLE!r} (it holds {found})")
    of_stimuli = {name: v for name, v in dataset.variables.items() if "stimulus" in v.dims and name != VARIABLE}
    units = dataset.drop_vars([VARIABLE, *of_stimuli])
    return labelled(dataset[VARIABLE].variable, of_stimuli, units, dataset.attrs, source)


def labelled(
    values: xr.Variable,
    of_stimuli: Mapping[Any, xr.Variable],
    units: xr.Dataset,
    attrs: Mapping[str, Any],
    source: object,
) -> xr.DataArray:
    """Values with their labels: those of stimuli, and those of units, channels and times."""
    if not values.dims or values.dims[0] != "stimulus" or "stimulus" not in of_stimuli:
        raise DamagedFileError(f"{source} holds responses without stimulus ids as first dimension: {values.dims}")
    coordinates: dict[Any, Any] = dict(units_to_coordinates(units))
    for name, variable in of_stimuli.items():
        coordinates[name] = (variable.dims, plain_strings(variable.values))
    checked = check_attrs({**attrs, **{k: v for k, v in values.attrs.items() if k != "coordinates"}})
    return xr.DataArray(values, coordinates, name=VARIABLE).assign_attrs(checked)


def labels_to_members(responses: xr.DataArray) -> dict[str, np.ndarray]:
    """Labels as plain arrays that `numpy.load` reads without pickle; attributes as one JSON string."""
    labels = labels_of(responses)
    members = {str(name): plain_strings(variable.values) for name, variable in labels.variables.items()}
    members["dims"] = np.asarray([str(dim) for dim in responses.dims])
    members["label_dims"] = np.asarray(json.dumps({str(n): list(v.dims) for n, v in labels.variables.items()}))
    members["attrs"] = np.asarray(json.dumps(labels.attrs))
    return members


def responses_from_members(members: dict[str, np.ndarray], source: object) -> xr.DataArray:
    """The labelled array from the members of an `.npz` file."""
    try:
        values = members.pop(VARIABLE)
        dims = [str(dim) for dim in members.pop("dims")]
        label_dims = json.loads(str(members.pop("label_dims")))
        attrs = json.loads(str(members.pop("attrs")))
        dataset = xr.Dataset({name: (label_dims[name], array) for name, array in members.items()}, attrs=attrs)
        dataset[VARIABLE] = (dims, values)
    except (KeyError, ValueError) as error:
        raise DamagedFileError(f"{source} is not an .npz file of responses: {error}") from None
    return responses_from(dataset, source)


def responses_from_values(values: np.ndarray) -> xr.DataArray:
    """A bare array with numbered stimuli and its dimensions guessed from their count."""
    ids = [str(number) for number in range(values.shape[0])] if values.ndim else []
    if values.ndim == 4:
        coordinates = {"stimulus": ids, "repetition": np.arange(1, values.shape[1] + 1)}
        dims = ("stimulus", "repetition", "channel", "time")
        return xr.DataArray(values, coordinates, dims, name=VARIABLE)
    return build_responses(values, ids)
