"""What figures of summaries draw: rows of a table of scores, chosen and checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from braincodec.errors import InputTypeError, InputValueError, UnknownNameError
from braincodec.evaluation.scores import ALL_UNITS, TABLE_COLUMNS, Scores, make_table

DEFAULTS = {"subject": "", "roi": ALL_UNITS, "metric": "accuracy", "summary": "median over units"}
NORMALISED_COLUMNS = {"normalised": "value", "normalised_low": "low", "normalised_high": "high"}


def score_rows(
    data: Scores | pd.DataFrame,
    *,
    metric: str | None = None,
    rois: str | Sequence[str] | None = None,
    subjects: Any = None,
) -> pd.DataFrame:
    """Rows of the table of scores.

    Parameters
    ----------
    data : Scores or DataFrame
        Of a DataFrame only ``value`` is needed; what other columns of a table of scores it lacks is not known.
    metric : str, optional
        Default: the first of the table.
    rois : str or sequence of str, optional
        In the order to draw them; default: all, as in the table.
    subjects : optional
        One or several; default: all.

    Raises
    ------
    InputTypeError, InputValueError
        When it is no table, or has none of the rows asked for.
    """
    table = _as_table(data)
    if not len(table):
        raise InputValueError("the table of scores is empty; there is nothing to draw")
    metric = str(table["metric"].iloc[0]) if metric is None else metric
    rows = _chosen(table, "metric", [metric])
    if subjects is not None:
        several = isinstance(subjects, Sequence) and not isinstance(subjects, str)
        rows = _chosen(rows, "subject", [str(item) for item in (subjects if several else [subjects])])
    if rois is not None:
        rows = _chosen(rows, "roi", [rois] if isinstance(rois, str) else list(rois))
    return rows.reset_index(drop=True)


def normalised_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """The same rows with the normalised score as value, which has a ceiling of 1 and a floor in the same parts.

    Raises
    ------
    InputValueError
        When no row has a normalised score.
    """
    if not np.isfinite(rows["normalised"]).any():
        raise InputValueError(f"{rows['metric'].iloc[0]} has no normalised values, because there is no noise ceiling")
    shown = rows.drop(columns=list(NORMALISED_COLUMNS.values()))
    shown = shown.rename(columns=NORMALISED_COLUMNS)
    return shown.assign(floor=rows["floor"] / rows["ceiling"], ceiling=np.where(rows["ceiling"].notna(), 1.0, np.nan))


def region_title(roi: str) -> str:
    """A region's name for readers.

    Examples
    --------
    >>> region_title("all"), region_title("V1")
    ('all units', 'V1')
    """
    return "all units" if roi == ALL_UNITS else roi


def _as_table(data: Scores | pd.DataFrame) -> pd.DataFrame:
    if isinstance(data, Scores):
        return data.table
    if not isinstance(data, pd.DataFrame):
        raise InputTypeError(f"this figure draws Scores or a table of scores (DataFrame), not {type(data).__name__}")
    if "value" not in data.columns:
        raise InputValueError(f"a table of scores needs the column value; it has {', '.join(map(str, data.columns))}")
    known = data[[name for name in data.columns if name in TABLE_COLUMNS]]
    records = [{name: value for name, value in row.items() if pd.notna(value)} for row in known.to_dict("records")]
    return make_table([{**DEFAULTS, **row} for row in records])


def _chosen(table: pd.DataFrame, column: str, wanted: list[str]) -> pd.DataFrame:
    present = list(dict.fromkeys(table[column]))
    for name in wanted:
        if name not in present:
            raise UnknownNameError(column, name, present)
    return pd.concat([table[table[column] == name] for name in dict.fromkeys(wanted)])
