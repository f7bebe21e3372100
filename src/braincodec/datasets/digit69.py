"""Human fMRI of handwritten sixes and nines (van Gerven et al. 2010), in the file of Du et al. 2018."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

import numpy as np

from braincodec.datasets.base import Counts, Dataset, Recording, Split, register_dataset
from braincodec.datasets.reading import read_matlab
from braincodec.errors import DamagedFileError, InputValueError, MissingFileError, UnknownNameError
from braincodec.responses import build_responses, build_units
from braincodec.stimuli import StimulusSet

FILE = "digit69_28x28.mat"
SIDE = 28  # pixels
DIGIT_OF_LABEL = {1: 6, 2: 9}
PARTS = {"train": "Trn", "test": "Test"}  # as variables of the file end
SUBJECT = "1"


@register_dataset("digit69")
class Digit69(Dataset):
    """Voxels of one person's visual cortex while 100 grey digits, 6 and 9, were seen; each once.

    Parameters
    ----------
    root : path
        ``digit69_28x28.mat``, or the folder that holds it.

    Raises
    ------
    MissingFileError
        When there is no such file.

    Notes
    -----
    The file gives images as rows of 784 pixels in MATLAB's order, column by column. It says neither where a voxel
    lies nor how responses were scaled, and there are no repetitions, so no noise ceiling can be estimated.
    """

    modality, species = "fmri", "human"
    licence = "data-use agreement of the Donders Institute; the repository that holds the file states no licence"
    citation = (
        "van Gerven, de Lange, Heskes 2010, Neural decoding with hierarchical generative models; "
        "file: Du, Du, Huang, He 2018"
    )
    expected: ClassVar[dict[str, Counts]] = {SUBJECT: Counts(units=3092, stimuli=100)}
    how_to_get = (
        f"{FILE} is in https://github.com/ChangdeDu/DGMM; the original recordings are collection "
        "DSC_2018.00112_485 of the Donders Repository"
    )
    split_origin = "published: 90 train, 10 test (Du et al. 2018); cross_validation() gives the other scheme in use"

    def __init__(self, root: str | os.PathLike[str]) -> None:
        path = Path(root)
        self.root = path if path.is_dir() else path.parent
        self._file = path / FILE if path.is_dir() or not path.suffix else path
        if not self._file.is_file():
            raise MissingFileError(self._file, "responses and images of digit69", self.how_to_get)

    def subjects(self) -> list[str]:
        """The one person, ``"1"``."""
        return [SUBJECT]

    def files(self, name: str) -> list[Path]:
        """The one file."""
        self._check_name(name)
        return [self._file]

    def subject(self, name: str = SUBJECT) -> Recording:
        """The recording, under the published split.

        Returns
        -------
        Recording
            Responses (stimulus, unit) in the file's own scale, with the coordinate `digit` (stimulus). Ids such as
            ``"train-01"`` and ``"test-10"`` follow the file's rows.
        """
        self._check_name(name)
        arrays = self._checked_arrays()
        ids: dict[str, list[str]] = {}
        images, values, digits = [], [], []
        for part, ending in PARTS.items():
            pixels = arrays[f"stim{ending}"]  # (image, 784), column by column
            images.append(pixels.reshape(-1, SIDE, SIDE).transpose(0, 2, 1))
            values.append(arrays[f"fmri{ending}"])
            digits += [DIGIT_OF_LABEL[int(label)] for label in arrays[f"label{ending}"].ravel()]
            ids[part] = [f"{part}-{number:02d}" for number in range(1, len(pixels) + 1)]
        names = ids["train"] + ids["test"]
        stimuli = StimulusSet.open(np.concatenate(images).astype(np.uint8), ids=names, layout="grey")
        responses = np.concatenate(values)  # (image, voxel)
        units = build_units(
            scores={"voxel": np.arange(1, responses.shape[1] + 1)},
            subject=SUBJECT,
            modality=self.modality,
            response_units="unknown",
        )
        labelled = build_responses(responses, names, units).assign_coords(digit=("stimulus", np.array(digits)))
        split = Split(train=tuple(ids["train"]), test=tuple(ids["test"]))
        return self.checked(Recording(self.name, SUBJECT, stimuli, labelled, units, split))

    def cross_validation(self, folds: int = 10, seed: int = 0) -> list[Split]:
        """Splits in which every image is tested once; each fold has as many sixes as nines, as nearly as possible.

        Parameters
        ----------
        folds : int
            From 2 to the number of images of the rarer digit.
        seed : int

        Returns
        -------
        list of Split
            For `Recording.with_split`. The published papers do not say which image was in which fold.

        Raises
        ------
        InputValueError
        """
        digit = self.subject().responses["digit"]
        ids, digits = digit["stimulus"].values.astype(str), digit.values
        rarest = int(np.unique(digits, return_counts=True)[1].min())
        if not 2 <= folds <= rarest:
            raise InputValueError(f"folds must be from 2 to {rarest}, not {folds}")
        rng = np.random.default_rng(seed)
        fold = np.empty(len(ids), int)
        dealt = 0  # goes on from digit to digit, so that folds differ by one image at most
        for value in np.unique(digits):
            members = rng.permutation(np.flatnonzero(digits == value))
            fold[members] = (dealt + np.arange(len(members))) % folds
            dealt += len(members)
        return [Split(train=tuple(ids[fold != k]), test=tuple(ids[fold == k])) for k in range(folds)]

    def _checked_arrays(self) -> dict[str, np.ndarray]:
        shapes: dict[str, tuple[int | None, ...]] = {}
        for ending in PARTS.values():
            shapes |= {f"fmri{ending}": (None, None), f"stim{ending}": (None, SIDE**2), f"label{ending}": (None, 1)}
        arrays = read_matlab(self._file, "responses and images of digit69", shapes, self.how_to_get)
        for ending in PARTS.values():
            rows = {name: len(arrays[f"{name}{ending}"]) for name in ("fmri", "stim", "label")}
            if len(set(rows.values())) != 1:
                raise DamagedFileError(f"{self._file}: rows of {ending} do not belong together: {rows}")
            labels, pixels = arrays[f"label{ending}"], arrays[f"stim{ending}"]
            if not np.isin(labels, list(DIGIT_OF_LABEL)).all():
                raise DamagedFileError(f"{self._file}: labels other than 1 (a six) and 2 (a nine)")
            if pixels.min() < 0 or pixels.max() > 255 or (pixels != np.floor(pixels)).any():
                raise DamagedFileError(f"{self._file}: pixels other than whole numbers from 0 to 255")
            if not np.isfinite(arrays[f"fmri{ending}"]).all():
                raise DamagedFileError(f"{self._file}: responses that are not finite")
        if arrays["fmriTrn"].shape[1] != arrays["fmriTest"].shape[1]:
            raise DamagedFileError(f"{self._file}: training and test responses have different numbers of voxels")
        return arrays

    def _check_name(self, name: str) -> None:
        if str(name) != SUBJECT:
            raise UnknownNameError("subject", name, self.subjects(), where="of digit69")
