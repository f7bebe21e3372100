"""Effects as rows of a table: the contrast and each region, in one subject or several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from braincodec.control.batches import Positions
from braincodec.control.confirmation import (
    Effect,
    batch_means,
    bootstrap_difference,
    interval_over_subjects,
    random_batch_null,
)
from braincodec.control.univariate import contrast, selection_null

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

Floats = NDArray[np.floating]
Row = dict[str, Any]

CONTRAST, MEAN = "contrast", "mean"
OVER_IMAGES, OVER_SUBJECTS = "images", "subjects"
COLUMNS = (
    "subject",  # whose responses; "mean" over several
    "response",  # "contrast", or a region
    "effect",  # chosen minus baseline images
    "low",
    "high",  # interval of the effect
    "over",  # what the interval is over: images, or subjects
    "p",  # how often chance does as well; NaN where nothing was tested
    "floor",  # the effect that chance gives on average
    "images",
    "subjects",
    "units",
)


def quantities(responses: Floats, signs: Floats) -> NDArray[np.float64]:
    """The contrast, then the regions; shape (1 + regions, images)."""
    return np.concatenate([contrast(responses, signs)[None], np.asarray(responses, np.float64)])


def names_of(rois: Sequence[str]) -> list[str]:
    """What the rows of `quantities` are called."""
    return [CONTRAST, *rois]


def unit_counts(responses: xr.DataArray) -> list[list[int]]:
    """For each subject: all units, then those of each region."""
    return [[int(own.sum()), *own.tolist()] for own in responses["units"].values]


def image_rows(
    subject: str,
    names: Sequence[str],
    values: Floats,
    directions: Floats,
    chosen: Positions,
    baseline: Positions,
    units: Sequence[int],
    subjects: int,
    settings: dict[str, Any],
) -> list[Row]:
    """Effects with intervals over images, tested against random batches of images.

    Parameters
    ----------
    subject : str
    names : sequence of str
    values : array, shape (quantities, images)
        In one subject, or their mean; NaN for images without responses.
    directions : array, shape (quantities,)
        1 where the effect should be above zero, -1 where below.
    chosen, baseline : array of int
    units : sequence of int
        Of each quantity.
    subjects : int
        How many were averaged.
    settings : dict
        ``draws``, ``permutations``, ``level``, ``seed``.
    """
    from braincodec.evaluation.statistics import percentile_interval, permutation_p_value

    known = np.asarray(np.isfinite(values).all(axis=0))
    chosen, baseline = chosen[known[chosen]], baseline[known[baseline]]
    at_baseline = batch_means(values, baseline)
    effects = batch_means(values, chosen) - at_baseline
    replicates = bootstrap_difference(values, chosen, baseline, settings["draws"], settings["seed"])
    low, high = percentile_interval(replicates, settings["level"])
    null = random_batch_null(values, len(chosen), settings["permutations"], settings["seed"]) - at_baseline
    p_values = permutation_p_value(effects * directions, null * directions)
    return [
        _row(subject, name, effects[k], low[k], high[k], OVER_IMAGES, p_values[k], null[:, k].mean(), len(chosen),
             subjects, units[k])
        for k, name in enumerate(names)
    ]  # fmt: skip


def choice_rows(
    values: Floats,
    signs: Floats,
    chosen: Positions,
    baseline: Positions,
    responses: xr.DataArray,
    settings: dict[str, Any],
    progress: bool | None = None,
) -> list[Row]:
    """Effects on the data that the choice was made on: the floor is what choosing by itself gives.

    Parameters
    ----------
    values : array, shape (subjects, regions, images)
    signs : array, shape (regions,)
    chosen, baseline : array of int
    responses : DataArray
        Names and numbers of units.
    settings : dict
        Those of `search`.
    progress : bool, optional
    """
    from braincodec.evaluation.statistics import percentile_interval, permutation_p_value

    mean = quantities(values.mean(axis=0), signs)
    at_baseline = batch_means(mean, baseline)
    effects = batch_means(mean, chosen) - at_baseline
    replicates = bootstrap_difference(mean, chosen, baseline, settings["draws"], settings["seed"])
    low, high = percentile_interval(replicates, settings["level"])
    p, floor = 1.0, float(effects[0])
    if len(values) > 1:  # the images of one subject are as well chosen when they are shuffled
        null = selection_null(
            values, signs, len(chosen), at_baseline[1:], settings["margin"], settings["permutations"], settings["seed"]
        )
        p, floor = float(permutation_p_value(effects[0], null)), float(np.nanmean(null))
    units = np.array(unit_counts(responses)).sum(axis=0)
    label = str(responses["subject"].values[0]) if len(values) == 1 else MEAN
    return [
        _row(label, name, effects[k], low[k], high[k], OVER_IMAGES, np.nan if k else p, np.nan if k else floor,
             len(chosen), len(values), units[k])
        for k, name in enumerate(names_of(responses["roi"].values.astype(str).tolist()))
    ]  # fmt: skip


def mean_over_subjects(rows: Sequence[Row], level: float) -> list[Row]:
    """The mean effect over subjects, with its interval over them; tested elsewhere."""
    found = []
    for name in dict.fromkeys(row["response"] for row in rows):
        own = [row for row in rows if row["response"] == name]
        effects = np.array([row["effect"] for row in own])
        low, high = interval_over_subjects(effects, level)
        found.append(
            _row(MEAN, name, effects.mean(), low, high, OVER_SUBJECTS, np.nan, np.nan, own[0]["images"], len(own),
                 sum(row["units"] for row in own))
        )  # fmt: skip
    return found


def table_of(rows: Sequence[Row]) -> pd.DataFrame:
    """Rows as a table with the columns `COLUMNS`."""
    import pandas as pd

    return pd.DataFrame(list(rows), columns=list(COLUMNS))


def effect_of(table: pd.DataFrame, level: float) -> Effect:
    """The effect on the contrast: over all subjects where there are several, with the interval over subjects then."""
    own = table[table["response"] == CONTRAST]
    mean = own[own["subject"] == MEAN]
    chosen = mean if len(mean) else own
    over_subjects = chosen[chosen["over"] == OVER_SUBJECTS]
    row = (over_subjects if len(over_subjects) else chosen).iloc[0]
    tested = chosen["p"].dropna()
    floor = chosen["floor"].dropna()
    return Effect(
        float(row["effect"]),
        float(row["low"]),
        float(row["high"]),
        float(tested.iloc[0]) if len(tested) else float("nan"),
        float(floor.iloc[0]) if len(floor) else float("nan"),
        int(row["images"]),
        int(row["subjects"]),
        int(row["units"]),
        level,
    )


def _row(*values: Any) -> Row:
    return dict(zip(COLUMNS, (one.item() if hasattr(one, "item") else one for one in values), strict=True))
