"""What was found out about one subject, before several are put together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from braincodec.evaluation.definition import Definition
from braincodec.evaluation.scores.scores import SECOND


@dataclass(eq=False)
class SubjectScores:
    """Scores of one subject's predictions.

    Attributes
    ----------
    subject : str
    ids : tuple of str
        Stimuli that were judged.
    direction : {"encoding", "decoding"}
        Of the rows that are added.
    rows : list of dict
        Of the table.
    replicates : list of array, shape (draws,)
        As many as rows.
    units, stimuli, curves, rdms : Dataset
    images : dict or None
    skipped : dict of metric to reason
    notes : list of str
        What a reader must know: predictions averaged, units left out.
    weights : dict of metric to network
    ceiling : dict
        Method and words.
    """

    subject: str
    ids: tuple[str, ...]
    direction: str = "encoding"
    rows: list[dict[str, Any]] = field(default_factory=list)
    replicates: list[NDArray[np.float64]] = field(default_factory=list)
    units: xr.Dataset = field(default_factory=xr.Dataset)
    stimuli: xr.Dataset = field(default_factory=xr.Dataset)
    curves: xr.Dataset = field(default_factory=xr.Dataset)
    rdms: xr.Dataset = field(default_factory=xr.Dataset)
    images: dict[str, Any] | None = None
    skipped: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    weights: dict[str, str] = field(default_factory=dict)
    ceiling: dict[str, str] = field(default_factory=lambda: {"method": "none", "words": "images have no noise ceiling"})

    def add(self, row: dict[str, Any], replicates: NDArray[np.float64]) -> None:
        """Add a row of the table with its replicates."""
        known = {"subject": self.subject, "direction": self.direction, "n_stimuli": len(self.ids)}
        self.rows.append(known | row)
        self.replicates.append(replicates)


def both_directions(encoding: SubjectScores, decoding: SubjectScores) -> SubjectScores:
    """One subject's scores of both directions: rows of encoding first, values of stimuli side by side."""
    twice = {name: f"{name}{SECOND}" for name in decoding.stimuli.data_vars if name in encoding.stimuli}
    return SubjectScores(
        encoding.subject,
        encoding.ids,
        rows=encoding.rows + decoding.rows,
        replicates=encoding.replicates + decoding.replicates,
        units=encoding.units,
        stimuli=encoding.stimuli.merge(decoding.stimuli.rename(twice), join="left"),
        curves=encoding.curves,
        rdms=encoding.rdms,
        images=decoding.images,
        skipped=encoding.skipped | decoding.skipped,
        notes=list(dict.fromkeys(encoding.notes + decoding.notes)),
        weights=encoding.weights | decoding.weights,
        ceiling=encoding.ceiling,
    )


def better_floor(definition: Definition | None, floors: Mapping[str, float]) -> dict[str, Any]:
    """The stronger of the trivial predictors: a row's ``floor`` and ``floor_of``.

    Examples
    --------
    >>> better_floor(None, {"shuffled pairs": 0.01, "mean training response": 0.2})
    {'floor': 0.2, 'floor_of': 'mean training response'}
    """
    known = {name: value for name, value in floors.items() if np.isfinite(value)}
    if not known:
        return {"floor": np.nan, "floor_of": ""}
    lower = definition is not None and definition.better == "lower"
    name = (min if lower else max)(known, key=lambda item: known[item])
    return {"floor": float(known[name]), "floor_of": name}
