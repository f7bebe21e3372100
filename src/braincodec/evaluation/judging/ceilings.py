"""Where the noise ceiling of a recording comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from braincodec.errors import InputValueError
from braincodec.evaluation.judging.unit_blocks import UnitBlocks, any_repeated
from braincodec.evaluation.noise_ceiling import (
    noise_ceiling_from_ncsnr,
    noise_ceiling_split_half,
    noise_ceiling_variance_components,
)

Floats = NDArray[np.float64]
FEWEST_STIMULI = 4  # that variances between repetitions are estimated from
WORDS = {
    "variance_components": "from the variance between repetitions of the test stimuli (variance components)",
    "split_half": "from correlations of random halves of the repetitions of the test stimuli, stepped up by the "
    "Spearman-Brown formula",
    "ncsnr": "from the signal-to-noise ratio (ncsnr) stated with the units and the number of repetitions of the test "
    "stimuli",
    "units": "as stated with the units of the recording (noise_ceiling)",
    "given": "as given by the caller",
    "none": "not computed: none was asked for",
}


@dataclass(frozen=True, eq=False)
class CeilingSource:
    """One way to the noise ceiling of units.

    Attributes
    ----------
    method : str
        "variance_components", "split_half", "ncsnr", "units", "given" or "none".
    words : str
        The same for people.
    stated : array, shape (units,), or None
        Where it does not come from repetitions.
    """

    method: str
    words: str
    stated: Floats | None = None

    @property
    def from_repetitions(self) -> bool:
        """Whether it is estimated from the measured repetitions themselves."""
        return self.method in ("variance_components", "split_half")

    def of_tile(self, responses: NDArray[Any], units: slice, seed: int) -> Floats:
        """Noise ceiling of some units, from their responses (stimuli, [repetitions,] units)."""
        if self.from_repetitions and not any_repeated(responses):  # though others of the units may be
            return np.full(responses.shape[-1], np.nan)
        if self.method == "variance_components":
            return noise_ceiling_variance_components(responses)
        if self.method == "split_half":
            return noise_ceiling_split_half(responses, seed=seed)
        if self.stated is None:
            return np.full(responses.shape[-1], np.nan)
        return self.stated[units]


def choose_ceiling(asked: str | ArrayLike, measured: UnitBlocks, units: xr.Dataset, training: str) -> CeilingSource:
    """Decide where the noise ceiling comes from.

    Parameters
    ----------
    asked : {"auto", "variance_components", "split_half", "ncsnr", "units", "none"} or array
        "auto": repetitions of the judged stimuli where there are two or more, else ncsnr with known counts, else the
        units' own noise_ceiling, else none.
    measured : UnitBlocks
    units : Dataset
    training : str
        What the stimuli are called: for the message.

    Raises
    ------
    InputValueError
        When the way asked for cannot be gone, and why.
    """
    if not isinstance(asked, str):
        return CeilingSource("given", WORDS["given"], _checked(np.asarray(asked, float), measured))
    repeated = len(measured.rows) >= FEWEST_STIMULI and measured.repeated
    counts = _counts(measured)
    if asked in ("variance_components", "split_half") and not repeated:
        raise InputValueError(
            f"noise_ceiling={asked!r} needs at least two repetitions, and {FEWEST_STIMULI} stimuli; the responses have "
            f"{_most_repetitions(measured)} of {len(measured.rows)} {training} stimuli"
        )
    if asked == "ncsnr" and ("ncsnr" not in units or counts is None):
        what = "`ncsnr`" if "ncsnr" not in units else "an axis or coordinate that says how often each stimulus was seen"
        raise InputValueError(f"noise_ceiling='ncsnr' needs {what}, which the recording lacks")
    if asked == "units" and "noise_ceiling" not in units:
        raise InputValueError("noise_ceiling='units' needs `noise_ceiling` in the units, which the recording lacks")
    if asked in ("variance_components", "split_half", "none"):
        return CeilingSource(asked, WORDS[asked])
    if asked == "auto" and repeated:
        return CeilingSource("variance_components", WORDS["variance_components"])
    if asked in ("auto", "ncsnr") and "ncsnr" in units and counts is not None:
        stated = noise_ceiling_from_ncsnr(_flat(units["ncsnr"], measured), counts)
        return CeilingSource("ncsnr", WORDS["ncsnr"], stated)
    if "noise_ceiling" in units:
        return CeilingSource("units", WORDS["units"], _checked(_flat(units["noise_ceiling"], measured), measured))
    return CeilingSource(
        "none",
        "not known: the test responses have no repetitions, and the units state neither a ncsnr with counts nor a "
        "noise ceiling",
    )


def _counts(measured: UnitBlocks) -> NDArray[np.int64] | None:
    """Repetitions of each stimulus; None where nobody says."""
    if "repetitions" in measured.array.coords and measured.array["repetitions"].dims == ("stimulus",):
        return np.asarray(measured.array["repetitions"].values[measured.rows], np.int64)
    if measured.repetitions == 1:
        return np.ones(len(measured.rows), np.int64)
    if measured.repetitions is not None:
        for tile in measured.tiles():
            present = np.isfinite(measured.read(tile)).any(axis=2).sum(axis=1)
            if present.any():  # units without data say nothing
                return np.asarray(present, np.int64) if (present > 0).all() else None
    return None


def _most_repetitions(measured: UnitBlocks) -> str:
    if measured.repetitions is None:
        return "no axis of repetitions"
    return f"{measured.repetitions if measured.repeated else 1} repetitions"


def _flat(variable: xr.DataArray, measured: UnitBlocks) -> Floats:
    return np.asarray(variable.transpose(*measured.unit_dims).values, float).ravel()


def _checked(values: Floats, measured: UnitBlocks) -> Floats:
    if values.shape not in ((measured.units,), measured.unit_shape):
        raise InputValueError(
            f"a noise ceiling of shape {values.shape} was given for units of shape {measured.unit_shape}"
        )
    known = values[np.isfinite(values)]
    if known.size and (known.min() < 0 or known.max() > 1):
        raise InputValueError(
            f"a noise ceiling is a part of the variance, 0 to 1; these run from {known.min():g} to {known.max():g}"
            + (" (percent must be divided by 100)" if known.max() > 1 else "")
        )
    return values.ravel()
