"""One call of an image generator, and the checks of what is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braincodec.errors import InputTypeError, InputValueError

if TYPE_CHECKING:
    import torch

MOST_ROWS_NAMED = 5


@dataclass(frozen=True, eq=False)
class Request:
    """One call of `ImageGenerator.generate`, checked.

    Parameters
    ----------
    embeddings : torch.Tensor of float32, shape (n, dimension)
        On the CPU.
    n_samples, seed : int
    stimuli : tuple of int
        Number of each row's stimulus.
    device, dtype
        Where and in what networks run.
    one_network_at_a_time : bool
        Whether a network's copy on the device is freed before the next one is placed there.
    advance : callable
        Told how many images were finished.
    """

    embeddings: torch.Tensor
    n_samples: int
    seed: int
    stimuli: tuple[int, ...]
    device: torch.device
    dtype: torch.dtype
    one_network_at_a_time: bool = False
    advance: Callable[[int], None] = field(default=lambda _: None)


def check_embeddings(embeddings: ArrayLike, dimension: int | None = None) -> NDArray[np.float32]:
    """Embeddings as a contiguous float32 array of shape (n, dimension).

    Raises
    ------
    InputTypeError, InputValueError
        For what is not numbers, another shape, no row, or values that are not finite (the first rows are named).

    Examples
    --------
    >>> check_embeddings([[1.0, np.nan]])
    Traceback (most recent call last):
    braincodec.errors.InputValueError: embeddings must be finite; rows with NaN or infinity: 0
    """
    try:
        array = np.ascontiguousarray(embeddings, np.float32)
    except (TypeError, ValueError) as error:
        raise InputTypeError(f"embeddings must be numbers, shape (n, dimension): {error}") from None
    if array.ndim != 2 or not array.size or dimension not in (None, array.shape[1]):
        raise InputValueError(f"embeddings must have shape (n, {dimension or 'dimension'}), got {array.shape}")
    bad = np.flatnonzero(~np.isfinite(array).all(1))
    if len(bad):
        named = ", ".join(map(str, bad[:MOST_ROWS_NAMED])) + (" ..." if len(bad) > MOST_ROWS_NAMED else "")
        raise InputValueError(f"embeddings must be finite; rows with NaN or infinity: {named}")
    return array


def check_sampling(n_samples: int, seed: int, numbers: tuple[int, ...], count: int) -> None:
    """Raise where samples, seed or numbers of stimuli are impossible."""
    for name, value, least in (("n_samples", n_samples, 1), ("seed", seed, 0)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise InputTypeError(f"{name} must be a whole number, got {value!r}")
        if value < least:
            raise InputValueError(f"{name} must be at least {least}, got {value}")
    if len(numbers) != count or min(numbers) < 0:
        raise InputValueError(f"stimuli must be one number from 0 for each of {count} embeddings, got {numbers[:9]}")
