"""Which image a trial shows: names of a table matched to ids of a stimulus set."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from braincodec.errors import InputValueError, nearest_names

MOST_SHOWN = 3
MOST_COMPARED = 5000  # ids, when guessing which one was meant


def linked(names: Sequence[str], ids: Sequence[str], where: str, images: str) -> list[str]:
    """The id of the image that each name stands for.

    A name is an id, or the end of one path (``cat_01.png`` for ``animals/cat_01.png``), with or without its suffix.

    Parameters
    ----------
    names : sequence of str
        Of all trials; may repeat.
    ids : sequence of str
    where, images : str
        What the names and the images come from, for messages.

    Raises
    ------
    InputValueError
        Naming how many names have no image, the first three of them and the nearest ids; or a name that fits several.

    Examples
    --------
    >>> linked(["cat_01", "b/dog.png", "cat_01"], ["a/cat_01.png", "b/dog.png"], "trials.csv", "pictures/")
    ['a/cat_01.png', 'b/dog.png', 'a/cat_01.png']
    """
    known = set(ids)
    short: dict[str, list[str]] | None = None
    whole: dict[str, str] = {}
    found: dict[str, str] = {}
    missing: list[str] = []
    for name in dict.fromkeys(names):
        if name in known:
            found[name] = name
            continue
        if short is None:
            short = _short_names(ids)
            whole = {form: item for item in ids for form in (_without_suffix(_plain(item)), _plain(item))}
        fitting = short.get(_plain(name)) or short.get(_without_suffix(_plain(name))) or _deeper(name, whole)
        if len(fitting) > 1:
            raise InputValueError(
                f"{name!r} in {where} could be {len(fitting)} images of {images}: {', '.join(fitting[:MOST_SHOWN])}; "
                "give the path from there"
            )
        if fitting:
            found[name] = fitting[0]
        else:
            missing.append(name)
    if missing:
        rows = sum(name in set(missing) for name in names)
        raise InputValueError(
            f"{rows} of {len(names)} rows of {where} name images that do not exist, {len(missing)} different ones: "
            f"{', '.join(_with_nearest(name, ids) for name in missing[:MOST_SHOWN])}"
            f"{', ...' if len(missing) > MOST_SHOWN else ''}; looked among the {len(ids)} of {images}"
        )
    return [found[name] for name in names]


def _short_names(ids: Sequence[str]) -> dict[str, list[str]]:
    """Ids by every end of their path, with and without the suffix."""
    short: dict[str, list[str]] = {}
    for item in ids:
        parts = _plain(item).split("/")
        for start in range(len(parts)):
            end = "/".join(parts[start:])
            for name in {end, _without_suffix(end)}:
                short.setdefault(name, []).append(item)
    return short


def _deeper(name: str, whole: dict[str, str]) -> list[str]:
    """The image whose whole id ends a path: a table may give more folders than the image set has."""
    parts = _plain(name).split("/")
    for start in range(1, len(parts)):
        end = "/".join(parts[start:])
        item = whole.get(end) or whole.get(_without_suffix(end))
        if item is not None:
            return [item]
    return []


def _plain(name: str) -> str:
    return name.replace("\\", "/").removeprefix("./")


def _without_suffix(name: str) -> str:
    suffix = PurePosixPath(name).suffix
    # what follows the last dot of "img_0.5" is no suffix
    return name.removesuffix(suffix) if suffix and suffix[1:].isalnum() and not suffix[1:].isdigit() else name


def _key(name: str) -> str:
    """A name without folder, suffix and the zeros before its numbers."""
    return re.sub(r"(?<!\d)0+(?=\d)", "", _without_suffix(PurePosixPath(_plain(name)).name).casefold())


def _with_nearest(name: str, ids: Sequence[str]) -> str:
    compared, key = ids[:MOST_COMPARED], _key(name)
    # img_7 means img_007 rather than img_70
    same_number = [one for one in compared if _key(one) == key]
    near = same_number or nearest_names(name, compared, limit=1)
    return f"{name!r} (nearest: {near[0]!r})" if near else repr(name)
