"""What a trained model knows of its data, so that it can be judged again by its folder alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from braincodec.artefact import CONFIG, artefact_folders, read_config
from braincodec.datasets import Recording, Split
from braincodec.errors import BraincodecError, InputValueError, UnknownNameError
from braincodec.settings_file import read_settings
from braincodec.subjects import plain_subject
from braincodec.training.config import DatasetChoice
from braincodec.training.data import chosen_subjects, in_regions, open_dataset
from braincodec.training.folder import SETTINGS

if TYPE_CHECKING:
    from braincodec.datasets import Dataset
    from braincodec.models.description import ModelDescription

# folders between an artefact and the settings of its run: subject, region, model
MOST_LEVELS = 3


@dataclass(frozen=True)
class StoredModel:
    """A trained model's folder, and what its description says.

    Attributes
    ----------
    path : Path
    description : ModelDescription
    """

    path: Path
    description: ModelDescription

    @property
    def dataset(self) -> dict[str, Any] | None:
        """Name and options of the data set; None where the model does not say."""
        stated = self.description.training.get("dataset")
        return stated if isinstance(stated, dict) and "name" in stated else None

    @property
    def root(self) -> str | None:
        """Where the data set lay; known only beside the settings of the run."""
        for folder in list(self.path.resolve().parents)[:MOST_LEVELS]:
            if (folder / SETTINGS).is_file():
                try:
                    stated = read_settings(folder / SETTINGS).get("dataset")
                except BraincodecError:  # edited: the caller says where the data lie
                    return None
                return str(stated["root"]) if isinstance(stated, dict) and stated.get("root") else None
        return None

    def open_dataset(self, root: str | Path | None = None) -> Dataset:
        """The data set that it was trained on, in `root` or where it lay then.

        Raises
        ------
        InputValueError
            When the model does not name one.
        """
        stated = self.dataset
        if stated is None:
            raise InputValueError(f"{self.path} does not say what it was trained on; name it (--dataset, --root)")
        where = str(root) if root is not None else self.root
        return open_dataset(DatasetChoice(name=stated["name"], root=where, options=stated.get("options") or {}))

    def recording(self, dataset: Dataset) -> Recording:
        """Its subject's recording with its own units, under the split that it was trained by.

        Raises
        ------
        UnknownNameError, InputValueError
            When the data set lacks its subject, regions or stimuli.
        """
        about = self.description
        (subject,) = chosen_subjects(dataset, (about.subject,))
        recording = dataset.subject(subject)
        rois = about.training.get("rois")
        stated = about.training.get("split")
        if isinstance(stated, dict) and stated:
            parts = stated if set(stated) <= set(Split.PARTS) else stated.get(subject, {})
            recording = recording.with_split(Split.from_dict(parts))
        return in_regions(recording, tuple(rois) if rois else None)


def stored_models(
    path: str | Path, subjects: Iterable[object] | None = None, rois: Iterable[str] | None = None
) -> list[StoredModel]:
    """The trained models in a folder: of an artefact, of a run, or of a store.

    Parameters
    ----------
    path : str or Path
    subjects : iterable of int or str, optional
        Only theirs.
    rois : iterable of str, optional
        Of models of one region, only these.

    Raises
    ------
    UnknownNameError
        For a subject or region that has no model there.
    """
    found = [StoredModel(folder, read_config(folder / CONFIG).description) for folder in artefact_folders(path)]
    if subjects is not None:
        known = list(dict.fromkeys(str(model.description.subject) for model in found))
        wanted = [str(plain_subject(one)) for one in subjects]
        for one in wanted:
            if one not in known:
                raise UnknownNameError("subject", one, known, where=f"in {path}")
        found = [model for model in found if str(model.description.subject) in wanted]
    names = list(dict.fromkeys(model.description.roi for model in found if model.description.roi))
    if rois is not None and names:
        for name in rois:
            if name not in names:
                raise UnknownNameError("roi", name, names, where=f"in {path}")
        found = [model for model in found if model.description.roi in set(rois)]
    return found
