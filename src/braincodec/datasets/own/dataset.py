"""The data set `own`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, get_args

import numpy as np

from braincodec.datasets.base import Counts, Dataset, Recording, register_dataset
from braincodec.datasets.own.assembly import Repetitions, responses_of
from braincodec.datasets.own.guide import GUIDE
from braincodec.datasets.own.layout import TABLE_SUFFIXES, find_layout
from braincodec.datasets.own.settings import FILE, OwnSettings, read_settings
from braincodec.datasets.own.sources import placed
from braincodec.datasets.own.splitting import restricted
from braincodec.datasets.own.study import ONLY_SUBJECT, Study
from braincodec.datasets.own.summary import describe, response_problems
from braincodec.datasets.own.trials import Trials
from braincodec.datasets.own.units import describe_units
from braincodec.datasets.split import BY_TRAINING
from braincodec.errors import BraincodecError, UnknownNameError

FILES = ("table", "images", "responses", "units", "mask", "rois", "split")


@register_dataset("own")
class Own(Dataset):
    """Anybody's recordings: images, responses, and a table that links them.

    Parameters
    ----------
    root : path, optional
        A folder with ``images/`` (or ``images.zip``, ...), ``responses.npy`` (or ``responses/``, ...) and, where they
        are wanted, ``trials.csv``, ``units.csv``, ``mask.nii.gz``, ``rois/`` and ``dataset.json`` with any of the
        options below; `how_to_get` shows an example. Or the table, whose folder is then looked into.
    table : path or DataFrame, optional
        One row a trial: column ``stimulus``, and ``subject``, ``session``, ``repetition``, ``response``, ``split``,
        ``group`` where they apply; other columns become labels of the stimuli. Without it the first trial shows the
        first image, and so on, unless the response file says itself what each trial shows.
    images : anything that `StimulusSet.open` takes, optional
        Default: the image files that the table names, where they exist.
    responses : path, pattern, list of paths, array, DataArray, or mapping of subject to one of these, optional
        ``.npy``, ``.npz``, ``.mat``, ``.h5``, NIfTI (4-D, or a file a trial), ``.csv``, ``.nc``, ``.zarr``, MNE epochs.
        ``"betas/sub-{subject}.npy"`` and names like ``sub-01_ses-02.npy`` say whose they are.
    units : path, DataFrame or Dataset, optional
        One row a unit; ``{subject}`` stands for the subject's name, also in `mask` and `rois`.
    mask : path or array, optional
        The volume whose voxels other than 0 are the units.
    rois : path or mapping of name to path or array, optional
        A folder of masks, an atlas with a table of names beside it, or masks by name.
    split : "random", Split or mapping of part to ids, optional
        Default: the table's column ``split``; without one a random split.
    title, modality, species, licence, citation : str, optional
    columns : mapping of role to column, optional
    layout : str, optional
        Order of the dimensions of arrays: ``"unit,trial"``, ``"trial,repetition,unit"``, ``"trial,channel,time"``, ...
    channels, times : sequence, optional
        Of arrays with these dimensions; seconds from stimulus onset.
    response_units : str, optional
    space : {"fsaverage", "fsaverage5"}, optional
        Surface that the units' column ``vertex`` numbers; maps on the cortex need it.
    simulated : bool, optional
        The subjects never existed; models and reports then say so.
    standardise : {"none", "session"}, optional
        "session": z-scores within sessions, by mean and standard deviation over training trials.
    fractions : (train, validation, test), optional
        Of a random split; default 0.8, 0 and 0.2.
    seed : int, optional
    near_copies : bool, optional
        Whether a random split keeps near copies of an image on one side, for which every image is read once. Default
        True.

    Raises
    ------
    MissingFileError, DamagedFileError, InputTypeError, InputValueError, UnknownNameError
        Each says what is wrong, where, and what was expected.

    Notes
    -----
    Responses are read when used. The same image in several trials makes repetitions, NaN-padded where another image
    has more, with their number in the coordinate `repetitions`. A random split is drawn once for all subjects.

    Examples
    --------
    >>> images = np.random.default_rng(0).integers(0, 255, (10, 8, 8, 3), dtype=np.uint8)
    >>> data = Own(images=images, responses=np.zeros((10, 3)), near_copies=False)
    >>> data.subject("1")
    <Recording of own, subject 1: responses (10 stimulus, 3 unit); split 8 train, 2 test>
    """

    modality, species, licence, citation = "unknown", "not stated", "not stated", "not stated"
    expected: ClassVar[dict[str, Counts]] = {}
    how_to_get = GUIDE

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        *,
        table: Any = None,
        images: Any = None,
        responses: Any = None,
        units: Any = None,
        mask: Any = None,
        rois: Any = None,
        split: Any = None,
        title: str | None = None,
        modality: str | None = None,
        species: str | None = None,
        licence: str | None = None,
        citation: str | None = None,
        columns: Mapping[str, str] | None = None,
        layout: str | None = None,
        channels: Sequence[str] | None = None,
        times: Sequence[float] | None = None,
        response_units: str | None = None,
        space: str | None = None,
        simulated: bool | None = None,
        standardise: str | None = None,
        fractions: Sequence[float] | None = None,
        seed: int | None = None,
        near_copies: bool | None = None,
    ) -> None:
        options = {
            name: value for name, value in locals().items() if name not in ("self", "root") and value is not None
        }
        self.root = None if root is None else Path(root).expanduser().absolute()
        if self.root is not None and self.root.is_file() and self.root.suffix.lower() in TABLE_SUFFIXES:
            options, self.root = {"table": self.root, **options}, self.root.parent
        stored = read_settings(self.root / FILE) if self.root is not None else {}
        chosen = {**stored, **options}
        self.settings = OwnSettings.parse({name: _plain(value) for name, value in chosen.items() if name not in FILES})
        layout_found = find_layout(self.root) if self.root is not None else {}
        self.study = Study(
            self.root, {**layout_found, **{n: v for n, v in chosen.items() if n in FILES}}, self.settings
        )
        self.study.shown(self.study.subjects[0])  # what does not fit is said now
        first, *_ = self.study.trials(self.study.subjects[0])
        self.modality = self.settings.modality or first.modality or "unknown"
        self.species, self.licence, self.citation = self.settings.species, self.settings.licence, self.settings.citation
        self.split_origin = self.study.split_in_words()

    def subjects(self) -> list[str]:
        """Names in the table or of the files; ``"1"`` where nothing names anybody."""
        return list(self.study.subjects)

    def subject(self, name: str = ONLY_SUBJECT, *, repetitions: Repetitions = "each") -> Recording:
        """One subject's recording.

        Parameters
        ----------
        name : str
        repetitions : {"each", "mean"}
            "each": responses (stimulus, repetition, unit), NaN where an image was shown less often; (stimulus, unit)
            where every image was shown once. "mean": over the repetitions that have a value, for each unit.

        Raises
        ------
        UnknownNameError, InputValueError, DamagedFileError
            When files do not fit each other.
        """
        if repetitions not in get_args(Repetitions):
            raise UnknownNameError("repetitions", repetitions, get_args(Repetitions), where="of the data set own")
        study, name = self.study, self.study.checked_name(name)
        trials, *_ = study.trials(name)
        shown = study.shown(name)
        ids = list(dict.fromkeys(shown.table["stimulus"]))
        split = restricted(study.split, ids, name)
        units = describe_units(
            trials,
            table=study.of_subject("units", name),
            mask=study.of_subject("mask", name) if trials.units is None else None,
            rois=study.of_subject("rois", name),
            subject=name,
            attrs=self._attrs(trials),
        )
        responses = responses_of(
            trials, shown, units, split=split, standardise=self.settings.standardise, repetitions=repetitions
        )
        if study.groups is not None:
            responses = responses.assign_coords(group=("stimulus", np.array([study.groups[item] for item in ids])))
        return Recording(self.settings.title, name, study.stimuli[ids], responses, units, split)

    def files(self, name: str) -> list[Path]:
        """Files of the subject's responses, and the table."""
        paths = list(self.study.trials(self.study.checked_name(name))[0].paths)
        table = self.study.given.get("table")
        return [*paths, placed(table, self.root)] if isinstance(table, str | Path) else paths

    def info(self) -> str:
        """What was found, in words: images, table, subjects, units, split, and what was decided."""
        return describe(self)

    def verify(self, *, read_stimuli: bool = False) -> list[str]:
        """Problems, one sentence each: what cannot be opened, and units or trials with missing or constant values.

        Parameters
        ----------
        read_stimuli : bool
            Also decode every stimulus.
        """
        problems = super().verify(read_stimuli=read_stimuli)
        for name in self.study.subjects:
            try:
                problems += [f"subject {name}: {problem}" for problem in response_problems(self.subject(name))]
            except BraincodecError as error:
                if not any(str(error) in problem for problem in problems):
                    problems.append(f"subject {name}: {error}")
        return problems

    def _attrs(self, trials: Trials) -> dict[str, Any]:
        settings = self.settings
        scaled = "zscored_within_session" if settings.standardise == "session" else ""
        return {
            "modality": settings.modality or trials.modality or "unknown",
            "response_units": settings.response_units or scaled or trials.response_units or "unknown",
            "species": settings.species,
            "licence": settings.licence,
            "citation": settings.citation,
            **({"space": settings.space} if settings.space else {}),
            **({"simulated": True} if settings.simulated else {}),
            **({"standardised_by": BY_TRAINING} if scaled else {}),
        }


def _plain(value: Any) -> Any:
    """A setting as pydantic takes it."""
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value
