"""What became of a chosen batch's similarity in data that had no part in the choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from braincodec.control.batches import Positions
from braincodec.control.confirmation import Effect, correlation_interval_over_subjects
from braincodec.control.confirmed import HALVES, HELD_OUT, LEAVE_ONE_OUT, check_manner, held_out_source
from braincodec.control.multivariate import batch_similarity, goal_score
from braincodec.control.patterns import Patterns, gather_patterns
from braincodec.control.rows import MEAN, OVER_IMAGES, OVER_SUBJECTS
from braincodec.errors import InputValueError
from braincodec.subjects import Subject

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from braincodec.control.found_batch import SimilaritySearch

COLUMNS = ("subject", "similarity", "low", "high", "over", "p", "floor", "images", "subjects", "units")


@dataclass(frozen=True, eq=False)
class SimilarityConfirmation:
    """How alike two regions represent chosen images, in data that had no part in the choice.

    Attributes
    ----------
    title : str
        What was looked for.
    manner : str
        What was held out.
    chosen_on, tested_on : list of str
    table : DataFrame
        For each held-out subject, and over them: ``similarity`` (correlation of the two regions' matrices), ``low``
        and ``high``, what the interval is ``over``, ``p``: how often random batches do as well, ``floor``: their mean,
        ``images``, ``subjects``, ``units``. The ``p`` over subjects compares the mean with the same random batch seen
        by all of them; where each subject was tested with a batch of its own (leave one out) that is approximate.
    history : array, shape (generations,) or None
        Similarity of the best batch of each generation, mean over held-out subjects.
    chosen_similarity : float
        On the data of the choice.
    settings : dict
    """

    title: str
    manner: str
    chosen_on: list[str]
    tested_on: list[str]
    table: pd.DataFrame
    history: NDArray[np.float64] | None
    chosen_similarity: float
    settings: dict[str, Any]

    @property
    def effect(self) -> Effect:
        """Similarity in the held-out data, its interval (over subjects where there are several), p and floor."""
        several = self.table[self.table["subject"] == MEAN]
        row = (several if len(several) else self.table).iloc[0]
        return Effect(
            float(row["similarity"]),
            float(row["low"]),
            float(row["high"]),
            float(row["p"]),
            float(row["floor"]),
            int(row["images"]),
            int(row["subjects"]),
            int(row["units"]),
            self.settings["level"],
        )

    def plot(self, axes: Axes | None = None) -> Figure:
        """Draw the similarity in each held-out subject beside that of random batches."""
        from braincodec.control.figures_similarity import plot_similarity_confirmation

        return plot_similarity_confirmation(self, axes)

    def to_dict(self) -> dict[str, Any]:
        """As a dictionary."""
        return {
            "title": self.title,
            "manner": self.manner,
            "chosen_on": self.chosen_on,
            "tested_on": self.tested_on,
            "effect": self.effect.to_dict(),
            "table": self.table.to_dict("records"),
            "similarity_where_chosen": self.chosen_similarity,
            "settings": self.settings,
        }

    def to_json(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write everything to a JSON file; unknown numbers are null."""
        from braincodec.control.storage import write_json

        return write_json(path, self.to_dict(), overwrite=overwrite)

    def __str__(self) -> str:
        effect = self.effect
        return (
            f"Images that {self.title}, tested on {self.manner} ({', '.join(self.tested_on)}): similarity "
            f"{effect.value:.2f} ({100 * effect.level:g} % interval {effect.low:.2f} to {effect.high:.2f}), "
            f"p = {effect.p:.3g}, in random batches {effect.floor:.2f}; where they were chosen "
            f"{self.chosen_similarity:.2f}"
        )


def confirm(
    search: SimilaritySearch,
    subject: Subject | Sequence[Subject] | None,
    by: str | None,
    source: Any,
    progress: bool | None,
) -> SimilarityConfirmation:
    """See `SimilaritySearch.confirm`."""
    check_manner(search, subject, by, source)
    given, asked = held_out_source(search, subject, by, source)
    parts = 2 if by == "units" else 1
    patterns = gather_patterns(
        given, asked, search.rois, candidates=search.settings["candidates"], scale=search.settings["scale"],
        least_noise_ceiling=search.settings["least_noise_ceiling"], parts=parts, pool=search.pool,
        seed=search.settings["seed"], progress=progress,
    )  # fmt: skip
    if not np.array_equal(patterns.ids, search.ids):
        raise InputValueError("the held-out responses are to other images than those of the search")
    if by is not None:
        return leave_one_out(search, patterns, HALVES if parts > 1 else LEAVE_ONE_OUT, progress)
    return held_out_subjects(search, patterns, given)


def held_out_subjects(search: SimilaritySearch, patterns: Patterns, source: Any) -> SimilarityConfirmation:
    """The batch of the search in other subjects."""
    _refuse_same(search, patterns)
    chosen, batches = (np.searchsorted(search.pool, one) for one in (search.chosen, search.batches))
    rows, nulls, histories = [], [], []
    for place, label in enumerate(patterns.subjects):
        pair = patterns.pair([place])
        row, null = _row_of(label, pair, chosen, search, patterns.units(place))
        rows.append(row)
        nulls.append(null)
        histories.append(batch_similarity(pair, batches))
    table = _table(rows, nulls, search)
    return SimilarityConfirmation(
        search.title, HELD_OUT, search.subjects, patterns.subjects, table, np.mean(histories, axis=0),
        search.similarity, search.settings,
    )  # fmt: skip


def leave_one_out(
    search: SimilaritySearch, patterns: Patterns, manner: str, progress: bool | None
) -> SimilarityConfirmation:
    """Search anew on all but one, and look at the batch in that one."""
    from braincodec.control.similarity_search import evolve_with_bar

    count = len(patterns.subjects)
    if count < 2:
        raise InputValueError("leaving one subject out needs at least two; of one subject, confirm(by='units')")
    rows, nulls, found = [], [], []
    for place, label in enumerate(patterns.subjects):
        others = patterns.pair([other for other in range(count) if other != place])
        title = f"{search.goal}, without {label}"
        evolution = evolve_with_bar(others, search.goal, search.settings, progress, title)
        found.append(evolution.similarity[-1])
        row, null = _row_of(label, patterns.pair([place]), evolution.batches[-1], search, patterns.units(place))
        rows.append(row)
        nulls.append(null)
    table = _table(rows, nulls, search, halves=manner == HALVES)
    return SimilarityConfirmation(
        search.title, manner, patterns.subjects, patterns.subjects, table, None, float(np.mean(found)), search.settings
    )


def _row_of(
    label: str, pair: NDArray[np.complex64], chosen: Positions, search: SimilaritySearch, units: int
) -> tuple[dict[str, Any], NDArray[np.float64]]:
    """One subject's row of the table, and the similarity of random batches in it."""
    from braincodec.control.similarity_search import random_of
    from braincodec.evaluation.encoding.rsa_statistics import rsa_bootstrap
    from braincodec.evaluation.statistics import bootstrap_weights, percentile_interval, permutation_p_value

    settings = search.settings
    rows, columns = np.triu_indices(len(chosen), 1)
    pairs = pair[chosen[rows], chosen[columns]].astype(np.complex128)
    weights = bootstrap_weights(len(chosen), settings["draws"], settings["seed"])
    low, high = percentile_interval(rsa_bootstrap(pairs.real, pairs.imag, weights, "pearson"), settings["level"])
    similarity = float(batch_similarity(pair, chosen[None])[0])
    null = random_of(pair, settings)[1]
    p = permutation_p_value(goal_score(similarity, search.goal), goal_score(null, search.goal))
    values = (
        label,
        similarity,
        float(low),
        float(high),
        OVER_IMAGES,
        float(p),
        float(null.mean()),
        len(chosen),
        1,
        units,
    )
    return dict(zip(COLUMNS, values, strict=True)), null


def _table(
    rows: list[dict[str, Any]], nulls: list[NDArray[np.float64]], search: SimilaritySearch, halves: bool = False
) -> pd.DataFrame:
    """The rows, and over several subjects their mean: tested against the same random batches in all of them."""
    from braincodec.evaluation.statistics import permutation_p_value

    if len(rows) > 1:
        values = np.array([row["similarity"] for row in rows])
        # two halves of one brain say nothing of others
        low, high = (np.nan, np.nan) if halves else correlation_interval_over_subjects(values, search.settings["level"])
        null = np.mean(nulls, axis=0)
        p = permutation_p_value(goal_score(values.mean(), search.goal), goal_score(null, search.goal))
        mean = (MEAN, values.mean(), low, high, OVER_SUBJECTS, float(p), null.mean(), rows[0]["images"], len(rows),
                sum(row["units"] for row in rows))  # fmt: skip
        rows = [*rows, dict(zip(COLUMNS, mean, strict=True))]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _refuse_same(search: SimilaritySearch, patterns: Patterns) -> None:
    """Refuse a subject whose responses are those of the choice."""
    places = np.searchsorted(search.pool, search.chosen)
    for place, label in enumerate(patterns.subjects):
        pair = patterns.pair([place])[np.ix_(places, places)]
        if np.array_equal(np.stack([pair.real, pair.imag]), search.matrices[0]):
            raise InputValueError(
                f"subject {label} has the responses that the choice was made on, so it cannot confirm it"
            )
