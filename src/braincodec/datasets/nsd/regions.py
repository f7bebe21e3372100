"""Regions of interest from labels and their colour tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from braincodec.errors import DamagedFileError, InputValueError, MissingFileError, UnknownNameError

Members = dict[str, NDArray[np.bool_]]

ATLASES = ("prf-visualrois", "floc-bodies", "floc-faces", "floc-places", "floc-words", "streams")
"""Files of labels whose names stand in a colour table."""
GENERAL = "nsdgeneral"
"""One region drawn over everything that responds; its file needs no table."""
UNIONS = {"V1": ("V1v", "V1d"), "V2": ("V2v", "V2d"), "V3": ("V3v", "V3d")}
"""Regions put together as in the Neural Encoding Dataset; `early`, `lateral` and their like are labels themselves."""
OTHER_SPELLING = {"OVWFA": "OWFA", "OWFA": "OVWFA"}


def read_colour_table(path: Path, hint: str = "") -> dict[int, str]:
    r"""Names of labels: lines of a number, a name, and a colour that is not needed. Zero names nothing.

    Raises
    ------
    MissingFileError, DamagedFileError

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "streams.mgz.ctab"
    >>> _ = path.write_text("0 Unknown 0 0 0 0\n1 early 255 0 0 0\n")
    >>> read_colour_table(path)
    {1: 'early'}
    """
    if not path.is_file():
        raise MissingFileError(path, "colour table, which names the regions", hint)
    names: dict[int, str] = {}
    try:
        lines = [line.split() for line in path.read_text().splitlines() if line.strip()]
        for number, name, *_ in lines:
            if int(number) in names or name in names.values():
                raise DamagedFileError(f"{path} names {number} or {name} twice")
            if int(number) != 0:
                names[int(number)] = name
    except (ValueError, OSError) as error:
        if isinstance(error, DamagedFileError):
            raise
        raise DamagedFileError(f"{path} is no colour table (a number and a name on each line): {error}") from None
    return names


def members_of(labels: NDArray[np.int32], names: Mapping[int, str], where: Path) -> Members:
    """Which voxels or vertices belong to each region; -1 and 0 belong to none.

    Raises
    ------
    DamagedFileError
        When a label has no name.

    Examples
    --------
    >>> members_of(np.array([-1, 2, 0]), {1: "V1v", 2: "V1d"}, Path("labels.mgz"))["V1d"].tolist()
    [False, True, False]
    """
    unnamed = sorted(set(np.unique(labels).tolist()) - {-1, 0} - set(names))
    if unnamed:
        raise DamagedFileError(f"{where} holds the label {unnamed[0]}, which its colour table does not name")
    return {name: labels == number for number, name in names.items()}


def with_unions(members: Members) -> Members:
    """Add V1, V2 and V3; regions without a single unit are left out."""
    together = {
        union: np.logical_or.reduce([members[part] for part in parts])
        for union, parts in UNIONS.items()
        if all(part in members for part in parts)
    }
    return {name: member for name, member in (together | members).items() if member.any()}


def chosen_regions(asked: str | Iterable[str] | None, known: Iterable[str], where: str) -> list[str] | None:
    """Names of regions as the files spell them; None for everything.

    Raises
    ------
    UnknownNameError, InputValueError

    Examples
    --------
    >>> chosen_regions("OVWFA", ["OWFA", "V1"], "of subject 1")
    ['OWFA']
    """
    if asked is None:
        return None
    choices = list(known)
    names = [asked] if isinstance(asked, str) else list(asked)
    if not names:
        raise InputValueError(f"no roi given; available: {', '.join(choices)}")
    found = []
    for name in names:
        spelt = OTHER_SPELLING.get(name, name) if name not in choices else name
        if spelt not in choices:
            raise UnknownNameError("roi", name, choices, where=where)
        found.append(spelt)
    return list(dict.fromkeys(found))
