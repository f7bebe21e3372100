"""Which stimuli a readout is fitted on and which it is judged by: k folds, groups kept together, or given folds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braincodec.errors import InputTypeError, InputValueError

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Fold:
    """One split of the stimuli.

    Parameters
    ----------
    train, validation : array of int
        Row numbers; none is in both.
    """

    train: Rows
    validation: Rows


@dataclass(frozen=True, eq=False)
class Cells:
    """Stimuli that every fold treats alike: sums over a fold are sums over a few cells, each computed once.

    Parameters
    ----------
    rows : list of array of int
        Row numbers of each cell; each row is in one cell.
    train, validation : array of bool, shape (folds, cells)
        Which cells a fold is fitted on, and judged by.
    """

    rows: list[Rows]
    train: NDArray[np.bool_]
    validation: NDArray[np.bool_]


def make_folds(
    stimuli: int,
    folds: int | ArrayLike | Iterable[Any] = 5,
    *,
    groups: ArrayLike | None = None,
    shuffle: bool = True,
    seed: int = 0,
    least: int = 1,
) -> list[Fold]:
    """Folds for cross-validation.

    Parameters
    ----------
    stimuli : int
        How many there are.
    folds : int, array of shape (stimuli,), iterable of pairs, or splitter
        A number of folds; the fold in which each stimulus is held out; pairs (train, validation) of row numbers or
        boolean masks; or an object with scikit-learn's ``split``.
    groups : array_like, shape (stimuli,), optional
        Stimuli of one group (repetitions, near copies, one scene) stay on one side.
    shuffle : bool
        Whether a number of folds means random ones; else they are blocks in the given order, as scikit-learn's.
    seed : int
    least : int
        How many stimuli must be left to fit on: with an intercept, one alone teaches nothing.

    Returns
    -------
    list of Fold

    Raises
    ------
    InputTypeError, InputValueError
        When there are fewer stimuli (or groups) than folds, a side is empty, a row is on both sides or does not
        exist, or a group is on both sides.

    Examples
    --------
    >>> [fold.validation.tolist() for fold in make_folds(5, 2, shuffle=False)]
    [[0, 1, 2], [3, 4]]
    >>> [fold.validation.tolist() for fold in make_folds(3, np.array(["a", "b", "a"]))]
    [[0, 2], [1]]
    """
    names = None if groups is None else _labels("groups", groups, stimuli)
    if stimuli < 2:
        raise InputValueError(f"cross-validation needs at least 2 stimuli to fit and to judge, not {stimuli}")
    if isinstance(folds, Integral) and not isinstance(folds, bool):
        held_out = _random_labels(stimuli, int(folds), names, shuffle, seed)
        found = _from_labels(held_out)
    elif callable(splitter := getattr(folds, "split", None)) and not isinstance(folds, str):
        found = _from_pairs(splitter(np.zeros((stimuli, 1)), None, names), stimuli)
    elif isinstance(folds, np.ndarray) and folds.dtype != object and folds.ndim == 1:
        found = _from_labels(_labels("folds", folds, stimuli))
    elif isinstance(folds, Iterable) and not isinstance(folds, str):
        found = _from_pairs(folds, stimuli)
    else:
        raise InputTypeError(
            "folds must be a number, an array with the fold of each stimulus, pairs (train, validation), or an object "
            f"with a method `split`; not {type(folds).__name__}"
        )
    _check(found, names, least)
    return found


def cells_of(folds: list[Fold], stimuli: int) -> Cells:
    """Group rows by what every fold does with them.

    Examples
    --------
    >>> [rows.tolist() for rows in cells_of(make_folds(4, 2, shuffle=False), 4).rows]
    [[0, 1], [2, 3]]
    """
    part = np.zeros((stimuli, len(folds)), np.int8)
    for number, fold in enumerate(folds):
        part[fold.train, number], part[fold.validation, number] = 1, 2
    kinds, first, cell = np.unique(part, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rows = [np.flatnonzero(cell.reshape(-1) == number) for number in order]
    return Cells(rows, (kinds[order] == 1).T, (kinds[order] == 2).T)


def _labels(what: str, values: ArrayLike, stimuli: int) -> NDArray[Any]:
    array = np.asarray(values)
    if array.shape != (stimuli,):
        raise InputValueError(f"{what} must have one entry for each of {stimuli} stimuli, not shape {array.shape}")
    if any(item is None or item != item for item in array.tolist()):
        raise InputValueError(f"{what} has no entry for some stimuli: None or NaN")
    return array


def _random_labels(
    stimuli: int, folds: int, groups: NDArray[Any] | None, shuffle: bool, seed: int
) -> NDArray[np.int64]:
    names, of_row = np.unique(np.arange(stimuli) if groups is None else groups, return_inverse=True)
    what = "stimuli" if groups is None else "groups of stimuli"
    if not 2 <= folds <= len(names):
        raise InputValueError(f"folds is {folds}; expected 2 or more, and at most the number of {what}: {len(names)}")
    sizes = np.bincount(of_row, minlength=len(names))
    order = np.random.default_rng(seed).permutation(len(names)) if shuffle else np.arange(len(names))
    held_out = np.empty(len(names), np.int64)
    if groups is None:
        for number, members in enumerate(np.array_split(order, folds)):
            held_out[members] = number
    else:  # large groups first, each into the fold that has fewest stimuli
        filled = np.zeros(folds, np.int64)
        for member in order[np.argsort(-sizes[order], kind="stable")]:
            held_out[member] = filled.argmin()
            filled[held_out[member]] += sizes[member]
    return held_out[of_row.reshape(-1)]


def _from_labels(held_out: NDArray[Any]) -> list[Fold]:
    return [Fold(np.flatnonzero(held_out != label), np.flatnonzero(held_out == label)) for label in np.unique(held_out)]


def _from_pairs(pairs: Iterable[Any], stimuli: int) -> list[Fold]:
    found = []
    for number, pair in enumerate(pairs):
        if not isinstance(pair, (tuple, list, Fold)) or (not isinstance(pair, Fold) and len(pair) != 2):
            raise InputTypeError(f"fold {number} must be a pair (train, validation) of row numbers, not {pair!r}")
        sides = (pair.train, pair.validation) if isinstance(pair, Fold) else pair
        found.append(Fold(*(_rows(side, stimuli, number) for side in sides)))
    return found


def _rows(side: ArrayLike, stimuli: int, number: int) -> Rows:
    array = np.asarray(side)
    if array.dtype == bool and array.shape == (stimuli,):
        array = np.flatnonzero(array)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise InputTypeError(
            f"fold {number}: rows must be a list of whole numbers, or a mask with one entry for each of {stimuli} "
            f"stimuli; not {array.dtype} of shape {array.shape}"
        )
    rows = array.astype(np.int64)
    if rows.size and (rows.min() < 0 or rows.max() >= stimuli):
        raise InputValueError(f"fold {number}: rows go from {rows.min()} to {rows.max()}; there are {stimuli} stimuli")
    if len(np.unique(rows)) < len(rows):
        raise InputValueError(f"fold {number}: a row is named more than once")
    return rows


def _check(folds: list[Fold], groups: NDArray[Any] | None, least: int) -> None:
    if len(folds) == 0:
        raise InputValueError("there is no fold")
    if len(folds) == 1 and not len(folds[0].train):
        raise InputValueError("all stimuli are in one fold, so none is left to fit on; expected at least two folds")
    for number, fold in enumerate(folds):
        for side, rows in (("fit on", fold.train), ("judge by", fold.validation)):
            if not len(rows):
                raise InputValueError(f"fold {number} has no stimulus to {side}")
        if len(fold.train) < least:
            raise InputValueError(
                f"fold {number} is fitted on {len(fold.train)} stimulus; with an intercept at least {least} are needed"
            )
        both = np.intersect1d(fold.train, fold.validation)
        if len(both):
            raise InputValueError(f"fold {number}: {len(both)} stimuli, such as {both[0]}, are on both sides")
        if groups is not None:
            shared = np.intersect1d(groups[fold.train], groups[fold.validation])
            if len(shared):
                raise InputValueError(f"fold {number}: {len(shared)} groups, such as {shared[0]!r}, are on both sides")
