"""Names and categories of the pictures of Generic Object Decoding."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from braincodec.errors import DamagedFileError, MissingFileError

NUMBER = re.compile(r"\s*(\d{1,8})\.(\d{1,6})\s*")
IMAGE_DIGITS = 6
LONGEST_FILE = 64 * 2**20  # bytes; real ones have some tens of kilobytes


@dataclass(frozen=True)
class Classes:
    """ImageNet's classes: for each WordNet number that one has, its position and its name."""

    index: Mapping[str, int]
    name: Mapping[str, str]


def stimulus_name(number: str) -> str:
    """Name of a picture from the number that stands for it: category, point, picture in six digits.

    Raises
    ------
    ValueError
        When it is no such number.

    Examples
    --------
    >>> stimulus_name("1518878.014910"), stimulus_name(f"{1518878.01491:.6f}")
    ('n01518878_14910', 'n01518878_14910')
    """
    found = NUMBER.fullmatch(number)
    if found is None:
        raise ValueError(f"{number!r} is no category and picture, such as '1518878.014910'")
    return f"n{int(found[1]):08d}_{int(found[2].ljust(IMAGE_DIGITS, '0'))}"


def category_of(stimulus: str) -> str:
    """WordNet number of a picture's category.

    Examples
    --------
    >>> category_of("n01518878_14910")
    'n01518878'
    """
    return stimulus.partition("_")[0]


def read_label_table(path: Path, hint: str) -> list[str]:
    """Names of the pictures, a row each, from the first column of a table such as ``imagenet_training_label.csv``."""
    text = _text(path, "names of pictures", hint)
    try:
        rows = [row for row in csv.reader(text.splitlines()) if row]
    except csv.Error as error:
        raise DamagedFileError(f"{path} is no table: {error}") from None
    names = []
    for number, row in enumerate(rows, start=1):
        try:
            names.append(stimulus_name(row[0]))
        except ValueError as error:
            raise DamagedFileError(f"{path}, row {number}: {error}") from None
    twice = {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else set()
    if twice:
        raise DamagedFileError(f"{path} names {min(twice)!r} more than once")
    return names


def read_classes(path: Path, hint: str) -> Classes:
    """ImageNet's classes from ``imagenet_class_index.json``: number to WordNet numbers, and the name as the last."""
    text = _text(path, "ImageNet's classes", hint)
    index: dict[str, int] = {}
    name: dict[str, str] = {}
    try:
        for position, entry in json.loads(text).items():
            *words, label = (str(part) for part in entry)
            for word in words:
                index[word], name[word] = int(position), label
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedFileError(f"{path} does not list ImageNet's classes: {error}") from None
    return Classes(index, name)


def no_classes() -> Classes:
    """Where nothing tells the names."""
    return Classes({}, {})


def class_names(stimuli: Sequence[str], classes: Classes) -> list[str]:
    """Name of the category of each picture; empty where ImageNet's 1,000 classes have none for it."""
    return [classes.name.get(category_of(item), "") for item in stimuli]


def class_numbers(stimuli: Sequence[str], classes: Classes) -> list[int]:
    """Position among ImageNet's 1,000 classes of each picture's category; -1 where it is none of them."""
    return [classes.index.get(category_of(item), -1) for item in stimuli]


def _text(path: Path, what: str, hint: str) -> str:
    if not path.is_file():
        raise MissingFileError(path, what, hint)
    if path.stat().st_size > LONGEST_FILE:
        raise DamagedFileError(f"{path} has {path.stat().st_size:,} bytes; {what} need some thousands")
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DamagedFileError(f"{path} cannot be read as text: {error}") from None
