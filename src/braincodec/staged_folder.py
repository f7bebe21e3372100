"""A folder of results that is made beside its final name, kept when a run is interrupted, renamed when it is whole."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Self

from braincodec.atomic import (
    exclusive_lock,
    refuse_existing,
    refuse_other_folder,
    remove,
    replace,
    write_error,
    write_json,
)
from braincodec.errors import BraincodecError, InputValueError, OutputError

PARTIAL, LOCK, WORKSPACE = ".partial", "lock", "workspace"
MOST_DIFFERENCES_SHOWN = 4
FULL = (errno.ENOSPC, errno.EDQUOT)
# what a disk says that takes no more
OF_THE_DISK = (*FULL, errno.EROFS, errno.EFBIG, errno.EIO)


class StagedFolder:
    """A run's result on disk while it is made.

    Parameters
    ----------
    output : Path
        The final name; nothing has it until everything is there.
    mark : str
        File that says what the result is, and that every folder of the kind has.
    identity : dict
        Everything that decides the result, as plain JSON; a run goes on only where it is the same.
    what : str
        Name of the kind of result.
    overwrite : bool
        Replace an earlier result, and discard an interrupted run that had another identity.

    Raises
    ------
    OutputError
        Where `output` is no name for a new folder.

    Examples
    --------
    >>> import tempfile
    >>> folder = StagedFolder(Path(tempfile.mkdtemp()) / "out", "run.json", {"seed": 0}, "run")
    >>> with folder:
    ...     _ = (folder.path / "a.txt").write_text("done")
    ...     path = folder.complete()
    >>> sorted(file.name for file in path.iterdir())
    ['a.txt', 'run.json']
    """

    def __init__(
        self, output: str | Path, mark: str, identity: Mapping[str, Any], what: str, *, overwrite: bool = False
    ) -> None:
        self.output, self.mark, self.what, self.overwrite = Path(output).expanduser(), mark, what, overwrite
        if self.output.name in ("", ".."):
            inside = self.output / "new"
            raise OutputError(f"{str(self.output)!r} is no name for a new folder; take one inside it: {inside}")
        self.identity: dict[str, Any] = json.loads(json.dumps(dict(identity)))
        self.path = self.output.with_name(f"{self.output.name}{PARTIAL}")
        self.resumed = False
        self._lock: IO[str] | None = None

    @property
    def workspace(self) -> Path:
        """Where checkpoints and features go, which the finished result does not have."""
        return self.path / WORKSPACE

    def refuse(self) -> None:
        """Raise where the result cannot go, or would replace anything but an earlier one of its kind.

        Raises
        ------
        OutputError
        """
        refuse_existing(self.output, overwrite=self.overwrite)
        if os.path.lexists(self.output):
            refuse_other_folder(self.output, self.mark, self.what)

    def __enter__(self) -> Self:
        """Make the folder, or take up that of an interrupted run (`resumed` then).

        Raises
        ------
        OutputError
            When the result exists, another process makes it, or it cannot be written.
        InputValueError
            When an interrupted run had another identity.
        """
        self.refuse()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = exclusive_lock(self.path / LOCK)
            self.resumed = self._continues()
            self._write_mark()
        except BraincodecError:
            self._close()
            raise
        except OSError as error:
            self._close()
            raise write_error(self.output, error) from error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if self._lock is None:  # complete
            return
        holds_work = self._holds_work()
        self._close()
        if not holds_work:  # nothing would be lost
            remove(self.path)
        if isinstance(error, OSError) and (isinstance(error, OutputError) or error.errno in OF_THE_DISK):
            raise self._explained(error, holds_work) from error

    def complete(self) -> Path:
        """Give the result its final name; what was kept for resuming goes."""
        self._close()
        try:
            remove(self.path / WORKSPACE)
            remove(self.path / LOCK)
            replace(self.path, self.output)
        except OSError as error:
            raise write_error(self.output, error) from error
        return self.output

    def _continues(self) -> bool:
        known = self.path / self.mark
        found = sorted(item.name for item in self.path.iterdir() if item.name != LOCK and item.name[0] != ".")
        if not known.is_file():
            if found:
                raise OutputError(f"{self.path} is in the way: no interrupted run, but {', '.join(found[:5])}")
            return False
        before = self._read_mark()
        if before == self.identity:
            return True
        if self._holds_results() and not self.overwrite:
            words = differences(before, self.identity) if before is not None else "that cannot be read"
            raise InputValueError(
                f"{self.path} holds an interrupted run with other settings ({words}); choose another output, or "
                "discard it (--overwrite, overwrite=True)"
            )
        for item in self.path.iterdir():
            if item.name not in (LOCK, WORKSPACE):  # what is in the workspace is named by what decides it
                remove(item)
        return False

    def _write_mark(self) -> None:
        write_json(self.path / self.mark, self.identity)

    def _read_mark(self) -> dict[str, Any] | None:
        """Identity of the run that lies there; None where its mark was cut short or edited."""
        with contextlib.suppress(ValueError, OSError):
            before = json.loads((self.path / self.mark).read_text(encoding="utf-8"))
            return before if isinstance(before, dict) else None
        return None

    def _holds_results(self) -> bool:
        """Whether something would be lost to a run of another identity."""
        return self._holds_work()

    def _holds_work(self) -> bool:
        return any(path.is_file() and path.name not in (LOCK, self.mark) for path in self.path.rglob("*"))

    def _close(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _explained(self, error: OSError, holds_work: bool) -> OutputError:
        words = str(error) if isinstance(error, BraincodecError) else str(write_error(self.output, error))
        if not holds_work:
            return OutputError(words)
        full = error.errno in FULL or "No space left" in str(error)
        remedy = "make room and give the same command again" if full else "the same command goes on"
        return OutputError(f"{words}; what is finished is kept in {self.path}: {remedy}")


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Which settings differ, and how.

    Examples
    --------
    >>> differences({"seed": 0, "model": {"folds": 5}}, {"seed": 0, "model": {"folds": 3}})
    'model.folds was 5, is 3'
    """
    flat = [dict(_flat(values)) for values in (before, now)]
    names = [name for name in {**flat[0], **flat[1]} if flat[0].get(name) != flat[1].get(name)]
    words = [f"{name} was {flat[0].get(name)}, is {flat[1].get(name)}" for name in names[:MOST_DIFFERENCES_SHOWN]]
    return "; ".join([*words, *([f"and {len(names) - len(words)} more"] if len(names) > len(words) else [])])


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
