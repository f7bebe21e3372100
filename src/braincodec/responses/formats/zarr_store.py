"""Zarr v3: one group, dimensions named, sharded so that a set is a few files, compressed, labels inside."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from braincodec.atomic import remove, write_json
from braincodec.responses.formats import Format
from braincodec.responses.formats.labels import VARIABLE, coordinate_names, labels_of
from braincodec.responses.formats.layout import array_options, shard_shape

if TYPE_CHECKING:
    import zarr

# while responses are being written nobody knows how many stimuli there will be; `finish` states the number
UNKNOWN_LENGTH = 2**40


def create(folder: Path, template: xr.DataArray) -> None:
    """Make the group with the labels of the units, and the array with room for any number of stimuli."""
    import zarr

    labels = labels_of(template, with_stimuli=False)
    labels.to_zarr(folder, zarr_format=3, consolidated=False, mode="w")
    row_shape = template.shape[1:]
    zarr.open_group(folder, mode="r+").create_array(
        VARIABLE,
        shape=(UNKNOWN_LENGTH, *row_shape),
        attributes={"coordinates": coordinate_names(labels, template.dims)},
        **array_options(row_shape, template.dtype, [str(dim) for dim in template.dims]),
    )


def open_array(folder: Path) -> zarr.Array:
    """The array inside, to write shards to."""
    import zarr

    array = zarr.open_group(folder, mode="r+", use_consolidated=False)[VARIABLE]
    assert isinstance(array, zarr.Array)
    return array


def finish(folder: Path, template: xr.DataArray, ids: list[str]) -> None:
    """State the number of stimuli and add their ids; may be repeated after it was interrupted."""
    import zarr

    _set_length(folder, len(ids))
    of_stimuli = xr.Dataset(coords={"stimulus": np.asarray(ids, dtype=object)}, attrs=labels_of(template).attrs)
    of_stimuli.to_zarr(folder, zarr_format=3, consolidated=False, mode="a")
    with warnings.catch_warnings():
        # one request instead of one for each label, when the folder is read from an object store
        warnings.filterwarnings("ignore", message=".*[Cc]onsolidated metadata.*")
        zarr.consolidate_metadata(folder)


def reopen(folder: Path) -> None:
    """Undo what an interrupted `finish` may have done, so that more stimuli can be added."""
    _set_length(folder, UNKNOWN_LENGTH)
    remove(folder / "stimulus")
    metadata = json.loads((folder / "zarr.json").read_text())
    metadata.pop("consolidated_metadata", None)
    write_json(folder / "zarr.json", metadata)


def _set_length(folder: Path, count: int) -> None:
    # a resize through the library would look for chunks to delete over the whole unknown length
    path = folder / VARIABLE / "zarr.json"
    metadata = json.loads(path.read_text())
    metadata["shape"][0] = count
    write_json(path, metadata)


def write(path: Path, responses: xr.DataArray) -> None:
    """Write responses and labels to a Zarr v3 group, one shard at a time."""
    create(path, responses)
    array = open_array(path)
    rows = shard_shape(responses.shape[1:], responses.dtype.itemsize)[0]
    for start in range(0, responses.sizes["stimulus"], rows):
        block = responses[start : start + rows].values
        array[start : start + len(block)] = block
    finish(path, responses, [str(item) for item in responses["stimulus"].values])


FORMAT = Format(write, compressed=True)
