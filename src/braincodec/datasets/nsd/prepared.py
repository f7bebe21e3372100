"""NSD responses as the Neural Encoding Dataset and the Brain Encoding Response Generator prepared them for training."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, get_args

import h5py
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from braincodec.datasets.base import Counts, Dataset, Recording, register_dataset
from braincodec.datasets.nsd.assembly import assemble_recording, with_noise_ceiling
from braincodec.datasets.nsd.dataset import STIMULI, Repetitions, SpaceName
from braincodec.datasets.nsd.design import Design, stimulus_ids
from braincodec.datasets.nsd.files import reading
from braincodec.datasets.nsd.preparation import units_without_data
from braincodec.datasets.nsd.published import CITATION, LICENCE, SPLIT_ORIGIN, Published
from braincodec.datasets.nsd.regions import chosen_regions
from braincodec.datasets.split import Split
from braincodec.datasets.trial_rows import ArrayTrials, ChosenUnits, Hdf5Trials, SideBySide, StimulusRows, TrialStore
from braincodec.errors import DamagedFileError, MissingFileError, UnknownNameError
from braincodec.legacy.read import read_legacy
from braincodec.responses import build_units
from braincodec.stimuli import StimulusSet

FOLDERS = (
    "",
    "model_training_datasets/train_dataset-nsd/model-fwrf/neural_data",
    "model_training_datasets/train_dataset-nsd",
    "model_training_datasets/train_dataset-nsd_fsaverage",
)
VOLUME_FILE = re.compile(r"nsd_betas_sub-(\d+)_roi-(.+)\.npy")
SURFACE_FILE = re.compile(r"metadata_subject-(\d+)\.npy")
PARTS = {"train": "train_img_num", "validation": "val_img_num", "test": "test_img_num"}
SIDES = {"lh": "left", "rh": "right"}
Numbers = NDArray[np.int64]


@register_dataset("nsd_prepared")
class NSDPrepared(Dataset):
    """Standardised NSD responses from prepared files: one a region in the volume, one a hemisphere on fsaverage.

    Parameters
    ----------
    root : path
        The folder with ``nsd_betas_sub-01_roi-V1.npy`` and others, or with ``lh_betas_subject-1.h5``,
        ``rh_betas_subject-1.h5`` and ``metadata_subject-1.npy``; or one that holds `model_training_datasets`.
    stimuli : path, optional
        ``nsd_stimuli.hdf5``, when it is not under `root` as NSD places it.
    space : {"volume", "fsaverage"}
    repetitions : {"average", "keep"}

    Raises
    ------
    UnknownNameError
        For an option.
    MissingFileError
        When there is no such file.

    Notes
    -----
    Responses were standardised over all trials of a session, test trials included. In the volume, missing data were
    written as 0; on fsaverage they are NaN, and such a vertex is NaN throughout here.

    Examples
    --------
    >>> import tempfile
    >>> from braincodec.simulate.layouts.nsd import write_nsd
    >>> from braincodec.simulate.layouts.nsd_prepared import write_nsd_prepared
    >>> nsd, folder = tempfile.mkdtemp(), tempfile.mkdtemp()
    >>> facts = write_nsd(nsd)
    >>> data = NSDPrepared(write_nsd_prepared(folder, nsd, facts), stimuli=f"{nsd}/{STIMULI}")
    >>> data.subjects(), data.subject("1", roi="V1").responses.sizes["stimulus"]
    (['1', '2'], 40)
    """

    modality, species = "fmri", "human"
    licence, citation, split_origin = LICENCE, CITATION, SPLIT_ORIGIN
    expected: ClassVar[dict[str, Counts]] = {}
    how_to_get = (
        "written by the preparation scripts of https://github.com/gifale95/NED (volume) and "
        "https://github.com/gifale95/BERG (fsaverage) from NSD; the images are NSD's nsd_stimuli.hdf5"
    )
    published: ClassVar[Published] = Published()

    def __init__(
        self,
        root: str | os.PathLike[str],
        stimuli: str | os.PathLike[str] | None = None,
        space: SpaceName = "volume",
        repetitions: Repetitions = "average",
    ) -> None:
        for what, value, choices in (("space", space, SpaceName), ("repetitions", repetitions, Repetitions)):
            if value not in get_args(choices):
                raise UnknownNameError(what, value, get_args(choices), where="of nsd_prepared")
        self.root, self.space, self.repetitions = Path(root), space, repetitions
        self._stimuli = Path(stimuli) if stimuli is not None else self.root / STIMULI
        if not self.subjects():
            name = "nsd_betas_sub-01_roi-V1.npy" if space == "volume" else "metadata_subject-1.npy"
            raise MissingFileError(self.root / name, f"prepared responses of nsd ({space})", self.how_to_get)

    def subjects(self) -> list[str]:
        """Numbers, from ``"1"``."""
        pattern = VOLUME_FILE if self.space == "volume" else SURFACE_FILE
        return sorted({str(int(match[1])) for path in self._all_files() if (match := pattern.fullmatch(path.name))})

    def files(self, name: str) -> list[Path]:
        """Responses, and the images where they are there."""
        name = self._check_name(name)
        images = [self._stimuli] if self._stimuli.is_file() else []
        if self.space == "volume":
            return [*images, *self._region_files(name).values()]
        metadata = self._metadata_file(name)
        return [*images, metadata, *(metadata.with_name(f"{side}_betas_subject-{name}.h5") for side in SIDES)]

    def subject(self, name: str, roi: str | Iterable[str] | None = None) -> Recording:
        """One subject's recording.

        Parameters
        ----------
        name : str
        roi : str or sequence of str, optional
            Default: all files of the subject; a voxel of several regions is one unit.

        Returns
        -------
        Recording
            As `NSD.subject`.

        Raises
        ------
        UnknownNameError, MissingFileError
        DamagedFileError
            Or `UnsafeFileError`, for a file that asks to run code.
        """
        name = self._check_name(name)
        read = self._read_volume if self.space == "volume" else self._read_surface
        store, units, order, split = read(name, roi)
        if len(order) != store.shape[0]:
            raise DamagedFileError(f"subject {name}: {store.shape[0]} trials, but the order of images has {len(order)}")
        numbers, trial_of = Design(order, order[:0]).trials_of_images(len(order))
        trials = self.published.trials
        absent = units_without_data(store, -(-len(order) // trials), trials)
        rows = StimulusRows(store, trial_of, average=self.repetitions == "average", absent=absent)
        units = with_noise_ceiling(units, numbers, trial_of, split).assign_attrs(
            response_units="zscored_within_session",
            standardised_by="all trials",
            units_without_data=int(absent.sum()),
        )
        if not self._stimuli.is_file():
            raise MissingFileError(self._stimuli, "images of nsd", "give stimuli=<path>; " + self.how_to_get)
        stimuli = StimulusSet.from_hdf5(self._stimuli)
        if len(stimuli) <= numbers[-1]:
            raise DamagedFileError(f"{self._stimuli} holds {len(stimuli):,} images, but number {numbers[-1]} was shown")
        return assemble_recording(self.name, name, stimuli[numbers], rows, units, split, numbers, trial_of)

    def _read_volume(self, name: str, roi: str | Iterable[str] | None) -> tuple[TrialStore, xr.Dataset, Numbers, Split]:
        files = self._region_files(name)
        chosen = chosen_regions(roi, files, f"of subject {name} of nsd_prepared") or list(files)
        contents = {region: _region_content(files[region]) for region in chosen}
        first = contents[chosen[0]]
        order = _numbers(first, "img_presentation_order", files[chosen[0]])
        shape = first["roi_mask_volume"].shape
        for region, content in contents.items():
            same = content["roi_mask_volume"].shape == shape
            if not same or not np.array_equal(_numbers(content, "img_presentation_order", files[region]), order):
                raise DamagedFileError(f"{files[region]} and {files[chosen[0]]} are of different volumes or trials")
        places = {region: np.flatnonzero(content["roi_mask_volume"]) for region, content in contents.items()}
        voxels, columns = np.unique(np.concatenate(list(places.values())), return_index=True)
        store = ChosenUnits(SideBySide(*(ArrayTrials(content["betas"]) for content in contents.values())), columns)
        ncsnr = np.concatenate([np.asarray(content["ncsnr"], np.float32).ravel() for content in contents.values()])
        units = build_units(
            ijk=np.stack(np.unravel_index(voxels, shape), axis=1),
            rois={region: np.isin(voxels, own) for region, own in places.items()},
            subject=int(name),
            scores={"ncsnr": ncsnr[columns]},
            affine=np.asarray(first["fmri_affine"], float),
            volume_shape=shape,
            modality="fmri",
        )
        return store, units, order, _split(first, order, files[chosen[0]])

    def _read_surface(
        self, name: str, roi: str | Iterable[str] | None
    ) -> tuple[TrialStore, xr.Dataset, Numbers, Split]:
        path = self._metadata_file(name)
        content = _dictionary(path, [*PARTS.values(), "img_presentation_order"])
        parts, side_of, vertex, ncsnr = [], [], [], []
        members: dict[str, list[NDArray[np.bool_]]] = {}
        for side, hemisphere in SIDES.items():
            betas = path.with_name(f"{side}_betas_subject-{name}.h5")
            parts.append(_open_betas(betas, self.how_to_get))
            count = parts[-1].shape[1]
            side_of.append(np.full(count, hemisphere))
            vertex.append(np.arange(count))
            ncsnr.append(np.asarray(content.get(f"{side}_ncsnr", np.full(count, np.nan)), np.float32).ravel())
            if ncsnr[-1].shape != (count,):
                raise DamagedFileError(f"{side}_ncsnr in {path} has {ncsnr[-1].size} vertices; {betas} has {count}")
            for region, vertices in dict(content.get(f"{side}_fsaverage_rois", {})).items():
                own = np.zeros(count, bool)
                own[_within(vertices, count, f"{region} in {path}")] = True
                members.setdefault(str(region), []).append(own)
        if parts[0].shape[0] != parts[1].shape[0]:
            raise DamagedFileError(f"the hemispheres beside {path} have {[part.shape[0] for part in parts]} trials")
        regions = {region: np.concatenate(own) for region, own in members.items() if len(own) == len(SIDES)}
        asked = chosen_regions(roi, regions, f"of subject {name} of nsd_prepared")
        total = sum(part.shape[1] for part in parts)
        columns = np.arange(total) if asked is None else np.flatnonzero(np.any([regions[r] for r in asked], axis=0))
        units = build_units(
            vertex=np.concatenate(vertex)[columns],
            hemisphere=np.concatenate(side_of)[columns],
            rois={region: own[columns] for region, own in regions.items() if own[columns].any()},
            subject=int(name),
            scores={"ncsnr": np.concatenate(ncsnr)[columns]},
            space="fsaverage",
            modality="fmri",
        )
        order = _numbers(content, "img_presentation_order", path)
        return ChosenUnits(SideBySide(*parts), columns), units, order, _split(content, order, path)

    def _all_files(self) -> list[Path]:
        folders = [self.root / folder for folder in FOLDERS]
        return [path for folder in folders if folder.is_dir() for path in sorted(folder.iterdir()) if path.is_file()]

    def _region_files(self, name: str) -> dict[str, Path]:
        found = [(VOLUME_FILE.fullmatch(path.name), path) for path in self._all_files()]
        return {match[2]: path for match, path in found if match and int(match[1]) == int(name)}

    def _metadata_file(self, name: str) -> Path:
        found = [(SURFACE_FILE.fullmatch(path.name), path) for path in self._all_files()]
        return next(path for match, path in found if match and int(match[1]) == int(name))

    def _check_name(self, name: str) -> str:
        plain = str(name).removeprefix("subj").lstrip("0")
        if plain not in self.subjects():
            raise UnknownNameError("subject", name, self.subjects(), where="of nsd_prepared")
        return plain


def _dictionary(path: Path, keys: Iterable[str]) -> dict[str, Any]:
    content = read_legacy(path)
    if not isinstance(content, dict):
        raise DamagedFileError(f"{path} holds a {type(content).__name__}, expected a dictionary")
    missing = [key for key in keys if key not in content]
    if missing:
        raise DamagedFileError(f"{path} lacks {', '.join(missing)} (it holds {', '.join(map(str, content))[:200]})")
    return content


def _region_content(path: Path) -> dict[str, Any]:
    content = _dictionary(
        path, ("betas", "ncsnr", "roi_mask_volume", "fmri_affine", "img_presentation_order", *PARTS.values())
    )
    betas, mask, ncsnr = (np.asarray(content[key]) for key in ("betas", "roi_mask_volume", "ncsnr"))
    if mask.dtype != bool or mask.ndim != 3 or betas.ndim != 2 or betas.dtype.kind != "f":
        raise DamagedFileError(
            f"{path} holds betas {betas.dtype} {betas.shape} and a mask {mask.dtype} {mask.shape}; expected numbers "
            "(trials, voxels) and a boolean volume"
        )
    if betas.shape[1] != mask.sum() or ncsnr.size != mask.sum():
        raise DamagedFileError(
            f"{path}: {betas.shape[1]} voxels of betas and {ncsnr.size} of ncsnr, but the mask holds {int(mask.sum())}"
        )
    if np.shape(content["fmri_affine"]) != (4, 4):
        raise DamagedFileError(f"{path}: fmri_affine has shape {np.shape(content['fmri_affine'])}, expected (4, 4)")
    return {**content, "betas": betas, "roi_mask_volume": mask}


def _open_betas(path: Path, hint: str) -> Hdf5Trials:
    if not path.is_file():
        raise MissingFileError(path, "prepared responses of a hemisphere", hint)
    with reading(path, "prepared responses"):
        with h5py.File(path, "r") as file:
            found = file.get("betas")
            if not isinstance(found, h5py.Dataset) or found.ndim != 2 or found.dtype.kind != "f":
                raise DamagedFileError(f"{path} has no numbers (trials, vertices) called 'betas'")
        return Hdf5Trials(path, "betas")


def _numbers(content: dict[str, Any], key: str, path: Path) -> Numbers:
    """Image numbers, which prepared files count from 0."""
    array = np.asarray(content[key]).ravel()
    if array.dtype.kind not in "iuf" or (array != np.floor(array)).any() or (array.size and array.min() < 0):
        raise DamagedFileError(f"{key} in {path} holds other than image numbers")
    return array.astype(np.int64)


def _split(content: dict[str, Any], order: Numbers, path: Path) -> Split:
    """The split in the file, without images that were never seen."""
    return Split(**{part: stimulus_ids(_seen(_numbers(content, key, path), order)) for part, key in PARTS.items()})


def _seen(numbers: Numbers, order: Numbers) -> Numbers:
    return np.unique(numbers[np.isin(numbers, order)])


def _within(vertices: Any, count: int, where: str) -> Numbers:
    found = np.asarray(vertices).ravel()
    if found.size and (found.dtype.kind not in "iu" or found.min() < 0 or found.max() >= count):
        raise DamagedFileError(f"{where} holds other than vertices from 0 to {count - 1}")
    return found.astype(np.int64)
