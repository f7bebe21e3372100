"""Macaque V4 spike counts to natural images, as Cowley et al. publish them."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from braincodec.datasets.base import Counts, Dataset, Recording, Split, register_dataset
from braincodec.datasets.download import Download
from braincodec.datasets.reading import read_npy
from braincodec.errors import DamagedFileError, InputValueError, MissingFileError, UnknownNameError
from braincodec.responses import build_responses, build_units
from braincodec.stimuli import StimulusSet

# the folder of responses averaged over repetitions has had several names
AVERAGED = ("responses_repeat_averaged", "responses_repeataveraged", "responses")
RAW, IMAGES = "responses_raw", "images"
# versions of the authors' repository that hold the files; addresses of a version do not change
REPOSITORY = "https://raw.githubusercontent.com/cowleygroup/V4_compact_models"
RESPONSES_VERSION = "d1b3526933e6bad537140a53b54abe797588f23b"
IMAGES_VERSION = {
    "190927": "f6cbd03109489bef1bbbb5aaeef4f74d22d0dd7b",
    "210224": "af82f72c64315676b33fd5d416e06efdbd4028de",
    "210325": "c6b96b0d640f9abfc06912b0388e9ea5f23b5b77",
    "210621": "be80252db06ba35040765b4d4d171e4717edac3d",
}
SESSION_OF_ZIP = re.compile(r"images_(\d+)\.zip")
TEST_SHARE = 0.2
ROUNDING = 1e-6  # spikes, between a mean of repetitions and the published one


def _downloads() -> tuple[Download, ...]:
    files = {f"{IMAGES}/images_{session}.zip": version for session, version in IMAGES_VERSION.items()}
    files |= {f"{AVERAGED[0]}/responses_{session}.npy": RESPONSES_VERSION for session in IMAGES_VERSION}
    files |= {f"{RAW}/responses_210325.npy": RESPONSES_VERSION}
    return tuple(
        Download(f"{REPOSITORY}/{version}/data_V4_responses/{file}", file, subject=Path(file).stem.rpartition("_")[2])
        for file, version in files.items()
    )


@register_dataset("macaque_v4")
class MacaqueV4(Dataset):
    """Spike counts of macaque V4 to natural images (Cowley et al. 2023), one subject a session.

    Parameters
    ----------
    root : path
        Holds ``images/images_<session>.zip``, ``responses_repeat_averaged/responses_<session>.npy`` (or
        ``responses/``), and, for some sessions, ``responses_raw/responses_<session>.npy``.
    seed : int
        Of the split.

    Raises
    ------
    MissingFileError
        When `root` holds no session.

    Notes
    -----
    Images are 112 x 112 JPEGs; sorted names are their order. Averaged files are (neuron, image), raw ones
    (neuron, image, repetition), padded with NaN. A count is of spikes in 100 ms.

    The authors hold out whole sessions, not images of a session, so the split is this package's own: about 80 % of
    the images for training and 20 % for testing, drawn with `seed`. Images in `near_copies` stay on one side of it.
    """

    modality, species, licence = "spikes", "macaque", "GPL-3.0"
    citation = "Cowley, Stan, Pillow, Smith 2023, Compact deep neural network models of visual cortex"
    expected: ClassVar[dict[str, Counts]] = {
        "190927": Counts(units=31, stimuli=1200),
        "210224": Counts(units=67, stimuli=800),
        "210325": Counts(units=50, stimuli=640, repetitions=10),
        "210621": Counts(units=51, stimuli=1200),
    }
    how_to_get = (
        "the folder data_V4_responses of https://github.com/cowleygroup/V4_compact_models holds images/, "
        "responses_repeat_averaged/ and responses_raw/"
    )
    downloads = _downloads()
    split_origin = (
        "drawn at random with a seed, about 80 % train and 20 % test, near copies of an image on one side; the "
        "authors hold out sessions, not images"
    )
    # sessions by animal, from the authors' table; the images of 210325 are those of Bashivan, Kar, DiCarlo 2019
    animals: ClassVar[dict[str, str]] = {"190927": "WE", "210224": "PE", "210325": "PE", "210621": "RA"}
    # numbers of images that are the same, or another object before the same background, by their perceptual hashes
    near_copies: ClassVar[dict[str, tuple[tuple[int, int], ...]]] = {
        "210325": (
            (15, 383), (34, 363), (54, 344), (84, 125), (104, 131), (331, 387), (335, 398), (337, 374),
            (348, 386), (427, 473), (439, 443), (485, 554), (497, 538), (514, 551), (587, 637), (593, 638),
        ),
        "210621": ((101, 536), (425, 697)),
    }  # fmt: skip

    def __init__(self, root: str | os.PathLike[str], seed: int = 0) -> None:
        self.root, self.seed = Path(root), seed
        if not self.subjects():
            raise MissingFileError(self.root / IMAGES, "sessions of macaque_v4 (images_<session>.zip)", self.how_to_get)

    def subjects(self) -> list[str]:
        """Sessions whose images lie in the folder, declared or not."""
        names = (SESSION_OF_ZIP.fullmatch(path.name) for path in (self.root / IMAGES).glob("images_*.zip"))
        return sorted(name[1] for name in names if name)

    def files(self, name: str) -> list[Path]:
        """Images, averaged responses and, where there are any, raw responses."""
        self._check_name(name)
        raw = self.root / RAW / f"responses_{name}.npy"
        return [self._images(name), self._averaged(name), *([raw] if raw.is_file() else [])]

    def subject(self, name: str) -> Recording:
        """One session; responses (stimulus, repetition, unit) where raw ones lie on disk, else their means.

        Returns
        -------
        Recording
            Spike counts in the file's precision; NaN where a stimulus has fewer repetitions than another. The
            coordinate `group` (stimulus) is equal for images that are near copies.

        Raises
        ------
        UnknownNameError
        MissingFileError
        DamagedFileError
            When files are truncated, do not belong together, or differ from the declared counts.
        """
        name = str(name)  # sessions are dates: people write numbers
        images, averaged_file, *raw_files = self.files(name)
        stimuli = StimulusSet.open(images)
        what = f"averaged responses of session {name}"
        averaged = read_npy(averaged_file, what, ("neuron", "image"), self.how_to_get)
        if len(stimuli) != averaged.shape[1]:
            raise DamagedFileError(f"{images} holds {len(stimuli)} images, but {averaged_file} {averaged.shape[1]}")
        _check_counts(averaged, averaged_file)
        values = np.ascontiguousarray(averaged.T)  # (image, neuron)
        if raw_files:
            raw = read_npy(raw_files[0], f"raw responses of session {name}", ("neuron", "image", "repetition"))
            _check_repetitions(raw, raw_files[0], averaged, averaged_file)
            values = np.ascontiguousarray(raw.transpose(1, 2, 0))  # (image, repetition, neuron)
        neurons = np.arange(1, values.shape[-1] + 1)
        units = build_units(
            scores={"neuron": neurons},
            rois={"V4": np.ones(len(neurons), bool)},
            subject=name,
            modality=self.modality,
            response_units="original",
            quantity="spikes in 100 ms",
            animal=self.animals.get(name),
        )
        ids = [str(item) for item in stimuli.ids]
        first_of = self._first_of(name, ids)
        groups = np.array([first_of.get(item, item) for item in ids])
        responses = build_responses(values, ids, units).assign_coords(group=("stimulus", groups))
        split = self._split(name, ids)
        return self.checked(Recording(self.name, name, stimuli, responses, units, split))

    def cross_validation(self, name: str, folds: int = 5, seed: int = 0) -> list[Split]:
        """Splits of one session in which every image is tested once, together with its near copies.

        Parameters
        ----------
        name : str
        folds : int
            From 2 to the number of images.
        seed : int

        Returns
        -------
        list of Split
            For `Recording.with_split`.

        Raises
        ------
        InputValueError
        """
        self._check_name(name)
        ids = [str(item) for item in StimulusSet.open(self._images(name)).ids]
        first_of = self._first_of(name, ids)
        firsts = [item for item in ids if item not in first_of]
        if not 2 <= folds <= len(firsts):
            raise InputValueError(f"folds must be from 2 to {len(firsts)}, not {folds}")
        fold = {firsts[place]: turn % folds for turn, place in enumerate(_shuffled(len(firsts), seed))}
        of_id = {item: fold[first_of.get(item, item)] for item in ids}
        return [
            Split(
                train=tuple(item for item in ids if of_id[item] != number),
                test=tuple(item for item in ids if of_id[item] == number),
            )
            for number in range(folds)
        ]

    def _split(self, name: str, ids: list[str]) -> Split:
        first_of = self._first_of(name, ids)
        drawn = Split.random([item for item in ids if item not in first_of], self.seed, (1 - TEST_SHARE, 0, TEST_SHARE))
        test = set(drawn.test)
        return Split(
            train=tuple(item for item in ids if first_of.get(item, item) not in test),
            test=tuple(item for item in ids if first_of.get(item, item) in test),
        )

    def _first_of(self, name: str, ids: list[str]) -> dict[str, str]:
        """The image that decides where a near copy of it goes."""
        pairs = [tuple(f"image{number:04d}.jpg" for number in pair) for pair in self.near_copies.get(name, ())]
        known = set(ids)
        return {second: first for first, second in pairs if {first, second} <= known}

    def _check_name(self, name: str) -> None:
        if name not in self.subjects():
            if name in self.expected:
                raise MissingFileError(self._images(name), f"images of session {name}", self.how_to_get)
            raise UnknownNameError("session", name, self.subjects(), where="of macaque_v4")

    def _images(self, name: str) -> Path:
        return self.root / IMAGES / f"images_{name}.zip"

    def _averaged(self, name: str) -> Path:
        places = [self.root / folder / f"responses_{name}.npy" for folder in AVERAGED]
        return next((place for place in places if place.is_file()), places[0])


def _shuffled(count: int, seed: int) -> list[int]:
    order: list[int] = np.random.default_rng(seed).permutation(count).tolist()
    return order


def _check_counts(averaged: NDArray[np.generic], path: Path) -> None:
    values = np.asarray(averaged, float)
    if not np.isfinite(values).all() or (values < 0).any():
        raise DamagedFileError(f"{path} holds negative or missing spike counts")


def _check_repetitions(
    raw: NDArray[np.generic], raw_path: Path, averaged: NDArray[np.generic], averaged_path: Path
) -> None:
    """Raise unless every stimulus was shown and the mean over repetitions is the averaged file."""
    if raw.shape[:2] != averaged.shape:
        raise DamagedFileError(
            f"{raw_path} holds {raw.shape[0]} neurons and {raw.shape[1]} images, "
            f"but {averaged_path} {averaged.shape[0]} and {averaged.shape[1]}"
        )
    counts = np.asarray(raw, float)
    if np.isnan(counts).all(2).any():
        raise DamagedFileError(f"{raw_path} has stimuli without a single repetition")
    difference = np.abs(np.nanmean(counts, axis=2) - averaged).max()
    if not difference <= ROUNDING:
        raise DamagedFileError(
            f"the mean over repetitions of {raw_path} differs from {averaged_path} by up to {difference:.3g} spikes"
        )
