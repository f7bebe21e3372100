"""The two spaces in which NSD's responses are published: voxels of a subject, and vertices of fsaverage."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from braincodec.datasets.nsd.files import open_image, read_labels
from braincodec.datasets.nsd.published import HOW_TO_GET, Published
from braincodec.datasets.nsd.regions import (
    ATLASES,
    GENERAL,
    Members,
    chosen_regions,
    members_of,
    read_colour_table,
    with_unions,
)
from braincodec.datasets.nsd.sessions import (
    Hemispheres,
    Session,
    read_hdf5,
    read_map,
    read_nifti,
    surface_trials,
    volume_trials,
)
from braincodec.errors import DamagedFileError, MissingFileError
from braincodec.responses import build_units

SIDES = {"lh": "left", "rh": "right"}
VOLUME_SUFFIXES = (".hdf5", ".nii.gz")  # the first is read faster
NCSNR = "signal-to-noise ratios (ncsnr)"
NCSNR_HINT = "; ncsnr='computed' estimates them from the repetitions, ncsnr='none' does without"


class Space(ABC):
    """Where the files of one subject lie, and what their voxels or vertices are.

    Parameters
    ----------
    root : Path
    subject : str
        From ``"1"``.
    betas : str
        Version of the responses, such as ``"betas_fithrf_GLMdenoise_RR"``.
    published : Published
    """

    name: str

    def __init__(self, root: Path, subject: str, betas: str, published: Published) -> None:
        self.root, self.subject, self.published = root, subject, published
        self.person = f"subj{int(subject):02d}"
        self.labels = root / "nsddata" / "freesurfer" / self.person / "label"
        self.data = root / "nsddata" / "ppdata" / self.person
        self._betas_of_subject = root / "nsddata_betas" / "ppdata" / self.person
        self._version = betas

    @property
    def folder(self) -> Path:
        """Where the responses lie."""
        return self._betas_of_subject / self.name / self._version

    @abstractmethod
    def session_files(self, number: int) -> tuple[Path, ...]:
        """Files of a session, from 1, present or not."""

    @abstractmethod
    def map_files(self) -> tuple[Path, ...]:
        """Files of regions and signal-to-noise ratios that are there."""

    @abstractmethod
    def trials_in(self, number: int) -> int:
        """How many trials a session has; raises when its files are missing, too short or of a wrong shape."""

    @abstractmethod
    def regions(self) -> Members:
        """Members of each region, over all voxels or vertices."""

    @abstractmethod
    def ncsnr(self) -> NDArray[np.float32]:
        """Published signal-to-noise ratio of each voxel or vertex."""

    @abstractmethod
    def units(self, roi: str | Iterable[str] | None, ncsnr: bool) -> xr.Dataset:
        """The units of some regions."""

    @abstractmethod
    def open(self, number: int, units: xr.Dataset) -> Session:
        """A session, of these units."""

    def sessions(self) -> list[int]:
        """Numbers of the sessions whose files are all there."""
        numbers = range(1, self.published.sessions.get(self.subject, 0) + 1)
        return [number for number in numbers if all(path.is_file() for path in self.session_files(number))]

    def _select(self, roi: str | Iterable[str] | None, members: Members) -> NDArray[np.bool_] | None:
        where = f"of subject {self.subject} in {self.name}"
        names = chosen_regions(roi, members, where)
        return None if names is None else np.logical_or.reduce([members[name] for name in names])


class VolumeSpace(Space):
    """Voxels of one subject; `resolution` is ``"func1pt8mm"`` or ``"func1mm"``."""

    def __init__(self, root: Path, subject: str, betas: str, published: Published, resolution: str) -> None:
        super().__init__(root, subject, betas, published)
        self.name = resolution

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the volume, as published."""
        return self.published.volumes[self.name][self.subject]

    def session_files(self, number: int) -> tuple[Path, ...]:
        """The HDF5 or the compressed NIfTI file, whichever is there."""
        places = [self.folder / f"betas_session{number:02d}{suffix}" for suffix in VOLUME_SUFFIXES]
        return (next((place for place in places if place.is_file()), places[-1]),)

    def map_files(self) -> tuple[Path, ...]:
        """Labels, colour tables, and the map of ncsnr."""
        tables = [self.labels / f"{atlas}.mgz.ctab" for atlas in ATLASES]
        files = [*(self._roi_file(atlas) for atlas in (*ATLASES, GENERAL)), *tables, self.folder / "ncsnr.nii.gz"]
        return tuple(path for path in files if path.is_file())

    def trials_in(self, number: int) -> int:
        """From the header."""
        return volume_trials(self.session_files(number)[0], self.shape)

    def regions(self) -> Members:
        """Boolean volumes, raveled in C order."""
        members: Members = {}
        for atlas in ATLASES:
            path = self._roi_file(atlas)
            if path.is_file():
                labels = read_labels(path, f"labels of {atlas}", self.shape).ravel()
                names = read_colour_table(self.labels / f"{atlas}.mgz.ctab", HOW_TO_GET)
                members |= members_of(labels, names, path)
        path = self._roi_file(GENERAL)
        if path.is_file():
            members[GENERAL] = read_labels(path, f"labels of {GENERAL}", self.shape).ravel() > 0
        found = with_unions(members)
        if not found:
            raise MissingFileError(self._roi_file(ATLASES[0]).parent, "labels of regions", HOW_TO_GET)
        return found

    def ncsnr(self) -> NDArray[np.float32]:
        """Raveled in C order."""
        return read_map(self.folder / "ncsnr.nii.gz", NCSNR, self.shape, HOW_TO_GET + NCSNR_HINT).ravel()

    def units(self, roi: str | Iterable[str] | None, ncsnr: bool) -> xr.Dataset:
        """Voxels in C order, so that ``volume[mask]`` gives their order; without `roi`, those of any region."""
        members = self.regions()
        chosen = self._select(roi, members)
        if chosen is None:
            chosen = np.logical_or.reduce(list(members.values()))
        ijk = np.stack(np.unravel_index(np.flatnonzero(chosen), self.shape), axis=1)
        return build_units(
            ijk=ijk,
            rois={name: member[chosen] for name, member in members.items() if member[chosen].any()},
            subject=int(self.subject),
            scores={"ncsnr": self.ncsnr()[chosen]} if ncsnr else None,
            affine=self._affine(),
            volume_shape=self.shape,
            modality="fmri",
        )

    def open(self, number: int, units: xr.Dataset) -> Session:
        """All trials of the voxels, in memory."""
        path = self.session_files(number)[0]
        ijk = np.stack([units[name].values for name in "ijk"], axis=1)
        return read_hdf5(path, ijk) if path.suffix == ".hdf5" else read_nifti(path, ijk)

    def _roi_file(self, atlas: str) -> Path:
        return self.data / self.name / "roi" / f"{atlas}.nii.gz"

    def _affine(self) -> NDArray[np.float64]:
        series = [self.folder / "betas_session01.nii.gz", self.folder / "ncsnr.nii.gz"]
        labels = [self._roi_file(atlas) for atlas in (*ATLASES, GENERAL)]
        path = next(place for place in (*series, *labels) if place.is_file())
        return np.asarray(open_image(path, "affine").affine, float)


class SurfaceSpace(Space):
    """Vertices of both hemispheres of fsaverage, left first."""

    name = "fsaverage"

    def session_files(self, number: int) -> tuple[Path, ...]:
        """Left, right."""
        return tuple(self.folder / f"{side}.betas_session{number:02d}.mgh" for side in SIDES)

    def map_files(self) -> tuple[Path, ...]:
        """Labels of the subject and of fsaverage, colour tables, the mapping, and the maps of ncsnr."""
        common = self.labels.parents[1] / "fsaverage" / "label"
        files = [folder / f"{atlas}.mgz.ctab" for folder in (self.labels, common) for atlas in ATLASES]
        for side in SIDES:
            files += [f / f"{side}.{atlas}.mgz" for f in (self.labels, common) for atlas in (*ATLASES, GENERAL)]
            files += [self._mapping(side), self.folder / f"{side}.ncsnr.mgh"]
        return tuple(path for path in files if path.is_file())

    def trials_in(self, number: int) -> int:
        """From the headers of both hemispheres."""
        counts = [surface_trials(path, self.published.vertices) for path in self.session_files(number)]
        if len(set(counts)) != 1:
            raise DamagedFileError(f"session {number} of subject {self.subject}: the hemispheres hold {counts} trials")
        return counts[0]

    def regions(self) -> Members:
        """Over left and right vertices.

        A subject's own labels are carried over to fsaverage by the published mapping, as for the published models;
        where labels or mapping are absent, labels that lie in fsaverage's own folder are used.
        """
        members: Members = {}
        for atlas in (*ATLASES, GENERAL):
            sides = [self._labels_on_fsaverage(side, atlas) for side in SIDES]
            if all(found is not None for found in sides):
                labels = np.concatenate([found[0] for found in sides if found is not None])
                path = next(found[1] for found in sides if found is not None)
                names = {1: GENERAL} if atlas == GENERAL else read_colour_table(self._table(path, atlas), HOW_TO_GET)
                members |= members_of((labels > 0).astype(np.int32) if atlas == GENERAL else labels, names, path)
        return with_unions(members)

    def ncsnr(self) -> NDArray[np.float32]:
        """Of left vertices, then right ones."""
        files = [self.folder / f"{side}.ncsnr.mgh" for side in SIDES]
        shape = (self.published.vertices,)
        return np.concatenate([read_map(path, NCSNR, shape, HOW_TO_GET + NCSNR_HINT) for path in files])

    def units(self, roi: str | Iterable[str] | None, ncsnr: bool) -> xr.Dataset:
        """Left vertices, then right ones; without `roi`, all of them."""
        per_side, members = self.published.vertices, self.regions()
        chosen = self._select(roi, members)
        places = np.arange(2 * per_side) if chosen is None else np.flatnonzero(chosen)
        return build_units(
            vertex=places % per_side,
            hemisphere=np.where(places < per_side, "left", "right"),
            rois={name: member[places] for name, member in members.items() if member[places].any()},
            subject=int(self.subject),
            scores={"ncsnr": self.ncsnr()[places]} if ncsnr else None,
            space="fsaverage",
            modality="fmri",
        )

    def open(self, number: int, units: xr.Dataset) -> Session:
        """Vertices in their order, left first."""
        side, vertex = units["hemisphere"].values, units["vertex"].values
        return Hemispheres(self.session_files(number), tuple(vertex[side == name] for name in SIDES.values()))

    def _mapping(self, side: str) -> Path:
        return self.data / "transforms" / f"{side}.white-to-fsaverage.mgz"

    def _labels_on_fsaverage(self, side: str, atlas: str) -> tuple[NDArray[np.int32], Path] | None:
        own = self.labels / f"{side}.{atlas}.mgz"
        if own.is_file() and self._mapping(side).is_file():
            labels = read_labels(own, f"labels of {atlas}").ravel()
            mapping = read_labels(
                self._mapping(side), "vertices of the subject for those of fsaverage", (self.published.vertices,)
            )
            if mapping.min() < 1 or mapping.max() > len(labels):
                raise DamagedFileError(
                    f"{self._mapping(side)} runs from {mapping.min()} to {mapping.max()}; expected vertices from 1 to "
                    f"{len(labels)}"
                )
            return labels[mapping - 1], own
        common = self.labels.parents[1] / "fsaverage" / "label" / f"{side}.{atlas}.mgz"
        if common.is_file():
            return read_labels(common, f"labels of {atlas}", (self.published.vertices,)), common
        return None

    def _table(self, labels: Path, atlas: str) -> Path:
        beside = labels.parent / f"{atlas}.mgz.ctab"
        return beside if beside.is_file() else self.labels / f"{atlas}.mgz.ctab"
