"""Every error a user can meet: each says what was wrong, what was expected and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

MOST_CHOICES_SHOWN = 40


class BraincodecError(Exception):
    """Base of all errors that braincodec raises on purpose."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        # subclasses take other arguments than the message, and errors travel from worker processes
        return _restored, (type(self), self.args, self.__dict__)


def _restored(kind: type[BraincodecError], args: tuple[Any, ...], state: dict[str, Any]) -> BraincodecError:
    # of several built-in bases only OSError has fields of its own, which its constructor must make
    error = OSError.__new__(kind) if issubclass(kind, OSError) else kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


class InputTypeError(BraincodecError, TypeError):
    """An argument has the wrong type or dtype."""


class InputValueError(BraincodecError, ValueError):
    """An argument has the right type but an impossible value, shape or range."""


class UnknownNameError(InputValueError):
    """A name that is not among the known ones.

    Parameters
    ----------
    what : str
        Kind of thing, such as ``"roi"`` or ``"model"``.
    name : object
        What was asked for.
    choices : iterable of str
        The valid names.
    where : str, optional
        Context appended to the first sentence, such as ``"for fmri-nsd-fwrf subject 1"``.
    hint : str, optional
        What else can be done, appended at the end.

    Examples
    --------
    >>> print(UnknownNameError("roi", "FAA-1", choices=["V1", "FFA-1"]))
    unknown roi 'FAA-1'; did you mean 'FFA-1'? available: V1, FFA-1
    >>> print(UnknownNameError("roi", "V1 FFA-1", choices=["V1", "FFA-1"]))
    unknown roi 'V1 FFA-1'; did you mean 'V1,FFA-1' (in Python a list)? available: V1, FFA-1
    """

    def __init__(self, what: str, name: object, choices: Iterable[object], where: str = "", hint: str = "") -> None:
        self.what, self.name, self.choices = what, name, [str(choice) for choice in choices]
        near = nearest_names(str(name), self.choices)
        shown = ", ".join(self.choices[:MOST_CHOICES_SHOWN]) or "none"
        if len(self.choices) > MOST_CHOICES_SHOWN:
            shown += f", and {len(self.choices) - MOST_CHOICES_SHOWN} more"
        place = f" {where}" if where else ""
        guess = f" did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
        several = str(name).split()
        if len(several) > 1 and set(several) <= set(self.choices):
            guess = f" did you mean {','.join(several)!r} (in Python a list)?"
        more = f"; {hint}" if hint else ""
        super().__init__(f"unknown {what} {name!r}{place};{guess} available: {shown}{more}")


class MissingFileError(InputValueError, FileNotFoundError):
    """A file or folder that should exist does not.

    Parameters
    ----------
    path : str or Path
    what : str
        What the file is, such as ``"weights of subject 3, roi V1"``.
    hint : str, optional
        How to get it.
    """

    def __init__(self, path: str | Path, what: str = "file", hint: str = "") -> None:
        self.path = str(path)
        ValueError.__init__(self, f"{what} not found: {path}" + (f"; {hint}" if hint else ""))

    def __str__(self) -> str:
        return str(self.args[0])


class NotTrainedError(InputValueError, AttributeError):
    """A model was asked to predict before it was trained."""


class DamagedFileError(InputValueError):
    """A file is truncated, corrupt, or not in the format its name promises."""


class UnreachableError(BraincodecError, ConnectionError):
    """An address does not answer, or refuses: no network, no such host, no permission."""


class UnsafeFileError(DamagedFileError):
    """A file asks for code to be run, or for more memory than it can hold; it was refused unread."""


class OutputError(BraincodecError, OSError):
    """A result could not be written; nothing half-written is left under its name."""


class FailedWorkError(BraincodecError, RuntimeError):
    """A piece of work failed, or ended the process that did it, every time it was tried."""


class MissingExtraError(BraincodecError, ImportError):
    """An optional package is needed; the message gives the line that installs it.

    Examples
    --------
    >>> print(MissingExtraError("nibabel", "neuro", "writing NIfTI files"))
    writing NIfTI files needs the package 'nibabel'; install it with: pip install 'braincodec[neuro]'
    """

    def __init__(self, package: str, extra: str, what: str) -> None:
        super().__init__(f"{what} needs the package {package!r}; install it with: pip install 'braincodec[{extra}]'")


def nearest_names(name: str, choices: Iterable[str], limit: int = 2) -> list[str]:
    """Names from `choices` that look like `name`, best first, ignoring case.

    Examples
    --------
    >>> nearest_names("ffa1", ["FFA-1", "PPA"])
    ['FFA-1']
    """
    by_folded = {choice.casefold(): choice for choice in choices}
    return [by_folded[n] for n in difflib.get_close_matches(name.casefold(), by_folded, n=limit, cutoff=0.6)]
