"""Recordings from whatever a caller gives: one, a data set with one subject, or several."""

from __future__ import annotations

from typing import Any

from braincodec.datasets.base import Dataset, Recording
from braincodec.errors import InputTypeError, InputValueError


def as_recordings(data: Any) -> list[Recording]:
    """The recordings that `data` stands for.

    Parameters
    ----------
    data : Recording, Dataset with one subject, or list or tuple of Recordings

    Returns
    -------
    list of Recording
        At least one; subjects have different names.

    Raises
    ------
    InputTypeError
        When it is something else, or empty.
    InputValueError
        When a data set has several subjects, or two recordings are of the same one.
    """
    if isinstance(data, Dataset):
        subjects = data.subjects()
        if len(subjects) != 1:
            raise InputValueError(
                f"{data.name} has {len(subjects)} subjects; choose: [data.subject(name) for name in "
                f"{subjects[:3]}...], or one of them"
            )
        return [data.subject(subjects[0])]
    recordings = [data] if isinstance(data, Recording) else list(data) if isinstance(data, list | tuple) else []
    if not recordings or not all(isinstance(item, Recording) for item in recordings):
        raise InputTypeError(
            f"a Recording, a Dataset with one subject or a list of Recordings is needed, not {type(data).__name__}"
        )
    names = [recording.subject for recording in recordings]
    if len(set(names)) != len(names):
        raise InputValueError(f"subjects must have different names, not {', '.join(names)}")
    return recordings
