"""A submission to the Algonauts 2023 challenge: predictions put in order, checked, and written as asked for."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from braincodec.atomic import atomic_path
from braincodec.errors import InputTypeError, InputValueError

SIDES = {"lh": "left", "rh": "right"}
Predictions = xr.DataArray | NDArray[Any]
Arrays = dict[str, NDArray[np.float32]]


def submitted_arrays(subject: str, predicted: Predictions, ids: tuple[str, ...], units: xr.Dataset) -> Arrays:
    """One subject's predictions as the files of a submission.

    Parameters
    ----------
    subject : str
    predicted : DataArray or array, shape (stimuli, units)
        An array is in order; a DataArray is put in order by ids, and by vertices where it has them.
    ids : tuple of str
        Of the test images.
    units : Dataset
        All vertices of the challenge.

    Returns
    -------
    dict
        Names inside the submission to float32 arrays (test image, vertex).

    Raises
    ------
    InputTypeError, InputValueError
    """
    values = _in_order(predicted, ids, units, f"predictions of subject {subject}")
    own = {side: units["hemisphere"].values == hemisphere for side, hemisphere in SIDES.items()}
    return {f"subj{int(subject):02d}/{side}_pred_test.npy": values[:, columns] for side, columns in own.items()}


def write_arrays(target: Path, arrays: Mapping[str, NDArray[np.float32]], *, overwrite: bool) -> Path:
    """Write them to a folder, or to a zip file; whole or not at all."""
    with atomic_path(target, overwrite=overwrite) as temporary:
        if target.suffix == ".zip":
            with zipfile.ZipFile(temporary, "w") as archive:
                for member, values in arrays.items():
                    with archive.open(member, "w", force_zip64=True) as file:
                        np.lib.format.write_array(file, np.ascontiguousarray(values), allow_pickle=False)
        else:
            for member, values in arrays.items():
                place = temporary / member
                place.parent.mkdir(parents=True, exist_ok=True)
                np.save(place, np.ascontiguousarray(values), allow_pickle=False)
    return target


def _in_order(predicted: Predictions, ids: tuple[str, ...], units: xr.Dataset, what: str) -> NDArray[np.float32]:
    """Values (test image, vertex), in the challenge's order."""
    if isinstance(predicted, xr.DataArray):
        predicted = predicted.transpose("stimulus", "unit")
        rows = {str(item): row for row, item in enumerate(predicted["stimulus"].values)}
        missing = [item for item in ids if item not in rows]
        if missing:
            raise InputValueError(f"{what} lack {len(missing)} of {len(ids)} test images, such as {missing[0]!r}")
        predicted = predicted[[rows[item] for item in ids]]
        if {"vertex", "hemisphere"} <= set(predicted.coords):
            predicted = predicted[:, _unit_order(predicted, units, what)]
        values = predicted.values
    elif isinstance(predicted, np.ndarray):
        values = predicted
    else:
        raise InputTypeError(f"{what} are a {type(predicted).__name__}; expected an array or a DataArray")
    if values.shape != (len(ids), units.sizes["unit"]):
        raise InputValueError(f"{what} have shape {values.shape}; expected {(len(ids), units.sizes['unit'])}")
    with np.errstate(over="ignore"):
        written = np.asarray(values, np.float32)
    if not np.isfinite(written).all():
        raise InputValueError(
            f"{what} hold {int((~np.isfinite(written)).sum()):,} values that are not finite in float32"
        )
    return written


def _unit_order(predicted: xr.DataArray, units: xr.Dataset, what: str) -> NDArray[np.int64]:
    def keys(source: xr.DataArray | xr.Dataset) -> list[tuple[str, int]]:
        return list(zip(source["hemisphere"].values.tolist(), source["vertex"].values.tolist(), strict=True))

    columns = {key: column for column, key in enumerate(keys(predicted))}
    wanted = keys(units)
    missing = [key for key in wanted if key not in columns]
    if missing:
        side, vertex = missing[0]
        raise InputValueError(f"{what} lack {len(missing):,} of {len(wanted):,} vertices, such as {side} {vertex}")
    return np.array([columns[key] for key in wanted])
