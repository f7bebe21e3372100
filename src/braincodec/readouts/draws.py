"""Random weights of feature spaces for banded ridge regression."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from braincodec.errors import InputValueError


def dirichlet_draws(
    count: int, spaces: int, concentration: float | Sequence[float] = (0.1, 1.0), seed: int = 0
) -> NDArray[np.float64]:
    """Points of the simplex: how much each feature space may contribute.

    Parameters
    ----------
    count : int
        How many; the first gives all spaces the same.
    spaces : int
    concentration : float or sequence of float
        Of the Dirichlet distributions, taken in turn: 1 is uniform, small ones favour few spaces, infinity gives all
        spaces the same.
    seed : int

    Returns
    -------
    array, shape (count, spaces)
        Rows sum to 1.

    Raises
    ------
    InputValueError
        When a number is not positive.

    Notes
    -----
    The same points as himalaya's ``generate_dirichlet_samples`` with the same seed, the first replaced as its random
    search does.

    Examples
    --------
    >>> dirichlet_draws(3, 2)[0]
    array([0.5, 0.5])
    """
    each = np.atleast_1d(np.asarray(concentration, np.float64))
    if count < 1 or spaces < 1:
        raise InputValueError(f"draws need at least one draw of one space, not {count} of {spaces}")
    if each.ndim != 1 or not each.size or not (each > 0).all():
        raise InputValueError(f"concentration must be positive, not {concentration!r}")
    generator = np.random.RandomState(seed)
    rounds = -(-count // len(each))
    found = np.stack(
        [
            np.full((rounds, spaces), 1 / spaces) if np.isinf(one) else generator.dirichlet([one] * spaces, rounds)
            for one in each
        ],
        axis=1,
    )  # (rounds, concentrations, spaces)
    found = found.reshape(-1, spaces)[:count]
    found[0] = 1 / spaces
    return found
