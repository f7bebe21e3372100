"""The stimuli of a synthesis, and what their set is called in the store."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from braincodec.errors import InputTypeError, InputValueError
from braincodec.legacy.labels import ids_as_published
from braincodec.stimuli import StimulusSet
from braincodec.stimuli.opening import is_path
from braincodec.synthesis.storage.stored_plan import Address

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
NOT_OF_A_NAME = re.compile(r"[^A-Za-z0-9._-]+", re.ASCII)
# of a list of images that the plan keeps, which every run reads
MOST_PATHS = 10_000
WILD = re.compile(r"[*?\[]")


def open_stimuli(stimuli: Any, name: str | None) -> tuple[StimulusSet, str, Address | None]:
    """Images, the name of their set in the store, and where they came from (None for those in memory).

    Raises
    ------
    InputValueError
        When the name cannot be that of a folder, or is needed; and as `StimulusSet.open`.
    """
    address = os.fspath(stimuli) if is_path(stimuli) else ""
    if name is not None:
        check_name(name)
    elif not address:
        raise InputValueError("name these stimuli: name='...' (--name NAME) says what their set is called in the store")
    opened = StimulusSet.open(stimuli)
    if not len(opened):
        raise InputValueError("there are no stimuli to synthesize responses to")
    called = name or name_of_path(address)
    return as_published(opened, called), called, _where(stimuli)


def _where(stimuli: Any) -> Address | None:
    """The path, or the few paths, by which images were opened, as they are good in any folder."""
    if is_path(stimuli):
        return str(Path(stimuli).expanduser().absolute())
    if not isinstance(stimuli, list | tuple) or len(stimuli) > MOST_PATHS or not all(map(is_path, stimuli)):
        return None
    return tuple(str(Path(one).expanduser().absolute()) for one in stimuli)


def as_published(stimuli: StimulusSet, name: str) -> StimulusSet:
    """The same images, with the ids of a published set where `name` is that of one and their own only count."""
    ids = ids_as_published(name, stimuli.ids)
    return stimuli if ids is stimuli.ids else StimulusSet.open(stimuli, ids=ids)


def check_name(name: str) -> None:
    """Raise `InputValueError` unless `name` can be that of a stimulus set."""
    if not isinstance(name, str):
        raise InputTypeError(f"name must be text, got {type(name).__name__}")
    if NAME.fullmatch(name) is None or name.endswith((".", ".zarr")):
        suggestion = _suitable(name)
        raise InputValueError(
            f"name {name!r} cannot be that of a stimulus set: expected letters, digits, '.', '_' and '-', at most 100, "
            "the first a letter or digit" + (f"; such as {suggestion!r}" if suggestion else "")
        )


def name_of_path(path: str) -> str:
    """Name of a stimulus set from where its images lie.

    Examples
    --------
    >>> [name_of_path(path) for path in ("images/", "a b/nsd.hdf5::imgBrick", "pictures/*.png")]
    ['images', 'nsd', 'pictures']
    """
    place = Path(path.partition("::")[0]).expanduser().absolute()
    while WILD.search(place.name):
        place = place.parent
    return _suitable(place.name if place.is_dir() else place.stem) or "stimuli"


def _suitable(text: str) -> str:
    return NOT_OF_A_NAME.sub("-", text).strip("._-").removesuffix(".zarr")[:100]
