"""The pictures of Generic Object Decoding: two arrays of one file, or two folders of image files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from braincodec.datasets.god.labels import read_label_table
from braincodec.errors import DamagedFileError, MissingFileError
from braincodec.stimuli import StimulusSet
from braincodec.stimuli.listing import images_in_folder
from braincodec.stimuli.sources import ArraySource, ImageFiles, open_npz
from braincodec.stimuli.sources.base import as_index

FILE = "images_256.npz"
ARRAYS = {"train": "train_images", "test": "test_images"}
LABELS = {"train": "imagenet_training_label.csv", "test": "imagenet_testing_label.csv"}
FOLDERS = {"train": "training", "test": "test"}


class TwoArrays(ArraySource):
    """Images of one array after those of another of the same size."""

    def __init__(self, first: ArraySource, second: ArraySource) -> None:
        if first.shape[1:] != second.shape[1:] or first.dtype != second.dtype:
            raise DamagedFileError(
                f"{first.name} holds {first.dtype} {first.shape[1:]}, {second.name} {second.dtype} {second.shape[1:]}; "
                "expected images of one size"
            )
        shape = (first.count + second.count, *first.shape[1:])
        super().__init__(f"{first.name} and {second.name}", shape, first.dtype, first.layout, first.value_range)
        self._first, self._second = first, second

    def stored(self, index: slice | np.ndarray) -> np.ndarray:
        """Images at any positions, in the order asked for."""
        positions = np.arange(self.count)[index]
        late = positions >= self._first.count
        if late.all() or not late.any():
            source = self._second if late.any() else self._first
            return source.stored(as_index(positions - self._first.count * late))
        images = np.empty((len(positions), *self.shape[1:]), self.dtype)
        images[~late] = self._first.stored(as_index(positions[~late]))
        images[late] = self._second.stored(as_index(positions[late] - self._first.count))
        return images

    def tokens(self, positions: np.ndarray) -> Iterator[bytes]:
        """Tokens of both arrays."""
        positions = np.asarray(positions)
        late = positions >= self._first.count
        yield late.tobytes()  # which array each is of, in their order
        yield from self._first.tokens(positions[~late])
        yield from self._second.tokens(positions[late] - self._first.count)


def open_pictures(folder: Path, hint: str) -> tuple[StimulusSet, dict[str, list[str]]]:
    """All pictures with their names as ids, and the names by part in the order of the file.

    Parameters
    ----------
    folder : Path
        Holds ``images_256.npz`` with its tables of names, or ``training/`` and ``test/`` (or these in ``images/``)
        with ``n01518878_14910.JPEG`` and so on.
    hint : str
        How to get them.

    Raises
    ------
    MissingFileError, DamagedFileError
    """
    if (folder / FILE).is_file():
        return _from_arrays(folder, hint)
    for place in (folder, folder / "images"):
        if all((place / name).is_dir() for name in FOLDERS.values()):
            return _from_folders(place)
    raise MissingFileError(folder / FILE, "pictures of Generic Object Decoding", hint)


def _from_arrays(folder: Path, hint: str) -> tuple[StimulusSet, dict[str, list[str]]]:
    path = (folder / FILE).absolute()
    sources = {part: open_npz(path, key, "channels_last") for part, key in ARRAYS.items()}
    names = {part: read_label_table(folder / table, hint) for part, table in LABELS.items()}
    for part, source in sources.items():
        if source.count != len(names[part]):
            raise DamagedFileError(
                f"{source.name} holds {source.count} images, but {folder / LABELS[part]} names {len(names[part])}"
            )
    _refuse_common(names, folder)
    return StimulusSet(TwoArrays(sources["train"], sources["test"]), names["train"] + names["test"]), names


def _from_folders(folder: Path) -> tuple[StimulusSet, dict[str, list[str]]]:
    files = {part: images_in_folder(str(folder / name)) for part, name in FOLDERS.items()}
    names = {part: [Path(file).stem for file in found] for part, found in files.items()}
    _refuse_common(names, folder)
    relative = [f"{FOLDERS[part]}/{file}" for part, found in files.items() for file in found]
    return StimulusSet(ImageFiles(folder.absolute(), relative), names["train"] + names["test"]), names


def _refuse_common(names: dict[str, list[str]], folder: Path) -> None:
    common = sorted(set(names["train"]) & set(names["test"]))
    if common:
        raise DamagedFileError(
            f"{folder}: {len(common)} pictures are training and test pictures, such as {common[0]!r}"
        )
