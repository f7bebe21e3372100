"""The table that links stimuli and responses: one row a trial, columns with known roles, others kept as labels."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from braincodec.datasets.split import Split
from braincodec.errors import DamagedFileError, InputTypeError, InputValueError, MissingFileError, UnknownNameError

# what a column may be called for its role, its own name first
ROLES: dict[str, tuple[str, ...]] = {
    "stimulus": ("stimulus", "image", "stim_file", "stimulus_id", "picture"),
    "subject": ("subject", "participant_id", "subject_id"),
    "session": ("session", "ses", "session_id"),
    "repetition": ("repetition", "repeat"),
    "response": ("response", "response_file", "response_row"),
    "split": ("split", "part"),
    "group": ("group",),
}
ROW = "row of the table"  # a column of our own
SUBJECT_PREFIX = "sub-"  # of BIDS
SESSION_PREFIX = "ses-"
LIKENESS = 0.8  # of a column's name to a role's, from which it is taken for misspelt
PART_OF = {
    "train": "train", "training": "train", "validation": "validation", "val": "validation", "valid": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip
MOST_SHOWN = 3


def open_table(table: object, columns: Mapping[str, str]) -> pd.DataFrame:
    """A table with its role columns called by their roles, all text, and its other columns as they are.

    Parameters
    ----------
    table : path or DataFrame
    columns : mapping of role to column
        Where they are called otherwise.

    Raises
    ------
    MissingFileError, DamagedFileError
    InputTypeError, InputValueError
        When a column is absent or misspelt, or a cell of `stimulus` is empty.
    UnknownNameError
        When a part of the split is none.

    Examples
    --------
    >>> open_table(pd.DataFrame({"pic": ["a", "b"], "split": ["training", "test"]}), {"stimulus": "pic"})
      stimulus  split
    0        a  train
    1        b   test
    """
    where = str(table) if isinstance(table, str | Path) else "the table"
    frame = read_table(table) if isinstance(table, str | Path) else table
    if not isinstance(frame, pd.DataFrame):
        raise InputTypeError(f"table must be a path or a pandas.DataFrame, not {type(table).__name__}")
    if frame.empty:
        raise InputValueError(f"{where} has no row")
    roles = role_columns(list(map(str, frame.columns)), columns, where)
    return with_roles(frame, roles, where)


def with_roles(frame: pd.DataFrame, roles: Mapping[str, str], where: str) -> pd.DataFrame:
    """The same table with its role columns renamed and checked."""
    frame = frame.rename(columns=str).rename(columns={column: role for role, column in roles.items()})
    frame = frame.reset_index(drop=True)
    for role in roles:
        frame[role] = pd.Series([_as_text(value) for value in frame[role]], dtype=object)
    for role, prefix in (("subject", SUBJECT_PREFIX), ("session", SESSION_PREFIX)):
        if role in roles:
            frame[role] = [text.removeprefix(prefix) if text else text for text in frame[role]]
    for role in ("stimulus", "subject"):
        empty = [row for row, text in enumerate(frame[role], start=1) if not text] if role in roles else []
        if empty:
            raise InputValueError(
                f"{len(empty)} rows of {where} have no {role}: {_few(map(str, empty), len(empty))} (counted from 1)"
            )
    if "split" in roles:
        frame["split"] = [_part(text, where) for text in frame["split"]]
    return frame


def read_table(path: str | Path, *, header: bool = True) -> pd.DataFrame:
    """A .csv or .tsv file, all cells as text; ``n/a`` and empty cells are missing.

    Raises
    ------
    MissingFileError, DamagedFileError
    UnknownNameError
        For another suffix.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise MissingFileError(path, "table")
    if path.suffix.lower() not in (".csv", ".tsv", ".txt"):
        raise UnknownNameError("suffix", path.suffix, (".csv", ".tsv", ".txt"), where=f"of the table {path}")
    try:
        with path.open(encoding="utf-8-sig") as file:
            first = file.readline()
        counts = {mark: first.count(mark) for mark in ("\t", ";", ",")}
        separator = max(counts, key=lambda mark: counts[mark]) if any(counts.values()) else ","
        return pd.read_csv(
            path, sep=separator, dtype=str, header=0 if header else None, na_values=["n/a"], encoding="utf-8-sig",
            skipinitialspace=True,
        )  # fmt: skip
    except (OSError, ValueError, UnicodeError, pd.errors.ParserError) as error:
        raise DamagedFileError(f"{path} cannot be read as a table: {error}") from None


def role_columns(
    names: Sequence[str], given: Mapping[str, str], where: str, *, required: bool = True
) -> dict[str, str]:
    """Which column has which role.

    Parameters
    ----------
    names : sequence of str
    given : mapping of role to column
        An empty column: none has this role.
    where : str
        For messages.
    required : bool
        Whether there must be a stimulus, and names that look like misspelt roles are refused.

    Raises
    ------
    UnknownNameError
        When `given` names a role or a column that does not exist.
    InputValueError
        When a column occurs twice, `stimulus` is absent, or a column's name looks like a misspelt role.

    Examples
    --------
    >>> role_columns(["image", "run", "ses"], {}, "trials.csv")
    {'stimulus': 'image', 'session': 'ses'}
    >>> role_columns(["stimlus"], {}, "trials.csv")
    Traceback (most recent call last):
    braincodec.errors.InputValueError: trials.csv has no column 'stimulus'; did you mean 'stimlus'? ...
    """
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputValueError(f"{where} has several columns {twice[0]!r}")
    found: dict[str, str] = {}
    none = {role for role, column in given.items() if not column}
    for role, column in given.items():
        if role not in ROLES:
            raise UnknownNameError("role of a column", role, ROLES)
        if role in none:
            continue
        if column not in names:
            raise UnknownNameError("column", column, names, where=f"of {where}")
        found[role] = column
    for role, aliases in ROLES.items():
        alias = next((name for name in aliases if name in names and name not in found.values()), None)
        if role not in found and role not in none and alias is not None:
            found[role] = alias
    for role in ROLES if required else ():
        free = [name for name in names if name not in found.values()]
        near = None if role in found or role in none else _misspelt(role, free)
        if near is None and (role != "stimulus" or role in found):
            continue
        other = "" if role == "stimulus" else f" ({{{role!r}: ''}} where it is something else)"
        guess = f"; did you mean {near!r}? Rename it, or say columns={{{role!r}: {near!r}}}{other}" if near else ""
        known = ", ".join(names[:12]) or "none"
        raise InputValueError(f"{where} has no column {role!r}{guess} (its columns: {known})")
    return found


def labels_of(frame: pd.DataFrame) -> list[str]:
    """Columns without a role."""
    return [str(name) for name in frame.columns if name not in ROLES and name != ROW]


def _misspelt(role: str, names: Sequence[str]) -> str | None:
    by_folded = {name.casefold(): name for name in names}
    near = difflib.get_close_matches(role, by_folded, n=1, cutoff=LIKENESS)
    return by_folded[near[0]] if near else None


def _part(text: str, where: str) -> str:
    if text and text.casefold() not in PART_OF:
        raise UnknownNameError("part of the split", text, Split.PARTS, where=f"in {where}")
    return PART_OF[text.casefold()] if text else ""


def _as_text(value: object) -> str:
    """Text of a cell; empty for a missing one, without the decimals that pandas gives to whole numbers."""
    if value is None or (isinstance(value, float) and value != value) or value is pd.NA:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _few(items: object, count: int) -> str:
    shown = list(items)[:MOST_SHOWN]  # type: ignore[call-overload]
    return ", ".join(shown) + (", ..." if count > MOST_SHOWN else "")
