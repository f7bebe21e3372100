"""The Zarr v3 group of a cache: ``stimulus`` (ids), and ``layers/<layer>/features`` (stimulus, feature) for each."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.atomic import remove, write_json
from braincodec.features.cache.layout import chunk_shape, shard_shape

if TYPE_CHECKING:
    import zarr

LAYERS, VARIABLE = "layers", "features"


def create(folder: Path, shapes: Mapping[str, tuple[int, ...]], dtype: np.dtype[Any], count: int, shard: int) -> None:
    """Make the group, and an array of `count` stimuli for each layer, cut into shards of `shard` stimuli."""
    import zarr

    root = zarr.create_group(folder, zarr_format=3)
    for layer, row_shape in shapes.items():
        chunk = chunk_shape(row_shape, dtype.itemsize, shard)
        dims = ["feature"] if len(row_shape) == 1 else [f"feature_{axis}" for axis in range(len(row_shape))]
        root.create_group(f"{LAYERS}/{layer}").create_array(
            VARIABLE,
            shape=(count, *row_shape),
            dtype=dtype,
            chunks=chunk,
            shards=shard_shape(row_shape, chunk, shard),
            # a transformer's features hardly compress, and reading whole columns is twice as fast without
            compressors=None,
            fill_value=0,
            dimension_names=["stimulus", *dims],
        )


def open_arrays(folder: Path, layers: Iterable[str], mode: str = "r+") -> dict[str, zarr.Array]:
    """The array of each layer."""
    import zarr

    root = zarr.open_group(folder, mode=mode, use_consolidated=None if mode == "r" else False)  # type: ignore[arg-type]
    arrays = {}
    for layer in layers:
        array = root[f"{LAYERS}/{layer}/{VARIABLE}"]
        assert isinstance(array, zarr.Array)
        arrays[layer] = array
    return arrays


def shard_path(folder: Path, layer: str, number: int, ndim: int) -> Path:
    """The file of one shard."""
    return folder.joinpath(LAYERS, layer, VARIABLE, "c", str(number), *["0"] * (ndim - 1))


def set_lengths(folder: Path, layers: Iterable[str], count: int) -> None:
    """State how many stimuli the arrays have; also undoes what an interrupted `finish` may have done."""
    for layer in layers:
        path = folder / LAYERS / layer / VARIABLE / "zarr.json"
        metadata = json.loads(path.read_text())
        metadata["shape"][0] = count
        write_json(path, metadata)
    remove(folder / "stimulus")
    metadata = json.loads((folder / "zarr.json").read_text())
    metadata.pop("consolidated_metadata", None)
    write_json(folder / "zarr.json", metadata)


def finish(folder: Path, layers: Iterable[str], ids: Sequence[str], attributes: dict[str, Any]) -> None:
    """State the number of stimuli, add their ids and what the features are; may be repeated."""
    import xarray as xr
    import zarr

    from braincodec import __version__

    set_lengths(folder, layers, len(ids))
    of_stimuli = xr.Dataset(coords={"stimulus": np.asarray(ids, dtype=object)})
    of_stimuli.to_zarr(folder, zarr_format=3, consolidated=False, mode="a")
    zarr.open_group(folder, mode="r+", use_consolidated=False).update_attributes(
        attributes | {"braincodec_version": __version__}
    )
    with warnings.catch_warnings():
        # one request instead of one for each array, when the folder is read from an object store
        warnings.filterwarnings("ignore", message=".*[Cc]onsolidated metadata.*")
        zarr.consolidate_metadata(folder)
