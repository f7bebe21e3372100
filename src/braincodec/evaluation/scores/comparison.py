"""Two sets of predictions of the same stimuli, side by side."""

from __future__ import annotations

import html
import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd

from braincodec.errors import InputTypeError, InputValueError
from braincodec.evaluation.definition import UndefinedScoreWarning
from braincodec.evaluation.scores.scores import Scores
from braincodec.evaluation.scores.table import KEY, number, shown_key
from braincodec.evaluation.statistics import bootstrap_p_value, percentile_interval

# of these settings both must be the same for replicates to be pairs
PAIRED_SETTINGS = ("part", "draws", "seed", "noise_ceiling")
COLUMNS = (*KEY, "difference", "low", "high", "p_value", "n")


@dataclass(repr=False, eq=False)
class Comparison:
    """Differences between two models' scores; made by `Scores.compare`.

    Attributes
    ----------
    first, second : str
        Names of what was compared; differences are first minus second.
    level : float
        Of the intervals.
    table : DataFrame
        One row for each subject, direction, region and metric that both have: ``difference``, ``low``, ``high``,
        ``p_value`` (two-sided, from the paired replicates) and ``n``, the number of stimuli.

    Examples
    --------
    >>> Comparison("ours", "theirs", 0.95, pd.DataFrame(columns=list(COLUMNS)))
    <Comparison: ours minus theirs, nothing in common>
    """

    first: str
    second: str
    level: float
    table: pd.DataFrame

    def readable(self) -> pd.DataFrame:
        """The table as text."""
        shown = self.table[shown_key(self.table)].copy()
        shown["stimuli"] = self.table["n"].astype(str)
        for name in ("difference", "low", "high", "p_value"):
            shown[name] = self.table[name].map(number)
        return shown

    def __repr__(self) -> str:
        if not len(self.table):
            return f"<Comparison: {self.first} minus {self.second}, nothing in common>"
        return f"<Comparison: {self.first} minus {self.second}>\n{self.readable().to_string(index=False)}"

    def _repr_html_(self) -> str:
        words = html.escape(f"{self.first} minus {self.second}, interval of {100 * self.level:g} %")
        return f"<p>{words}</p>{self.readable().to_html(index=False, escape=True, border=0)}"


def compare(first: Scores, second: Scores) -> Comparison:
    """See `Scores.compare`."""
    if not isinstance(second, Scores):
        raise InputTypeError(f"scores are compared with scores, not with a {type(second).__name__}")
    _check_paired(first, second)
    places = {tuple(row): place for place, row in enumerate(second.table[list(KEY)].itertuples(index=False))}
    level = float(first.table["level"].iloc[0]) if len(first.table) else np.nan
    rows, unequal = [], []
    for position, row in enumerate(first.table.itertuples(index=False)):
        other = places.get(tuple(getattr(row, name) for name in KEY))
        if other is None:
            continue
        of_other = second.table.iloc[other]
        if (row.n_stimuli, row.n_units) != (of_other.n_stimuli, of_other.n_units):
            unequal.append(f"{row.metric} in {row.roi} of subject {row.subject}")
        replicates = first.replicates.values[position] - second.replicates.values[other]
        low, high = (float(end) for end in percentile_interval(replicates, level))
        rows.append(
            {
                **{name: getattr(row, name) for name in KEY},
                "difference": row.value - float(of_other["value"]),
                "low": low,
                "high": high,
                "p_value": float(bootstrap_p_value(replicates)),
                "n": int(row.n_stimuli),
            }
        )
    if unequal:
        warnings.warn(
            f"{len(unequal)} differences are between scores of unequal numbers of stimuli or units, because a score is "
            f"not defined for some of them; the first is {unequal[0]}",
            UndefinedScoreWarning,
            stacklevel=3,
        )
    names = (first.name, second.name) if first.name != second.name else (f"{first.name} (1)", f"{second.name} (2)")
    return Comparison(*names, level, pd.DataFrame(rows, columns=list(COLUMNS)))


def _check_paired(first: Scores, second: Scores) -> None:
    for name in PAIRED_SETTINGS:
        mine, theirs = (scores.about.get("settings", {}).get(name) for scores in (first, second))
        if mine != theirs:
            raise InputValueError(
                f"scores are paired only when both were made with the same {name}; "
                f"{first.name} has {mine!r}, {second.name} has {theirs!r}: evaluate both with the same settings"
            )
    if first.replicates.sizes["draw"] != second.replicates.sizes["draw"] or not first.replicates.sizes["draw"]:
        raise InputValueError("both scores need the same number of bootstrap replicates: evaluate both with draws")
    mine, theirs = (scores.about.get("dataset", {}).get("name") for scores in (first, second))
    if mine != theirs:
        raise InputValueError(f"the two scores are of different data sets, {mine!r} and {theirs!r}")
    mine, theirs = (scores.about.get("split", {}).get("ids_sha256", {}) for scores in (first, second))
    for subject in sorted(set(mine) & set(theirs)):
        if mine[subject] != theirs[subject]:
            raise InputValueError(
                f"the two scores are of different stimuli of subject {subject}, or of the same in another order; "
                "evaluate both against the same recording and split"
            )
