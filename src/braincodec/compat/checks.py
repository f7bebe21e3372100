"""Checks of the arguments that the published interfaces take; each error names the argument and the valid choices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from braincodec.device import resolve_device
from braincodec.errors import InputTypeError, InputValueError, UnknownNameError
from braincodec.stimuli import StimulusSet
from braincodec.subjects import Subject, plain_subject


def check_name(argument: str, value: object, choices: Iterable[str], where: str = "") -> str:
    """`value` when it is one of `choices`.

    Examples
    --------
    >>> check_name("modality", "meg", ["fmri", "eeg"])
    Traceback (most recent call last):
    braincodec.errors.UnknownNameError: unknown modality 'meg'; ... available: fmri, eeg
    """
    known = list(choices)
    if not isinstance(value, str):
        kind = "None" if value is None else type(value).__name__
        place = f" {where}" if where else ""
        raise InputTypeError(f"{argument!r} must be of type str, got {kind}; available{place}: {', '.join(known)}")
    if value not in known:
        raise UnknownNameError(argument, value, known, where)
    return str(value)


def check_subject(value: object, choices: Sequence[Subject], where: str = "") -> Subject:
    """`value` when it is one of `choices`, a plain int or a name; numpy integers are whole numbers too.

    Examples
    --------
    >>> check_subject(np.int64(2), [1, 2])
    2
    """
    names = any(isinstance(one, str) for one in choices)
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer | (str if names else int)):
        kind, wanted = "None" if value is None else type(value).__name__, "int or str" if names else "int"
        raise InputTypeError(
            f"'subject' must be of type {wanted}, got {kind}; available: {', '.join(map(str, choices))}"
        )
    subject = plain_subject(value)
    if subject not in choices:
        raise UnknownNameError("subject", subject, choices, where)
    return subject


def check_flag(argument: str, value: object) -> bool:
    """`value` when it is True or False."""
    if not isinstance(value, bool | np.bool_):
        raise InputTypeError(f"{argument!r} must be of type bool, got {type(value).__name__}; give True or False")
    return bool(value)


def check_device(value: object) -> str:
    """`value` when it names a device that is present, or ``"auto"``."""
    if not isinstance(value, str):
        raise InputTypeError(f"'device' must be of type str, got {type(value).__name__}; give 'auto', 'cpu' or 'cuda'")
    resolve_device(value)
    return value


def check_images(value: Any, argument: str = "images") -> StimulusSet:
    """Images as the published packages take them: whole numbers 0..255, square, channels first.

    Parameters
    ----------
    value : numpy array of any integer dtype, shape (n, 3, size, size)
    argument : str

    Returns
    -------
    StimulusSet
        A view; nothing is copied.

    Raises
    ------
    InputTypeError
        When it is no numpy array of integers.
    InputValueError
        For another shape, or values outside 0..255.

    Examples
    --------
    >>> len(check_images(np.zeros((2, 3, 8, 8), int)))
    2
    """
    wanted = f"{argument!r} must be a numpy integer array of shape (images, 3, size, size) with values 0..255"
    if not isinstance(value, np.ndarray):
        raise InputTypeError(f"{wanted}, got {type(value).__name__}")
    if not np.issubdtype(value.dtype, np.integer):
        hint = "; for floats in 0..1 give (255 * array).round().astype('uint8')" if value.dtype.kind == "f" else ""
        raise InputTypeError(f"{wanted}, got dtype {value.dtype}{hint}")
    if value.ndim != 4:
        hint = "; for one image add an axis: array[None]" if value.ndim == 3 else ""
        raise InputValueError(f"{wanted}, got shape {value.shape}{hint}")
    if value.shape[1] != 3:
        hint = "; channels come first: array.transpose(0, 3, 1, 2)" if value.shape[3] == 3 else ""
        raise InputValueError(f"{wanted}, got {value.shape[1]} channels in shape {value.shape}{hint}")
    if value.shape[2] != value.shape[3]:
        raise InputValueError(f"{wanted}, got {value.shape[2]} x {value.shape[3]} pixels: crop the images to squares")
    if not value.size:
        raise InputValueError(f"{wanted}, got shape {value.shape}: there is no image")
    if value.dtype != np.uint8 and (value.min() < 0 or value.max() > 255):
        raise InputValueError(f"{wanted}, got values from {value.min()} to {value.max()}")
    return StimulusSet.from_array(value, layout="channels_first")
