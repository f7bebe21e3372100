"""What figures of single units draw: the values, ceilings and regions, from scores or from plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from braincodec.errors import InputTypeError, InputValueError, UnknownNameError
from braincodec.evaluation.metric import METRICS
from braincodec.evaluation.scores import ALL_UNITS, Scores
from braincodec.responses.checks import ROI_MEMBERSHIP, ROI_PREFIX
from braincodec.viz.alternative import count

# variables of a table of units that are no score
NOT_SCORES = ("vertex", "hemisphere", "subject", "i", "j", "k", "model_roi", ROI_MEMBERSHIP, "p_value", "q_value")
# of what is known of units without being a metric
TITLES = {"ncsnr": "Signal-to-noise ratio (ncsnr)"}
SQUARED, SIGNED, NORMALISED = "r2_correlation", "correlation", "noise_normalised_accuracy"


@dataclass(frozen=True)
class UnitValues:
    """One number for each unit, and which units are where.

    Attributes
    ----------
    values : array of float64, shape (units,)
    regions : dict of str to array of bool, shape (units,)
    ceiling : array of float64, shape (units,), or None
        Noise ceiling: the part of the variance.
    title : str
        What the values are, for an axis.
    stimuli : int
        Test stimuli; 0 when not known.
    subjects : tuple of str
    """

    values: NDArray[np.float64]
    regions: dict[str, NDArray[np.bool_]]
    ceiling: NDArray[np.float64] | None = None
    title: str = "accuracy"
    stimuli: int = 0
    subjects: tuple[str, ...] = ()

    def region(self, name: str) -> NDArray[np.bool_]:
        """Which units a region has; ``"all"`` has all.

        Raises
        ------
        UnknownNameError
            When there is no such region.
        """
        if name in self.regions:
            return self.regions[name]
        if name == ALL_UNITS:
            return np.ones(len(self.values), bool)
        raise UnknownNameError("roi", name, [ALL_UNITS, *self.regions])

    def chosen(self, rois: str | Sequence[str] | None) -> list[str]:
        """Names of regions from ``None`` (all units together), ``"each"``, one name or several."""
        if rois is None:
            return [ALL_UNITS]
        names = (list(self.regions) or [ALL_UNITS]) if rois == "each" else [rois] if isinstance(rois, str) else rois
        for name in names:
            self.region(name)
        return list(names)

    def amount(self, shown: int) -> str:
        """How many units are shown, of how many subjects, over how many stimuli."""
        words = count(shown, "unit")
        if len(self.subjects) > 1:
            words += f" of {len(self.subjects)} subjects"
        elif self.subjects and self.subjects[0]:
            words += f" of subject {self.subjects[0]}"
        return words + (f", {count(self.stimuli, 'stimulus')}" if self.stimuli else "")


def unit_values(
    data: Scores | xr.DataArray | ArrayLike,
    metric: str | None,
    *,
    noise_ceiling: ArrayLike | None = None,
    subject: object = None,
) -> UnitValues:
    """Values of units from scores, a labelled array or a plain one.

    Parameters
    ----------
    data : Scores, DataArray (unit,) or array (unit,)
    metric : str, optional
        A variable of ``scores.units``; ``"r2_correlation"`` is computed where only the correlation is there. Default:
        the correlation. For arrays: what they hold.
    noise_ceiling : array (unit,), optional
        Part of the variance; of scores, their own.
    subject : optional
        Units of one subject only.

    Raises
    ------
    InputTypeError, InputValueError
        When there is no such metric or subject, there are no units, or shapes do not fit.
    """
    if isinstance(data, Scores):
        return _of_scores(data, metric or SIGNED, subject)
    labelled = data if isinstance(data, xr.DataArray) else None
    values = np.asarray(data)
    if values.dtype.kind not in "biuf":
        raise InputTypeError(f"values of units must be real numbers or Scores, not {type(data).__name__}")
    if values.ndim != 1 or not values.size:
        raise InputValueError(f"values of units need the shape (units,) with at least one unit, not {values.shape}")
    ceiling = None if noise_ceiling is None else np.asarray(noise_ceiling, dtype=float)
    if ceiling is not None and ceiling.shape != values.shape:
        raise InputValueError(f"the noise ceiling has shape {ceiling.shape}, the values {values.shape}")
    regions: dict[str, NDArray[np.bool_]] = {}
    subjects: tuple[str, ...] = ()
    if labelled is not None:
        regions = {
            str(key).removeprefix(ROI_PREFIX): member.values
            for key, member in labelled.coords.items()
            if str(key).startswith(ROI_PREFIX)
        }
        if ceiling is None and "noise_ceiling" in labelled.coords:
            ceiling = labelled["noise_ceiling"].values.astype(float)
        if "subject" in labelled.coords:
            subjects = tuple(map(str, np.unique(labelled["subject"].values)))
    return UnitValues(values.astype(float), regions, ceiling, metric_title(metric or "accuracy"), 0, subjects)


def unit_dataset(scores: Scores, subject: object = None) -> xr.Dataset:
    """The units of scores, of one subject where one is asked for.

    Raises
    ------
    InputValueError
        When there are no units, or none of that subject.
    """
    units = scores.units
    if "unit" not in units.sizes and "channel" not in units.sizes:
        raise InputValueError(f"the scores of {scores.name} have no units to draw")
    if subject is None:
        return units
    labels = units["subject"].values.astype(str) if "subject" in units.variables else np.unique(scores.table["subject"])
    if str(subject) not in labels:
        raise UnknownNameError("subject", str(subject), np.unique(labels))
    if "subject" not in units.variables:
        return units
    if units["subject"].dims == ("unit",):
        return units.isel(unit=np.flatnonzero(labels == str(subject)))
    return units.isel(subject=int(np.flatnonzero(labels == str(subject))[0]))


def metric_values(units: xr.Dataset, metric: str) -> xr.DataArray:
    """One variable of a table of units; the squared correlation is computed where it is not there.

    Raises
    ------
    UnknownNameError
        When it is not there.
    """
    if metric in units.data_vars:
        return units[metric]
    if metric == SQUARED and SIGNED in units:
        return units[SIGNED].clip(0, None) ** 2
    raise UnknownNameError("metric", metric, [name for name in units.data_vars if name not in NOT_SCORES])


def metric_title(metric: str) -> str:
    """What a metric is called on an axis: the title of its definition, or its name in words.

    Examples
    --------
    >>> metric_title("some_other_score"), metric_title("ncsnr")
    ('Some other score', 'Signal-to-noise ratio (ncsnr)')
    """
    if metric in TITLES:
        return TITLES[metric]
    definition: Any = None
    if metric in METRICS.names():
        definition = getattr(METRICS.get(metric), "definition", None)
    if definition is not None:
        return str(definition.title)
    words = metric.replace("_", " ")
    return words[:1].upper() + words[1:]


def _of_scores(scores: Scores, metric: str, subject: object) -> UnitValues:
    units = unit_dataset(scores, subject)
    values = metric_values(units, metric)
    if values.dims != ("unit",):
        raise InputValueError(f"{metric} of {scores.name} has dims {values.dims}; this figure draws dims ('unit',)")
    regions = {}
    if ROI_MEMBERSHIP in units.variables:
        membership = units[ROI_MEMBERSHIP].transpose("unit", "roi").values
        regions = {str(roi): membership[:, column] for column, roi in enumerate(units["roi"].values)}
    ceiling = units["noise_ceiling"].values.astype(float) if "noise_ceiling" in units else None
    rows = scores.table[scores.table["subject"] == str(subject)] if subject is not None else scores.table
    return UnitValues(
        values.values.astype(float),
        regions,
        ceiling,
        metric_title(metric),
        int(rows["n_stimuli"].max()) if len(rows) else 0,
        tuple(dict.fromkeys(rows["subject"])),
    )
