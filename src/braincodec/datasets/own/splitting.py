"""Which stimuli of one's own data set train, validate and test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from braincodec.datasets.split import Split
from braincodec.errors import InputTypeError, InputValueError

NEEDED = ("train", "test")


def column_split(names: Sequence[str], parts: Sequence[str], where: str) -> Split:
    """The split that a table's column states.

    Parameters
    ----------
    names, parts : sequence of str
        Stimulus and part of each row; an empty part is none.
    where : str

    Raises
    ------
    InputValueError
        When a stimulus is in two parts, or nothing trains or tests.

    Examples
    --------
    >>> column_split(["a", "b", "a"], ["train", "test", "train"], "trials.csv").train
    ('a',)
    """
    part_of: dict[str, str] = {}
    for name, part in zip(names, parts, strict=True):
        if part_of.setdefault(name, part) != part:
            said = [known or "no part" for known in (part_of[name], part)]
            raise InputValueError(f"{where} puts trials of stimulus {name!r} in {said[0]} and in {said[1]}")
    split = Split(**{part: [name for name, own in part_of.items() if own == part] for part in Split.PARTS})  # type: ignore[arg-type]
    require_parts(split, f"the column split of {where}")
    return split


def stated_split(given: Any) -> Split:
    """The split that a caller gives.

    Raises
    ------
    InputTypeError, InputValueError
    """
    if not isinstance(given, Split | Mapping):
        raise InputTypeError(
            f'split must be "random", a Split or a mapping of part to ids, not {type(given).__name__} {given!r}'
        )
    split = given if isinstance(given, Split) else Split.from_dict(given)
    require_parts(split, "the split")
    return split


def random_split(
    ids: Sequence[str], groups: Sequence[object], fractions: tuple[float, float, float], seed: int
) -> Split:
    """A seeded split in which stimuli of one group stay in one part.

    Parameters
    ----------
    ids : sequence of str
    groups : sequence
        Of each stimulus.
    fractions : (train, validation, test)
        Of the groups.
    seed : int

    Raises
    ------
    InputValueError
        When a part that should hold something would be empty.

    Examples
    --------
    >>> random_split(["a", "b", "c", "d"], [0, 0, 1, 1], (0.5, 0.0, 0.5), seed=0).test
    ('c', 'd')
    """
    first = list(dict.fromkeys(groups))
    drawn = Split.random(range(len(first)), seed, fractions)
    part_of = {str(number): part for part in Split.PARTS for number in drawn.ids(part)}
    number_of = {group: str(number) for number, group in enumerate(first)}
    parts = [part_of.get(number_of[group]) for group in groups]
    split = Split(**{p: [item for item, own in zip(ids, parts, strict=True) if own == p] for p in Split.PARTS})  # type: ignore[arg-type]
    for part, share in zip(Split.PARTS, fractions, strict=True):
        if share > 0 and not split.ids(part):
            raise InputValueError(
                f"a random split of {len(ids)} stimuli ({len(first)} that are no near copies) with fractions "
                f"{fractions} leaves the {part} part empty; give other fractions="
            )
    return split


def restricted(split: Split, ids: Sequence[str], subject: str) -> Split:
    """The split among the stimuli that one subject saw.

    Raises
    ------
    InputValueError
        When a part is then empty.
    """
    known = set(ids)
    own = Split(**{part: tuple(item for item in split.ids(part) if item in known) for part in Split.PARTS})
    require_parts(own, f"the split among the {len(ids)} stimuli of subject {subject}")
    return own


def require_parts(split: Split, what: str) -> None:
    """Raise when nothing trains or nothing tests."""
    for part in NEEDED:
        if not split.ids(part):
            raise InputValueError(
                f'{what} has no {part} stimuli; every recording needs some (split="random" draws a split)'
            )


def group_labels(ids: Sequence[str], first: np.ndarray) -> dict[str, str]:
    """The name of each stimulus's group: the id of the first in it."""
    return {item: ids[int(place)] for item, place in zip(ids, first, strict=True)}
