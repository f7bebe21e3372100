"""What each unit is: from the response files, a table of units, a mask, and regions of interest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from braincodec.datasets.own.formats import suffix_of
from braincodec.datasets.own.formats.volumes import read_atlas, read_mask, shown
from braincodec.datasets.own.table import read_table
from braincodec.datasets.own.trials import Trials
from braincodec.errors import InputTypeError, InputValueError, MissingFileError
from braincodec.responses import build_sensor_units, build_units
from braincodec.responses.checks import ROI_MEMBERSHIP, ROI_PREFIX

ROI_COLUMN, ROI_SEPARATOR = "roi", ";"
WHOLE_NUMBERS = ("i", "j", "k", "vertex")
SIDES = {"lh": "left", "left": "left", "l": "left", "rh": "right", "right": "right", "r": "right"}
YES = {
    "1": True,
    "true": True,
    "yes": True,
    "1.0": True,
    "0": False,
    "false": False,
    "no": False,
    "0.0": False,
    "": False,
}


def describe_units(
    trials: Trials, *, table: Any, mask: Any, rois: Any, subject: str, attrs: Mapping[str, Any]
) -> xr.Dataset:
    """Units of a subject's trials, with all that is known of them.

    Parameters
    ----------
    trials : Trials
    table : path, DataFrame or Dataset, optional
        One row a unit: ``i, j, k``, or ``vertex`` and ``hemisphere``; ``roi`` (names separated by ``;``) or columns
        such as ``roi_V1`` of 0 and 1; other columns are kept.
    mask : path or array, optional
        The volume whose voxels other than 0 are the units, in C order, where the responses are no volumes.
    rois : path or mapping, optional
        A folder of masks, an atlas, or masks by name: volumes of the same space, or one value a unit.
    subject : str
    attrs : mapping
        Added to the attributes.

    Raises
    ------
    MissingFileError, DamagedFileError, InputTypeError, InputValueError
    """
    count = trials.store.shape[1]
    if trials.channels:
        _check_surface(attrs, {})
        if table is not None or rois is not None or mask is not None:
            raise InputValueError(
                "units, mask and rois describe voxels and the like, but these responses have channels"
            )
        assert trials.times is not None
        return build_sensor_units(trials.channels, trials.times, subject=subject, **attrs)
    if isinstance(table, xr.Dataset):
        if table.sizes.get("unit") != count:
            raise InputValueError(f"units have {table.sizes.get('unit', 'no')} along unit, responses {count:,}")
        return table.assign(subject=("unit", np.full(count, subject))).assign_attrs({**table.attrs, **attrs})
    units = trials.units if trials.units is not None else _numbered(count)
    if mask is not None and "i" not in units:
        units = units.merge(_voxels_of(mask, count), combine_attrs="override").assign_attrs(_geometry(mask))
    if table is not None:
        units = _with_table(units, table, count)
    members = _members(rois, units, count)
    if ROI_MEMBERSHIP in units:
        names = units["roi"].values.astype(str)
        members = {name: units[ROI_MEMBERSHIP].values[:, column] for column, name in enumerate(names)} | members
        units = units.drop_vars([ROI_MEMBERSHIP, "roi"])
    variables = {str(name): variable.values for name, variable in units.variables.items() if name != "unit"}
    _check_surface(attrs, variables)
    ijk = np.stack([variables.pop(name) for name in "ijk"], axis=1) if "i" in variables else None
    chosen = {name: variables.pop(name) for name in ("vertex", "hemisphere", "model_roi") if name in variables}
    variables.pop("subject", None)
    return build_units(ijk=ijk, rois=members, scores=variables, subject=subject, **chosen, **{**units.attrs, **attrs})


def _numbered(count: int) -> xr.Dataset:
    return build_units(scores={"column": np.arange(count)})


def _voxels_of(mask: Any, count: int) -> xr.Dataset:
    members = read_mask(mask, None, None)
    if members.ndim != 3 or members.sum() != count:
        raise InputValueError(
            f"the mask, {shown(members.shape)}, has {int(members.sum()):,} voxels, but the responses have {count:,} "
            "units"
        )
    return build_units(ijk=np.argwhere(members))


def _check_surface(attrs: Mapping[str, Any], variables: Mapping[str, Any]) -> None:
    """Raise where a surface is named, but not which of its vertices the units are."""
    if "space" in attrs and not {"vertex", "hemisphere"} <= set(variables):
        raise InputValueError(
            f"space {attrs['space']!r} needs units with the columns vertex and hemisphere, a row of units.csv each"
        )


def _geometry(mask: Any) -> dict[str, Any]:
    values, affine, _ = read_atlas(mask, "mask")
    return {"space": "volume", "volume_shape": list(values.shape)} | (
        {} if affine is None else {"affine": affine.ravel().tolist()}
    )


def _with_table(units: xr.Dataset, table: Any, count: int) -> xr.Dataset:
    where = str(table) if isinstance(table, str | Path) else "the table of units"
    frame = read_table(table) if isinstance(table, str | Path) else table
    if not isinstance(frame, pd.DataFrame):
        raise InputTypeError(f"units must be a table or an xarray.Dataset, not {type(table).__name__}")
    if len(frame) != count:
        raise InputValueError(f"{where} has {len(frame):,} rows, but the responses have {count:,} units")
    members: dict[str, NDArray[np.bool_]] = {}
    scores: dict[str, NDArray[Any]] = {}
    for name in map(str, frame.columns):
        column = frame[name]
        if name == ROI_COLUMN:
            regions = [
                [part.strip() for part in str(cell).split(ROI_SEPARATOR) if part.strip()] if pd.notna(cell) else []
                for cell in column
            ]
            for region in sorted({part for own in regions for part in own}):
                members[region] = np.array([region in own for own in regions])
        elif name.startswith(ROI_PREFIX):
            members[name.removeprefix(ROI_PREFIX)] = _booleans(column, name, where)
        else:
            scores[name] = _values(column, name, where)
    kept = {str(name): variable.values for name, variable in units.variables.items() if name not in scores}
    ijk_given = [name for name in "ijk" if name in scores]
    if ijk_given and len(ijk_given) < 3:
        raise InputValueError(f"{where} has the column{'s' * (len(ijk_given) > 1)} {', '.join(ijk_given)} of i, j, k")
    kept |= scores
    ijk = np.stack([kept.pop(name) for name in "ijk"], axis=1) if "i" in kept else None
    chosen = {name: kept.pop(name) for name in ("vertex", "hemisphere", "subject") if name in kept}
    return build_units(ijk=ijk, rois=members, scores=kept, **chosen, **units.attrs)


def _values(column: pd.Series, name: str, where: str) -> NDArray[Any]:
    if name == "hemisphere":
        sides = [SIDES.get(str(cell).strip().casefold()) for cell in column]
        if None in sides:
            raise InputValueError(
                f"hemisphere in {where} must be left or right, not {column.iloc[sides.index(None)]!r}"
            )
        return np.array(sides)
    numbers = pd.to_numeric(column, errors="coerce")
    if name in WHOLE_NUMBERS:
        if numbers.isna().any() or (numbers % 1 != 0).any():
            raise InputValueError(f"{name} in {where} must be whole numbers, one for each unit")
        return np.asarray(numbers.to_numpy(np.int64))
    if numbers.isna().sum() == column.isna().sum():
        return np.asarray(numbers.to_numpy(np.float64))
    return np.array([str(cell) if pd.notna(cell) else "" for cell in column])


def _booleans(column: pd.Series, name: str, where: str) -> NDArray[np.bool_]:
    cells = ["" if pd.isna(cell) else str(cell).strip().casefold() for cell in column]
    wrong = [cell for cell in cells if cell not in YES]
    if wrong:
        raise InputValueError(f"{name} in {where} must be 0 or 1, not {wrong[0]!r}")
    return np.array([YES[cell] for cell in cells])


def _members(rois: Any, units: xr.Dataset, count: int) -> dict[str, NDArray[np.bool_]]:
    """Membership of each region, shape (units,)."""
    if rois is None:
        return {}
    if isinstance(rois, Mapping):
        return {str(name): _membership(source, str(name), units, count) for name, source in rois.items()}
    path = Path(rois)
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if suffix_of(file) in (".nii", ".nii.gz", ".npy"))
        if not files:
            raise InputValueError(f"the folder {path} holds no region: no .nii, .nii.gz or .npy file")
        return {_region_name(file): _membership(file, _region_name(file), units, count) for file in files}
    if not path.is_file():
        raise MissingFileError(path, "regions")
    labels = _unit_values(path, "atlas", units, count)
    names = _atlas_names(path)
    numbers = [int(label) for label in np.unique(labels[np.isfinite(labels)]) if label > 0]
    return {names.get(number, f"{_region_name(path)}-{number}"): labels == number for number in numbers}


def _membership(source: Any, name: str, units: xr.Dataset, count: int) -> NDArray[np.bool_]:
    values = _unit_values(source, f"region {name!r}", units, count)
    return np.isfinite(values) & (values > 0)


def _unit_values(source: Any, what: str, units: xr.Dataset, count: int) -> NDArray[Any]:
    """A volume's values at the units, or one value for each of them."""
    values, affine, name = read_atlas(source, what)
    if values.ndim == 1 and len(values) == count:
        return values
    if values.ndim == 3 and "i" in units:
        shape = units.attrs.get("volume_shape")
        if shape is not None and list(values.shape) != list(shape):
            raise InputValueError(f"{name} is {shown(values.shape)}, but the volumes are {shown(shape)}")
        stated = units.attrs.get("affine")
        if affine is not None and stated is not None and not np.allclose(affine.ravel(), stated, atol=1e-3):
            raise InputValueError(
                f"{name} and the volumes have one shape but different affines; bring them into one space"
            )
        return np.asarray(values[tuple(units[axis].values for axis in "ijk")])
    raise InputValueError(
        f"{name} ({what}) has the shape {values.shape}; expected one value for each of the {count:,} units, or a "
        "volume where the responses are volumes or have a mask"
    )


def _atlas_names(path: Path) -> dict[int, str]:
    """Names of labels from a table beside the atlas: columns ``index`` and ``name``."""
    stem = path.name.removesuffix(suffix_of(path))
    for table in (path.with_name(f"{stem}.tsv"), path.with_name(f"{stem}.csv")):
        if table.is_file():
            frame = read_table(table)
            if not {"index", "name"} <= set(frame.columns):
                raise InputValueError(f"{table} needs the columns index and name; it has {', '.join(frame.columns)}")
            return {int(float(number)): str(name) for number, name in zip(frame["index"], frame["name"], strict=True)}
    return {}


def _region_name(path: Path) -> str:
    return path.name.removesuffix(suffix_of(path))
