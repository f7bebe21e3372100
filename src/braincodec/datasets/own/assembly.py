"""One subject's recording from trials, the rows of a table, units and a split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from braincodec.datasets.own.rows import PresentRows, SessionScaled
from braincodec.datasets.own.table import labels_of
from braincodec.datasets.own.trials import Trials
from braincodec.datasets.split import Split
from braincodec.datasets.things_eeg2.sensor_rows import lazy_sensor_responses
from braincodec.datasets.trial_arrangement import trial_table
from braincodec.datasets.trial_rows import TrialStore, lazy_responses
from braincodec.errors import InputValueError
from braincodec.responses.checks import ROI_PREFIX

Repetitions = Literal["each", "mean"]
RESERVED = frozenset(
    (
        *"ijk",
        "stimulus",
        "repetition",
        "repetitions",
        "unit",
        "channel",
        "time",
        "group",
        "vertex",
        "hemisphere",
        "subject",
        "roi",
        "responses",
    )
)
"""Names that mean something else in labelled responses."""


@dataclass(frozen=True, eq=False)
class Shown:
    """What a subject was shown, trial by trial.

    Attributes
    ----------
    table : DataFrame
        Rows in the order of trials; `stimulus` holds ids of the images.
    position : array of int, shape (rows,)
        Which row of the response files each is.
    where : str
        Name of the table, for messages.
    """

    table: pd.DataFrame
    position: NDArray[np.int64]
    where: str


def responses_of(
    trials: Trials, shown: Shown, units: xr.Dataset, *, split: Split, standardise: str, repetitions: Repetitions
) -> xr.DataArray:
    """Labelled responses, unread.

    Raises
    ------
    InputValueError
        When a repetition is there twice, or a session cannot be z-scored.
    """
    table, position = _ordered(shown)
    count = trials.repetitions
    # each row of the table stands for `count` consecutive rows of the store
    store_row = (position[:, None] * count + np.arange(count)).ravel()
    names = np.repeat(table["stimulus"].to_numpy(str), count)
    if trials.times_shown is not None:
        kept = (np.arange(count) < trials.times_shown[position][:, None]).ravel()
        store_row, names = store_row[kept], names[kept]
    ids, of_list = trial_table(names.tolist())
    trial_of = np.where(of_list >= 0, store_row[of_list], -1)
    store: TrialStore = trials.store
    if standardise == "session":
        store = _scaled(trials, table, position, split, shown.where)
    average = repetitions == "mean" or trial_of.shape[1] == 1
    rows = PresentRows(store, trial_of, average=average)
    if trials.channels:
        labelled = lazy_sensor_responses(rows, ids, units)
    else:
        labelled = lazy_responses(rows, ids, units)
    if trial_of.shape[1] > 1 and (count == 1 or trials.times_shown is not None):
        labelled = labelled.assign_coords(repetitions=("stimulus", (trial_of >= 0).sum(axis=1)))
    labels = stimulus_labels(table, ids)
    return labelled.assign_coords({k: ("stimulus", v) for k, v in labels.items() if k not in labelled.coords})


def stimulus_labels(table: pd.DataFrame, ids: list[str]) -> dict[str, NDArray[Any]]:
    """Columns of a table that are the same in every trial of a stimulus, one value for each of `ids`.

    Examples
    --------
    >>> table = pd.DataFrame({"stimulus": ["a", "b", "a"], "category": ["cat", "dog", "cat"], "run": ["1", "1", "2"]})
    >>> {name: values.tolist() for name, values in stimulus_labels(table, ["a", "b"]).items()}
    {'category': ['cat', 'dog']}
    """
    found = {}
    for name in labels_of(table):
        if name in RESERVED or name.startswith(ROI_PREFIX):
            continue
        values = table.groupby("stimulus", sort=False)[name]
        if (values.nunique(dropna=False) <= 1).all():
            first = values.first().reindex(ids)
            numbers = pd.to_numeric(first, errors="coerce")
            whole = numbers.isna().sum() == first.isna().sum()
            found[name] = numbers.to_numpy(float) if whole else first.fillna("").astype(str).to_numpy(str)
            if whole and not numbers.isna().any() and (numbers % 1 == 0).all():
                found[name] = numbers.to_numpy(np.int64)
    return found


def constant_per_stimulus(table: pd.DataFrame, column: str, where: str) -> Mapping[str, str]:
    """The value of a column for each stimulus.

    Raises
    ------
    InputValueError
        When it differs between trials of one stimulus.
    """
    values = table.groupby("stimulus", sort=False)[column]
    several = values.nunique(dropna=False) > 1
    if several.any():
        raise InputValueError(f"{column} in {where} differs between trials of stimulus {several.index[several][0]!r}")
    return {str(name): str(value) for name, value in values.first().items()}


def _ordered(shown: Shown) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """Rows with the repetitions of a stimulus in their order, where a column numbers them."""
    table = shown.table
    if "repetition" not in table:
        return table, shown.position
    keys = [name for name in ("stimulus", "session", "repetition") if name in table]
    twice = table.duplicated(keys)
    if twice.any():
        first = table[twice].iloc[0]
        raise InputValueError(
            f"{int(twice.sum())} rows of {shown.where} occur twice, the first is "
            f"{', '.join(f'{key} {first[key]!r}' for key in keys)}"
        )
    numbers = pd.to_numeric(table["repetition"], errors="coerce")
    texts = pd.Series(pd.factorize(table["repetition"], sort=True)[0])
    repetition = (texts if numbers.isna().any() else numbers).to_numpy()
    order = np.lexsort((repetition, pd.factorize(table["stimulus"])[0]))  # stimuli stay as they were first shown
    return table.iloc[order], shown.position[order]


def _scaled(
    trials: Trials, table: pd.DataFrame, position: NDArray[np.int64], split: Split, where: str
) -> SessionScaled:
    if "session" not in table:
        raise InputValueError(f"{where} has no column 'session', so responses cannot be z-scored within sessions")
    names = sorted(set(table["session"]))
    number = {name: place for place, name in enumerate(names)}
    session = np.full(trials.store.shape[0], -1, np.int64)
    training = np.zeros(trials.store.shape[0], bool)
    train = set(split.train)
    for offset in range(trials.repetitions):
        session[position * trials.repetitions + offset] = [number[name] for name in table["session"]]
        training[position * trials.repetitions + offset] = [name in train for name in table["stimulus"]]
    return SessionScaled(trials.store, session, training, names)
