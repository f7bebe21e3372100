"""Names of subjects: whole numbers or text, and the folders that their models lie in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, unquote

from braincodec.errors import InputTypeError, InputValueError

Subject = int | str
"""``1``, ``"210224"``, ``"sub-01"``, ``"monkey A"``."""

ALL = "all"
FOLDER = "subject-"
REGION_FOLLOWS = "_roi-"  # in names of files of generated responses
LONGEST = 100


def check_subject_name(value: Any) -> Any:
    """`value` where it can name a subject.

    Raises
    ------
    InputValueError
        For a negative number, and for text that is empty, blank at an end, ``"all"`` or overlong.
    """
    if isinstance(value, str):
        if not value.strip() or value != value.strip() or not value.isprintable() or len(value) > LONGEST:
            raise InputValueError(f"a subject's name is 1 to {LONGEST} visible characters, got {value!r}")
        if value == ALL:
            raise InputValueError(f"{ALL!r} stands for every subject and cannot be one's name")
    elif isinstance(value, int) and value < 0:
        raise InputValueError(f"subjects are numbered from 0, got {value}")
    return value


def plain_subject(value: Any) -> Subject:
    """The same subject as one value, whether it was given as a number or as that number's text.

    Raises
    ------
    InputTypeError
        For anything but a whole number or text.

    Examples
    --------
    >>> plain_subject("210224"), plain_subject("01"), plain_subject("sub-01"), plain_subject("001")
    (210224, 1, 'sub-01', '001')
    """
    if isinstance(value, str):
        is_number = value.isascii() and value.isdigit() and value in (f"{int(value)}", f"{int(value):02d}")
        return int(value) if is_number else value
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise InputTypeError(f"a subject is a whole number or a name, got {value!r}")
    return int(value)


def named_subject(asked: object, known: Iterable[str]) -> str | None:
    """The one of `known` that is meant: as it is written, as a number, or with ``sub-`` before it; None for no such.

    Examples
    --------
    >>> named_subject(1, ["01", "02"]), named_subject("sub-01", ["1"]), named_subject("3", ["01"])
    ('01', '1', None)
    """
    names = list(known)
    if str(asked) in names:
        return str(asked)
    by_number = {plain_subject(name): name for name in names}
    return by_number.get(plain_subject(asked)) or by_number.get(plain_subject(str(asked).removeprefix("sub-")))


def subject_folder(subject: Subject) -> str:
    """Name of the folder with a subject's model: characters that a path or address may not hold are escaped.

    Examples
    --------
    >>> subject_folder(1), subject_folder("210224"), subject_folder("monkey A")
    ('subject-01', 'subject-210224', 'subject-monkey=20A')
    """
    plain = plain_subject(check_subject_name(subject))
    if isinstance(plain, int):
        return f"{FOLDER}{plain:02d}"
    # an equals sign, because a percent sign would be decoded on its way through a web address
    return FOLDER + quote(plain, safe="").replace("%", "=").replace(REGION_FOLLOWS, "=5Froi-")


def subject_of_folder(name: str) -> Subject | None:
    """The subject whose folder has this name; None for other folders.

    Examples
    --------
    >>> subject_of_folder("subject-01"), subject_of_folder("subject-monkey=20A"), subject_of_folder("imagesets")
    (1, 'monkey A', None)
    """
    text = name.removeprefix(FOLDER)
    if text == name or not text:
        return None
    try:
        return plain_subject(unquote(text.replace("=", "%"), errors="strict"))
    except UnicodeDecodeError:
        return None


def sorted_subjects(subjects: Iterable[Subject]) -> list[Subject]:
    """Numbers first, then names.

    Examples
    --------
    >>> sorted_subjects(["b", 10, 2, "a"])
    [2, 10, 'a', 'b']
    """
    return sorted(subjects, key=lambda one: (isinstance(one, str), one))


def ranges(subjects: Iterable[Subject]) -> str:
    """Sorted whole numbers, runs shortened, then names.

    Examples
    --------
    >>> ranges([1, 2, 3, 5, 7, 8]), ranges(["sub-02", "sub-01", 4])
    ('1-3, 5, 7, 8', '4, sub-01, sub-02')
    """
    known = sorted_subjects(subjects)
    runs: list[list[int]] = []
    for number in (one for one in known if isinstance(one, int)):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    words = [f"{run[0]}-{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs]
    return ", ".join([*words, *(one for one in known if isinstance(one, str))])
