"""Which picture each trial of BOLD5000 shows: one text file a run, in a folder a session."""

from __future__ import annotations

import re
from pathlib import Path

from braincodec.errors import DamagedFileError, MissingFileError

LISTS = "Stimuli_Presentation_Lists"
REPEATED = "Scene_Stimuli/repeated_stimuli_113_list.txt"
PREFIX = "rep_"  # of pictures that are shown again
LONGEST_LIST = 2**20  # bytes; a run has some 37 lines
DIGITS = re.compile(r"(\d+)")
COLLECTIONS = {"COCO": re.compile(r"COCO_"), "ImageNet": re.compile(r"n\d{8}_")}


def session_folders(stimuli: Path, subject: str, hint: str) -> dict[int, Path]:
    """Folders of the sessions of one subject, by number.

    Raises
    ------
    MissingFileError
        When there are none.
    DamagedFileError
        When one between the first and the last is missing: what follows would belong to other trials.
    """
    folder = stimuli / LISTS / subject
    pattern = re.compile(rf"{re.escape(subject)}_sess(\d+)")
    entries = folder.iterdir() if folder.is_dir() else ()
    found = {int(name[1]): path for path in entries if path.is_dir() and (name := pattern.fullmatch(path.name))}
    if not found:
        raise MissingFileError(folder / f"{subject}_sess01", f"presentation lists of {subject}", hint)
    missing = sorted(set(range(1, max(found) + 1)) - set(found))
    if missing:
        raise DamagedFileError(
            f"{folder} lacks session {', '.join(f'{number:02d}' for number in missing)} of {max(found)}, so it is not "
            "known which trials the later ones are"
        )
    return dict(sorted(found.items()))


def pictures_shown(sessions: dict[int, Path], hint: str) -> tuple[list[str], list[int]]:
    """The picture and the session of each trial, in the order of sessions, runs and lines.

    Returns
    -------
    pictures : list of str
        File names, without the prefix ``rep_``.
    session_of : list of int
    """
    pictures: list[str] = []
    session_of: list[int] = []
    for number, folder in sessions.items():
        runs = sorted((path for path in folder.iterdir() if path.suffix == ".txt"), key=_natural)
        if not runs:
            raise MissingFileError(folder, f"lists of the runs of session {number}", hint)
        for run in runs:
            names = [name.removeprefix(PREFIX) for name in read_list(run, hint)]
            pictures += names
            session_of += [number] * len(names)
    return pictures, session_of


def read_list(path: Path, hint: str) -> list[str]:
    """Names in a text file, a line each."""
    if not path.is_file():
        raise MissingFileError(path, "list of stimuli", hint)
    if path.stat().st_size > LONGEST_LIST:
        raise DamagedFileError(f"{path} has {path.stat().st_size:,} bytes; a list of stimuli has some thousands")
    try:
        names = path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise DamagedFileError(f"{path} cannot be read as text: {error}") from None
    if not names:
        raise DamagedFileError(f"{path} is empty; expected the names of stimuli")
    return names


def collection_of(picture: str) -> str:
    """Where a picture was taken from.

    Examples
    --------
    >>> [collection_of(name) for name in ("COCO_train2014_000000000036.jpg", "n01930112_19568.JPEG", "badlands1.jpg")]
    ['COCO', 'ImageNet', 'Scene']
    """
    return next((name for name, pattern in COLLECTIONS.items() if pattern.match(picture)), "Scene")


def _natural(path: Path) -> list[tuple[int, str]]:
    """Order in which run 2 comes before run 10, however many digits they have."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in DIGITS.split(path.name)]
