"""Which stimuli train, validate and test: shares checked, parts drawn, groups kept together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braincodec.datasets.base import Split
from braincodec.errors import InputValueError


def check_shares(count: int, test: float, validation: float) -> None:
    """Refuse shares of `count` stimuli that leave a part without any.

    Examples
    --------
    >>> check_shares(10, 0.2, 0.0)
    """
    if not 0 < test < 1 or not 0 <= validation < 1 or test + validation >= 1:
        raise InputValueError(
            f"shares must leave something to train on: test {test:.3g} and validation {validation:.3g} of the stimuli"
        )
    sizes = {"test": round(test * count), "train": count - round(test * count) - round(validation * count)}
    for part, size in sizes.items():
        if size < 1:
            raise InputValueError(f"{count} stimuli are too few: the {part} part would be empty")


def random_split(ids: list[str], seed: int, test: float, validation: float, labels: NDArray[Any] | None) -> Split:
    """One uniform split; stimuli with one label, where there are labels, stay in one part.

    Examples
    --------
    >>> random_split(["a", "b", "c", "d"], 0, 0.5, 0.0, np.array([1, 1, 2, 2])).test
    ('a', 'b')
    """
    if labels is None:
        return Split.random(ids, seed, (1 - test - validation, validation, test))
    rng = np.random.default_rng(seed)
    _, groups = np.unique(labels, return_inverse=True)
    sizes = np.bincount(groups)
    parts: dict[str, NDArray[np.intp]] = {}
    order = rng.permutation(len(sizes))
    for part, wanted in (("test", round(test * len(ids))), ("validation", round(validation * len(ids)))):
        taken, room = [], wanted
        for group in order:
            if sizes[group] <= room:
                taken.append(group)
                room -= sizes[group]
        parts[part] = np.flatnonzero(np.isin(groups, taken))
        order = order[~np.isin(order, taken)]
    rest = np.setdiff1d(np.arange(len(ids)), np.concatenate(list(parts.values())))
    if not len(parts["test"]) or not len(rest):
        raise InputValueError("groups are too large for the shares asked for: a part would be empty")
    return Split(**{part: [ids[row] for row in rows] for part, rows in (parts | {"train": rest}).items()})  # type: ignore[arg-type]


def with_validation(ids: Sequence[str], test: NDArray[np.bool_], validation: float, seed: int) -> Split:
    """A split whose test part is known, shape (stimuli,); a share of all validates, drawn from the others.

    Examples
    --------
    >>> with_validation(["a", "b", "c"], np.array([True, False, False]), 0.0, 0).train
    ('b', 'c')
    """
    held = [item for item, inside in zip(ids, test, strict=True) if inside]
    rest = [item for item, inside in zip(ids, test, strict=True) if not inside]
    return divided(rest, held, round(validation * len(ids)), seed)


def divided(rest: Sequence[str], test: Sequence[str], validation: int, seed: int) -> Split:
    """Some of `rest` validate, drawn with `seed`, and the others train.

    Examples
    --------
    >>> len(divided(["a", "b", "c"], ["d"], 1, 0).validation)
    1
    """
    drawn = set(np.random.default_rng(seed).permutation(len(rest))[:validation].tolist())
    return Split(
        train=tuple(item for place, item in enumerate(rest) if place not in drawn),
        validation=tuple(item for place, item in enumerate(rest) if place in drawn),
        test=tuple(test),
    )
