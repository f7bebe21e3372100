"""The folder of a result: built beside its final name, kept when a run is interrupted, renamed when it is whole."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from braincodec import __version__
from braincodec.artefact import CONFIG, artefact_folders
from braincodec.atomic import (
    atomic_path,
    exclusive_lock,
    refuse_existing,
    refuse_other_folder,
    remove,
    replace,
    write_error,
)
from braincodec.errors import BraincodecError, InputValueError, OutputError
from braincodec.settings_file import read_settings, settings_text
from braincodec.staged_folder import FULL, differences

if TYPE_CHECKING:
    from braincodec.training.config import TrainConfig
    from braincodec.training.data import Piece

SETTINGS, REPORT, SCORES, REPORTS, CURVES = "train.yaml", "report.html", "scores", "reports", "learning-curves"
PARTIAL, WORKSPACE, LOCK = ".partial", "workspace", "lock"


class ResultFolder:
    """A run's result on disk while it is made.

    ``<model>/subject-01[/roi-V1]/`` are the models, as in a store; ``scores/``, ``report.html`` and ``train.yaml`` lie
    beside them.

    Parameters
    ----------
    output : Path
        The final name; nothing has it until everything is there.
    config : TrainConfig
    overwrite : bool
        Replace an earlier result, and discard an interrupted run that was made by other settings.
    """

    def __init__(self, output: Path, config: TrainConfig, *, overwrite: bool) -> None:
        self.output, self.config, self.overwrite = output, config, overwrite
        self.path = output.with_name(f"{output.name}{PARTIAL}")
        self._lock: IO[str] | None = None

    @property
    def workspace(self) -> Path:
        """Where features and checkpoints go: into the folder that the settings name, or beside the result."""
        return Path(self.config.workspace).expanduser() if self.config.workspace else self.path / WORKSPACE

    @property
    def begun(self) -> bool:
        """Whether the folder is ours to write."""
        return self._lock is not None

    def begin(self) -> bool:
        """Make the folder, or take up that of an interrupted run; True where it is taken up.

        Raises
        ------
        OutputError
            When the result exists, another process makes it, or it cannot be written.
        InputValueError
            When an interrupted run had other settings.
        """
        refuse_output(self.output, self.config, overwrite=self.overwrite)
        earlier = self.path.exists()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = exclusive_lock(self.path / LOCK)
            earlier = earlier and self._continues()
            with atomic_path(self.path / SETTINGS, overwrite=True) as temporary:
                temporary.write_text(settings_text(self.config.to_dict(), _remark()), encoding="utf-8")
        except BraincodecError:
            self.close()
            raise
        except OSError as error:
            self.close()
            raise write_error(self.output, error) from error
        return earlier

    def _continues(self) -> bool:
        """Whether what lies there is an interrupted run of the same settings; what is of no use is removed.

        Features and checkpoints stay whatever the settings are: they are named by what decides them.
        """
        known = self.path / SETTINGS
        if not known.is_file():
            left = sorted(item.name for item in self.path.iterdir() if item.name != LOCK and item.name[0] != ".")
            if left:
                raise OutputError(f"{self.path} is in the way: no interrupted run, but {', '.join(left[:5])}")
            self._clear()
            return False
        from braincodec.training.config import TrainConfig

        try:
            before: dict[str, Any] | None = TrainConfig.parse(read_settings(known)).decides()
        except BraincodecError:  # of an older version, or edited
            before = None
        if before == self.config.decides():
            return True
        if not artefact_folders(self.path):  # nothing would be lost
            return False
        if not self.overwrite:
            words = "that cannot be read" if before is None else differences(before, self.config.decides())
            raise InputValueError(
                f"{self.path} holds an interrupted run with other settings ({words}); choose another output, or "
                "discard it (--overwrite, overwrite=True)"
            )
        self._clear()
        return False

    def _clear(self) -> None:
        for item in self.path.iterdir():
            if item.name not in (LOCK, WORKSPACE):
                remove(item)

    def abandon(self) -> None:
        """Leave nothing behind where nothing has been done yet."""
        if self.begun and not self._holds_work():
            self.close()
            remove(self.path)

    def _holds_work(self) -> bool:
        computed = any(path.is_file() for path in (self.path / WORKSPACE).rglob("*"))
        return computed or bool(artefact_folders(self.path))

    def finished(self, piece: Piece) -> Path | None:
        """The artefact of a piece that an interrupted run completed."""
        return next((path.parent for path in self.path.glob(f"*/{piece.place}/{CONFIG}")), None)

    def scores(self, piece: Piece) -> Path:
        """Folder of a piece's scores."""
        return self.path / SCORES / piece.name

    def curve(self, piece: Piece) -> Path:
        """Picture of a piece's learning curve."""
        return self.path / CURVES / f"{piece.name}.png"

    def complete(self) -> Path:
        """Give the result its final name; what was kept for resuming goes."""
        self.close()
        try:
            remove(self.path / WORKSPACE)
            remove(self.path / LOCK)
            replace(self.path, self.output)
        except OSError as error:
            raise write_error(self.output, error) from error
        return self.output

    def close(self) -> None:
        """Let others have the folder."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def explain(self, error: OSError) -> OutputError:
        """An error of the disk in words, with what to do."""
        full = error.errno in FULL or "No space left" in str(error)
        remedy = "make room and give the same command again" if full else "the same command goes on"
        words = str(error) if isinstance(error, BraincodecError) else str(write_error(self.output, error))
        if not self._holds_work():
            return OutputError(words)
        return OutputError(f"{words}; what is finished is kept in {self.path}: {remedy}")


def refuse_output(output: Path, config: TrainConfig, *, overwrite: bool) -> None:
    """Raise where a result cannot go, or would replace anything but an earlier result.

    Raises
    ------
    OutputError
    """
    if output.name in ("", ".."):
        raise OutputError(f"{str(output)!r} is no name for a new folder; take one inside it: {output / 'model'}")
    refuse_existing(output, overwrite=overwrite)
    if not os.path.lexists(output):
        return
    refuse_other_folder(output, SETTINGS, "result")
    root = config.dataset.root
    if root is not None and "://" not in root and Path(root).resolve().is_relative_to(output.resolve()):
        raise OutputError(f"{output} holds the data, {root}, so it is not overwritten; choose another name")


def _remark() -> str:
    return f"All settings of this model, by braincodec {__version__}.\nbraincodec train --config THIS_FILE -o OUT"
