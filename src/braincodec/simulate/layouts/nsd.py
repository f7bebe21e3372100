"""The Natural Scenes Dataset, small: design, images, regions and sessions as the bucket holds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from braincodec.datasets.nsd.published import BETAS_PER_UNIT, Published
from braincodec.errors import InputValueError
from braincodec.extras import import_optional

Floats = NDArray[np.float64]

BETAS = "betas_fithrf_GLMdenoise_RR"
REPETITIONS = 3
VOXEL_SIZE = {"func1pt8mm": 1.8, "func1mm": 1.0}
TABLES: Mapping[str, tuple[str, ...]] = {
    "prf-visualrois": ("V1v", "V1d", "V2v", "V2d", "V3v", "V3d", "hV4"),
    "floc-bodies": ("EBA", "FBA-1", "FBA-2", "mTL-bodies"),
    "floc-faces": ("OFA", "FFA-1", "FFA-2", "mTL-faces", "aTL-faces"),
    "floc-places": ("OPA", "PPA", "RSC"),
    "floc-words": ("OWFA", "VWFA-1", "VWFA-2", "mfs-words", "mTL-words"),
    "streams": ("early", "midventral", "midlateral", "midparietal", "ventral", "lateral", "parietal"),
}
"""Names of labels 1, 2, ... in each colour table."""
SIDES = ("lh", "rh")
NATIVE_VERTICES = 1.5  # times as many on a subject's own surface as on fsaverage
BASELINE = 1.0  # percent of signal change
STEP_BETWEEN_SESSIONS = 0.7  # percent, which standardising within sessions takes away
FORMS = ("hdf5", "nii.gz")


@dataclass(frozen=True)
class Sizes:
    """How large a simulated data set is.

    Parameters
    ----------
    sessions : mapping of subject to int
        Completed by each subject; the longest is the whole plan.
    trials : int
        Of a session; sessions x trials of the longest is a multiple of 3.
    shared : int
        Images that everybody sees.
    volume : (int, int, int)
    vertices : int
        Of a hemisphere of fsaverage.
    pixels : int
    """

    sessions: Mapping[str, int] = field(default_factory=lambda: {"1": 4, "2": 3})
    trials: int = 30
    shared: int = 12
    volume: tuple[int, int, int] = (6, 7, 5)
    vertices: int = 60
    pixels: int = 8

    @property
    def images_each(self) -> int:
        """Images planned for one subject."""
        return max(self.sessions.values()) * self.trials // REPETITIONS

    @property
    def images(self) -> int:
        """Images in all."""
        return self.shared + len(self.sessions) * (self.images_each - self.shared)


def write_nsd(
    folder: str | Path,
    sizes: Sizes | None = None,
    *,
    form: Literal["hdf5", "nii.gz"] = "hdf5",
    resolution: str = "func1pt8mm",
    missing_vertices: tuple[int, ...] = (),
    noise: float = 0.5,
    seed: int = 0,
) -> Published:
    """Write volume and fsaverage of every subject.

    The response of a unit to an image is a weighted sum of the image's mean red, green and blue, plus a baseline that
    changes from session to session, plus noise.

    Parameters
    ----------
    folder : path
    sizes : Sizes, optional
    form : {"hdf5", "nii.gz"}
        Of the volumes.
    resolution : str
    missing_vertices : tuple of int
        Left vertices without data in the last session of each subject.
    noise : float
        Standard deviation, against a signal of 1; percent of signal change.
    seed : int

    Returns
    -------
    Published
        What the real data set's published counts would be.

    Examples
    --------
    >>> import tempfile
    >>> root = Path(tempfile.mkdtemp())
    >>> write_nsd(root).sessions
    {'1': 4, '2': 3}
    >>> sorted(path.name for path in root.iterdir())
    ['nsddata', 'nsddata_betas', 'nsddata_stimuli']
    """
    sizes = sizes or Sizes()
    if form not in FORMS or sizes.images_each * REPETITIONS != max(sizes.sessions.values()) * sizes.trials:
        raise InputValueError(f"form must be one of {FORMS}, and all trials of the plan a multiple of {REPETITIONS}")
    root, rng = Path(folder), np.random.default_rng(seed)
    colours = _write_images(root, sizes, rng)
    order, seen_by = _write_design(root, sizes, rng)
    for row, (subject, sessions) in enumerate(sizes.sessions.items()):
        shown = colours[seen_by[row, order[: sessions * sizes.trials]]]  # (trials, 3)
        person = f"subj{int(subject):02d}"
        signal = Signal(shown.reshape(sessions, sizes.trials, 3), noise, rng)
        _write_volume(root, person, sizes, signal, resolution, form)
        _write_surface(root, person, sizes, signal, missing_vertices)
    seen = {
        subject: len(np.unique(seen_by[row, order[: sessions * sizes.trials]]))
        for row, (subject, sessions) in enumerate(sizes.sessions.items())
    }
    return Published(
        sessions=dict(sizes.sessions),
        trials=sizes.trials,
        images=sizes.images,
        image_shape=(sizes.pixels, sizes.pixels, 3),
        seen=seen,
        vertices=sizes.vertices,
        volumes={resolution: dict.fromkeys(sizes.sessions, sizes.volume)},
    )


class Signal:
    """Responses of units to what one subject was shown.

    Parameters
    ----------
    shown : array, shape (sessions, trials, 3)
        Mean colour of the image of each trial, standardised.
    noise : float
    rng : Generator
    """

    def __init__(self, shown: Floats, noise: float, rng: np.random.Generator) -> None:
        self.shown, self.noise, self._rng = shown, noise, rng
        self.sessions = len(shown)

    def weights(self, units: int) -> Floats:
        """Of length 1, shape (3, units)."""
        weights = self._rng.normal(size=(3, units))
        unit_length: Floats = weights / np.linalg.norm(weights, axis=0)
        return unit_length

    def session(self, number: int, weights: Floats) -> Floats:
        """Percent of signal change, shape (trials, units)."""
        values = self.shown[number - 1] @ weights + self.noise * self._rng.normal(
            size=(self.shown.shape[1], weights.shape[1])
        )
        drifted: Floats = values + BASELINE + STEP_BETWEEN_SESSIONS * number
        return drifted


def _write_images(root: Path, sizes: Sizes, rng: np.random.Generator) -> Floats:
    import h5py

    colours = rng.integers(30, 226, (sizes.images, 1, 1, 3))
    texture = rng.integers(-20, 21, (sizes.images, sizes.pixels, sizes.pixels, 3))
    path = _made(root / "nsddata_stimuli" / "stimuli" / "nsd" / "nsd_stimuli.hdf5")
    bricks = (colours + texture).astype(np.uint8)
    with h5py.File(path, "w") as file:
        file.create_dataset("imgBrick", data=bricks)
    means = bricks.mean(axis=(1, 2))
    standardised: Floats = (means - means.mean(axis=0)) / means.std(axis=0)
    return standardised


def _write_design(root: Path, sizes: Sizes, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Write the design, counted from 1; give it counted from 0."""
    import scipy.io

    planned, unique = sizes.images_each, sizes.images_each - sizes.shared
    # half of the shared images come early, so that some are complete in the sessions that everybody had
    early = np.repeat(np.arange(sizes.shared // 2), REPETITIONS)
    rest = np.repeat(np.arange(sizes.shared // 2, planned), REPETITIONS)
    first = min(sizes.sessions.values()) * sizes.trials
    mixed = rng.permutation(rest)
    order = np.concatenate(
        [rng.permutation(np.concatenate([early, mixed[: first - len(early)]])), mixed[first - len(early) :]]
    )
    numbers = rng.permutation(sizes.images)
    shared = np.sort(numbers[: sizes.shared])
    own = numbers[sizes.shared :].reshape(len(sizes.sessions), unique)
    rows = max(int(subject) for subject in sizes.sessions)
    if rows != len(sizes.sessions):
        raise InputValueError("subjects of a simulated data set are numbered from 1 without gaps")
    seen_by = np.stack([np.concatenate([shared, np.sort(row)]) for row in own])
    content = {
        "masterordering": (order + 1)[None].astype(float),
        "subjectim": (seen_by + 1).astype(float),
        "sharedix": (shared + 1)[None].astype(float),
        "stimpattern": np.ones((max(sizes.sessions.values()), 12, 75), np.uint8),
    }
    path = _made(root / "nsddata" / "experiments" / "nsd" / "nsd_expdesign.mat")
    scipy.io.savemat(path, content, do_compression=True)
    return order, seen_by


def _write_volume(root: Path, person: str, sizes: Sizes, signal: Signal, resolution: str, form: str) -> None:
    nibabel = import_optional("nibabel", "simulating NSD")
    affine = np.diag([-VOXEL_SIZE[resolution], *[VOXEL_SIZE[resolution]] * 2, 1.0])
    count = int(np.prod(sizes.volume))
    brain = np.arange(count) % sizes.volume[2] > 0  # the first plane lies outside
    for atlas, labels in _labels(count, brain, signal).items():
        path = _made(root / "nsddata" / "ppdata" / person / resolution / "roi" / f"{atlas}.nii.gz")
        nibabel.save(nibabel.Nifti1Image(labels.reshape(sizes.volume).astype(np.int16), affine), path)
    _write_tables(root, person)
    folder = root / "nsddata_betas" / "ppdata" / person / resolution / BETAS
    ratio = np.where(brain, 1 / signal.noise if signal.noise else np.inf, 0).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(ratio.reshape(sizes.volume), affine), _made(folder / "ncsnr.nii.gz"))
    weights = signal.weights(count)
    for number in range(1, signal.sessions + 1):
        percent = signal.session(number, weights) * brain
        stored = np.rint(percent * BETAS_PER_UNIT).astype(np.int16).reshape(-1, *sizes.volume)  # (trial, i, j, k)
        path = folder / f"betas_session{number:02d}.{form}"
        _write_series(path, stored, affine)


def _write_series(path: Path, stored: NDArray[np.int16], affine: Floats) -> None:
    if path.suffix == ".hdf5":
        import h5py

        with h5py.File(path, "w") as file:
            # (trial, k, j, i), all trials of a voxel together
            file.create_dataset("betas", data=stored.transpose(0, 3, 2, 1), chunks=(len(stored), 1, 1, 1))
    else:
        nibabel = import_optional("nibabel", "simulating NSD")
        image = nibabel.Nifti1Image(stored.transpose(1, 2, 3, 0), affine)
        nibabel.save(image, path)


def _write_surface(root: Path, person: str, sizes: Sizes, signal: Signal, missing: tuple[int, ...]) -> None:
    folder = root / "nsddata_betas" / "ppdata" / person / "fsaverage" / BETAS
    native = int(NATIVE_VERTICES * sizes.vertices)
    for side in SIDES:
        everywhere = np.ones(native, bool)
        for atlas, labels in _labels(native, everywhere, signal).items():
            _write_mgh(root / "nsddata" / "freesurfer" / person / "label" / f"{side}.{atlas}.mgz", labels)
        mapping = signal._rng.permutation(native)[: sizes.vertices] + 1
        _write_mgh(root / "nsddata" / "ppdata" / person / "transforms" / f"{side}.white-to-fsaverage.mgz", mapping)
        ratio = np.full(sizes.vertices, 1 / signal.noise if signal.noise else np.inf)
        _write_mgh(folder / f"{side}.ncsnr.mgh", ratio)
        weights = signal.weights(sizes.vertices)
        for number in range(1, signal.sessions + 1):
            percent = signal.session(number, weights)
            if side == "lh" and number == signal.sessions:
                percent[:, list(missing)] = np.nan
            _write_mgh(folder / f"{side}.betas_session{number:02d}.mgh", percent.T[:, None, None])


def _labels(count: int, inside: NDArray[np.bool_], signal: Signal) -> dict[str, NDArray[np.int64]]:
    """Labels of each atlas; the last third of what is inside belongs to no region, and -1 is no cortex."""
    labels: dict[str, NDArray[np.int64]] = {}
    places = np.flatnonzero(inside)
    for atlas, names in TABLES.items():
        labels[atlas] = np.where(inside, 0, -1)
        some = places[: len(places) * 2 // 3]
        labels[atlas][some] = signal._rng.integers(0, len(names) + 1, len(some))
    labels["nsdgeneral"] = np.where(inside, 0, -1)
    labels["nsdgeneral"][places[: len(places) // 2]] = 1
    return labels


def _write_tables(root: Path, person: str) -> None:
    for atlas, names in TABLES.items():
        path = _made(root / "nsddata" / "freesurfer" / person / "label" / f"{atlas}.mgz.ctab")
        lines = [f"{number} {name} {10 * number} 0 0 0" for number, name in enumerate(("Unknown", *names))]
        path.write_text("\n".join(lines) + "\n")


def _write_mgh(path: Path, values: NDArray[Any]) -> None:
    nibabel = import_optional("nibabel", "simulating NSD")
    shaped = values.astype(np.float32).reshape(len(values), 1, 1, *values.shape[3:])
    nibabel.save(nibabel.MGHImage(shaped, np.eye(4)), _made(path))


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
