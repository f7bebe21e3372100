"""Scores on disk: one folder of JSON, netCDF and images."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from braincodec.atomic import atomic_path, refuse_other_folder
from braincodec.errors import BraincodecError, DamagedFileError, InputValueError, MissingFileError
from braincodec.evaluation.scores.export import FORMAT, FORMAT_VERSION, to_dict
from braincodec.evaluation.scores.table import TABLE_COLUMNS, make_table
from braincodec.responses.checks import plain_strings

if TYPE_CHECKING:
    from braincodec.evaluation.scores.scores import Scores

SCORES, IMAGES, REPLICATES = "scores.json", "images.npz", "replicates"
DATASETS = ("units", "stimuli", "curves", "rdms")
BOOLEAN = "roi_membership"


def save(scores: Scores, folder: str | Path, *, overwrite: bool = False) -> Path:
    """See `Scores.save`."""
    folder = Path(folder)
    if overwrite:
        refuse_other_folder(folder, SCORES, "scores")
    with atomic_path(folder, overwrite=overwrite) as temporary:
        temporary.mkdir()
        text = json.dumps(to_dict(scores), indent=2, allow_nan=False, ensure_ascii=False) + "\n"
        (temporary / SCORES).write_text(text, encoding="utf-8")
        for name in DATASETS:
            _write_dataset(temporary / f"{name}.nc", getattr(scores, name))
        _write_dataset(temporary / f"{REPLICATES}.nc", scores.replicates.to_dataset(name=REPLICATES))
        if scores.images is not None:
            arrays = {name: np.asarray(array) for name, array in scores.images.items()}
            arrays["ids"] = plain_strings(np.asarray(scores.images["ids"]).astype(str))
            np.savez_compressed(temporary / IMAGES, allow_pickle=False, **arrays)
    return folder


def load(folder: str | Path) -> Scores:
    """See `Scores.load`."""
    from braincodec.evaluation.scores.scores import Scores

    folder = Path(folder)
    if not folder.is_dir():
        raise MissingFileError(folder, "scores")
    for name in (SCORES, *(f"{item}.nc" for item in (*DATASETS, REPLICATES))):
        if not (folder / name).is_file():
            raise MissingFileError(folder / name, "file of saved scores")
    content = _read_json(folder / SCORES)
    parts: dict[str, Any] = {name: _read_dataset(folder / f"{name}.nc") for name in DATASETS}
    replicates = _read_dataset(folder / f"{REPLICATES}.nc")
    if REPLICATES not in replicates:
        raise DamagedFileError(f"{folder / REPLICATES}.nc holds no replicates")
    if "generalisation" in content:
        parts["generalisation"] = pd.DataFrame(content["generalisation"])
    try:
        return Scores(
            make_table(content["table"]),
            replicates=replicates[REPLICATES],
            images=_read_images(folder / IMAGES),
            about=content["about"],
            **parts,
        )
    except DamagedFileError:
        raise
    except (BraincodecError, KeyError, AttributeError, TypeError) as error:
        raise DamagedFileError(f"{folder} holds no scores that can be read: {error}") from error


def _write_dataset(path: Path, dataset: xr.Dataset) -> None:
    import h5netcdf
    from xarray.backends import H5NetCDFStore

    for name, variable in dataset.variables.items():
        if variable.dtype.kind in "UT":
            dataset = dataset.assign({name: (variable.dims, variable.values.astype(object), variable.attrs)})
    # in memory first: the HDF5 library can crash the process when a disk is full
    buffer = io.BytesIO()
    with h5netcdf.File(buffer, "w") as file:
        dataset.drop_encoding().dump_to_store(H5NetCDFStore(file))
    path.write_bytes(buffer.getbuffer())


def _read_dataset(path: Path) -> xr.Dataset:
    try:
        with xr.open_dataset(path, engine="h5netcdf", decode_times=False, decode_timedelta=False) as file:
            dataset = file.load().drop_encoding()
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise DamagedFileError(f"{path} is damaged: {error}") from error
    for name, variable in dataset.variables.items():
        if variable.dtype.kind in "OT":
            dataset = dataset.assign({name: (variable.dims, plain_strings(variable.values), variable.attrs)})
    if BOOLEAN in dataset:
        dataset[BOOLEAN] = dataset[BOOLEAN].astype(bool)
    return dataset


def _read_images(path: Path) -> dict[str, np.ndarray] | None:
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DamagedFileError(f"{path} is damaged: {error}") from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DamagedFileError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise DamagedFileError(f"{path} does not hold {FORMAT}")
    if isinstance(content.get("format_version"), int) and content["format_version"] > FORMAT_VERSION:
        raise InputValueError(
            f"{path} has format version {content['format_version']}; this braincodec reads up to {FORMAT_VERSION}: "
            "update braincodec"
        )
    rows = content.get("table")
    # scores of one direction only, as they were once saved, do not say it in each row
    needed = set(TABLE_COLUMNS) - {"direction"}
    if not isinstance(rows, list) or not all(
        isinstance(row, dict) and set(row) - {"direction"} == needed for row in rows
    ):
        raise DamagedFileError(f"{path} holds no table of scores with the columns {', '.join(TABLE_COLUMNS)}")
    return content
