"""Features of named layers on disk, read when indexed."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.errors import DamagedFileError, MissingFileError, UnknownNameError
from braincodec.features.cache import zarr_folder
from braincodec.features.cache.identity import FORMAT, VERSION
from braincodec.features.extractor import FeatureConfig

if TYPE_CHECKING:
    import xarray as xr
    import zarr


class FeatureCache:
    """Features that `extract` stored: ``cache[layer]`` is a lazily read array.

    Parameters
    ----------
    path : str or Path
        The Zarr folder.

    Attributes
    ----------
    path : Path
    config : FeatureConfig
        Backbone, layers, pooling and preprocessing, wild-cards expanded.
    ids : array of str, shape (stimuli,)
    dtype : numpy.dtype
    arrays : dict of str to zarr.Array
        The same arrays as they are stored, for code that reads blocks.
    skipped : dict of str to str
        Stimuli that could not be read, and why; they have no row.

    Raises
    ------
    MissingFileError, DamagedFileError

    Examples
    --------
    >>> import tempfile
    >>> from braincodec.features import extract
    >>> images = np.zeros((3, 32, 32, 3), np.uint8)
    >>> config = {"backbone": "gabor:bank", "layers": "scales.*", "pooling": "spatial_mean"}
    >>> cache = extract(images, config, tempfile.mkdtemp())
    >>> cache["scales.0"].sizes
    Frozen({'stimulus': 3, 'feature': 10})
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not (self.path / "zarr.json").is_file():
            raise MissingFileError(path, "cached features")
        try:
            root = _open(self.path)
            about: dict[str, Any] = dict(root.attrs)
            if about.get("format") != FORMAT or about.get("version") != VERSION:
                raise ValueError(f"it is no cache of features of version {VERSION}")
            self.config = FeatureConfig.parse(about["features"])
            # numpy casts variable-length strings to a fixed width only by way of objects
            self.ids = np.asarray(root["stimulus"][:]).astype(object).astype(str)  # type: ignore[index]
            self.arrays: dict[str, zarr.Array] = zarr_folder.open_arrays(self.path, self.config.layers, mode="r")
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise DamagedFileError(f"{path} cannot be read as cached features: {error}") from error
        self.dtype = np.dtype(about["dtype"])
        self.skipped: dict[str, str] = about.get("skipped", {})

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers, in the order asked for."""
        return tuple(self.arrays)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of one stimulus' features, for each layer."""
        return {layer: tuple(array.shape[1:]) for layer, array in self.arrays.items()}

    def __getitem__(self, layer: str) -> xr.DataArray:
        """Features of one layer, (stimulus, feature) with stimulus ids; only what is indexed and used is read."""
        import xarray as xr

        if layer not in self.arrays:
            raise UnknownNameError("layer", layer, self.arrays, where=f"in {self.path.name}")
        group = f"{zarr_folder.LAYERS}/{layer}"
        data = xr.open_dataset(self.path, engine="zarr", group=group, chunks=None, mask_and_scale=False)
        return data[zarr_folder.VARIABLE].assign_coords(stimulus=self.ids)

    def __contains__(self, layer: object) -> bool:
        return layer in self.arrays

    def __iter__(self) -> Iterator[str]:
        return iter(self.arrays)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{layer} {shape}" for layer, shape in self.shapes.items())
        return f"<FeatureCache: {len(self.ids):,} stimuli, {self.dtype}, {self.config.backbone}: {sizes}>"

    def positions(self, ids: Sequence[str] | np.ndarray) -> np.ndarray:
        """Rows of stimuli by their ids, in the order asked for.

        Raises
        ------
        UnknownNameError
            When a stimulus has no features here.
        """
        places = self._position_by_id
        unknown = next((str(name) for name in ids if str(name) not in places), None)
        if unknown is not None:
            raise UnknownNameError("stimulus", unknown, self.ids[:1000], where=f"in {self.path.name}")
        return np.array([places[str(name)] for name in ids], np.int64)

    @functools.cached_property
    def _position_by_id(self) -> dict[str, int]:
        return {str(name): position for position, name in enumerate(self.ids)}


def _open(path: Path) -> zarr.Group:
    import zarr

    return zarr.open_group(path, mode="r")
