"""How near test images are to training images, and how alike both sides are, under each split."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from braincodec.errors import InputValueError
from braincodec.evaluation.splits.discrepancy import discrepancies, kernel_width
from braincodec.evaluation.splits.distance import nearest_distances
from braincodec.evaluation.splits.embedding import DEFAULT_FEATURES, Features
from braincodec.evaluation.splits.inputs import Stimuli, directions_of, ids_of

if TYPE_CHECKING:
    from braincodec.datasets.base import Split

COLUMNS = ("scheme", "split", "n_train", "n_test", "nearest_smallest", "nearest_median", "mmd2")


def split_diagnostics(
    stimuli: Stimuli,
    splits: Mapping[str, Iterable[Split]],
    features: Features = DEFAULT_FEATURES,
    *,
    seed: int = 0,
    progress: bool | None = None,
) -> pd.DataFrame:
    """Measure each split: is a test image like its nearest training image, are both sides one population.

    Parameters
    ----------
    stimuli : Recording, StimulusSet or ids
    splits : mapping of scheme to splits
    features : array of shape (stimuli, features), DataArray, backbone name, FeatureConfig or dict
        As for `distance_splits`.
    seed : int
        Draws the images that the width of the kernel is taken from.
    progress : bool, optional

    Returns
    -------
    DataFrame
        One row for each split: ``scheme``, ``split`` (number), ``n_train`` (validation stimuli included), ``n_test``,
        ``nearest_smallest`` and ``nearest_median`` (1 - cosine similarity of test images to their nearest training
        image), ``mmd2`` (squared maximum mean discrepancy between both sides, about zero for samples of one
        population).

    Raises
    ------
    InputValueError
        When a split names an unknown stimulus, or has fewer than two stimuli on a side.

    Examples
    --------
    >>> from braincodec.evaluation.splits import random_splits
    >>> features = np.random.default_rng(0).standard_normal((50, 8))
    >>> table = split_diagnostics(range(50), {"random": random_splits(range(50))}, features)
    >>> len(table), table["n_test"].tolist()
    (5, [10, 10, 10, 10, 10])
    """
    ids = ids_of(stimuli)
    unit, _ = directions_of(stimuli, features, ids, progress)
    width = kernel_width(unit, seed)
    rows = []
    for scheme, members in splits.items():
        for number, split in enumerate(members):
            split.check_against(ids)
            train = _membership(ids, (*split.train, *split.validation))
            test = _membership(ids, split.test)
            if min(train.sum(), test.sum()) < 2:
                raise InputValueError(f"split {number} of {scheme!r} has fewer than two stimuli on a side")
            nearest = nearest_distances(unit, train, test)
            used = train | test
            found = discrepancies(unit[used], [test[used]], width)[0]
            rows.append(
                (
                    scheme,
                    number,
                    int(train.sum()),
                    int(test.sum()),
                    float(nearest.min()),
                    float(np.median(nearest)),
                    float(found),
                )
            )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _membership(ids: list[str], chosen: Iterable[str]) -> NDArray[np.bool_]:
    wanted = set(chosen)
    return np.array([item in wanted for item in ids])
