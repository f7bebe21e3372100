"""Averages of random groups of repetitions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braincodec.errors import InputTypeError, InputValueError
from braincodec.evaluation.checks import TILE_BYTES, tiles

# more repetitions than this are averaged into as many groups, unless asked otherwise
MOST_FOLDS = 10


def pseudo_repetitions(responses: Any, folds: int | None = None, seed: int = 0) -> NDArray[Any]:
    """Average random groups of the repetitions that exist.

    Parameters
    ----------
    responses : array, shape (stimuli, repetitions, channels, times)
        NaN where a repetition is missing, for all channels and times. In memory, or lazily opened.
    folds : int, optional
        How many groups. Default: the fewest repetitions that a stimulus has, at most ten.
    seed : int

    Returns
    -------
    array, shape (stimuli, folds, channels, times)
        Groups differ in size by at most one. With as many groups as repetitions: the repetitions in their order.

    Raises
    ------
    InputTypeError, InputValueError
        When shape or values do not fit, or a stimulus has fewer repetitions than folds, or fewer than two.

    Examples
    --------
    >>> pseudo_repetitions(np.arange(8.0).reshape(2, 4, 1, 1), folds=2, seed=0)[:, :, 0, 0]
    array([[1.5, 1.5],
           [6. , 5. ]])
    """
    responses = responses if hasattr(responses, "shape") else np.asarray(responses)
    shape = tuple(responses.shape)
    if len(shape) != 4:
        raise InputValueError(f"responses must have shape (stimuli, repetitions, channels, times), not {shape}")
    counts = np.concatenate([present.sum(axis=1) for _, _, present in _blocks(responses)] or [np.zeros(0, int)])
    if len(counts) < 2:
        raise InputValueError(f"responses have {len(counts)} stimuli; pairs need at least two")
    fewest = int(counts.min())
    folds = min(fewest, MOST_FOLDS) if folds is None else folds
    if not 2 <= folds <= fewest:
        raise InputValueError(
            f"stimulus {int(counts.argmin())} has {fewest} repetitions, the fewest of all, for {folds} folds; "
            f"cross-validation needs at least two folds and a repetition for each"
        )
    result = np.empty((shape[0], folds, *shape[2:]), np.result_type(responses.dtype, np.float32))
    rng = np.random.default_rng(seed)
    for rows, values, present in _blocks(responses):
        for stimulus, block, exists in zip(range(rows.start, rows.stop), values, present, strict=True):
            chosen = np.flatnonzero(exists)
            order = chosen if len(chosen) == folds else rng.permutation(chosen)
            for fold in range(folds):
                result[stimulus, fold] = block[order[fold::folds]].mean(axis=0)
    return result


def _blocks(responses: Any) -> Iterator[tuple[slice, NDArray[Any], NDArray[np.bool_]]]:
    """Some stimuli at a time, and which of their repetitions exist."""
    for rows in tiles(responses.shape[0], 8 * int(np.prod(responses.shape[1:])), TILE_BYTES):
        values = np.asarray(responses[rows])
        if values.dtype.kind not in "biuf":
            raise InputTypeError(f"responses must hold real numbers, not {values.dtype}")
        finite = np.isfinite(values)
        present = finite.all(axis=(2, 3))
        absent = np.isnan(values).all(axis=(2, 3))
        if not (present | absent).all():
            stimulus, repetition = np.argwhere(~(present | absent))[0]
            raise InputValueError(
                f"responses have values that are NaN or infinite, the first at stimulus {rows.start + stimulus}, "
                f"repetition {repetition}; a missing repetition is NaN for all channels and times"
            )
        yield rows, values, present
