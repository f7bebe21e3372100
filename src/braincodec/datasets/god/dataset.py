"""The data set `god`."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path
from typing import ClassVar, Literal, get_args

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from braincodec.datasets.base import Counts, Dataset, Recording, register_dataset
from braincodec.datasets.category_split import zero_shot_split
from braincodec.datasets.download import Download
from braincodec.datasets.god.bdpy_file import read_bdpy_file
from braincodec.datasets.god.files import GodFile, read_npz_file
from braincodec.datasets.god.labels import (
    Classes,
    category_of,
    class_names,
    class_numbers,
    no_classes,
    read_classes,
)
from braincodec.datasets.god.pictures import open_pictures
from braincodec.datasets.god.regions import RegionForm, arrange_units
from braincodec.datasets.trial_arrangement import (
    ChosenUnits,
    Rescaled,
    Stacked,
    mean_and_deviation,
    stacked_tables,
    trial_table,
)
from braincodec.datasets.trial_rows import ArrayTrials, StimulusRows, TrialStore, lazy_responses
from braincodec.errors import DamagedFileError, InputValueError, MissingFileError, UnknownNameError
from braincodec.responses import build_units

Form = Literal["auto", "npz", "bdpy"]
Preprocessing = Literal["training", "published", "none"]
Repetitions = Literal["each", "mean"]
PLACES = ("", "npz", "Kamitani/npz", "Kamitani", "fmri")
FILE_OF_SUBJECT = {
    "npz": re.compile(r"sbj_(\d+)\.npz"),
    "bdpy": re.compile(r"(?:subject|sub-?|s)0*(\d+)(?:_.*)?\.h5", re.IGNORECASE),
}
CLASSES = "imagenet_class_index.json"


@register_dataset("god")
class GenericObjectDecoding(Dataset):
    """Generic Object Decoding: 1,200 training pictures of 150 categories, 50 test pictures of 50 others.

    Parameters
    ----------
    root : path
        Holds ``sbj_1.npz`` and so on, ``images_256.npz`` and the tables of labels beside them, as LEA and MinD-Vis
        lay them out (``Kamitani/npz``); or ``Subject1.h5`` and so on, as the authors publish them with bdpy.
    form : {"auto", "npz", "bdpy"}
        Which files to read where both are there; "auto" prefers npz.
    preprocessing : {"training", "published", "none"}
        "training": one mean and one standard deviation, of all training values of the subject, rescale training and
        test trials alike. "published": as LEA's code does, where the test trials stay unscaled (a variable is
        overwritten); so training and test then differ in scale. "none": as in the file.
    rois : {"disjoint", "overlapping"}
        "disjoint": a voxel belongs to the first region in the file that has it, as LEA does it. "overlapping": the
        file's own masks. Voxels and their order are the same.
    validation : int
        How many of the training categories to set aside for validation.
    seed : int
        Which ones.

    Raises
    ------
    MissingFileError
        When `root` holds no subject.

    Notes
    -----
    The test is zero-shot: no category of it occurs in training, which is checked. Every test picture was shown 35
    times, every training picture once. Trials of imagery are not read. A file of the npz form does not say which
    picture each test trial shows: it is found from the averages in the same file, exactly or not at all.
    """

    modality, species = "fmri", "human"
    licence = (
        "fMRI: as stated with the data (figshare 7387130, OpenNeuro ds001246); pictures: ImageNet's terms, for research"
    )
    citation = (
        "Horikawa, Kamitani 2017, Generic decoding of seen and imagined objects using hierarchical visual features, "
        "Nature Communications 8:15037"
    )
    expected: ClassVar[dict[str, Counts]] = {
        "1": Counts(stimuli=1250, units=4466, repetitions=35),
        "2": Counts(stimuli=1250, units=4404, repetitions=35),
        "3": Counts(stimuli=1250, units=4643, repetitions=35),
        "4": Counts(stimuli=1250, units=4133, repetitions=35),
        "5": Counts(stimuli=1250, units=4370, repetitions=35),
    }
    how_to_get = (
        "bdpy form: Subject1.h5 and so on (about 0.7 GB) are public, "
        "https://figshare.com/articles/dataset/Generic_Object_Decoding/7387130; their pictures, whose terms have to be "
        "agreed to, on request at https://forms.gle/ujvA34948Xg49jdn9, go beside them into training/ and test/. npz "
        "form, with pictures (about 0.8 GB, if stored in double precision): the folder Kamitani of the data that "
        "https://github.com/zjc062/mind-vis links to"
    )
    downloads = tuple(
        Download(f"https://ndownloader.figshare.com/files/{number}", f"Subject{subject}.h5", subject=str(subject))
        for subject, number in enumerate((15049646, 15049649, 15049652, 15049655, 15049658), start=1)
    )
    split_origin = (
        "published: 1,200 training and 50 test pictures, the test of categories that are not in training (zero-shot); "
        "validation=k sets k of the 150 training categories aside"
    )

    def __init__(
        self,
        root: str | os.PathLike[str],
        form: Form = "auto",
        preprocessing: Preprocessing = "training",
        rois: RegionForm = "disjoint",
        validation: int = 0,
        seed: int = 0,
    ) -> None:
        choices = {"form": (form, Form), "preprocessing": (preprocessing, Preprocessing), "rois": (rois, RegionForm)}
        for what, (value, known) in choices.items():
            if value not in get_args(known):
                raise UnknownNameError(what, value, get_args(known), where="of the data set god")
        if validation < 0:
            raise InputValueError(f"validation must be a number of categories, not {validation}")
        self.root, self.preprocessing, self.rois = Path(root), preprocessing, rois
        self.validation, self.seed = validation, seed
        self.form, self._paths = self._find(form)

    def subjects(self) -> list[str]:
        """Numbers of the subjects whose files are there."""
        return sorted(self._paths, key=int)

    def files(self, name: str) -> list[Path]:
        """The subject's file, and what tells and shows the pictures."""
        path = self._path(name)
        beside = ("images_256.npz", "imagenet_training_label.csv", "imagenet_testing_label.csv", CLASSES)
        return [path, *(path.parent / other for other in beside if (path.parent / other).is_file())]

    def subject(self, name: str, *, repetitions: Repetitions = "each") -> Recording:
        """One subject's recording.

        Parameters
        ----------
        name : str
        repetitions : {"each", "mean"}
            "each": responses (stimulus, repetition, unit), NaN where a training picture was shown once; `part` leaves
            these out. "mean": (stimulus, unit), the test averages as published.

        Returns
        -------
        Recording
            Read when used. The coordinates `category` (WordNet number), `category_name`, `imagenet_class` (0 to 999,
            -1 for none) and `repetitions` belong to stimuli; `column` to units: where they are in the file, from 0.

        Raises
        ------
        UnknownNameError
        MissingFileError
        DamagedFileError
            When files are truncated, do not fit together, or differ from the declared counts.
        """
        if repetitions not in get_args(Repetitions):
            raise UnknownNameError("repetitions", repetitions, get_args(Repetitions), where="of the data set god")
        path = self._path(name)
        pictures, names = open_pictures(path.parent, self.how_to_get)
        read = read_npz_file if self.form == "npz" else read_bdpy_file
        file = read(path, names)
        columns, regions = arrange_units(file.masks, self.rois)
        train_ids, train_table = trial_table(file.shown_in_train)
        test_ids, test_table, test = _test_part(file, names["test"], mean=repetitions == "mean")
        trials = self._rescaled(ChosenUnits(file.train, columns), ChosenUnits(test, columns))
        table = stacked_tables(train_table, test_table + file.train.shape[0] * (test_table >= 0))
        units = build_units(
            scores={"column": columns, **{key: values[columns] for key, values in file.coordinates.items()}},
            rois=regions,
            subject=str(name),
            modality=self.modality,
            response_units="original" if self.preprocessing == "none" else "unknown",
            preprocessing=self.preprocessing,
        )
        ids = train_ids + test_ids
        responses = lazy_responses(StimulusRows(trials, table, average=repetitions == "mean"), ids, units)
        split = zero_shot_split(
            train_ids,
            [category_of(item) for item in train_ids],
            test_ids,
            [category_of(item) for item in test_ids],
            validation=self.validation,
            seed=self.seed,
            where=str(path.parent),
        )
        labelled = self._with_labels(responses, ids, self._classes(path.parent), _times_shown(file, ids))
        return self.checked(Recording(self.name, str(name), pictures, labelled, units, split))

    def _rescaled(self, train: TrialStore, test: TrialStore) -> TrialStore:
        if self.preprocessing == "none":
            return Stacked(train, test)
        mean, deviation = mean_and_deviation(train, np.arange(train.shape[0]))
        if not deviation > 0:
            raise DamagedFileError(f"training values have the standard deviation {deviation}; they cannot be rescaled")
        rescaled = Rescaled(train, mean, deviation)
        return Stacked(rescaled, test if self.preprocessing == "published" else Rescaled(test, mean, deviation))

    def _with_labels(
        self, responses: xr.DataArray, ids: list[str], classes: Classes, times_shown: NDArray[np.int64]
    ) -> xr.DataArray:
        return responses.assign_coords(
            category=("stimulus", [category_of(item) for item in ids]),
            category_name=("stimulus", np.array(class_names(ids, classes), str)),
            imagenet_class=("stimulus", class_numbers(ids, classes)),
            repetitions=("stimulus", times_shown),
        )

    def _classes(self, folder: Path) -> Classes:
        path = folder / CLASSES
        return read_classes(path, self.how_to_get) if path.is_file() else no_classes()

    def _find(self, form: Form) -> tuple[str, dict[str, Path]]:
        for kind in ("npz", "bdpy") if form == "auto" else (form,):
            for place in PLACES:
                folder = self.root / place
                files = folder.iterdir() if folder.is_dir() else ()
                found = {known[1]: path for path in files if (known := FILE_OF_SUBJECT[kind].fullmatch(path.name))}
                if found:
                    return kind, found
        raise MissingFileError(self.root, "recordings of god (sbj_1.npz or Subject1.h5, ...)", self.how_to_get)

    def _path(self, name: str) -> Path:
        if str(name) not in self._paths:
            if str(name) in self.expected:
                raise MissingFileError(self.root, f"file of subject {name} of god", self.how_to_get)
            raise UnknownNameError("subject", name, self.subjects(), where="of the data set god")
        return self._paths[str(name)]


def _test_part(file: GodFile, names: list[str], *, mean: bool) -> tuple[list[str], NDArray[np.int64], TrialStore]:
    """Ids of the test pictures, their trials, and where these are; published averages count as one trial each."""
    if mean and file.averages is not None:
        return list(names), np.arange(len(names))[:, None], ArrayTrials(file.averages)
    if file.shown_in_test is None:
        raise DamagedFileError(
            f"{file.path}: no order of the {file.test.shape[0]} test trials gives the averages in the same file, so it "
            "is not known which picture each shows; subject(..., repetitions='mean') reads the averages"
        )
    ids, table = trial_table(file.shown_in_test)
    order = [ids.index(item) for item in names if item in set(ids)]
    return [ids[row] for row in order], table[order], file.test


def _times_shown(file: GodFile, ids: list[str]) -> NDArray[np.int64]:
    """How often each picture was shown; every test picture equally often where the trials are not told apart."""
    times = Counter(file.shown_in_train)
    if file.shown_in_test is None:
        tests = [item for item in ids if item not in times]
        times |= Counter(dict.fromkeys(tests, file.test.shape[0] // len(tests)))
    else:
        times |= Counter(file.shown_in_test)
    return np.array([times[item] for item in ids], np.int64)
