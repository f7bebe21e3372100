"""Responses in .npy, .npz and .mat files, and in memory; what is pickled in them is never run."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from braincodec.datasets.matlab_file import read_matlab_arrays
from braincodec.datasets.own.settings import OwnSettings
from braincodec.datasets.own.trials import BlockTrials, Trials, arranged
from braincodec.datasets.reading import BAD_CONTENT, NUMBERS
from braincodec.errors import BraincodecError, DamagedFileError, InputValueError, UnknownNameError

USUAL_KEYS = ("responses", "betas", "data", "preprocessed_eeg_data")
CHANNEL_KEYS, TIME_KEYS = ("channels", "ch_names"), ("times",)


def read(path: Path, key: str | None, settings: OwnSettings, *, of_series: bool = False) -> Trials:
    """Trials of a file; `key` names one of several arrays in it; an array (units,) of a series of files is one trial.

    Raises
    ------
    DamagedFileError
        When it is truncated or of another format; `UnsafeFileError` when it asks for code to be run.
    UnknownNameError, InputValueError
        When it holds several arrays and no one is named.
    """
    suffix = path.suffix.lower()
    if suffix == ".npy":
        found = load_npy(path)
    elif suffix == ".npz":
        found = _npz(path, key)
        if isinstance(found, Trials):
            return found
    else:
        found = read_matlab_arrays(path)
    if not isinstance(found, Mapping):
        if key is not None:
            raise InputValueError(f"{path} holds one array, so it has no array {key!r}")
        if of_series and found.ndim == 1:
            found = found[None]
        return from_array(found, str(path), settings, (path,))
    arrays = {str(name): np.asarray(value) for name, value in found.items()}
    values = chosen_array(arrays, key, str(path))
    channels = next((arrays[name] for name in CHANNEL_KEYS if name in arrays), None)
    times = next((arrays[name] for name in TIME_KEYS if name in arrays), None)
    if settings.layout == () and channels is not None and times is not None and values.ndim == 3:
        settings = settings.model_copy(update={"layout": ("trial", "channel", "time")})
    made = {
        "channels": settings.channels or (() if channels is None else tuple(map(str, channels.ravel()))),
        "times": settings.times or (() if times is None else tuple(np.asarray(times, float).ravel().tolist())),
    }
    return from_array(values, str(path), settings.model_copy(update=made), (path,))


def from_array(array: Any, where: str, settings: OwnSettings, paths: tuple[Path, ...] = ()) -> Trials:
    """Trials of an array.

    Raises
    ------
    InputTypeError, InputValueError
        When its dtype or dimensions cannot be responses.
    """
    values, dims = arranged(array, settings.layout, where)
    repetitions = values.shape[1] if "repetition" in dims else 1
    channels: tuple[str, ...] = ()
    times = None
    if "channel" in dims:
        channels, times = _sensors(values.shape[-2:], settings, where)
    return Trials(
        BlockTrials(values, repetitions),
        where,
        repetitions=repetitions,
        channels=channels,
        times=times,
        modality="eeg" if channels else "",
        paths=paths,
    )


def chosen_array(arrays: Mapping[str, Any], key: str | None, where: str) -> Any:
    """The array called `key`, or the one that can be responses.

    Examples
    --------
    >>> chosen_array({"betas": np.zeros((3, 2)), "ncsnr": np.zeros(2)}, None, "sub-01.npz").shape
    (3, 2)
    """
    if key is not None:
        if key not in arrays:
            raise UnknownNameError("array", key, arrays, where=f"in {where}")
        return arrays[key]
    fitting = [name for name, array in arrays.items() if array.ndim >= 2 and array.dtype.kind in NUMBERS]
    usual = [name for name in USUAL_KEYS if name in fitting]
    if len(fitting) != 1 and len(usual) != 1:
        held = ", ".join(f"{name} {array.shape}" for name, array in arrays.items()) or "nothing"
        raise InputValueError(
            f"{where} holds {held}; name the array of responses: responses='{Path(where).name}::name'"
        )
    return arrays[usual[0] if usual else fitting[0]]


def load_npy(path: Path) -> Any:
    """What a .npy file holds: mapped where it holds numbers, by the restricted reader where it is pickled."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except BAD_CONTENT as error:
        if (
            "allow_pickle" not in str(error)
            and "Object arrays" not in str(error)
            and "Python objects" not in str(error)
        ):
            raise DamagedFileError(f"{path} cannot be read as a .npy file of responses: {error}") from None
    from braincodec.legacy.read import read_legacy

    held = read_legacy(path)  # refuses what is more than arrays, numbers and text
    if isinstance(held, np.ndarray | Mapping):
        return held
    raise DamagedFileError(f"{path} holds a pickled {type(held).__name__}; expected an array of responses")


def _npz(path: Path, key: str | None) -> Any:
    from braincodec.datasets.own.formats.labelled import from_labelled
    from braincodec.responses import open_responses

    try:
        with np.load(path, allow_pickle=False) as archive:
            names = archive.files
            if {"responses", "dims", "attrs", "label_dims"} <= set(names):
                return from_labelled(open_responses(path), str(path), (path,))
            wanted = {key, *CHANNEL_KEYS, *TIME_KEYS} if key in names else set(names)
            return {name: archive[name] for name in names if name in wanted}
    except BraincodecError:
        raise
    except (*BAD_CONTENT, zipfile.BadZipFile, zlib.error) as error:
        if "allow_pickle" not in str(error):
            raise DamagedFileError(f"{path} cannot be read as a .npz file of responses: {error}") from None
    from braincodec.legacy.read import read_legacy

    held = read_legacy(path)
    if not isinstance(held, Mapping):
        raise DamagedFileError(f"{path} is no .npz file of arrays")
    return held


def _sensors(sizes: tuple[int, int], settings: OwnSettings, where: str) -> tuple[tuple[str, ...], np.ndarray]:
    """Names of channels and times, as given; channels are numbered where nothing is."""
    channels = settings.channels or tuple(str(number) for number in range(1, sizes[0] + 1))
    if len(channels) != sizes[0]:
        raise InputValueError(f"{where} has {sizes[0]} channels, but {len(channels)} names were given")
    if len(settings.times) != sizes[1]:
        said = f"{len(settings.times)} were given" if settings.times else "none were given"
        raise InputValueError(
            f"{where} has {sizes[1]} samples in time; say when they are: times=[...] in seconds from stimulus onset "
            f"({said})"
        )
    return channels, np.asarray(settings.times, np.float64)
