"""The Algonauts 2023 challenge: NSD responses of the visual cortex on fsaverage, and test images to predict."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from braincodec.datasets.algonauts_submission import SIDES, Predictions, submitted_arrays, write_arrays
from braincodec.datasets.base import Counts, Dataset, Recording, Split, register_dataset
from braincodec.datasets.nsd.regions import ATLASES, Members, chosen_regions, members_of, with_unions
from braincodec.datasets.reading import BAD_CONTENT, read_npy
from braincodec.datasets.trial_rows import (
    ChosenUnits,
    NpyTrials,
    SideBySide,
    Stacked,
    StimulusRows,
    TrialStore,
    lazy_responses,
)
from braincodec.errors import (
    BraincodecError,
    DamagedFileError,
    InputValueError,
    MissingFileError,
    UnknownNameError,
)
from braincodec.legacy.read import read_legacy
from braincodec.responses import build_units
from braincodec.stimuli import StimulusSet

PARTS = {"train": "training", "test": "test"}  # as folders of the two parts begin
IMAGE = re.compile(r"(train|test)-(\d+)_(nsd-\d{5})\.png")
FOLDERS = ("", "algonauts_2023_challenge_data", "train_data")


@register_dataset("algonauts2023")
class Algonauts2023(Dataset):
    """Responses of NSD's eight subjects to training images, and test images whose responses were withheld.

    Parameters
    ----------
    root : path
        Holds ``subj01`` to ``subj08``, or some of them.

    Raises
    ------
    MissingFileError
        When it holds none.

    Notes
    -----
    Responses were standardised over all trials of a session and averaged over the repetitions of an image. Where the
    responses to test images lie beside them (``test_split/test_fmri``) they are read too. The challenge names no
    validation images; ``recording.with_split(Split.random(recording.split.train, seed=0))`` draws some.

    Examples
    --------
    >>> import tempfile
    >>> from braincodec.simulate.layouts.algonauts2023 import write_algonauts2023
    >>> data = Algonauts2023(write_algonauts2023(tempfile.mkdtemp(), subjects=(1,)))  # a small simulated one
    >>> data.subject("1").responses.shape, len(data.test_stimuli("1"))
    ((20, 31), 6)
    """

    modality, species = "fmri", "human"
    licence = "NSD terms and conditions (an agreement, not an open licence)"
    citation = (
        "Gifford, Lahner, Saba-Sadiya, Vilas, Lascelles, Oliva, Kay, Roig, Cichy 2023, The Algonauts Project 2023 "
        "challenge: how the human brain makes sense of natural scenes; data: Allen et al. 2022"
    )
    expected: ClassVar[dict[str, Counts]] = {
        subject: Counts(stimuli=train, units=units)
        for subject, train, units in (
            ("1", 9841, 39548), ("2", 9841, 39548), ("3", 9082, 39548), ("4", 8779, 39548),
            ("5", 9841, 39548), ("6", 9082, 39198), ("7", 9841, 39548), ("8", 8779, 39511),
        )
    }  # fmt: skip
    expected_tests: ClassVar[dict[str, int]] = dict(
        zip("12345678", (159, 159, 293, 395, 159, 293, 159, 395), strict=True)
    )
    how_to_get = "fill in the form at http://algonauts.csail.mit.edu/challenge.html, which asks to agree to NSD's terms"
    split_origin = "published by the challenge: training images, and test images of sessions that were withheld"

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root)
        if not self.subjects():
            raise MissingFileError(self.root / "subj01", "subjects of algonauts2023", self.how_to_get)

    def subjects(self) -> list[str]:
        """Numbers, from ``"1"``, of the subjects whose folders are there."""
        return [subject for subject in self.expected if self._folder(subject).is_dir()]

    def files(self, name: str) -> list[Path]:
        """Everything in the subject's folder."""
        return sorted(path for path in self._folder(self._check_name(name)).rglob("*") if path.is_file())

    def subject(self, name: str, roi: str | Iterable[str] | None = None) -> Recording:
        """One subject's recording.

        Parameters
        ----------
        name : str
            Such as ``"1"`` or ``"subj01"``.
        roi : str or sequence of str, optional
            Vertices of these regions only.

        Returns
        -------
        Recording
            Lazy responses (stimulus, unit): left vertices in the challenge's order, then right ones. Ids such as
            ``"nsd-00013"`` are NSD's image numbers from 0. Stimuli include the test images. Units have `vertex` and
            `hemisphere` of fsaverage, `challenge_vertex` (place in the challenge's files), and regions.

        Raises
        ------
        UnknownNameError, MissingFileError, DamagedFileError
        """
        name = self._check_name(name)
        vertices = [self._vertices(name, side) for side in SIDES]
        counts = [len(found) for found in vertices]
        members = self._regions(name, counts)
        asked = chosen_regions(roi, members, f"of subject {name} of algonauts2023")
        chosen = np.ones(sum(counts), bool) if asked is None else np.any([members[r] for r in asked], axis=0)
        columns = np.flatnonzero(chosen)
        ceiling = self._noise_ceiling(name, counts)
        units = build_units(
            vertex=np.concatenate(vertices)[columns],
            hemisphere=np.repeat(list(SIDES.values()), counts)[columns],
            rois={region: own[columns] for region, own in members.items() if own[columns].any()},
            subject=int(name),
            scores={
                "challenge_vertex": np.concatenate([np.arange(count) for count in counts])[columns],
                **({} if ceiling is None else {"noise_ceiling": ceiling[columns]}),
            },
            space="fsaverage",
            modality="fmri",
            response_units="zscored_within_session",
            standardised_by="all trials",
        )
        images = {part: self._images(name, part) for part in PARTS}
        stored = {part: self._responses(name, part, images[part], counts) for part in PARTS}
        if stored["train"] is None:
            raise MissingFileError(self._fmri_file(name, "train", "lh"), "training responses", self.how_to_get)
        present = [part for part, store in stored.items() if store is not None]
        store = ChosenUnits(Stacked(*(found for found in stored.values() if found is not None)), columns)
        ids = [item for part in present for item in images[part].ids]
        rows = StimulusRows(store, np.arange(len(ids))[:, None], average=True)
        everything = images["train"].joined(images["test"])
        stimuli = StimulusSet.from_paths(everything.paths, ids=everything.ids)
        split = Split(**{part: images[part].ids for part in present})
        return Recording(self.name, name, stimuli, lazy_responses(rows, ids, units), units, split)

    def test_stimuli(self, name: str) -> StimulusSet:
        """The images to predict responses to, in the order of a submission."""
        images = self._images(self._check_name(name), "test")
        return StimulusSet.from_paths(images.paths, ids=images.ids)

    def write_submission(
        self, path: str | os.PathLike[str], predictions: Mapping[str, Predictions], *, overwrite: bool = False
    ) -> Path:
        """Write predicted responses in the challenge's form: ``subj01/lh_pred_test.npy`` and ``rh_pred_test.npy``.

        Parameters
        ----------
        path : path
            A folder, or a zip file when it ends in ``.zip``; appears when everything is written.
        predictions : mapping of subject to DataArray or array
            Predicted responses (stimulus, unit) of all vertices to all test images. An array has test images in the
            order of `test_stimuli` and vertices in that of the units; a DataArray is put in order by ids and vertices.
        overwrite : bool

        Returns
        -------
        Path

        Raises
        ------
        InputTypeError, InputValueError
            When stimuli or vertices are missing, or a prediction is not finite in float32.
        OutputError
        """
        if not predictions:
            raise InputValueError("no predictions; expected one array for each subject")
        arrays: dict[str, NDArray[np.float32]] = {}
        for subject, predicted in predictions.items():
            name = self._check_name(subject)
            arrays |= submitted_arrays(name, predicted, self._images(name, "test").ids, self.subject(name).units)
        return write_arrays(Path(path), arrays, overwrite=overwrite)

    def verify(self, *, read_stimuli: bool = False) -> list[str]:
        """Problems of what is on disk; see `Dataset.verify`. Published counts are those of training and test images."""
        problems = [f"subject {name}: absent" for name in self.expected if name not in self.subjects()]
        for name in self.subjects():
            try:
                found = self._count_problems(name)
                if read_stimuli:
                    stimuli = self.subject(name).stimuli
                    batches = stimuli.batches(64, transform=lambda images: images[:, 0, 0], on_bad="skip")
                    found += [f"stimulus {bad.id}: {bad.reason}" for batch in batches for bad in batch.bad]
            except BraincodecError as error:
                found = [str(error)]
            problems += [f"subject {name}: {problem}" for problem in found]
        return problems

    def _count_problems(self, name: str) -> list[str]:
        recording = self.subject(name)
        found = {
            "training stimuli": (len(recording.split.train), self.expected[name].stimuli),
            "test images": (len(self.test_stimuli(name)), self.expected_tests[name]),
            "units": (recording.units.sizes["unit"], self.expected[name].units),
        }
        return [f"{count:,} {what}, expected {wanted:,}" for what, (count, wanted) in found.items() if count != wanted]

    def _folder(self, name: str) -> Path:
        places = [self.root / folder / f"subj{int(name):02d}" for folder in FOLDERS]
        return next((place for place in places if place.is_dir()), places[0])

    def _check_name(self, name: str) -> str:
        plain = str(name).removeprefix("subj").lstrip("0")
        if plain not in self.expected:
            raise UnknownNameError("subject", name, list(self.expected), where="of algonauts2023")
        if plain not in self.subjects():
            raise MissingFileError(self._folder(plain), f"folder of subject {plain}", self.how_to_get)
        return plain

    def _fmri_file(self, name: str, part: str, side: str) -> Path:
        word = PARTS[part]
        return self._folder(name) / f"{word}_split" / f"{word}_fmri" / f"{side}_{word}_fmri.npy"

    def _images(self, name: str, part: str) -> Images:
        folder = self._folder(name) / f"{PARTS[part]}_split" / f"{PARTS[part]}_images"
        if not folder.is_dir():
            raise MissingFileError(folder, f"{part} images of subject {name}", self.how_to_get)
        found = [(IMAGE.fullmatch(path.name), path) for path in folder.iterdir()]
        named = sorted((int(match[2]), match[3], path) for match, path in found if match and match[1] == part)
        if [number for number, *_ in named] != list(range(1, len(named) + 1)) or not named:
            raise DamagedFileError(
                f"{folder} holds {len(named)} images called like {part}-0001_nsd-00013.png; expected their numbers to "
                "go from 1 without gaps"
            )
        return Images(tuple(item for _, item, _ in named), tuple(path for *_, path in named))

    def _vertices(self, name: str, side: str) -> NDArray[np.int64]:
        """Which vertices of fsaverage the challenge's vertices are."""
        path = self._folder(name) / "roi_masks" / f"{side}.all-vertices_fsaverage_space.npy"
        mask = read_npy(path, f"mask of the {SIDES[side]} hemisphere", ("vertex",), self.how_to_get)
        if not np.isin(mask, (0, 1)).all() or not mask.any():
            raise DamagedFileError(f"{path} holds other than 0 and 1")
        return np.flatnonzero(mask)

    def _regions(self, name: str, counts: list[int]) -> Members:
        folder, members = self._folder(name) / "roi_masks", Members()
        for atlas in ATLASES:
            files = [folder / f"{side}.{atlas}_challenge_space.npy" for side in SIDES]
            if not any(path.is_file() for path in files):
                continue
            names = _mapping(folder / f"mapping_{atlas}.npy", self.how_to_get)
            labels = [read_npy(path, f"labels of {atlas}", ("vertex",), self.how_to_get) for path in files]
            for path, found, count in zip(files, labels, counts, strict=True):
                if len(found) != count or (found != np.floor(found)).any():
                    raise DamagedFileError(f"{path} holds {len(found)} labels; the hemisphere has {count} vertices")
            members |= members_of(np.concatenate(labels).astype(np.int32), names, files[0])
        return with_unions(members)

    def _responses(self, name: str, part: str, images: Images, counts: list[int]) -> TrialStore | None:
        """Both hemispheres side by side; None where a part has no responses."""
        files = [self._fmri_file(name, part, side) for side in SIDES]
        if not any(path.is_file() for path in files):
            return None
        stores = [_open_rows(path, self.how_to_get) for path in files]
        for path, store, count in zip(files, stores, counts, strict=True):
            if store.shape != (len(images.ids), count):
                raise DamagedFileError(
                    f"{path} has shape {store.shape}; expected {len(images.ids)} {part} images and {count} vertices"
                )
        return SideBySide(*stores)

    def _noise_ceiling(self, name: str, counts: list[int]) -> NDArray[np.float32] | None:
        folder = self._folder(name) / "test_split" / "noise_ceiling"
        files = [folder / f"{side}_noise_ceiling.npy" for side in SIDES]
        if not all(path.is_file() for path in files):
            return None
        found = [read_npy(path, "noise ceiling", ("vertex",)).astype(np.float32) for path in files]
        if [len(values) for values in found] != counts:
            raise DamagedFileError(f"{folder} holds {[len(v) for v in found]} noise ceilings for {counts} vertices")
        return np.concatenate(found)


@dataclass(frozen=True)
class Images:
    """Images of one part: ids and files, in the order of the responses."""

    ids: tuple[str, ...]
    paths: tuple[Path, ...]

    def joined(self, other: Images) -> Images:
        """Both, one after the other."""
        return Images(self.ids + other.ids, self.paths + other.paths)


def _mapping(path: Path, hint: str) -> dict[int, str]:
    """Names of labels, from a pickled dictionary that is read without running anything."""
    if not path.is_file():
        raise MissingFileError(path, "names of regions", hint)
    content = read_legacy(path)
    plain = isinstance(content, dict) and all(
        isinstance(key, int | np.integer) and isinstance(value, str) for key, value in content.items()
    )
    if not plain:
        raise DamagedFileError(f"{path} holds other than a dictionary of numbers to names")
    return {int(key): value for key, value in content.items() if int(key) != 0}


def _open_rows(path: Path, hint: str) -> NpyTrials:
    """Responses (image, vertex), mapped from their file."""
    if not path.is_file():
        raise MissingFileError(path, "responses of a hemisphere", hint)
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        fits = isinstance(array, np.ndarray) and array.ndim == 2 and array.dtype.kind == "f"
    except BAD_CONTENT as error:
        raise DamagedFileError(f"{path} cannot be read as responses (truncated or damaged): {error}") from None
    if not fits:
        raise DamagedFileError(f"{path} holds other than real numbers (image, vertex)")
    return NpyTrials(path)
