"""Options that several commands share, and how their text is read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from braincodec.errors import InputTypeError, InputValueError
from braincodec.subjects import ALL, Subject, check_subject_name, plain_subject

if TYPE_CHECKING:
    from braincodec.store import Store

STORE_VARIABLE = "BRAINCODEC_STORE"
RANGE = re.compile(r"(\d+)\s*-\s*(\d+)", re.ASCII)
MOST_SUBJECTS = 10_000  # in one range: a longer one is a slip of the hand

StoreAddress = Annotated[
    str | None,
    typer.Option(
        "--store",
        "-s",
        envvar=STORE_VARIABLE,
        help="Folder or address (s3://...) of a braincodec store, or a NED, NEST or BERG folder.",
    ),
]
Anonymous = Annotated[bool, typer.Option("--anonymous", help="Read a public bucket without an account.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")]
ShowProgress = Annotated[
    bool | None,
    typer.Option("--progress/--no-progress", help="Show a progress bar; default: when stderr is a terminal."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is already there.")]


def open_given_store(address: str | None, anonymous: bool = False) -> Store:
    """Open the store that ``--store`` or the environment names.

    Raises
    ------
    InputValueError
        When neither does.
    """
    if not address:
        raise InputValueError(
            f"no store given: add --store FOLDER or set the environment variable {STORE_VARIABLE}. A store is a "
            "braincodec store, a NED, NEST or BERG folder, or an address such as "
            "s3://brain-encoding-response-generator (with --anonymous); 'braincodec demo' makes a simulated one"
        )
    from braincodec.store import open_store

    return open_store(address, **({"anon": True} if anonymous else {}))


def parse_subjects(text: str) -> list[Subject] | str:
    """Subjects from ``"1"``, ``"1,2"``, ``"1-4"``, ``"sub-01,sub-02"`` or ``"all"``.

    Examples
    --------
    >>> parse_subjects("1,3-5"), parse_subjects("sub-01"), parse_subjects("all")
    ([1, 3, 4, 5], ['sub-01'], 'all')
    """
    if text.strip() == ALL:
        return ALL
    found: list[Subject] = []
    for part in text.split(","):
        bounds = RANGE.fullmatch(part.strip())
        try:
            if bounds is None:
                found.append(plain_subject(check_subject_name(part.strip())))
                continue
            low, high = int(bounds[1]), int(bounds[2])
            if not 0 <= high - low < MOST_SUBJECTS:
                raise ValueError
            found += range(low, high + 1)
        except ValueError:
            words = f"--subject takes numbers such as 1, 1,2 or 1-4, names such as sub-01, or 'all'; got {text!r}"
            raise InputTypeError(words) from None
    return found


def parse_names(text: str | None) -> list[str] | None:
    """Names from ``"V1,V2"``; None for ``"all"`` and for nothing.

    Examples
    --------
    >>> parse_names("V1, V2"), parse_names("all")
    (['V1', 'V2'], None)
    """
    if text is None or text.strip() == ALL:
        return None
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise InputValueError(f"no names in {text!r}; write V1,V2 or 'all'")
    return names


def parse_settings_of(texts: list[str]) -> dict[str, Any]:
    """Settings inside settings from ``name=value``; names may have dots.

    Examples
    --------
    >>> parse_settings_of(["autoencoder.epochs=3", "generator=retrieval"])
    {'autoencoder': {'epochs': 3}, 'generator': 'retrieval'}
    """
    from braincodec.training.overrides import parse_override, with_overrides

    return with_overrides({}, dict(parse_override(text) for text in texts))


def parse_batch_size(text: str) -> int | str:
    """A whole number, or ``"auto"``."""
    if text == "auto":
        return text
    try:
        return int(text)
    except ValueError:
        raise InputTypeError(f"--batch-size takes 'auto' or a whole number, got {text!r}") from None


def parse_pair(text: str | None, option: str, separator: str) -> tuple[float, float] | None:
    """Two numbers, such as ``"0,1"``.

    Examples
    --------
    >>> parse_pair("0,1", "--value-range", ",")
    (0.0, 1.0)
    """
    if text is None:
        return None
    try:
        low, high = (float(part) for part in text.split(separator))
    except ValueError:
        raise InputTypeError(f"{option} takes two numbers such as 0{separator}1, got {text!r}") from None
    return low, high


def parse_rows(text: str | None, count: int) -> slice | list[int]:
    """Rows from ``"0:10"``, ``"::100"``, ``"5"`` or ``"3,7,9"``.

    Parameters
    ----------
    text : str or None
        None takes all.
    count : int
        How many there are; a number outside is an error.

    Examples
    --------
    >>> parse_rows("0:10", 50), parse_rows("3,-1", 50)
    (slice(0, 10, None), [3, 49])
    """
    if text is None:
        return slice(None)
    try:
        if ":" in text:
            bounds = [int(part) if part.strip() else None for part in text.split(":")]
            if len(bounds) > 3 or bounds[2:] == [0]:
                raise ValueError
            return slice(*bounds)
        rows = [int(part) for part in text.split(",")]
    except ValueError:
        raise InputTypeError(f"--rows takes 0:10, ::100 or 3,7,9; got {text!r}") from None
    outside = [row for row in rows if not -count <= row < count]
    if outside:
        raise InputValueError(f"--rows asks for row {outside[0]}, there are {count:,} (0 to {count - 1:,})")
    return [row % count for row in rows]
