"""What a training run gives back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from braincodec.errors import InputValueError
from braincodec.evaluation.scores.table import number

if TYPE_CHECKING:
    import pandas as pd

    from braincodec.evaluation import Scores
    from braincodec.models.base import Encoder
    from braincodec.training.config import TrainConfig
    from braincodec.training.data import Piece


@dataclass(eq=False)
class TrainedModel:
    """One model of a run.

    Attributes
    ----------
    piece : Piece
        Its subject and regions.
    path : Path or None
        Its artefact; None where nothing was written.
    scores : Scores or None
        None where there was nothing to judge it on.
    warnings : list of str
        What was found while it was fitted and judged: units that stay NaN, a ceiling that is exceeded, ...
    """

    piece: Piece
    path: Path | None = None
    scores: Scores | None = None
    warnings: list[str] = field(default_factory=list)
    _encoder: Encoder | None = field(default=None, repr=False)

    @property
    def encoder(self) -> Encoder:
        """The model, read from its artefact where it is not in memory."""
        if self._encoder is None:
            from braincodec.artefact import read_encoder

            if self.path is None:
                raise InputValueError(f"the model of {self.piece} was not kept")
            self._encoder = read_encoder(self.path)
        return self._encoder

    def __repr__(self) -> str:
        where = "" if self.path is None else f": {self.path}"
        return f"<model of {self.piece}, {score_line(self.scores) if self.scores else 'not scored'}{where}>"


@dataclass(eq=False)
class TrainResult:
    """What `braincodec.train` made.

    Attributes
    ----------
    config : TrainConfig
        The settings, resolved.
    models : list of TrainedModel
        One for each subject, or each subject and region.
    path : Path or None
        The folder with everything; a store.
    report : Path or None
        ``report.html``, where it was written; with several models, the folder of their reports.
    """

    config: TrainConfig
    models: list[TrainedModel]
    path: Path | None = None
    report: Path | None = None

    @property
    def encoder(self) -> Encoder:
        """The trained model, where it is one."""
        return self._only().encoder

    @property
    def scores(self) -> Scores | None:
        """Its scores, where it is one."""
        return self._only().scores

    @property
    def warnings(self) -> list[str]:
        """What a reader of the scores must know; each once."""
        return list(dict.fromkeys(note for model in self.models for note in model.warnings))

    @property
    def table(self) -> pd.DataFrame:
        """Scores of all models: one row a subject, region and metric."""
        return scores_table(self.models)

    def _only(self) -> TrainedModel:
        if len(self.models) != 1:
            raise InputValueError(
                f"{len(self.models)} models were trained; choose one of .models, or open the store {self.path}"
            )
        return self.models[0]

    def __repr__(self) -> str:
        inside = "\n".join(f"  {model!r}" for model in self.models[:10])
        more = f"\n  and {len(self.models) - 10} more" if len(self.models) > 10 else ""
        where = "not saved" if self.path is None else f"in {self.path}"
        notes = "".join(f"\n  warning: {note}" for note in self.warnings)
        return f"<TrainResult: {len(self.models)} of the kind {self.config.kind!r}, {where}>\n{inside}{more}{notes}"


def scores_table(models: Iterable[TrainedModel]) -> pd.DataFrame:
    """Tables of scores of several models, below each other."""
    import pandas as pd

    from braincodec.evaluation.scores import TABLE_COLUMNS

    tables = [model.scores.table for model in models if model.scores is not None]
    joined: pd.DataFrame = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(TABLE_COLUMNS))
    return joined.drop_duplicates(["subject", "roi", "metric"], ignore_index=True)


def headline_row(scores: Scores) -> Any:
    """The row that says most: the correlation over all units, or else the first."""
    table = scores.table
    correlation = table[table["metric"] == "correlation"]
    return (correlation if len(correlation) else table).iloc[0]


def score_line(scores: Scores) -> str:
    """Accuracy against its ceiling, in words.

    Examples
    --------
    >>> from braincodec.evaluation.scores import Scores, make_table
    >>> row = {"subject": "1", "roi": "V1", "metric": "correlation", "value": 0.4, "low": 0.3, "high": 0.5,
    ...        "level": 0.95, "ceiling": 0.8, "n_stimuli": 100, "n_units": 20, "summary": "median over units"}
    >>> score_line(Scores(make_table([row])))
    'correlation 0.400 (95 % interval 0.300 to 0.500), ceiling 0.800; median over units, 20 of V1, 100 test stimuli'
    """
    row = headline_row(scores)
    words = f"{row.metric.replace('_', ' ')} {number(row.value)}"
    if row.low == row.low:
        words += f" ({100 * row.level:g} % interval {number(row.low)} to {number(row.high)})"
    words += f", ceiling {number(row.ceiling)}" if row.ceiling == row.ceiling else ", noise ceiling not known"
    part = scores.about.get("split", {}).get("part", "test")
    units = "" if row.roi == "all" else f" of {row.roi}"
    return f"{words}; {row.summary}, {row.n_units:,}{units}, {row.n_stimuli:,} {part} stimuli"
