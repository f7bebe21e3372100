"""Which scores of units there are: what each is computed from, and how it relates to its noise ceiling."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
CORRELATION, DETERMINATION = "correlation", "r2_determination"


@dataclass(frozen=True)
class UnitMetric:
    """How a score of units follows from what is computed, and what any model could reach.

    Attributes
    ----------
    base : str
        What is computed for each unit: the correlation, R^2, or another registered metric of this name.
    transform : callable (base values, noise ceiling)
        The score; both arrays end in the axis of units.
    ceiling : callable (noise ceiling) or None
        The best that any model could reach, NaN where that is not known or not above 0.
    """

    base: str
    transform: Callable[[Floats, Floats], Floats]
    ceiling: Callable[[Floats], Floats] | None


def above_zero(noise_ceiling: Floats) -> Floats:
    """The noise ceiling where it can be divided by, NaN elsewhere.

    Examples
    --------
    >>> above_zero(np.array([0.5, 0.0]))
    array([0.5, nan])
    """
    usable: Floats = np.where(noise_ceiling > 0, noise_ceiling, np.nan)
    return usable


UNIT_METRICS = {
    CORRELATION: UnitMetric(CORRELATION, lambda r, _: r, lambda ceiling: np.sqrt(above_zero(ceiling))),
    DETERMINATION: UnitMetric(DETERMINATION, lambda r2, _: r2, above_zero),
    "r2_correlation": UnitMetric(CORRELATION, lambda r, _: np.maximum(r, 0) ** 2, above_zero),
    "noise_normalised_accuracy": UnitMetric(
        CORRELATION,
        lambda r, ceiling: np.maximum(r, 0) ** 2 / above_zero(ceiling),
        lambda ceiling: above_zero(ceiling) ** 0,  # 1 where it is known
    ),
}


def unit_metric(name: str) -> UnitMetric:
    """The rule of a built-in metric; any other is computed as it is and has no ceiling.

    Examples
    --------
    >>> unit_metric("r2_correlation").transform(np.array([-0.5, 0.5]), np.array([1.0, 1.0])).tolist()
    [0.0, 0.25]
    """
    return UNIT_METRICS.get(name) or UnitMetric(name, lambda values, _: values, None)
