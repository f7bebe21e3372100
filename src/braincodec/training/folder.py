"""The folder of a training's result: models as in a store; scores, report and settings beside them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from braincodec import __version__
from braincodec.artefact import CONFIG, artefact_folders
from braincodec.atomic import atomic_path
from braincodec.errors import BraincodecError, OutputError
from braincodec.settings_file import read_settings, settings_text
from braincodec.staged_folder import WORKSPACE, StagedFolder

if TYPE_CHECKING:
    from braincodec.training.config import TrainConfig
    from braincodec.training.data import Piece

SETTINGS, REPORT, SCORES, REPORTS, CURVES = "train.yaml", "report.html", "scores", "reports", "learning-curves"


class ResultFolder(StagedFolder):
    """A training's result on disk while it is made.

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
        super().__init__(output, SETTINGS, config.decides(), "result", overwrite=overwrite)
        self.config = config

    @property
    def workspace(self) -> Path:
        """Where features and checkpoints go: into the folder that the settings name, or beside the result."""
        return Path(self.config.workspace).expanduser() if self.config.workspace else super().workspace

    def refuse(self) -> None:
        """Raise where the result cannot go, or would replace anything but an earlier result.

        Raises
        ------
        OutputError
        """
        super().refuse()
        root = self.config.dataset.root
        if root is not None and "://" not in root and Path(root).resolve().is_relative_to(self.output.resolve()):
            raise OutputError(f"{self.output} holds the data, {root}, so it is not overwritten; choose another name")

    def _write_mark(self) -> None:
        with atomic_path(self.path / SETTINGS, overwrite=True) as temporary:
            temporary.write_text(settings_text(self.config.to_dict(), _remark()), encoding="utf-8")

    def _read_mark(self) -> dict[str, Any] | None:
        from braincodec.training.config import TrainConfig

        try:
            return TrainConfig.parse(read_settings(self.path / SETTINGS)).decides()
        except BraincodecError:  # of an older version, or edited
            return None

    def _holds_results(self) -> bool:
        """Features and checkpoints stay whatever the settings are: they are named by what decides them."""
        return bool(artefact_folders(self.path))

    def _holds_work(self) -> bool:
        computed = any(path.is_file() for path in (self.path / WORKSPACE).rglob("*"))
        return computed or self._holds_results()

    def finished(self, piece: Piece) -> Path | None:
        """The artefact of a piece that an interrupted run completed."""
        return next((path.parent for path in self.path.glob(f"*/{piece.place}/{CONFIG}")), None)

    def scores(self, piece: Piece) -> Path:
        """Folder of a piece's scores."""
        return self.path / SCORES / piece.name

    def curve(self, piece: Piece) -> Path:
        """Picture of a piece's learning curve."""
        return self.path / CURVES / f"{piece.name}.png"


def _remark() -> str:
    return f"All settings of this model, by braincodec {__version__}.\nbraincodec train --config THIS_FILE -o OUT"
