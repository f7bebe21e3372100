"""What became of chosen images in data that had no part in the choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from braincodec.control.confirmation import (
    Effect,
    bootstrap_difference,
    leave_one_out_choices,
    leave_one_out_null,
    others_mean,
)
from braincodec.control.gathering import gather, known_images, refuse_same_responses
from braincodec.control.rows import (
    CONTRAST,
    MEAN,
    OVER_IMAGES,
    Row,
    effect_of,
    image_rows,
    mean_over_subjects,
    names_of,
    quantities,
    table_of,
    unit_counts,
)
from braincodec.control.sources import Source, open_source
from braincodec.control.univariate import baseline_images
from braincodec.errors import InputValueError, UnknownNameError
from braincodec.subjects import Subject, plain_subject

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from braincodec.control.found_batch import SimilaritySearch
    from braincodec.control.found_images import Search

HELD_OUT = "held-out subjects"
LEAVE_ONE_OUT = "each subject by the choice of the others"
HALVES = "each half of the units by the choice of the other half"
MANNERS = ("subject", "units")


@dataclass(frozen=True, eq=False)
class Confirmation:
    """Effects of chosen images in data that had no part in the choice.

    Attributes
    ----------
    title : str
        What was looked for.
    manner : str
        What was held out.
    chosen_on : list of str
        Subjects (or halves of units) of the choice.
    tested_on : list of str
    effects : DataFrame
        Chosen minus baseline images, of the contrast and of each region, for each held-out subject, and their mean;
        columns are told in `braincodec.control.rows.COLUMNS`.
    chosen_effect : float
        The effect on the data of the choice, to compare with.
    settings : dict
    directions : dict of str to int
        1 where an effect should be above zero, -1 where below.
    """

    title: str
    manner: str
    chosen_on: list[str]
    tested_on: list[str]
    effects: pd.DataFrame
    chosen_effect: float
    settings: dict[str, Any]
    directions: dict[str, int]

    @property
    def effect(self) -> Effect:
        """The contrast of chosen minus baseline images in the held-out data.

        Of several subjects, their mean with its interval over subjects; of one, the interval is over images.
        """
        return effect_of(self.effects, self.settings["level"])

    def plot(self, axes: Axes | None = None) -> Figure:
        """Draw the effects in each held-out subject with their intervals."""
        from braincodec.control.figures import plot_confirmation

        return plot_confirmation(self, axes)

    def to_dict(self) -> dict[str, Any]:
        """As a dictionary."""
        return {
            "title": self.title,
            "manner": self.manner,
            "chosen_on": self.chosen_on,
            "tested_on": self.tested_on,
            "effect": self.effect.to_dict(),
            "effects": self.effects.to_dict("records"),
            "effect_where_chosen": self.chosen_effect,
            "settings": self.settings,
        }

    def to_json(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write everything to a JSON file; unknown numbers are null."""
        from braincodec.control.storage import write_json

        return write_json(path, self.to_dict(), overwrite=overwrite)

    def __str__(self) -> str:
        effect = self.effect
        interval = (
            f" ({100 * effect.level:g} % interval {effect.low:.2f} to {effect.high:.2f})"
            if np.isfinite(effect.low)
            else ""
        )
        return (
            f"Images that {self.title}, tested on {self.manner} ({', '.join(self.tested_on)}): contrast "
            f"{effect.value:.2f} above baseline{interval}, p = {effect.p:.3g}, chance {effect.floor:.2f}; "
            f"where they were chosen {self.chosen_effect:.2f}"
        )


def confirm(
    search: Search,
    subject: Subject | Sequence[Subject] | None,
    by: str | None,
    source: Any,
    progress: bool | None,
) -> Confirmation:
    """See `Search.confirm`."""
    check_manner(search, subject, by, source)
    if by == "subject":  # the search holds what is needed
        return leave_one_out(search, search.responses, LEAVE_ONE_OUT)
    given, asked = held_out_source(search, subject, by, source)
    options = {name: search.settings[name] for name in ("scale", "weights", "least_noise_ceiling", "seed")}
    parts = 2 if by == "units" else 1
    responses = gather(given, asked, search.rois, parts=parts, progress=progress, **options)
    return leave_one_out(search, responses, HALVES) if parts > 1 else held_out_subjects(search, responses)


def check_manner(search: Search | SimilaritySearch, subject: Any, by: str | None, source: Any) -> None:
    """Refuse a confirmation that does not say what is held out."""
    if (subject is None) == (by is None):
        given = open_source(source) if source is not None else search.source
        raise InputValueError(f"name held-out subjects, or by='subject' or 'units'; {_possible(search, given)}")
    if by is not None and by not in MANNERS:
        raise UnknownNameError("manner of confirming", by, MANNERS)


def held_out_source(
    search: Search | SimilaritySearch, subject: Any, by: str | None, source: Any
) -> tuple[Source, list[Subject]]:
    """Where the data of a confirmation are, and of which subjects; refused where they took part in the choice.

    Raises
    ------
    InputValueError
        When it is not possible.
    UnknownNameError
        For a subject that is not there.
    """
    given = open_source(source) if source is not None else search.source
    if given is None:
        raise InputValueError("this search was read from disk, without responses: give source=, a store or arrays")
    own = [plain_subject(one) for one in search.subjects]
    if by == "units" and len(own) > 1:
        raise InputValueError(f"the choice was made on {len(own)} subjects: leave one out, by='subject'")
    if by is not None:
        return given, own
    asked = given.check_subjects(subject)
    same = [one for one in asked if one in own]
    if same:
        raise InputValueError(
            f"subject {same[0]} took part in the choice, so it cannot confirm it; {_possible(search, given)}"
        )
    return given, asked


def held_out_subjects(search: Search, responses: xr.DataArray) -> Confirmation:
    """The chosen images in other subjects' responses.

    Parameters
    ----------
    search : Search
    responses : DataArray
        Of the held-out subjects, from `gather`.
    """
    if not np.array_equal(responses["stimulus"].values, search.ids):
        raise InputValueError("the held-out responses are to other images than those of the search")
    labels = responses["subject"].values.astype(str).tolist()
    refuse_same_responses(np.concatenate([search.responses.values, responses.values]), [*search.subjects, *labels])
    names, directions, units = names_of(search.rois), _directions(search), unit_counts(responses)

    def rows_of(label: str, values: Any, counts: Any, subjects: int) -> list[Row]:
        own = quantities(values, search.signs)
        both = (search.chosen, search.baseline_positions)
        return image_rows(label, names, own, directions, *both, counts, subjects, search.settings)

    rows = [
        row
        for label, values, counts in zip(labels, responses.values, units, strict=True)
        for row in rows_of(label, values, counts, 1)
    ]
    if len(labels) > 1:
        # one random batch for all of them: what subjects share is then in the null as well
        mean = rows_of(MEAN, responses.values.mean(axis=0), np.sum(units, axis=0), len(labels))
        rows += mean + mean_over_subjects(rows, search.settings["level"])
    return _confirmation(search, HELD_OUT, search.subjects, labels, rows)


def leave_one_out(search: Search, responses: xr.DataArray, manner: str) -> Confirmation:
    """Choose anew by all subjects (or parts of the units) but one, and test on that one.

    Parameters
    ----------
    search : Search
        What to look for, and how.
    responses : DataArray
        Of those that take turns, from `gather`.
    manner : str
        In words.
    """
    labels = responses["subject"].values.astype(str).tolist()
    if len(labels) < 2:
        raise InputValueError("leaving one subject out needs at least two; of one subject, confirm(by='units')")
    settings, signs = search.settings, search.signs
    values = responses.values[:, :, known_images(responses)]
    count, margin = settings["images"], settings["margin"]
    others = [others_mean(values, place) for place in range(len(labels))]
    baselines = [baseline_images(one, count, settings["batches"], settings["seed"]) for one in others]
    levels = np.stack([one[:, batch].mean(axis=1) for one, batch in zip(others, baselines, strict=True)])
    choices = leave_one_out_choices(values, signs, count, levels, margin)
    names, directions, units = names_of(search.rois), _directions(search), unit_counts(responses)
    rows, replicates, above_all = [], [], []
    for place, label in enumerate(labels):
        own = quantities(values[place], signs)
        both = (choices[place], baselines[place])
        rows += image_rows(label, names, own, directions, *both, units[place], 1, settings)
        replicates.append(bootstrap_difference(own, *both, settings["draws"], settings["seed"] + place))
        above_all.append(float(own[0, choices[place]].mean() - own[0].mean()))
    null = leave_one_out_null(values, signs, count, levels, margin, settings["permutations"], settings["seed"])
    averaged = mean_over_subjects(rows, settings["level"])
    over_images = _over_images(averaged, np.mean(replicates, axis=0), np.mean(above_all), null, settings["level"])
    # halves of one brain say nothing of other brains
    return _confirmation(search, manner, labels, labels, [*rows, *over_images, *(averaged if manner != HALVES else [])])


def _over_images(averaged: list[Row], replicates: Any, above_all: Any, null: Any, level: float) -> list[Row]:
    """The mean effects with intervals over images; the contrast tested, as the null is, against all images."""
    from braincodec.evaluation.statistics import percentile_interval, permutation_p_value

    low, high = percentile_interval(replicates, level)
    rows = [row | {"over": OVER_IMAGES, "low": float(low[k]), "high": float(high[k])} for k, row in enumerate(averaged)]
    rows[0] |= {"p": float(permutation_p_value(above_all, null)), "floor": float(null.mean())}
    return rows


def _confirmation(
    search: Search, manner: str, chosen_on: list[str], tested_on: list[str], rows: list[Row]
) -> Confirmation:
    directions = dict(zip(names_of(search.rois), _directions(search).astype(int).tolist(), strict=True))
    return Confirmation(
        search.title, manner, chosen_on, tested_on, table_of(rows), search.effect.value, search.settings, directions
    )


def _directions(search: Search) -> Any:
    return np.array([1.0, *search.signs])


def _possible(search: Search | SimilaritySearch, source: Source | None) -> str:
    """Which confirmations this search can have."""
    others = [] if source is None else [str(one) for one in source.subjects() if str(one) not in search.subjects]
    if others:
        return f"held out are {', '.join(others)}"
    if len(search.subjects) > 1:
        return "no subject was held out: by='subject' leaves each out in turn"
    return f"there is no other subject: by='units' tests halves of the units ({CONTRAST} of one by the other)"
