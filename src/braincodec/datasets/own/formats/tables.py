"""Responses in .csv and .tsv files: one row a trial, one column a unit, beside columns that say what was shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from braincodec.datasets.own.settings import OwnSettings
from braincodec.datasets.own.table import read_table, role_columns
from braincodec.datasets.own.trials import BlockTrials, Trials
from braincodec.errors import InputTypeError, InputValueError
from braincodec.responses import build_units


def read(path: Path, key: str | None, settings: OwnSettings) -> Trials:
    """Trials of a table; columns with a role, such as ``stimulus``, say what the trials are, the others are units.

    Raises
    ------
    InputTypeError
        When a unit's column holds text.
    InputValueError
        When there is no unit.
    """
    if key is not None:
        raise InputValueError(f"{path} is a table, so it takes no name of an array ({key!r})")
    table = read_table(path)
    if all(_is_number(name) for name in table.columns):  # the first row is no header
        table = read_table(path, header=False)
    return from_frame(table, str(path), settings, (path,))


def from_frame(table: pd.DataFrame, where: str, settings: OwnSettings, paths: tuple[Path, ...] = ()) -> Trials:
    """Trials of a table in memory; as `read`."""
    table = table.rename(columns=str)
    names = list(table.columns)
    given = {role: column for role, column in settings.columns.items() if column in names}
    roles = role_columns(names, given, where, required=False)
    of_trials = list(roles.values())
    units = [name for name in table.columns if name not in of_trials]
    if not units:
        raise InputValueError(f"{where} has no column of responses beside {', '.join(of_trials)}")
    values = np.empty((len(table), len(units)), np.float64)
    for place, name in enumerate(units):
        column = table[name]
        try:
            values[:, place] = column.astype(float)
        except (ValueError, TypeError):
            wrong = next(item for item in column if not _is_number(item))
            raise InputTypeError(
                f"column {name!r} of {where} holds {wrong!r}; every column but those with a role must hold numbers, "
                "one for each unit"
            ) from None
    return Trials(
        BlockTrials(values),
        where,
        units=build_units(scores={"name": np.asarray([str(name) for name in units])}),
        table=table[of_trials] if of_trials else None,
        paths=paths,
    )


def _is_number(text: object) -> bool:
    try:
        float(str(text))
    except ValueError:
        return False
    return True
