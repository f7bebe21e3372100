"""The data set `bold5000`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar, Literal, get_args

import numpy as np
import xarray as xr

from braincodec.datasets.base import Counts, Dataset, Recording, register_dataset
from braincodec.datasets.bold5000.lists import REPEATED, collection_of, pictures_shown, read_list, session_folders
from braincodec.datasets.bold5000.pictures import Pictures, open_pictures
from braincodec.datasets.reading import map_npy
from braincodec.datasets.split import Split
from braincodec.datasets.trial_arrangement import Rescaled, mean_and_deviation, trial_table
from braincodec.datasets.trial_rows import NpyTrials, SideBySide, StimulusRows, TrialStore, lazy_responses
from braincodec.errors import DamagedFileError, InputValueError, MissingFileError, UnknownNameError
from braincodec.responses import build_units

Preprocessing = Literal["training", "published", "none"]
Repetitions = Literal["each", "mean"]
BETAS = "BOLD5000_GLMsingle_ROI_betas/py"
STIMULI = "BOLD5000_Stimuli"
BETA_FILE = "{subject}_GLMbetas-TYPED-FITHRF-GLMDENOISE-RR_allses_{hemisphere}{roi}.npy"
REGIONS = ("EarlyVis", "LOC", "OPA", "PPA", "RSC")  # in the order in which LEA and MinD-Vis concatenate them
HEMISPHERES = {"LH": "left", "RH": "right"}
PARTS = [(roi, hemisphere) for roi in REGIONS for hemisphere in HEMISPHERES]


@register_dataset("bold5000")
class Bold5000(Dataset):
    """BOLD5000, single-trial responses of GLMsingle in five regions of both hemispheres.

    Parameters
    ----------
    root : path
        Holds ``BOLD5000_GLMsingle_ROI_betas/py`` and ``BOLD5000_Stimuli``.
    preprocessing : {"training", "published", "none"}
        "training": one mean and one standard deviation, of all values of the trials that are not tested, rescale all
        trials. "published": as the code of LEA and MinD-Vis does, those of training and test trials together; test
        data then take part in the scaling. "none": as in the files.
    pictures : {"auto", "files", "img_dict"}
        Image files below ``Scene_Stimuli/Presented_Stimuli``, or MinD-Vis' ``img_dict.npy`` there; "auto" prefers
        files.
    validation : int
        How many of the training pictures to set aside for validation.
    seed : int
        Which ones.

    Raises
    ------
    MissingFileError
        When `root` holds no subject.

    Notes
    -----
    Rows of the response files are trials in the order of sessions, runs and lines of the presentation lists, in which
    names of pictures that are shown again begin with ``rep_``. The test is made of the 113 pictures that were to be
    repeated, of those that the subject saw: the fourth subject stopped after nine of fifteen sessions.
    """

    modality, species = "fmri", "human"
    licence = "CC0 for the recordings; pictures: the terms of COCO, ImageNet and SUN"
    citation = (
        "Chang, Pyles, Marcus, Gupta, Tarr, Aminoff 2019, BOLD5000, a public fMRI dataset while viewing 5000 visual "
        "images, Scientific Data 6:49"
    )
    expected: ClassVar[dict[str, Counts]] = {
        "CSI1": Counts(stimuli=4916, units=1685, repetitions=4),
        "CSI2": Counts(stimuli=4916, units=1129, repetitions=4),
        "CSI3": Counts(stimuli=4916, units=1466, repetitions=4),
    }
    voxels: ClassVar[dict[str, int]] = {"CSI4": 2787}  # of whom it is not published how many pictures they saw
    sessions: ClassVar[dict[str, int]] = {"CSI1": 15, "CSI2": 15, "CSI3": 15, "CSI4": 9}
    how_to_get = (
        "https://bold5000-dataset.github.io/website/download.html: BOLD5000_GLMsingle_ROI_betas (about 0.25 GB in "
        "double precision) and BOLD5000_Stimuli (4,916 pictures); img_dict.npy (about 1 GB), where wanted, is in the "
        "data that https://github.com/zjc062/mind-vis links to. Not fetched automatically, because the terms of the "
        "pictures have to be agreed to"
    )
    split_origin = (
        "published: the 113 repeated pictures test, the others train; validation=k sets k training pictures aside"
    )

    def __init__(
        self,
        root: str | os.PathLike[str],
        preprocessing: Preprocessing = "training",
        pictures: Pictures = "auto",
        validation: int = 0,
        seed: int = 0,
    ) -> None:
        for what, value, known in (
            ("preprocessing", preprocessing, get_args(Preprocessing)),
            ("pictures", pictures, get_args(Pictures)),
        ):
            if value not in known:
                raise UnknownNameError(what, value, known, where="of the data set bold5000")
        if validation < 0:
            raise InputValueError(f"validation must be a number of pictures, not {validation}")
        self.root, self.preprocessing, self.pictures = Path(root), preprocessing, pictures
        self.validation, self.seed = validation, seed
        if not self.subjects():
            raise MissingFileError(self._file("CSI1", *PARTS[0]), "responses of bold5000", self.how_to_get)

    def subjects(self) -> list[str]:
        """Subjects of whom there are responses."""
        pattern = BETA_FILE.format(subject="CSI*", hemisphere="?H", roi="*")
        return sorted({path.name.partition("_")[0] for path in (self.root / BETAS).glob(pattern)})

    def files(self, name: str) -> list[Path]:
        """Responses of each region, left before right."""
        self._check_name(name)
        return [self._file(name, *part) for part in PARTS]

    def subject(self, name: str, *, repetitions: Repetitions = "each") -> Recording:
        """One subject's recording.

        Parameters
        ----------
        name : str
        repetitions : {"each", "mean"}
            "each": responses (stimulus, repetition, unit), NaN where a picture was shown less often. "mean": their
            mean, (stimulus, unit).

        Returns
        -------
        Recording
            Read when used. The coordinates `collection` (COCO, ImageNet, Scene), `repetitions` and `first_session`
            belong to stimuli.

        Raises
        ------
        UnknownNameError
        MissingFileError
        DamagedFileError
            When files are truncated, do not belong together, or differ from the declared counts.
        """
        if repetitions not in get_args(Repetitions):
            raise UnknownNameError("repetitions", repetitions, get_args(Repetitions), where="of the data set bold5000")
        self._check_name(name)
        stimuli_folder = self.root / STIMULI
        shown, session_of = pictures_shown(session_folders(stimuli_folder, name, self.how_to_get), self.how_to_get)
        parts = self._open_parts(name, len(shown))
        ids, table = trial_table(shown)
        split = self._split(ids)
        trials = self._rescaled(SideBySide(*parts.values()), table, ids, set(split.test))
        units = self._units(name, {part: trials_of.shape[1] for part, trials_of in parts.items()})
        responses = lazy_responses(StimulusRows(trials, table, average=repetitions == "mean"), ids, units)
        labelled = responses.assign_coords(
            collection=("stimulus", [collection_of(item) for item in ids]),
            repetitions=("stimulus", (table >= 0).sum(axis=1)),
            first_session=("stimulus", np.array(session_of)[table[:, 0]]),
        )
        pictures = open_pictures(stimuli_folder, ids, self.pictures, self.how_to_get)
        return self.checked(Recording(self.name, name, pictures, labelled, units, split))

    def verify(self, *, read_stimuli: bool = False) -> list[str]:
        """As `Dataset.verify`; also says which sessions are missing at the end."""
        problems = super().verify(read_stimuli=read_stimuli)
        for name in sorted(set(self.sessions) - set(self.subjects()) - set(self.expected)):
            problems.append(f"subject {name}: absent")
        for name in self.subjects():
            try:
                found = len(session_folders(self.root / STIMULI, name, self.how_to_get))
            except (MissingFileError, DamagedFileError):
                continue  # said above
            if found != self.sessions.get(name, found):
                problems.append(f"subject {name}: lists of {found} sessions, expected {self.sessions[name]}")
        return problems

    def _split(self, ids: list[str]) -> Split:
        repeated = read_list(self.root / STIMULI / REPEATED, self.how_to_get)
        known = set(ids)
        test = [item for item in dict.fromkeys(repeated) if item in known]
        if not test:
            raise DamagedFileError(f"none of the pictures in {self.root / STIMULI / REPEATED} was shown")
        train = [item for item in ids if item not in set(test)]
        if not 0 <= self.validation < max(len(train), 1):
            raise InputValueError(f"validation must be from 0 to {len(train) - 1} pictures, not {self.validation}")
        held = set(np.random.default_rng(self.seed).permutation(train)[: self.validation].tolist())
        return Split(
            train=tuple(item for item in train if item not in held),
            validation=tuple(item for item in train if item in held),
            test=tuple(test),
        )

    def _rescaled(self, trials: TrialStore, table: np.ndarray, ids: list[str], test: set[str]) -> TrialStore:
        if self.preprocessing == "none":
            return trials
        used = np.array([self.preprocessing == "published" or item not in test for item in ids])
        rows = table[used]
        mean, deviation = mean_and_deviation(trials, rows[rows >= 0])
        if not deviation > 0:
            raise DamagedFileError(f"responses have the standard deviation {deviation}; they cannot be rescaled")
        return Rescaled(trials, mean, deviation)

    def _open_parts(self, name: str, trials: int) -> dict[tuple[str, str], NpyTrials]:
        """Responses by region and hemisphere; one may be absent where the others have all voxels that there are."""
        files = {part: self._file(name, *part) for part in PARTS}
        absent = [path for path in files.values() if not path.is_file()]
        parts = {}
        for part, path in files.items():
            if path in absent:
                continue
            found = map_npy(path, "responses of one region", ("trial", "voxel"), self.how_to_get)
            if found.shape[0] != trials:
                raise DamagedFileError(
                    f"{path} holds {found.shape[0]:,} trials, but the presentation lists of {name} {trials:,}"
                )
            parts[part] = NpyTrials(path)
        declared = self.expected[name].units if name in self.expected else self.voxels.get(name)
        voxels = sum(part.shape[1] for part in parts.values())
        if absent and voxels != declared:
            raise MissingFileError(
                absent[0], f"{len(absent)} of {len(files)} files of {name}, the first", self.how_to_get
            )
        if declared is not None and voxels != declared:
            raise DamagedFileError(f"{name} has {voxels:,} voxels, expected {declared:,} (in {self.root / BETAS})")
        return parts

    def _units(self, name: str, voxels: dict[tuple[str, str], int]) -> xr.Dataset:
        count = list(voxels.values())
        region = np.repeat([roi for roi, _ in voxels], count)
        return build_units(
            scores={"column": np.arange(len(region))},
            hemisphere=np.repeat([HEMISPHERES[side] for _, side in voxels], count),
            rois={roi: region == roi for roi in REGIONS if (region == roi).any()},
            subject=name,
            modality=self.modality,
            response_units="original" if self.preprocessing == "none" else "unknown",
            preprocessing=self.preprocessing,
        )

    def _file(self, name: str, roi: str, hemisphere: str) -> Path:
        return self.root / BETAS / BETA_FILE.format(subject=name, hemisphere=hemisphere, roi=roi)

    def _check_name(self, name: str) -> None:
        if name in self.subjects():
            return
        if name in self.sessions:
            raise MissingFileError(self._file(name, *PARTS[0]), f"responses of {name}", self.how_to_get)
        raise UnknownNameError("subject", name, self.subjects(), where="of the data set bold5000")
