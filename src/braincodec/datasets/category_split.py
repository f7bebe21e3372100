"""Splits by category: what is tested was never trained on, and what validates neither."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from braincodec.datasets.split import Split
from braincodec.errors import DamagedFileError, InputValueError


def zero_shot_split(
    train: Sequence[str],
    train_categories: Sequence[str],
    test: Sequence[str],
    test_categories: Sequence[str],
    *,
    validation: int,
    seed: int,
    where: str,
) -> Split:
    """The published parts, with whole training categories set aside for validation.

    Parameters
    ----------
    train, test : sequence of str
        Stimulus ids.
    train_categories, test_categories : sequence of str
        The category of each.
    validation : int
        How many training categories validate, so that validation is zero-shot as the test is.
    seed : int
        Which ones.
    where : str
        The files that the parts come from, for errors.

    Raises
    ------
    InputValueError
        When fewer than one category would be left for training.
    DamagedFileError
        When a category is both in training and in test: then the test is not zero-shot.

    Examples
    --------
    >>> zero_shot_split("abc", ["x", "x", "y"], "d", ["z"], validation=1, seed=0, where="here").validation
    ('a', 'b')
    """
    common = sorted(set(train_categories) & set(test_categories))
    if common:
        raise DamagedFileError(
            f"{where}: {len(common)} categories are both in training and in test, the first is {common[0]!r}; "
            "the published test is of categories that were never trained on"
        )
    categories = sorted(set(train_categories))
    if not 0 <= validation < max(len(categories), 1):
        raise InputValueError(
            f"validation must be from 0 to {len(categories) - 1} training categories, not {validation}"
        )
    held = set(np.random.default_rng(seed).permutation(categories)[:validation].tolist())
    of_train = list(zip(train, train_categories, strict=True))
    return Split(
        train=tuple(item for item, category in of_train if category not in held),
        validation=tuple(item for item, category in of_train if category in held),
        test=tuple(test),
    )
