"""The stimulus set: an ordered, lazily read collection of images with ids."""

from __future__ import annotations

import copy
import functools
import hashlib
import operator
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np

from braincodec.errors import InputTypeError, InputValueError, UnknownNameError
from braincodec.stimuli.batch import Batch, Plan, Transform, make_batches
from braincodec.stimuli.decode import load_decoders
from braincodec.stimuli.opening import open_paths, open_source
from braincodec.stimuli.prefetch import prefetch as run_ahead
from braincodec.stimuli.selection import (
    as_names,
    check_whole_number,
    checked_ids,
    chosen_positions,
    first_repeated,
    within,
)  # fmt: skip
from braincodec.stimuli.sources import ArraySource, Hdf5Dataset, NpyFile, Source, ZipOfImages, open_npz

ValueRange = tuple[float, float] | None
MOST_NAMES_COMPARED = 1000  # when guessing which id was meant


class StimulusSet:
    """An ordered set of images with ids, read when needed and never held whole.

    Made by `open` or one of the ``from_`` methods, or over a `Source` of one's own. Images are given as uint8, shape
    (height, width, 3).

    Indexing with a number or an id reads one image; with a slice, positions, a boolean mask or a list of ids it gives
    another set. A set holds no open file, so it can be sent to other processes; a set over an array in memory takes
    that array along.

    Examples
    --------
    >>> stimuli = StimulusSet.open(np.zeros((5, 3, 8, 6), np.uint8), ids=list("abcde"))
    >>> len(stimuli), stimuli["b"].shape
    (5, (8, 6, 3))
    >>> [batch.images.shape for batch in stimuli[["e", "a", "c"]].batches(2)]
    [(2, 8, 6, 3), (1, 8, 6, 3)]
    """

    def __init__(self, source: Source, ids: Sequence[object] | np.ndarray | None = None) -> None:
        self._source = source
        self._places = np.arange(source.count)  # where the stimuli are in the source
        self.ids = source.default_ids() if ids is None else checked_ids(ids, source.count)

    @classmethod
    def open(
        cls,
        source: Any,
        *,
        ids: Sequence[object] | np.ndarray | None = None,
        layout: str = "auto",
        value_range: ValueRange = None,
        dataset: str | None = None,
    ) -> StimulusSet:
        """Open images wherever they lie.

        Parameters
        ----------
        source : path, list of paths, array or StimulusSet
            A folder (searched with its sub-folders, sorted by relative path), a pattern such as ``"pictures/*.png"``,
            an image file, a list of these; a ``.npy``, ``.npz``, ``.h5``, ``.hdf5`` or ``.zip`` file (sorted by name);
            a numpy array or torch tensor. ``"images.npz::train_images"`` names an array inside a file.
        ids : sequence of str, optional
            One for each image; otherwise relative paths, names inside the zip, or positions from 0.
        layout : {"auto", "channels_first", "channels_last", "grey"}
            Of arrays: (n, 3, height, width), (n, height, width, 3) or (n, height, width). ``"auto"`` finds the axis of
            length 3. Grey arrays must be stated; with a channel axis of length 1 state where it is.
        value_range : (float, float), optional
            Values of black and white in arrays. Integers are 0..255 otherwise; floats must be stated.
        dataset : str, optional
            Array inside a ``.npz`` or HDF5 file; needed when several could be images and none is ``imgBrick``.

        Raises
        ------
        MissingFileError
            When a path does not exist or a pattern matches nothing.
        InputTypeError, InputValueError
            For a source, shape, dtype or range that cannot be images.
        DamagedFileError, UnsafeFileError
            For a container that is corrupt, or declares what it cannot hold.

        Notes
        -----
        EXIF rotation is applied, transparent pixels are blended over white, grey and palette images become RGB, 16-bit
        grey is scaled to 8 bits. Values of arrays in memory are checked here, those of files batch by batch.

        Examples
        --------
        >>> StimulusSet.open(np.full((2, 4, 4, 3), 0.5, np.float32), value_range=(0, 1))[0][0, 0].tolist()
        [128, 128, 128]
        """
        if isinstance(source, StimulusSet):
            if layout != "auto" or value_range is not None or dataset is not None:
                raise InputValueError("layout, value_range and dataset belong to where a StimulusSet was first opened")
            return copy.copy(source) if ids is None else source._with(checked_ids(ids, len(source)), source._places)
        names = None if ids is None else as_names(ids)
        found = open_source(source, ids=names, layout=layout, value_range=value_range, dataset=dataset)
        return cls(found, names)

    @classmethod
    def from_paths(
        cls, paths: Sequence[str | os.PathLike[str]], *, ids: Sequence[object] | np.ndarray | None = None
    ) -> StimulusSet:
        """Image files, folders and patterns, in the order given."""
        return cls(open_paths(paths), ids)

    @classmethod
    def from_array(
        cls,
        array: Any,
        ids: Sequence[object] | np.ndarray | None = None,
        layout: str = "auto",
        value_range: ValueRange = None,
    ) -> StimulusSet:
        """Images in memory, viewed and not copied; see `open`."""
        return cls.open(array, ids=ids, layout=layout, value_range=value_range)

    @classmethod
    def from_npy(
        cls,
        path: str | os.PathLike[str],
        *,
        ids: Sequence[object] | np.ndarray | None = None,
        layout: str = "auto",
        value_range: ValueRange = None,
    ) -> StimulusSet:
        """A ``.npy`` file, memory-mapped; see `open`."""
        return cls(NpyFile(Path(path).absolute(), layout, value_range), ids)

    @classmethod
    def from_npz(
        cls,
        path: str | os.PathLike[str],
        key: str | None = None,
        *,
        ids: Sequence[object] | np.ndarray | None = None,
        layout: str = "auto",
        value_range: ValueRange = None,
    ) -> StimulusSet:
        """One array of a ``.npz`` file; see `open`."""
        return cls(open_npz(Path(path).absolute(), key, layout, value_range), ids)

    @classmethod
    def from_hdf5(
        cls,
        path: str | os.PathLike[str],
        dataset: str | None = "imgBrick",
        *,
        ids: Sequence[object] | np.ndarray | None = None,
        layout: str = "auto",
        value_range: ValueRange = None,
    ) -> StimulusSet:
        """A dataset of an HDF5 file, read batch by batch; see `open`."""
        return cls(Hdf5Dataset(Path(path).absolute(), dataset, layout, value_range), ids)

    @classmethod
    def from_zip(cls, path: str | os.PathLike[str], *, ids: Sequence[object] | np.ndarray | None = None) -> StimulusSet:
        """A zip of image files, sorted by name; nothing is extracted."""
        return cls(ZipOfImages(Path(path).absolute()), ids)

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"<StimulusSet: {self.describe()}>"

    def describe(self) -> str:
        """How many stimuli, from where, and how large.

        Examples
        --------
        >>> StimulusSet.open(np.zeros((5, 8, 6, 3), np.uint8))[:2].describe()
        '2 of 5 stimuli: the array, 8 x 6 pixels (height x width), uint8, channels last'
        """
        total = self._source.count
        count = f"{len(self):,}" if len(self) == total else f"{len(self):,} of {total:,}"
        return f"{count} stimul{'us' if total == 1 else 'i'}: {self._source.describe()}"

    @property
    def image_size(self) -> tuple[int, int] | None:
        """Height and width of all images, where one array holds them; None of files, which may differ.

        Examples
        --------
        >>> StimulusSet.open(np.zeros((5, 8, 6, 3), np.uint8)).image_size
        (8, 6)
        """
        return getattr(self._source, "image_size", None)

    def fingerprint(self) -> str:
        """Hexadecimal text that changes when the ids or the images change.

        Files are judged by size and time of last change, arrays in memory by their bytes.
        """
        digest = hashlib.sha256()
        for name in self.ids:
            digest.update(str(name).encode("utf-8", "surrogateescape") + b"\0")
        for token in self._source.tokens(self._places):
            digest.update(token)
        return digest.hexdigest()

    @overload
    def __getitem__(self, index: int | np.integer | str) -> np.ndarray: ...  # type: ignore[overload-overlap]
    @overload
    def __getitem__(self, index: slice | Sequence[int] | Sequence[str] | np.ndarray) -> StimulusSet: ...
    def __getitem__(self, index: Any) -> Any:
        """One image (by position or id), or another set (by slice, positions, mask or ids)."""
        if isinstance(index, str):
            return self._read(self._position_of(index))
        if isinstance(index, slice):
            return self._select(np.arange(len(self))[index])
        if isinstance(index, (list, tuple, np.ndarray)) or hasattr(index, "__array__"):
            chosen = np.asarray(index)
            if chosen.ndim > 0:
                return self._select(chosen_positions(chosen, len(self), self._position_of))
        try:
            position = operator.index(index)
        except TypeError:
            raise InputTypeError(
                f"cannot index a stimulus set with a {type(index).__name__}; "
                "expected a position, an id, a slice, a mask, or a list of positions or ids"
            ) from None
        return self._read(int(within(np.array([position]), len(self))[0]))

    def __iter__(self) -> Iterator[np.ndarray]:
        """Images one by one."""
        for position in range(len(self)):
            yield self._read(position)

    def batches(
        self,
        batch_size: int,
        *,
        transform: Transform | None = None,
        start: int = 0,
        prefetch: int = 2,
        on_bad: str = "raise",
    ) -> Iterator[Batch]:
        """Read in batches, decoding ahead in threads while the caller computes.

        Parameters
        ----------
        batch_size : int
        transform : function, optional
            Takes uint8 images (n, height, width, 3) of one size and gives a tensor or array with n rows, or a tuple of
            them. It runs in the decoding thread, on pieces of the batch that are then concatenated; it must not write
            into its argument. Without it the images of a batch must have one size.
        start : int
            Position of the first stimulus, to go on where an earlier run ended.
        prefetch : int
            Batches made ahead; 0 uses no thread.
        on_bad : {"raise", "skip"}
            Whether an image that cannot be read, or holds NaN, ends the run or is left out and listed in `Batch.bad`.
            Values outside the range always end it, because they concern the whole set.

        Returns
        -------
        iterator of Batch
            Close it (or let it go) to stop the threads before the end.

        Raises
        ------
        DamagedFileError
            Naming the stimulus that cannot be read, unless such stimuli are skipped.
        InputValueError
            Naming the stimulus whose values or size do not fit.

        Examples
        --------
        >>> stimuli = StimulusSet.open(np.zeros((5, 8, 6, 3), np.uint8))
        >>> [batch.ids.tolist() for batch in stimuli.batches(3, transform=lambda images: images.mean(axis=(1, 2)))]
        [['0', '1', '2'], ['3', '4']]
        """
        check_whole_number("batch_size", batch_size, 1)
        check_whole_number("prefetch", prefetch, 0)
        check_whole_number("start", start, 0)
        if start > len(self):
            raise InputValueError(f"start is {start}, but there are {len(self)} stimuli")
        if on_bad not in ("raise", "skip"):
            raise UnknownNameError("on_bad", on_bad, choices=("raise", "skip"))
        load_decoders()
        plan = Plan(self._source, self._places, self.ids, on_bad == "skip")
        return run_ahead(
            lambda check: make_batches(plan, batch_size, start, transform, check, ahead=prefetch > 0), prefetch
        )

    def _read(self, position: int) -> np.ndarray:
        only = slice(position, position + 1)
        if isinstance(self._source, ArraySource):
            return self._source.read(self._places[only], self.ids[only])[0]
        plan = Plan(self._source, self._places[only], self.ids[only], skip_bad=False)
        return next(make_batches(plan, 1, 0, None, lambda: None, ahead=False)).images[0]

    def _select(self, positions: np.ndarray) -> StimulusSet:
        repeated = first_repeated(positions)
        if repeated is not None:
            name = str(self.ids[repeated])
            raise InputValueError(f"stimulus {name!r} is chosen more than once; each may occur once in a set")
        return self._with(self.ids[positions], self._places[positions])

    def _with(self, ids: np.ndarray, places: np.ndarray) -> StimulusSet:
        other = copy.copy(self)
        other.ids, other._places = ids, places
        return other

    def _position_of(self, name: str) -> int:
        position = self._position_by_id.get(name)
        if position is None:
            choices = self.ids if len(self) <= MOST_NAMES_COMPARED else self.ids[:MOST_NAMES_COMPARED]
            raise UnknownNameError("stimulus", name, choices=choices, where=f"in a set of {len(self):,} stimuli")
        return position

    @functools.cached_property
    def _position_by_id(self) -> dict[str, int]:
        return {str(name): position for position, name in enumerate(self.ids)}

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_position_by_id"}
