"""`Scores`: everything that was found out about one set of predictions."""

from __future__ import annotations

import html
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from braincodec.errors import InputTypeError, InputValueError, UnknownNameError
from braincodec.evaluation.scores import export, storage
from braincodec.evaluation.scores.table import DIRECTIONS, ENCODING, KEY, check_table, plain, readable_table

if TYPE_CHECKING:
    from braincodec.evaluation.scores.comparison import Comparison

IMAGE_KEYS = ("ids", "truth", "prediction")
SAMPLES = "samples"
BOTH = "both"
# of a metric that is scored in both directions, what tells the second one's values of stimuli from the first one's
SECOND = "_decoding"


@dataclass(repr=False, eq=False)
class Scores:
    """Scores of predictions against measurements: made by `braincodec.evaluate`, or read by `Scores.load`.

    Parameters
    ----------
    table : DataFrame
        One row for each subject, direction, region and metric; columns `TABLE_COLUMNS`. ``value`` is the summary that
        ``summary`` names, ``low`` and ``high`` its interval, ``floor`` what the better of two trivial predictors
        reaches, ``ceiling`` what any model could reach, ``normalised`` the score in parts of its ceiling,
        ``n_excluded`` how many of the region's units have no usable ceiling, or no score, and are left out of
        ``normalised``. The region
        ``"all"`` is every unit. NaN where a quantity is not known or has no meaning.
    units : xarray.Dataset, optional
        For each unit its coordinates, scores, ``noise_ceiling`` (of the variance), ``p_value`` and ``q_value``. Units
        of several subjects follow one another, told apart by ``subject``. EEG: dims (channel, time), and with several
        subjects (subject, channel, time).
    stimuli : xarray.Dataset, optional
        For each stimulus its scores: dims (stimulus,), and (stimulus, subject) with several subjects.
    replicates : DataArray, optional
        Bootstrap replicates of ``table.value``: dims (row, draw).
    curves : xarray.Dataset, optional
        Over time: pairwise decoding and the like; dims as those of `units` for several subjects.
    rdms : xarray.Dataset, optional
        ``measured`` and ``predicted`` dissimilarities, dims ([subject,] roi, pair), pairs in the order of
        `scipy.spatial.distance.pdist` over the coordinate ``stimulus``.
    images : dict, optional
        Decoding: ``ids``, and the small pictures ``truth`` and ``prediction``, uint8 (n, height, width, 3). Where
        several samples were decoded also the first of them, ``samples`` (n, samples, height, width, 3).
    about : dict
        What was scored, against what and how: JSON can hold it.
    generalisation : DataFrame, optional
        The model under several splits, to be shown beside the scores.

    Raises
    ------
    InputTypeError, InputValueError
        When a part is not what it should be.

    Examples
    --------
    >>> from braincodec.evaluation.scores.table import make_table
    >>> row = {"subject": "1", "roi": "V1", "metric": "correlation", "summary": "median over units", "value": 0.4}
    >>> scores = Scores(make_table([row]), about={"name": "my model"})
    >>> scores.value("correlation", roi="V1")
    0.4
    """

    table: pd.DataFrame
    units: xr.Dataset = field(default_factory=xr.Dataset)
    stimuli: xr.Dataset = field(default_factory=xr.Dataset)
    replicates: xr.DataArray = field(default_factory=lambda: xr.DataArray(np.empty((0, 0)), dims=("row", "draw")))
    curves: xr.Dataset = field(default_factory=xr.Dataset)
    rdms: xr.Dataset = field(default_factory=xr.Dataset)
    images: dict[str, np.ndarray] | None = None
    about: dict[str, Any] = field(default_factory=dict)
    generalisation: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        self.table = check_table(self.table)
        for name in ("units", "stimuli", "curves", "rdms"):
            if not isinstance(getattr(self, name), xr.Dataset):
                raise InputTypeError(f"{name} must be an xarray.Dataset, not {type(getattr(self, name)).__name__}")
        self.replicates = self.replicates.rename("replicates")
        if self.replicates.dims != ("row", "draw"):
            raise InputValueError(f"replicates need the dimensions (row, draw), not {self.replicates.dims}")
        if self.replicates.sizes["draw"] and self.replicates.sizes["row"] != len(self.table):
            raise InputValueError(
                f"there are replicates of {self.replicates.sizes['row']} rows, but the table has {len(self.table)}"
            )
        if self.images is not None:
            _check_images(self.images)
        if not isinstance(self.about, dict):
            raise InputTypeError(f"about must be a dict, not {type(self.about).__name__}")
        self.about = plain(self.about)
        if self.direction != BOTH:
            self.table["direction"] = self.table["direction"].replace("", self.direction)

    @property
    def name(self) -> str:
        """What the predictions are called."""
        return str(self.about.get("name", "") or "predictions")

    @property
    def direction(self) -> str:
        """``"encoding"``, ``"decoding"`` or ``"both"``."""
        return str(self.about.get("direction", ENCODING))

    @property
    def directions(self) -> tuple[str, ...]:
        """Each direction that was judged."""
        return DIRECTIONS if self.direction == BOTH else (self.direction,)

    def of_direction(self, direction: str) -> Scores:
        """The scores of one direction alone.

        Raises
        ------
        UnknownNameError
            When it was not judged.
        """
        if direction not in self.directions:
            raise UnknownNameError("direction", direction, self.directions, where="of these scores")
        if self.direction != BOTH:
            return self
        mine = (self.table["direction"] == direction).to_numpy()
        encoding = direction == ENCODING
        names = dict.fromkeys(self.table.loc[mine, "metric"])
        wanted = [(name + SECOND if not encoding and name + SECOND in self.stimuli else name, name) for name in names]
        stimuli = self.stimuli[[stored for stored, _ in wanted if stored in self.stimuli]]
        about = self.about | {"direction": direction}
        return Scores(
            self.table[mine],
            units=self.units if encoding else xr.Dataset(),
            stimuli=stimuli.rename({stored: name for stored, name in wanted if stored in stimuli}),
            replicates=self.replicates.isel(row=np.flatnonzero(mine)) if self.replicates.size else self.replicates,
            curves=self.curves if encoding else xr.Dataset(),
            rdms=self.rdms if encoding else xr.Dataset(),
            images=None if encoding else self.images,
            about=about,
            generalisation=self.generalisation if encoding else None,
        )

    def value(self, metric: str, *, roi: str = "all", subject: object = None, direction: str | None = None) -> float:
        """One number of the table; `direction` is needed for a metric that was scored in both.

        Raises
        ------
        UnknownNameError
            For a metric or region that was not scored.
        InputValueError
            When no row, or more than one subject's, is meant.
        """
        chosen = self.table[(self.table["metric"] == metric) & (self.table["roi"] == roi)]
        if not len(chosen):
            for what, column, asked in (("metric", "metric", metric), ("roi", "roi", roi)):
                if asked not in set(self.table[column]):
                    raise UnknownNameError(what, asked, dict.fromkeys(self.table[column]), where="of these scores")
            raise InputValueError(f"these scores have no {metric} of {roi}")
        if direction is not None:
            chosen = chosen[chosen["direction"] == direction]
        elif chosen["direction"].nunique() > 1:
            raise InputValueError(f"{metric} was scored in both directions; choose direction='encoding' or 'decoding'")
        if subject is not None:
            chosen = chosen[chosen["subject"] == str(subject)]
        if len(chosen) != 1:
            known = ", ".join(dict.fromkeys(self.table["subject"]))
            which = "choose a subject" if subject is None else f"there is no subject {subject!r}"
            raise InputValueError(f"{metric} of {roi}: {which} of {known}")
        return float(chosen["value"].iloc[0])

    # out of memory

    def save(self, folder: str | Path, *, overwrite: bool = False) -> Path:
        """Write everything to a folder: JSON, netCDF and images, no pickle; it appears whole or not at all."""
        return storage.save(self, folder, overwrite=overwrite)

    @staticmethod
    def load(folder: str | Path) -> Scores:
        """Read what `save` wrote.

        Raises
        ------
        MissingFileError, DamagedFileError
            When the folder or a file of it is absent, or is not what it should be.
        """
        return storage.load(folder)

    def to_json(self, path: str | Path | None = None, *, overwrite: bool = False) -> str:
        """The table and everything about it as strict JSON: what is not known is null.

        Parameters
        ----------
        path : str or Path, optional
            Also write it there.
        overwrite : bool

        Returns
        -------
        str
        """
        return export.written(json.dumps(export.to_dict(self), indent=2, allow_nan=False) + "\n", path, overwrite)

    def to_latex(self, path: str | Path | None = None, *, overwrite: bool = False) -> str:
        """The table for a paper, in the style of the LaTeX package booktabs; parameters as of `to_json`."""
        return export.written(export.to_latex(self), path, overwrite)

    def to_html(self, path: str | Path, **options: Any) -> Path:
        """Write the report, one self-contained HTML file; options are those of `braincodec.report.build_report`."""
        from braincodec.report import build_report

        return build_report(self, path, **options)

    def compare(self, other: Scores) -> Comparison:
        """How much better these predictions are than others of the same stimuli.

        Bootstrap replicates are paired: both were drawn with the same seed over the same stimuli.

        Parameters
        ----------
        other : Scores

        Returns
        -------
        Comparison

        Raises
        ------
        InputValueError
            When the two cannot be paired, and why.
        """
        from braincodec.evaluation.scores.comparison import compare

        return compare(self, other)

    def __repr__(self) -> str:
        shown = readable_table(self.table).to_string(index=False, max_rows=60)
        return f"<Scores: {export.headline(self)}>\n{shown}"

    def _repr_html_(self) -> str:
        shown = readable_table(self.table).to_html(index=False, escape=True, border=0, max_rows=60)
        return f"<p>{html.escape(export.headline(self))}</p>{shown}"


def row_labels(table: pd.DataFrame) -> dict[str, tuple[str, np.ndarray]]:
    """Coordinates over `row` that tell the replicates of one row from those of another."""
    return {name: ("row", np.asarray(table[name].tolist(), str)) for name in KEY}


def _check_images(images: dict[str, np.ndarray]) -> None:
    if not isinstance(images, dict) or set(images) - {SAMPLES} != set(IMAGE_KEYS):
        raise InputValueError(f"images need the keys {', '.join(IMAGE_KEYS)}, not {', '.join(map(str, images))}")
    shape = np.shape(images["truth"])
    for name in ("truth", "prediction"):
        array = np.asarray(images[name])
        if array.dtype != np.uint8 or array.ndim != 4 or array.shape[-1] != 3:
            raise InputValueError(
                f"images[{name!r}] must be uint8 (n, height, width, 3), not {array.dtype} {array.shape}"
            )
    if np.shape(images["prediction"]) != shape or len(images["ids"]) != shape[0]:
        raise InputValueError(
            f"images have {len(images['ids'])} ids, truth {shape} and prediction {np.shape(images['prediction'])}"
        )
    samples = np.asarray(images[SAMPLES]) if SAMPLES in images else None
    if samples is not None and (samples.dtype != np.uint8 or samples.ndim != 5 or samples[:, 0].shape != shape):
        raise InputValueError(f"images['samples'] must be uint8 (n, samples, height, width, 3), not {samples.shape}")
