"""Noise-normalised accuracy: how much of what could be explained is explained."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braincodec.errors import InputValueError
from braincodec.evaluation.checks import as_floats, warn_undefined
from braincodec.evaluation.definition import Definition
from braincodec.evaluation.encoding.co_moments import CoMoments
from braincodec.evaluation.encoding.correlation import UnitMetric, correlation_of

NAME = "noise-normalised accuracy"
TOLERANCE = 1e-6  # rounding of float32; anything beyond is another scale, such as percent
UNDEFINED = "their noise ceiling is not above 0 or not known, or their correlation is not defined; they are left out"


def noise_normalised_accuracy(
    correlation: ArrayLike, noise_ceiling: ArrayLike, clip: bool = False
) -> NDArray[np.float64]:
    """Squared correlation of each unit as a share of its noise ceiling.

    Parameters
    ----------
    correlation : array_like, shape (units,)
        Pearson r of prediction and mean response over stimuli.
    noise_ceiling : array_like, shape (units,)
        Explainable part of the variance of the mean response, so on the scale of r squared.
    clip : bool
        Whether shares above 1, which estimation error gives, become 1.

    Returns
    -------
    array of float64, shape (units,)
        clip(r, 0)^2 / NC. NaN, with one `UndefinedScoreWarning` that says for how many, where the noise ceiling is not
        above 0 or either is NaN.

    Raises
    ------
    InputTypeError, InputValueError
        When the shapes differ, a correlation is beyond -1 to 1, or a noise ceiling above 1.

    Notes
    -----
    As the Algonauts Project 2023 Challenge (Gifford et al. 2023). Averages and medians over units leave NaN out.

    Examples
    --------
    >>> noise_normalised_accuracy([0.6, -0.2, 0.9], [0.72, 0.5, 0.6])
    array([0.5  , 0.   , 1.35])
    """
    r, ceiling = (
        as_floats("correlation", correlation, ("units",)),
        as_floats("noise_ceiling", noise_ceiling, ("units",)),
    )
    if r.shape != ceiling.shape:
        raise InputValueError(
            f"there are {len(r)} correlations and {len(ceiling)} noise ceilings; they must be as many"
        )
    for name, wrong in (("correlation", np.abs(r) > 1 + TOLERANCE), ("noise_ceiling", ceiling > 1 + TOLERANCE)):
        if wrong.any():
            unit = int(np.argmax(wrong))
            value = (r if name == "correlation" else ceiling)[unit]
            raise InputValueError(f"{name} of unit {unit} is {value:g}, which is beyond 1")
    found = np.full(len(r), np.nan)
    np.divide(np.clip(r, 0, 1).astype(np.float64) ** 2, ceiling, out=found, where=ceiling > 0)
    if clip:
        np.clip(found, None, 1, out=found)
    warn_undefined(NAME, np.isnan(found), UNDEFINED)
    return found


class NoiseNormalisedAccuracy(UnitMetric):
    """Noise-normalised accuracy of each unit, batch by batch.

    Parameters
    ----------
    noise_ceiling : array_like, shape (units,), optional
        Explainable part of the variance of the mean response; `compute` needs it.
    clip : bool
        Whether shares above 1 become 1.

    Examples
    --------
    >>> NoiseNormalisedAccuracy([0.5]).update([[1.0], [2.0], [3.0]], [[1.0], [2.0], [3.0]]).compute()
    array([2.])
    """

    definition = Definition(
        name="noise_normalised_accuracy",
        title="Noise-normalised accuracy",
        direction="encoding",
        of="unit",
        text="Squared correlation of a unit (negative ones count as 0) divided by its noise ceiling, the part of the "
        "variance of the measured response that any model could explain. Estimation error can lift it above 1. Not "
        "defined for units whose noise ceiling is not above 0: they are left out and counted.",
        range=(0, np.inf),
        chance=None,
        better="higher",
        source="Gifford et al. 2023, The Algonauts Project 2023 Challenge",
    )

    def __init__(self, noise_ceiling: ArrayLike | None = None, clip: bool = False) -> None:
        super().__init__()
        self.noise_ceiling = noise_ceiling
        self.clip = clip

    def _score(self, state: CoMoments) -> NDArray[np.float64]:
        if self.noise_ceiling is None:
            raise InputValueError("noise-normalised accuracy needs the noise ceiling of each unit: give noise_ceiling")
        return noise_normalised_accuracy(correlation_of(state), self.noise_ceiling, self.clip)
