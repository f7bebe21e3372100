"""The data set `things_eeg2`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal, get_args

import numpy as np

from braincodec.datasets.base import Counts, Dataset, Recording, register_dataset
from braincodec.datasets.category_split import zero_shot_split
from braincodec.datasets.download import Download
from braincodec.datasets.things_eeg2.opening import Found, RawOptions, preprocessed_trials, raw_problems, raw_trials
from braincodec.datasets.things_eeg2.pictures import Pictures, metadata_file, open_pictures
from braincodec.datasets.things_eeg2.preparation import Preparation, open_preparation
from braincodec.datasets.things_eeg2.prepare import PARTS
from braincodec.datasets.things_eeg2.preprocessed import FILES, preprocessed_folders
from braincodec.datasets.things_eeg2.raw_files import FILES as RAW_FILES
from braincodec.datasets.things_eeg2.raw_files import raw_subjects, read_raw, session_folders
from braincodec.datasets.things_eeg2.sensor_rows import lazy_sensor_responses
from braincodec.datasets.trial_arrangement import stacked_tables
from braincodec.datasets.trial_rows import StimulusRows
from braincodec.errors import BraincodecError, InputValueError, MissingFileError, UnknownNameError
from braincodec.progress import progress_bar
from braincodec.responses import build_sensor_units

Version = Literal["auto", "preprocessed", "raw"]
Repetitions = Literal["each", "mean"]


@register_dataset("things_eeg2")
class ThingsEEG2(Dataset):
    """THINGS-EEG2: 16,540 training pictures shown 4 times, 200 test pictures shown 80 times, to each of ten people.

    Parameters
    ----------
    root : path
        Holds ``Preprocessed/sub-01`` and so on, or ``raw_data/sub-01/ses-01`` and so on, and ``image_set`` with
        ``image_metadata.npy``, ``training_images`` and ``test_images``.
    version : {"auto", "preprocessed", "raw"}
        "auto": the preprocessed files where they are there and no `preparation` is asked for.
    preparation : str, Preparation or dict, optional
        Of raw files: "default", which fits everything on training trials; "gifford2022", as the preprocessed files
        were made; "ned", as the data of NED's model were; or settings of one's own.
    validation : int
        How many of the training concepts to set aside for validation.
    seed : int
        Which ones.
    cache : path, optional
        Where prepared sessions are kept; default ``$BRAINCODEC_CACHE``, else ``~/.cache/braincodec``. A subject takes
        about 1.9 GB with 63 channels at 100 Hz.
    progress : bool, optional
        Whether to show a bar while sessions are prepared; default: when stderr is a terminal.

    Raises
    ------
    MissingFileError
        When `root` holds no subject.

    Notes
    -----
    The test is zero-shot: no concept of it occurs in training, which is checked. In the preprocessed files the noise
    was normalised with a covariance of training and test trials together, so test data take part in it; "gifford2022"
    and "ned" do likewise. Raw sessions are prepared one after the other and one channel at a time.
    """

    modality, species = "eeg", "human"
    licence = "recordings: as stated at https://osf.io/3jk45; pictures: THINGS, for research"
    citation = (
        "Gifford, Dwivedi, Roig, Cichy 2022, A large and rich EEG dataset for modeling human visual object "
        "recognition, NeuroImage 264:119754"
    )
    expected: ClassVar[dict[str, Counts]] = {
        str(number): Counts(stimuli=16740, repetitions=80) for number in range(1, 11)
    }
    sessions: ClassVar[int] = 4
    how_to_get = (
        "https://osf.io/3jk45: preprocessed data (17 channels, about 1.1 GB a subject in double precision), raw data "
        "(63 channels at 1,000 Hz, some gigabytes a session) and the image set. Only the list of pictures is fetched "
        "automatically, because the terms of the pictures have to be agreed to"
    )
    downloads = (Download("https://osf.io/qkgtf/download", "image_set/image_metadata.npy"),)
    split_origin = (
        "published: 16,540 training and 200 test pictures, the test of concepts that are not in training (zero-shot); "
        "validation=k sets k of the training concepts aside"
    )

    def __init__(
        self,
        root: str | os.PathLike[str],
        version: Version = "auto",
        preparation: str | Preparation | dict[str, object] | None = None,
        validation: int = 0,
        seed: int = 0,
        cache: str | os.PathLike[str] | None = None,
        progress: bool | None = None,
    ) -> None:
        if version not in get_args(Version):
            raise UnknownNameError("version", version, get_args(Version), where="of the data set things_eeg2")
        if version == "preprocessed" and preparation is not None:
            raise InputValueError("preparation is of raw files; the preprocessed ones are prepared already")
        if validation < 0:
            raise InputValueError(f"validation must be a number of concepts, not {validation}")
        self.root = Path(root)
        self.preparation = open_preparation("default" if preparation is None else preparation)
        self.validation, self.seed = validation, seed
        self._cache, self._progress = cache, progress
        self._folders = preprocessed_folders(self.root)
        use_raw = version == "raw" or preparation is not None or (version == "auto" and not self._folders)
        self.version: Literal["preprocessed", "raw"] = "raw" if use_raw else "preprocessed"
        if not self.subjects():
            first = "raw_data/sub-01/ses-01" if use_raw else "Preprocessed/sub-01"
            raise MissingFileError(self.root / first, f"{self.version} recordings of things_eeg2", self.how_to_get)

    def subjects(self) -> list[str]:
        """Numbers of the subjects of whom there are files of this version."""
        return raw_subjects(self.root) if self.version == "raw" else sorted(self._folders, key=int)

    def files(self, name: str) -> list[Path]:
        """Recordings of the subject, and the list of pictures."""
        self._check_name(name)
        if self.version == "raw":
            folders = session_folders(self.root, name).values()
            found = [folder / file for folder in folders for file in RAW_FILES.values()]
        else:
            found = [self._folders[str(name)] / file for file in FILES.values()]
        return [*found, metadata_file(self.root, self.how_to_get)]

    def subject(
        self, name: str, *, repetitions: Repetitions = "each", sessions: Sequence[int] | None = None
    ) -> Recording:
        """One subject's recording.

        Parameters
        ----------
        name : str
        repetitions : {"each", "mean"}
            "each": responses (stimulus, repetition, channel, time), NaN where a picture was shown less often; `part`
            leaves out repetitions that none of its pictures has. "mean": their mean.
        sessions : sequence of int, optional
            Of raw files: only these.

        Returns
        -------
        Recording
            Read when used; raw sessions are prepared now, unless they were before. Pictures without a trial are left
            out. The coordinates `concept` and `repetitions` belong to stimuli.

        Raises
        ------
        UnknownNameError, InputValueError
        MissingFileError
        DamagedFileError
            When files are truncated, do not fit together, or differ from the declared counts.
        OutputError
            When the cache cannot be written.
        """
        if repetitions not in get_args(Repetitions):
            known = get_args(Repetitions)
            raise UnknownNameError("repetitions", repetitions, known, where="of the data set things_eeg2")
        self._check_name(name)
        pictures = open_pictures(self.root, self.how_to_get)
        if self.version == "raw":
            found = self._from_raw(str(name), pictures, sessions)
        elif sessions is None:
            found = preprocessed_trials(self._folders[str(name)], pictures, self.how_to_get)
        else:
            raise InputValueError("the preprocessed files do not tell sessions apart; open version='raw' for sessions=")
        recording = self._recording(str(name), pictures, found, mean=repetitions == "mean")
        return recording if self.version == "raw" else self.checked(recording)

    def verify(self, *, read_stimuli: bool = False) -> list[str]:
        """As `Dataset.verify`; raw sessions are looked through for their triggers and not prepared."""
        if self.version == "preprocessed":
            return super().verify(read_stimuli=read_stimuli)
        problems = [f"subject {name}: absent" for name in sorted(set(self.expected) - set(self.subjects()), key=int)]
        try:
            pictures = open_pictures(self.root, self.how_to_get)
        except BraincodecError as error:
            return [*problems, str(error)]
        if read_stimuli:
            batches = pictures.stimuli.batches(64, transform=lambda images: images[:, 0, 0], on_bad="skip")
            problems += [f"stimulus {bad.id}: {bad.reason}" for batch in batches for bad in batch.bad]
        for name in self.subjects():
            folders = session_folders(self.root, name)
            found = raw_problems(folders, self.sessions, pictures, self.preparation, self.how_to_get)
            problems += [f"subject {name}: {problem}" for problem in found]
        return problems

    def _from_raw(self, name: str, pictures: Pictures, sessions: Sequence[int] | None) -> Found:
        from braincodec.file_cache import cache_folder

        folders = session_folders(self.root, name)
        wanted = list(range(1, self.sessions + 1)) if sessions is None else sorted(set(sessions))
        missing = [number for number in wanted if number not in folders]
        if missing or not wanted:
            known = ", ".join(map(str, folders))
            raise MissingFileError(
                next(iter(folders.values())).parent,
                f"session {', '.join(map(str, missing)) or 'to read'} of subject {name} (there are {known}; "
                "sessions= reads fewer)",
                self.how_to_get,
            )
        chosen = {number: folders[number] for number in wanted}
        kept = cache_folder(None if self._cache is None else Path(self._cache)) / "things_eeg2" / f"sub-{int(name):02d}"
        options = RawOptions(self.root, self.preparation, kept, self.how_to_get)
        first = read_raw(chosen[wanted[0]] / RAW_FILES["train"], self.how_to_get)
        total = len(wanted) * len(PARTS) * len(self.preparation.chosen_channels(first.channels))
        with progress_bar(f"prepare subject {name}", total, show=self._progress) as advance:
            return raw_trials(name, chosen, pictures, options, advance)

    def _recording(self, name: str, pictures: Pictures, found: Found, *, mean: bool) -> Recording:
        times_shown = {part: (table >= 0).sum(axis=1) for part, table in found.tables.items()}
        kept = {part: np.flatnonzero(times) for part, times in times_shown.items()}
        ids = {part: [pictures.ids[part][row] for row in rows] for part, rows in kept.items()}
        concepts = {part: [pictures.concepts[part][row] for row in rows] for part, rows in kept.items()}
        table = stacked_tables(*(found.tables[part][kept[part]] for part in PARTS))
        units = build_sensor_units(
            found.channels,
            found.times,
            repetitions=None if mean else table.shape[1],
            subject=name,
            modality=self.modality,
            response_units=found.response_units,
            preparation=found.preparation,
        )
        everything = ids["train"] + ids["test"]
        responses = lazy_sensor_responses(StimulusRows(found.trials, table, average=mean), everything, units)
        labelled = responses.assign_coords(
            concept=("stimulus", concepts["train"] + concepts["test"]),
            repetitions=("stimulus", np.concatenate([times_shown[part][kept[part]] for part in PARTS])),
        )
        split = zero_shot_split(
            ids["train"],
            [_concept(item) for item in concepts["train"]],
            ids["test"],
            [_concept(item) for item in concepts["test"]],
            validation=self.validation,
            seed=self.seed,
            where=str(self.root),
        )
        return Recording(self.name, name, pictures.stimuli, labelled, units, split)

    def _check_name(self, name: str) -> None:
        if str(name) in self.subjects():
            return
        if str(name) in self.expected:
            raise MissingFileError(self.root, f"{self.version} recording of subject {name}", self.how_to_get)
        raise UnknownNameError("subject", name, self.subjects(), where="of the data set things_eeg2")


def _concept(folder: str) -> str:
    """Name of a concept without its number, which is counted anew in each part.

    Examples
    --------
    >>> _concept("00001_aircraft_carrier")
    'aircraft_carrier'
    """
    number, _, name = folder.partition("_")
    return name if number.isdigit() and name else folder
