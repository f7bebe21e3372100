"""False-discovery rate over units."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braincodec.errors import InputValueError


def false_discovery_rate(p: ArrayLike) -> NDArray[np.float64]:
    """Benjamini-Hochberg q of each p: the smallest false-discovery rate at which its test counts as a discovery.

    Parameters
    ----------
    p : array_like
        P values of any shape, one family of tests. NaN where there was no test: it counts in no number of tests.

    Returns
    -------
    array, the shape of `p`
        NaN where `p` is.

    Raises
    ------
    InputValueError
        When a p is not between 0 and 1.

    Notes
    -----
    Source: Benjamini, Hochberg 1995. The rate is kept for independent tests and for positively dependent ones, as
    neighbouring units are.

    Examples
    --------
    >>> false_discovery_rate([0.01, 0.04, 0.03, float("nan")])
    array([0.03, 0.04, 0.04,  nan])
    """
    values = np.asarray(p, np.float64)
    tested = ~np.isnan(values)
    if ((values[tested] < 0) | (values[tested] > 1)).any():
        raise InputValueError(
            f"p values must be between 0 and 1; they reach {values[tested].min()}..{values[tested].max()}"
        )
    q = np.full(values.shape, np.nan)
    order = np.argsort(values[tested])
    ranked = values[tested][order] * (tested.sum() / np.arange(1, tested.sum() + 1))
    smallest = np.minimum.accumulate(ranked[::-1])[::-1]  # no larger p has a smaller q
    back = np.empty_like(smallest)
    back[order] = np.minimum(smallest, 1)
    q[tested] = back
    return q
