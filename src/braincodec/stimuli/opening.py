"""Choose the source for whatever a user calls their images."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from braincodec.errors import InputTypeError, InputValueError, MissingFileError
from braincodec.stimuli.listing import find_images
from braincodec.stimuli.sources import Hdf5Dataset, ImageFiles, InMemoryArray, NpyFile, Source, ZipOfImages, open_npz

HDF5_SUFFIXES = (".h5", ".hdf5", ".hdf")
KEY_SEPARATOR = "::"  # images.npz::train_images, stimuli.h5::imgBrick
EXPECTED = (
    "expected a folder, a pattern, image files, a .npy, .npz, .h5, .hdf5 or .zip file, "
    "an array (n, height, width, 3) or a StimulusSet"
)


def open_source(
    source: Any, *, ids: np.ndarray | None, layout: str, value_range: tuple[float, float] | None, dataset: str | None
) -> Source:
    """Open what `source` stands for; the parameters are those of `StimulusSet.open`."""
    if isinstance(source, (list, tuple)) and len(source) == 1 and is_path(source[0]):
        source = source[0]
    if is_path(source):
        return _open_path(os.fspath(source), layout, value_range, dataset)
    if isinstance(source, (list, tuple)):
        _refuse_array_settings("image files", layout, value_range, dataset)
        return open_paths(source)
    if dataset is not None:
        raise InputValueError(f"dataset={dataset!r} names an array inside a file, but an array was given")
    return InMemoryArray(as_array(source), layout, value_range, ids)


def is_path(value: object) -> bool:
    """Whether a value is a path."""
    return isinstance(value, (str, os.PathLike))


def open_paths(paths: Sequence[Any]) -> ImageFiles:
    """Image files, folders and patterns, in this order."""
    if not paths:
        raise InputValueError(f"the list of images is empty; {EXPECTED}")
    for entry in paths:
        if not is_path(entry):
            hint = "; stack arrays of one size with numpy.stack" if hasattr(entry, "shape") else ""
            raise InputTypeError(f"the list holds a {type(entry).__name__}; expected paths{hint}")
        if Path(entry).suffix.lower() in ARRAY_FILES or Path(entry).suffix.lower() == ".zip":
            raise InputValueError(f"{entry} is among other paths; a file that holds many images is opened alone")
    return ImageFiles(*find_images(paths))


def as_array(source: Any) -> np.ndarray:
    """A numpy array that shares memory with `source` where that is possible."""
    if hasattr(source, "detach") and hasattr(source, "cpu"):  # a torch tensor, without importing torch
        tensor = source.detach().cpu()
        return np.asarray(tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor)
    if isinstance(source, np.ndarray):
        return source
    if hasattr(source, "__array__"):
        return np.asarray(source)
    raise InputTypeError(f"cannot read images from a {type(source).__name__}; {EXPECTED}")


def _open_path(text: str, layout: str, value_range: tuple[float, float] | None, dataset: str | None) -> Source:
    text, dataset = _split_key(text, dataset)
    path = Path(text).expanduser()
    open_array = ARRAY_FILES.get(path.suffix.lower())
    if open_array is not None and not path.is_dir():
        return open_array(path, dataset, layout, value_range)
    _refuse_array_settings(f"{path}", layout, value_range, dataset)
    if "://" in text and not path.exists():
        raise MissingFileError(text, "images", hint="addresses are not read; download the images first")
    if path.suffix.lower() == ".zip" and not path.is_dir():
        return ZipOfImages(path.absolute())
    return open_paths([path])


def _split_key(text: str, dataset: str | None) -> tuple[str, str | None]:
    file, separator, key = text.rpartition(KEY_SEPARATOR)
    if separator and Path(file).suffix.lower() in ARRAY_FILES and not Path(text).exists():
        if dataset is not None and dataset != key:
            raise InputValueError(f"{text} names the array {key!r}, but dataset={dataset!r}; give one of them")
        return file, key
    return text, dataset


def _open_npy(path: Path, dataset: str | None, layout: str, value_range: tuple[float, float] | None) -> Source:
    if dataset is not None:
        raise InputValueError(f"dataset={dataset!r} was given, but {path} holds one array without a name")
    return NpyFile(path.absolute(), layout, value_range)


def _open_npz(path: Path, dataset: str | None, layout: str, value_range: tuple[float, float] | None) -> Source:
    return open_npz(path.absolute(), dataset, layout, value_range)


def _open_hdf5(path: Path, dataset: str | None, layout: str, value_range: tuple[float, float] | None) -> Source:
    return Hdf5Dataset(path.absolute(), dataset, layout, value_range)


ArrayOpener = Callable[[Path, str | None, str, tuple[float, float] | None], Source]
ARRAY_FILES: dict[str, ArrayOpener] = {
    ".npy": _open_npy,
    ".npz": _open_npz,
    **dict.fromkeys(HDF5_SUFFIXES, _open_hdf5),
}


def _refuse_array_settings(
    what: str, layout: str, value_range: tuple[float, float] | None, dataset: str | None
) -> None:
    given = {"layout": layout != "auto", "value_range": value_range is not None, "dataset": dataset is not None}
    for name, is_given in given.items():
        if is_given:
            raise InputValueError(f"{name} applies to arrays, but {what}: image files say themselves what they hold")
