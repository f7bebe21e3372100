"""Zarr v3: one group, dimensions named, sharded so that a set is a few files, compressed, labels inside."""

from __future__ import annotations

import contextlib
import json
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import xarray as xr

from braincodec.atomic import remove, write_json
from braincodec.responses.formats import Format
from braincodec.responses.formats.labels import VARIABLE, coordinate_names, labels_of
from braincodec.responses.formats.layout import array_options

if TYPE_CHECKING:
    import zarr
    from zarr.abc.store import Store

IDS_IN_A_CHUNK = 2**17
# while responses are being written nobody knows how many stimuli there will be; `finish` states the number
UNKNOWN_LENGTH = 2**40


def create(
    target: Path | Store,
    template: xr.DataArray,
    *,
    length: int = UNKNOWN_LENGTH,
    layout: Literal["default", "fast"] = "default",
    block: int | None = None,
) -> None:
    """Make the group with the labels of the units, and the array with room for any number of stimuli.

    Parameters
    ----------
    target : Path or zarr store
    template : DataArray
        Responses to no stimuli.
    length : int
        How many stimuli there will be, where that is known.
    layout, block
        See `array_options`.
    """
    import zarr

    labels = labels_of(template, with_stimuli=False)
    labels.to_zarr(target, zarr_format=3, consolidated=False, mode="w")
    row_shape = template.shape[1:]
    zarr.open_group(target, mode="r+").create_array(
        VARIABLE,
        shape=(length, *row_shape),
        attributes={"coordinates": coordinate_names(labels, template.dims)},
        **array_options(row_shape, template.dtype, [str(dim) for dim in template.dims], layout=layout, block=block),
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
    write_stimulus_ids(folder, ids)
    with quiet():
        zarr.open_group(folder, mode="r+", use_consolidated=False).update_attributes(labels_of(template).attrs)
        # one request instead of one for each label, when the folder is read from an object store
        zarr.consolidate_metadata(folder)


def write_stimulus_ids(target: Path | Store, ids: Sequence[str]) -> None:
    """Add the array ``stimulus`` to a group: text of one length, which is read fifty times faster than of any length.

    Parameters
    ----------
    target : Path or zarr store
        Where the group is, such as a `zarr.storage.MemoryStore`.
    ids : sequence of str
    """
    import zarr
    from zarr.codecs import BloscCodec

    text = np.asarray(ids, dtype=str)
    # a width of no characters cannot be stored
    text = text if text.dtype.itemsize else text.astype("<U1")
    with quiet():
        array = zarr.open_group(target, mode="a", zarr_format=3, use_consolidated=False).create_array(
            "stimulus",
            shape=text.shape,
            dtype=text.dtype,
            chunks=(min(max(len(text), 1), IDS_IN_A_CHUNK),),
            compressors=BloscCodec(cname="zstd", clevel=3, shuffle="shuffle", typesize=4),
            dimension_names=("stimulus",),
            overwrite=True,
        )
        array[:] = text


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without warnings of what no specification has yet: consolidated metadata and text of one length."""
    from zarr.errors import UnstableSpecificationWarning

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UnstableSpecificationWarning)
        warnings.filterwarnings("ignore", message=".*[Cc]onsolidated metadata.*")
        yield


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
    rows = (array.shards or array.chunks)[0]
    for start in range(0, responses.sizes["stimulus"], rows):
        block = responses[start : start + rows].values
        array[start : start + len(block)] = block
    finish(path, responses, [str(item) for item in responses["stimulus"].values])


FORMAT = Format(write, compressed=True)
