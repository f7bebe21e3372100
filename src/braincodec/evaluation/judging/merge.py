"""Several subjects' scores in one table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from braincodec.evaluation.judging.subject import SubjectScores
from braincodec.evaluation.scores import Scores, make_table
from braincodec.evaluation.scores.of_images import name_of_image
from braincodec.evaluation.scores.scores import row_labels
from braincodec.responses.checks import ROI_MEMBERSHIP


def merge_subjects(subjects: Sequence[SubjectScores], about: dict[str, Any]) -> Scores:
    """One `Scores` of all subjects; regions keep their order, and replicates follow the rows.

    Parameters
    ----------
    subjects : sequence of SubjectScores
        At least one.
    about : dict
    """
    rows: list[dict[str, Any]] = []
    replicates: list[np.ndarray] = []
    for subject in subjects:
        blocks = list(dict.fromkeys((row["direction"], row["roi"]) for row in subject.rows))
        order = sorted(range(len(subject.rows)), key=lambda place: blocks.index(_block(subject.rows[place])))
        rows += [subject.rows[place] for place in order]
        replicates += [subject.replicates[place] for place in order]
    table = make_table(rows)
    names = [subject.subject for subject in subjects]
    return Scores(
        table,
        units=_units([subject.units for subject in subjects], names),
        stimuli=_beside([subject.stimuli for subject in subjects], names, last=True),
        replicates=_stacked(table, replicates),
        curves=_beside([subject.curves for subject in subjects], names),
        rdms=_rdms(subjects, names),
        images=_images(subjects),
        about=about,
    )


def _block(row: dict[str, Any]) -> tuple[str, str]:
    return row["direction"], row["roi"]


def _stacked(table: pd.DataFrame, replicates: Sequence[np.ndarray]) -> xr.DataArray:
    values = np.stack(replicates) if replicates else np.empty((0, 0))
    return xr.DataArray(values, dims=("row", "draw"), coords=row_labels(table))


def _units(parts: Sequence[xr.Dataset], names: Sequence[str]) -> xr.Dataset:
    if len(parts) == 1 or "unit" not in parts[0].sizes:
        return _beside(parts, names)
    common = [name for name in parts[0].data_vars if all(name in part for part in parts)]
    parts = [part[common] for part in parts]
    if ROI_MEMBERSHIP in common:
        every = list(dict.fromkeys(str(roi) for part in parts for roi in part["roi"].values))
        parts = [part.reindex(roi=every, fill_value={ROI_MEMBERSHIP: False}) for part in parts]
    return xr.concat(
        parts, dim="unit", join="outer", combine_attrs="drop_conflicts", data_vars="minimal", coords="minimal"
    )


def _beside(parts: Sequence[xr.Dataset], names: Sequence[str], *, last: bool = False) -> xr.Dataset:
    """Data sets along a new dimension `subject`, those without data left out; of one subject as it is."""
    if len(parts) == 1:
        return parts[0]
    known = [(part, name) for part, name in zip(parts, names, strict=True) if part.data_vars]
    if not known:
        return xr.Dataset()
    joined = xr.concat(
        [part for part, _ in known],
        dim=pd.Index([name for _, name in known], name="subject"),
        join="outer",
        combine_attrs="drop_conflicts",
        data_vars="all",
        coords="minimal",
        compat="override",
    )
    return joined.transpose(..., "subject") if last else joined


def _rdms(subjects: Sequence[SubjectScores], names: Sequence[str]) -> xr.Dataset:
    if len({subject.ids for subject in subjects}) > 1:  # pairs would not be the same
        return xr.Dataset()
    return _beside([subject.rdms for subject in subjects], names)


def _images(subjects: Sequence[SubjectScores]) -> dict[str, Any] | None:
    parts = [(subject.subject, subject.images) for subject in subjects if subject.images is not None]
    if not parts:
        return None
    if len(parts) == 1:
        return parts[0][1]
    size = parts[0][1]["truth"].shape[1:]
    fitting = [(name, part) for name, part in parts if part["truth"].shape[1:] == size]
    ids = [name_of_image(str(item), name) for name, part in fitting for item in part["ids"]]
    pictures = [name for name in parts[0][1] if name != "ids"]
    return {
        "ids": np.asarray(ids),
        **{name: np.concatenate([part[name] for _, part in fitting]) for name in pictures},
    }
