"""From settings to recordings: which subjects, which units, which split."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.datasets import Dataset, Recording, Split, load_dataset
from braincodec.datasets.catalogue import count_problems
from braincodec.errors import DamagedFileError, InputValueError, MissingFileError, UnknownNameError
from braincodec.responses.checks import ROI_MEMBERSHIP
from braincodec.subjects import ALL, named_subject, subject_folder

if TYPE_CHECKING:
    from braincodec.training.config import DatasetChoice, SplitChoice, TrainConfig

# characters that the name of a folder may not hold
NOT_IN_A_NAME = frozenset('/\\:*?"<>|')


@dataclass(frozen=True)
class Piece:
    """One model of a run: a subject, and the regions whose units it is for.

    Attributes
    ----------
    subject : str
    rois : tuple of str, optional
        None for all units.
    """

    subject: str
    rois: tuple[str, ...] | None = None

    @property
    def roi(self) -> str | None:
        """The region, where it is one."""
        return self.rois[0] if self.rois is not None and len(self.rois) == 1 else None

    @property
    def place(self) -> str:
        """Folder of the model below that of its name, as stores have it.

        Examples
        --------
        >>> Piece("1").place, Piece("1", ("V1",)).place, Piece("1", ("V1", "V2")).place
        ('subject-01', 'subject-01/roi-V1', 'subject-01')
        """
        folder = subject_folder(self.subject)
        return folder if self.roi is None else f"{folder}/roi-{self.roi}"

    @property
    def name(self) -> str:
        """The place as one name, for files about the model."""
        return self.place.replace("/", "_")

    def __str__(self) -> str:
        return f"subject {self.subject}" + (f", {', '.join(self.rois)}" if self.rois else "")


def open_dataset(choice: DatasetChoice) -> Dataset:
    """The data set that the settings name."""
    return load_dataset(choice.name, choice.root, **choice.options)


def chosen_subjects(dataset: Dataset, asked: Iterable[object] | None) -> list[str]:
    """Names of subjects as the data set writes them.

    Parameters
    ----------
    dataset : Dataset
    asked : iterable of int or str, optional
        ``("all",)`` for every one; may be left out where there is one.

    Raises
    ------
    UnknownNameError
        For a subject that there is not.
    InputValueError
        When there are several and none was chosen.
    MissingFileError
        When the files of a chosen one are not there.
    """
    known = dataset.subjects()
    wanted = None if asked is None else tuple(asked)
    if wanted is None and len(known) != 1:
        raise InputValueError(
            f"{dataset.name} has {len(known)} subjects: {', '.join(known)}; say which (subject), or all"
        )
    if wanted is None or wanted == (ALL,):
        names = known
    else:
        names = []
        for one in wanted:
            name = named_subject(one, known)
            if name is None:
                raise UnknownNameError("subject", str(one), known, where=f"of {dataset.name}")
            names.append(name)
    for name in names:
        absent = [path for path in dataset.files(name) if not path.exists()]
        if absent:
            raise MissingFileError(absent[0], f"data of subject {name}", dataset.how_to_get)
    return list(dict.fromkeys(names))


def open_recording(config: TrainConfig, dataset: Dataset, subject: str) -> Recording:
    """A subject's recording as the settings want it, under their split; not cut down to regions yet.

    Raises
    ------
    DamagedFileError
        When there is less than the data set declares.
    """
    takes_roi = "roi" in inspect.signature(dataset.subject).parameters
    if takes_roi and config.regions is not None and not config.one_model_a_roi:
        recording = dataset.subject(subject, roi=list(config.regions))  # type: ignore[call-arg]
    else:
        recording = dataset.subject(subject)
        problems = count_problems(recording, dataset.expected.get(subject))
        if problems:
            raise DamagedFileError(f"{dataset.name}, subject {subject}: {'; '.join(problems)}; {dataset.how_to_get}")
    return recording if config.split is None else recording.with_split(new_split(config.split, recording))


def regions_of_anybody(config: TrainConfig, dataset: Dataset, subjects: Iterable[str]) -> frozenset[str]:
    """Regions that some of the subjects have, where the data set tells before its recordings are opened."""
    if not config.one_model_a_roi or not hasattr(dataset, "regions"):
        return frozenset()
    return frozenset(name for subject in subjects for name in dataset.regions(subject))


def pieces_of(config: TrainConfig, recording: Recording, of_others: frozenset[str] = frozenset()) -> list[Piece]:
    """The models that one subject gets.

    Parameters
    ----------
    config : TrainConfig
    recording : Recording
    of_others : frozenset of str
        Regions that are known but that this subject may lack; where it does, there is no such model.

    Raises
    ------
    UnknownNameError
        For a region that the recording lacks.
    InputValueError
        When regions are asked for and there are none.
    """
    if config.regions is None and not config.one_model_a_roi:
        return [Piece(recording.subject)]
    known = regions_with_units(recording)
    if not known:
        raise InputValueError(f"{recording.dataset} subject {recording.subject} has no regions; leave roi out")
    for name in config.regions or ():
        if name not in known and name not in of_others:
            raise UnknownNameError("roi", name, known, where=f"of {recording.dataset} subject {recording.subject}")
    names = tuple(dict.fromkeys(config.regions or known))
    if not config.one_model_a_roi:
        return [_named(Piece(recording.subject, names))]
    return [_named(Piece(recording.subject, (name,))) for name in names if name in known]


def _named(piece: Piece) -> Piece:
    if piece.roi is not None and (set(piece.roi) & NOT_IN_A_NAME or piece.roi.startswith(".")):
        raise InputValueError(f"the region {piece.roi!r} cannot be the name of a folder; rename it in the data")
    return piece


def regions_with_units(recording: Recording) -> list[str]:
    """Names of the regions that have a unit, in the recording's order."""
    if ROI_MEMBERSHIP not in recording.units:
        return []
    has_unit = recording.units[ROI_MEMBERSHIP].any("unit").values
    return [str(name) for name in recording.units["roi"].values[has_unit]]


def in_regions(recording: Recording, rois: tuple[str, ...] | None) -> Recording:
    """The same recording with the units of some regions only, each unit once; nothing is read.

    Parameters
    ----------
    recording : Recording
    rois : tuple of str, optional
        None keeps all.
    """
    if rois is None:
        return recording
    inside = recording.units[ROI_MEMBERSHIP].sel(roi=list(rois)).any("roi").values
    chosen = np.flatnonzero(inside)
    units = recording.units.isel(unit=chosen)
    units = units.isel(roi=np.flatnonzero(units[ROI_MEMBERSHIP].any("unit").values))
    return replace(recording, units=units, responses=recording.responses.isel(unit=chosen))


def new_split(choice: SplitChoice, recording: Recording) -> Split:
    """The split that takes the place of the data set's own."""
    if choice.file is not None:
        return _split_from_file(Path(choice.file), recording.subject)
    ids = recording.responses["stimulus"].values.astype(str).tolist()
    groups = recording.responses["group"].values.astype(str).tolist() if "group" in recording.responses.coords else ids
    # near copies of an image go where the first of them goes
    fractions = choice.fractions or (1.0, 0.0, 0.0)
    drawn = Split.random(dict.fromkeys(groups), choice.seed, fractions)
    part_of = {group: part for part in Split.PARTS for group in drawn.ids(part)}
    parts: dict[str, list[str]] = {part: [] for part in Split.PARTS}
    for item, group in zip(ids, groups, strict=True):
        if group in part_of:
            parts[part_of[group]].append(item)
    return Split.from_dict(parts)


def _split_from_file(path: Path, subject: str) -> Split:
    if not path.is_file():
        raise MissingFileError(path, "split")
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DamagedFileError(f"{path} is not JSON: {error}") from error
    expected = 'expected {"train": [ids], "validation": [ids], "test": [ids]}, or that for each subject'
    if not isinstance(content, dict) or not content:
        raise DamagedFileError(f"{path} holds no split; {expected}")
    if set(content) & set(Split.PARTS):
        parts = content
    elif subject in content:
        parts = content[subject]
    else:
        raise UnknownNameError("subject", subject, content, where=f"in the split {path}")
    if not isinstance(parts, dict) or not all(isinstance(ids, list) for ids in parts.values()):
        raise DamagedFileError(f"{path} holds no split; {expected}")
    return Split.from_dict(parts)


def judged_part(config: TrainConfig, split: Split) -> str | None:
    """The part that the model is judged on; None where there is none.

    Raises
    ------
    InputValueError
        When the part that was asked for is empty.
    """
    asked = config.evaluation.part
    if asked == "none":
        return None
    if asked != "auto":
        if not split.ids(asked):
            raise InputValueError(f"settings: evaluation.part: there are no {asked} stimuli to judge the model on")
        return asked
    return next((part for part in ("test", "validation") if split.ids(part)), None)
