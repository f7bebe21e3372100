"""The table of scores: which columns it has, what each may hold, and how it is shown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from braincodec.errors import InputTypeError, InputValueError

SUMMARIES = ("median over units", "mean over stimuli", "over all stimuli")
FLOORS = ("shuffled pairs", "mean training image", "mean training response", "")
ALL_UNITS = "all"
ENCODING, DECODING = DIRECTIONS = ("encoding", "decoding")

TEXT = ("subject", "direction", "roi", "metric", "summary", "floor_of")
COUNTS = ("n_stimuli", "n_units", "n_excluded")
TABLE_COLUMNS = (
    "subject",
    "direction",
    "roi",
    "metric",
    "summary",
    "value",
    "low",
    "high",
    "level",
    "n_stimuli",
    "n_units",
    "n_excluded",
    "floor",
    "floor_of",
    "ceiling",
    "normalised",
    "normalised_low",
    "normalised_high",
    "chance",
    "p_value",
)
NUMBERS = tuple(name for name in TABLE_COLUMNS if name not in (*TEXT, *COUNTS))
KEY = ("subject", "direction", "roi", "metric")


def make_table(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """A table of scores from its rows; numbers that a row lacks are NaN, counts 0, words empty.

    Parameters
    ----------
    rows : iterable of mappings
        Keys are among `TABLE_COLUMNS`.

    Examples
    --------
    >>> make_table([{"subject": "1", "roi": "V1", "metric": "correlation", "summary": "median over units",
    ...              "value": 0.4, "n_stimuli": 100, "n_units": 20}])[["roi", "value", "n_units"]].values.tolist()
    [['V1', 0.4, 20]]
    """
    filled = [{name: row.get(name, "" if name in TEXT else np.nan) for name in TABLE_COLUMNS} for row in rows]
    table = pd.DataFrame(filled, columns=list(TABLE_COLUMNS))
    for name in COUNTS:
        table[name] = table[name].fillna(0)
    return check_table(table)


def check_table(table: pd.DataFrame) -> pd.DataFrame:
    """The same table with plain dtypes, or an error that says what is wrong with it.

    Raises
    ------
    InputTypeError
        When it is no DataFrame, or a column of numbers holds something else.
    InputValueError
        When columns are missing or unknown, a row is there twice, or a count, level or p value is impossible.
    """
    if not isinstance(table, pd.DataFrame):
        raise InputTypeError(f"a table of scores is a pandas.DataFrame, not {type(table).__name__}")
    missing = [name for name in TABLE_COLUMNS if name not in table.columns]
    unknown = [str(name) for name in table.columns if name not in TABLE_COLUMNS]
    if missing or unknown:
        raise InputValueError(
            f"a table of scores has the columns {', '.join(TABLE_COLUMNS)}; "
            f"missing: {', '.join(missing) or 'none'}; unknown: {', '.join(unknown) or 'none'}"
        )
    table = table[list(TABLE_COLUMNS)].reset_index(drop=True)
    try:
        table = table.astype(
            dict.fromkeys(NUMBERS, float) | dict.fromkeys(COUNTS, "int64") | dict.fromkeys(TEXT, "str")
        )
    except (TypeError, ValueError) as error:
        raise InputTypeError(f"a column of the table of scores holds something else than numbers: {error}") from None
    _check_values(table)
    return table


def _check_values(table: pd.DataFrame) -> None:
    again = table.duplicated(list(KEY))
    if again.any():
        raise InputValueError(f"the table of scores has {tuple(table.loc[again.idxmax(), list(KEY)])} twice")
    for name in COUNTS:
        if (table[name] < 0).any():
            raise InputValueError(f"{name} must not be negative, but it is {int(table[name].min())} in one row")
    for name, choices in (("summary", SUMMARIES), ("floor_of", FLOORS), ("direction", (*DIRECTIONS, ""))):
        for value in table[name].unique():
            if value not in choices:
                known = ", ".join(repr(choice) for choice in choices)
                raise InputValueError(f"{name} is {value!r} in the table of scores; expected one of {known}")
    for name in ("level", "p_value"):
        values = table[name].to_numpy()
        if ((values < 0) | (values > 1)).any():
            raise InputValueError(f"{name} lies between 0 and 1, but the table of scores has {np.nanmax(values):g}")


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain dictionaries that strict JSON can hold: None where a number is not known."""
    return [{str(name): plain(value) for name, value in row.items()} for row in table.to_dict("records")]


def plain(value: Any) -> Any:
    """A number, word or collection as JSON can hold it: None for NaN and infinities, lists for arrays."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    value = value.item() if isinstance(value, np.generic) else value
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)


def shown_key(table: pd.DataFrame) -> list[str]:
    """What tells rows apart, for readers: the direction only where there are two.

    Examples
    --------
    >>> shown_key(make_table([]))
    ['subject', 'roi', 'metric']
    """
    return [name for name in KEY if name != "direction" or table["direction"].nunique() > 1]


def number(value: float, digits: int = 3) -> str:
    """A number for people to read: fixed digits, few of them where it is large or tiny, a dash for NaN.

    Examples
    --------
    >>> number(0.43219), number(float("nan")), number(1234.5), number(0.00001234)
    ('0.432', '-', '1234', '1.23e-05')
    """
    if value is None or not math.isfinite(value):
        return "-"
    if value != 0 and abs(value) < 10.0**-digits:
        return f"{value:.{digits - 1}e}"
    return f"{value:.{digits}f}" if abs(value) < 100 else f"{value:.0f}"


def readable_table(table: pd.DataFrame) -> pd.DataFrame:
    """The table as text, with the interval in one column; what no row has is left out.

    Examples
    --------
    >>> row = {"subject": "1", "roi": "V1", "metric": "correlation", "summary": "median over units", "value": 0.4,
    ...        "low": 0.3, "high": 0.5, "level": 0.95, "n_stimuli": 100, "n_units": 20, "chance": 0, "p_value": 0.001}
    >>> readable_table(make_table([row])).loc[0, ["value", "95 % interval", "p"]].tolist()
    ['0.400', '0.300 to 0.500', '0.001']
    >>> of_images = row | {"metric": "pixel_correlation", "roi": "all", "n_units": 0}
    >>> readable_table(make_table([row, of_images]))["units"].tolist()
    ['20', '-']
    """
    shown = table[shown_key(table)].copy()
    shown["stimuli"] = table["n_stimuli"].astype(str)
    if table["n_units"].any():
        shown["units"] = [
            _with_excluded(units, left) for units, left in zip(table.n_units, table.n_excluded, strict=True)
        ]
    shown["value"] = table["value"].map(number)
    shown[interval_name(table)] = [_interval(*pair) for pair in zip(table.low, table.high, strict=True)]
    if table["floor"].notna().any():
        shown["floor"] = table["floor"].map(number)
        shown["floor of"] = table["floor_of"]
    for name in ("ceiling", "normalised", "chance"):
        if table[name].notna().any():
            shown[name] = table[name].map(number)
    if table["p_value"].notna().any():
        shown["p"] = table["p_value"].map(number)
    return shown


def interval_name(table: pd.DataFrame) -> str:
    """Head of the column of intervals, such as ``"95 % interval"``."""
    levels = sorted({float(level) for level in table["level"].dropna()})
    return f"{' / '.join(f'{100 * level:g}' for level in levels)} % interval" if levels else "interval"


def _with_excluded(units: int, left_out: int) -> str:
    if not units and not left_out:
        return "-"  # of images
    return f"{units:,}" + (f" (-{left_out:,})" if left_out else "")


def _interval(low: float, high: float) -> str:
    return f"{number(low)} to {number(high)}" if math.isfinite(low) and math.isfinite(high) else "-"
