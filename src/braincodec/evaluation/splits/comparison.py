"""One way of fitting a model, scored under every split, side by side."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from braincodec.datasets.base import Recording, Split
from braincodec.errors import InputTypeError, InputValueError
from braincodec.evaluation.definition import UndefinedScoreWarning
from braincodec.evaluation.encoding.weighted import weighted_correlation, weighted_r2_determination
from braincodec.evaluation.metric import METRICS
from braincodec.evaluation.splits.held_out import mean_responses, predicted_responses, without_test
from braincodec.evaluation.statistics import bootstrap_mean, bootstrap_units, bootstrap_weights, percentile_interval
from braincodec.progress import progress_bar

Floats = NDArray[np.float64]
BASELINE = "random"
SUMMARIES = {"unit": "median over units", "stimulus": "mean over stimuli", "set": "over all stimuli"}
WEIGHTED: dict[str, Callable[..., Floats]] = {
    "correlation": weighted_correlation,
    "r2_determination": weighted_r2_determination,
}
COLUMNS = (
    "scheme",
    "splits",
    "n_train",
    "n_test",
    "metric",
    "summary",
    "score",
    "low",
    "high",
    "level",
    "lowest",
    "highest",
    "gap",
    "gap_low",
    "gap_high",
)


@dataclass(frozen=True, eq=False)
class SplitComparison:
    """Scores of one model under each scheme of splits; made by `compare_splits`.

    Attributes
    ----------
    table : DataFrame
        One row for each scheme: ``splits`` (how many), ``n_train`` and ``n_test`` (mean numbers of stimuli),
        ``metric``, ``summary``, ``score`` (mean over splits), ``low`` and ``high`` (interval of `level`), ``lowest``
        and ``highest`` (of single splits), ``gap`` (score minus the score under "random") with ``gap_low`` and
        ``gap_high``.
    each : DataFrame
        One row for each split.
    replicates : array, shape (draws, schemes)
        Bootstrap replicates of the scores, paired over schemes.
    """

    table: pd.DataFrame
    each: pd.DataFrame
    replicates: Floats

    def __repr__(self) -> str:
        return f"<SplitComparison>\n{self.table.to_string(index=False)}"

    def _repr_html_(self) -> str:
        return self.table.to_html(index=False, escape=True, border=0)


def compare_splits(
    fit: Callable[[Recording], Any],
    recording: Recording,
    splits: Mapping[str, Iterable[Split]],
    *,
    metric: str = "correlation",
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    progress: bool | None = None,
) -> SplitComparison:
    """Fit and score a model under each split.

    Parameters
    ----------
    fit : callable
        Given a recording that holds the training and validation stimuli alone, gives an encoder (anything with
        ``encode(stimuli)``) or a function from a stimulus set to responses, array or DataArray (stimuli, ...units).
    recording : Recording
        Its own split is not used.
    splits : mapping of scheme to splits
        From `random_splits` and the others, or `load_splits`. Gaps are to the scheme called "random".
    metric : str
        A metric of encoding in `METRICS`. Scores of units are summarised by their median over the units that have one.
    draws : int
        Bootstrap samples of stimuli for the intervals, which "correlation", "r2_determination" and metrics of stimuli
        have; 0 makes none.
    level : float
        Coverage of the intervals.
    seed : int
    progress : bool, optional
        Whether to show a bar; default: when stderr is a terminal.

    Returns
    -------
    SplitComparison

    Raises
    ------
    InputTypeError, InputValueError
        When a split does not fit the recording, or predictions do not fit the test part.

    Notes
    -----
    Stimuli are sampled once for the whole recording, and each test part is scored with its share of the sample: so a
    stimulus in the test part of several splits is drawn with all of them, and gaps are differences of paired
    replicates. Models are not fitted again for each sample: intervals say how far other test stimuli would move the
    score, not other training stimuli.

    Examples
    --------
    >>> from braincodec.evaluation.splits import random_splits
    >>> from braincodec.responses import build_responses, build_units
    >>> from braincodec.stimuli import StimulusSet
    >>> rng = np.random.default_rng(0)
    >>> images = rng.integers(0, 255, (40, 4, 4, 3), dtype=np.uint8)
    >>> brightness = images.mean(axis=(1, 2, 3))
    >>> units = build_units(ijk=[[0, 0, 0]])
    >>> ids = [str(number) for number in range(40)]
    >>> responses = build_responses(brightness[:, None] + rng.normal(size=(40, 1)), ids, units)
    >>> recording = Recording("example", "1", StimulusSet.open(images, ids=ids), responses, units, Split(train=ids))
    >>> def fit(training):
    ...     return lambda stimuli: np.stack([[image.mean()] for image in stimuli])
    >>> comparison = compare_splits(fit, recording, {"random": random_splits(ids)}, draws=100)
    >>> comparison.table["score"].round(1).tolist()
    [1.0]
    """
    if not isinstance(splits, Mapping):
        raise InputTypeError(
            f"splits must be a mapping of scheme to splits, such as {{'random': random_splits(recording)}}, not "
            f"{type(splits).__name__}"
        )
    schemes = {str(name): list(members) for name, members in splits.items()}
    _check(schemes, recording, metric, draws)
    ids = [str(item) for item in recording.responses["stimulus"].values]
    weights = bootstrap_weights(len(ids), draws, seed) if draws else np.empty((0, len(ids)), np.float32)
    row_of = {item: row for row, item in enumerate(ids)}
    rows, replicates = [], {}
    total = sum(len(members) for members in schemes.values())
    with progress_bar("splits", total, show=progress) as advance:
        for scheme, members in schemes.items():
            drawn = []
            for number, split in enumerate(members):
                tested = weights[:, [row_of[item] for item in split.test]]
                row, replicate = _scored(fit, recording.with_split(split), metric, tested, level)
                rows.append({"scheme": scheme, "split": number} | row)
                drawn.append(replicate)
                advance(1)
            replicates[scheme] = np.mean(drawn, axis=0)
    each = pd.DataFrame(rows)
    table = pd.DataFrame(_summaries(each, replicates, metric, level), columns=list(COLUMNS))
    return SplitComparison(table, each, np.stack(list(replicates.values()), axis=1))


def _check(schemes: Mapping[str, list[Split]], recording: Recording, metric: str, draws: int) -> None:
    definition = METRICS.get(metric).definition
    if definition.direction == "decoding":
        raise InputValueError(f"metric {metric!r} is of decoded images; compare_splits scores predicted responses")
    if draws < 0:
        raise InputValueError(f"draws must not be negative, got {draws}")
    if not schemes:
        raise InputValueError("there are no splits to compare")
    for scheme, members in schemes.items():
        if not members:
            raise InputValueError(f"scheme {scheme!r} has no splits")
        for number, split in enumerate(members):
            if not isinstance(split, Split):
                raise InputTypeError(f"splits of {scheme!r} must be Split objects, not {type(split).__name__}")
            if not split.train or not split.test:
                raise InputValueError(f"split {number} of {scheme!r} has no stimuli to train or to test on")
            recording.with_split(split)  # names ids without responses before anything is fitted


def _scored(
    fit: Callable[[Recording], Any], recording: Recording, metric: str, weights: NDArray[Any], level: float
) -> tuple[dict[str, Any], Floats]:
    split = recording.split
    stimuli, responses = recording.part("test")
    response = mean_responses(responses)
    model = fit(without_test(recording))
    prediction = predicted_responses(model, stimuli, [str(item) for item in stimuli.ids], response.shape)
    with warnings.catch_warnings():
        # units without a score are counted in the row
        warnings.simplefilter("ignore", UndefinedScoreWarning)
        values = np.atleast_1d(METRICS.get(metric)().update(prediction, response).compute())
        replicates = _replicates(metric, prediction, response, values, weights)
    of = METRICS.get(metric).definition.of
    known = values[np.isfinite(values)]
    summarised = np.median(known) if of == "unit" else known.mean()
    score = float(summarised) if len(known) else np.nan
    low, high = percentile_interval(replicates, level) if len(replicates) else (np.nan, np.nan)
    row = {
        "n_train": len(split.train),
        "n_validation": len(split.validation),
        "n_test": len(split.test),
        "n_units": int(np.isfinite(values).sum()) if of == "unit" else response.shape[1],
        "score": score,
        "low": float(low),
        "high": float(high),
    }
    return row, replicates


def _replicates(
    metric: str, prediction: NDArray[Any], response: NDArray[Any], values: Floats, weights: NDArray[Any]
) -> Floats:
    """The summary over each bootstrap sample, NaN where the metric has none, shape (draws,)."""
    found = np.full(len(weights), np.nan)
    filled = weights.sum(axis=1) > 0  # a small test part may be missing from a sample
    if not filled.any():
        return found
    if metric in WEIGHTED:

        def replicate(chosen: NDArray[Any], units: slice) -> Floats:
            return WEIGHTED[metric](prediction[:, units], response[:, units], chosen)

        found[filled] = bootstrap_units(replicate, response.shape[1], weights[filled]).medians[:, 0]
    elif METRICS.get(metric).definition.of == "stimulus":
        found[filled] = bootstrap_mean(values, weights[filled])
    return found


def _summaries(each: pd.DataFrame, replicates: Mapping[str, Floats], metric: str, level: float) -> list[dict[str, Any]]:
    rows = []
    for scheme, group in each.groupby("scheme", sort=False):
        row = {
            "scheme": scheme,
            "splits": len(group),
            "n_train": round(group["n_train"].mean()),
            "n_test": round(group["n_test"].mean()),
            "metric": metric,
            "summary": SUMMARIES[METRICS.get(metric).definition.of],
            "score": group["score"].mean(),
            "level": level,
            "lowest": group["score"].min(),
            "highest": group["score"].max(),
        }
        row["low"], row["high"] = _interval(replicates[str(scheme)], level)
        rows.append(row)
    usual = next((row for row in rows if row["scheme"] == BASELINE), None)
    for row in rows:
        row |= {"gap": np.nan, "gap_low": np.nan, "gap_high": np.nan}
        if usual is not None and row is not usual:
            row["gap"] = row["score"] - usual["score"]
            differences = replicates[row["scheme"]] - replicates[BASELINE]
            row["gap_low"], row["gap_high"] = _interval(differences, level)
    return rows


def _interval(replicates: Floats, level: float) -> tuple[float, float]:
    if not len(replicates):
        return np.nan, np.nan
    low, high = percentile_interval(replicates, level)
    return float(low), float(high)
