"""The Natural Scenes Dataset (Allen et al. 2022) from its published files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from braincodec.datasets.base import Counts, Dataset, Recording, register_dataset
from braincodec.datasets.nsd.assembly import assemble_recording, with_noise_ceiling
from braincodec.datasets.nsd.design import Design, read_design
from braincodec.datasets.nsd.disk import space_needed, verify_files
from braincodec.datasets.nsd.preparation import VERSION, plan_name, prepare_trials, units_without_data
from braincodec.datasets.nsd.published import CITATION, HOW_TO_GET, LICENCE, SPLIT_ORIGIN, Published
from braincodec.datasets.nsd.spaces import Space, SurfaceSpace, VolumeSpace
from braincodec.datasets.split import BY_TRAINING
from braincodec.datasets.trial_rows import StimulusRows, TrialStore, lazy_responses
from braincodec.errors import DamagedFileError, InputValueError, MissingFileError, UnknownNameError
from braincodec.stimuli import StimulusSet

SpaceName = Literal["volume", "fsaverage"]
Resolution = Literal["func1pt8mm", "func1mm"]
Repetitions = Literal["average", "keep"]
Standardise = Literal["training", "published", "none"]
Missing = Literal["nan", "zero"]
Ncsnr = Literal["file", "computed", "none"]
STANDARDISED_BY = {"training": BY_TRAINING, "published": "all trials", "none": "nothing"}
DESIGN = "nsddata/experiments/nsd/nsd_expdesign.mat"
STIMULI = "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5"


@register_dataset("nsd")
class NSD(Dataset):
    """Human 7T fMRI of 73,000 natural scenes in eight subjects.

    Parameters
    ----------
    root : path
        The folder that holds `nsddata`, `nsddata_betas` and `nsddata_stimuli`.
    space : {"volume", "fsaverage"}
        Voxels of the subject, or vertices of fsaverage.
    resolution : {"func1pt8mm", "func1mm"}
        Of the volume.
    betas : str
        Version of the responses.
    repetitions : {"average", "keep"}
        Average over the trials of an image, or keep them (NaN where an image was seen less often).
    standardise : {"training", "published", "none"}
        Within a session each unit is given mean 0 and standard deviation 1: over the session's training trials, or,
        as is published, over all its trials, so that test responses enter. "none" leaves percent of signal change.
    missing : {"nan", "zero"}
        A unit that has no data, or no variance, in some session is NaN throughout; or, as is published, 0 in that
        session.
    ncsnr : {"file", "computed", "none"}
        Where the signal-to-noise ratio of each unit comes from: the published map, or the repetitions of all images.
    sessions : int, optional
        Read only the first so many; default: all that the subject completed.
    stimuli : path, optional
        ``nsd_stimuli.hdf5``, when it is not under `root`.
    cache : path, optional
        Where prepared trials are kept; default ``$BRAINCODEC_CACHE``, else ``~/.cache/braincodec``.
    progress : bool, optional
        Show a bar while preparing; default: in a terminal.

    Raises
    ------
    UnknownNameError, InputValueError
        For an option.
    MissingFileError
        When `root` has no session in this space.

    Notes
    -----
    `subject` reads one session at a time, standardises it and writes its trials to the cache, under a name made from
    everything that decides the values; an interrupted preparation goes on, and the next call finds it done. Responses
    are then read from there when they are used.

    Examples
    --------
    >>> import tempfile
    >>> from braincodec.simulate.layouts.nsd import write_nsd
    >>> root = tempfile.mkdtemp()
    >>> class SmallNSD(NSD):  # simulated files instead of the published ones
    ...     published = write_nsd(root)
    >>> v1 = SmallNSD(root, cache=root, progress=False).subject("1", roi="V1")
    >>> v1.responses.dims, len(v1.split.train), v1.units.attrs["volume_shape"]
    (('stimulus', 'unit'), 28, [6, 7, 5])
    """

    modality, species = "fmri", "human"
    licence, citation = LICENCE, CITATION
    how_to_get, split_origin = HOW_TO_GET, SPLIT_ORIGIN
    published: ClassVar[Published] = Published()
    expected: ClassVar[dict[str, Counts]] = {name: Counts(stimuli=count) for name, count in Published().seen.items()}

    def __init__(
        self,
        root: str | os.PathLike[str],
        space: SpaceName = "volume",
        resolution: Resolution = "func1pt8mm",
        betas: str = "betas_fithrf_GLMdenoise_RR",
        repetitions: Repetitions = "average",
        standardise: Standardise = "training",
        missing: Missing = "nan",
        ncsnr: Ncsnr = "file",
        sessions: int | None = None,
        stimuli: str | os.PathLike[str] | None = None,
        cache: str | os.PathLike[str] | None = None,
        progress: bool | None = None,
    ) -> None:
        for what, value, choices in (
            ("space", space, SpaceName), ("resolution", resolution, Resolution), ("ncsnr", ncsnr, Ncsnr),
            ("repetitions", repetitions, Repetitions), ("standardise", standardise, Standardise),
            ("missing", missing, Missing),
        ):  # fmt: skip
            if value not in get_args(choices):
                raise UnknownNameError(what, value, get_args(choices), where="of nsd")
        if sessions is not None and sessions < 1:
            raise InputValueError(f"sessions must be at least 1, not {sessions}")
        self.root, self.space, self.resolution, self.betas = Path(root), space, resolution, betas
        self.repetitions, self.standardise, self.missing, self.ncsnr = repetitions, standardise, missing, ncsnr
        self.sessions = sessions
        self._stimuli = Path(stimuli) if stimuli is not None else self.root / STIMULI
        self._cache, self._progress = cache, progress
        if not self.subjects():
            first = self._space(min(self.published.sessions)).session_files(1)[0]
            raise MissingFileError(first, f"sessions of nsd in {self._where}", self.how_to_get)

    def subjects(self) -> list[str]:
        """Numbers, from ``"1"``, of the subjects with at least one session in this space."""
        return [name for name in self.published.sessions if self._space(name).sessions()]

    def files(self, name: str) -> list[Path]:
        """Design, images, regions and sessions that are there."""
        space = self._space(self._check_name(name))
        sessions = [path for number in space.sessions() for path in space.session_files(number)]
        common = [path for path in (self.root / DESIGN, self._stimuli) if path.is_file()]
        return [*common, *space.map_files(), *sessions]

    def regions(self, name: str) -> list[str]:
        """Regions that the subject has."""
        return list(self._space(self._check_name(name)).regions())

    def subject(self, name: str, roi: str | Iterable[str] | None = None) -> Recording:
        """One subject's recording; the first call prepares it.

        Parameters
        ----------
        name : str
            Such as ``"1"`` or ``"subj01"``.
        roi : str or sequence of str, optional
            Read the units of these regions only. Default: in the volume, all that lie in some region; on fsaverage,
            all vertices.

        Returns
        -------
        Recording
            Lazy responses (stimulus, [repetition,] unit), float32, with the coordinate `repetitions` (stimulus). Ids
            such as ``"nsd-00013"`` are image numbers from 0, in their order. Units have i, j, k with affine and
            volume_shape, or vertex and hemisphere; regions; `ncsnr`; and `noise_ceiling`, the explainable part of the
            variance of the mean test response. The attribute `units_without_data` counts the NaN units.

        Raises
        ------
        UnknownNameError
            For a subject or region.
        MissingFileError
            Naming the missing sessions.
        DamagedFileError
            For a file that is truncated or of another shape.
        OutputError
            When the cache cannot be written.
        """
        name = self._check_name(name)
        space, count = self._space(name), self._session_count(name)
        trials = self._check_sessions(space, count)
        design = read_design(self.root / DESIGN, int(name), self.published.images, self.how_to_get)
        total = count * trials
        if total > len(design.images):
            raise DamagedFileError(f"{self.root / DESIGN} plans {len(design.images)} trials; {total} lie on disk")
        split = design.split(total, self.published.first_sessions * trials)
        numbers, trial_of = design.trials_of_images(total)
        seen = self.published.seen[name]
        if self.sessions is None and len(numbers) != seen:
            raise DamagedFileError(f"{self.root / DESIGN}: subject {name} saw {len(numbers)} images, expected {seen}")
        stimuli = self._open_stimuli(numbers)
        units = space.units(roi, ncsnr=self.ncsnr == "file")
        store = self._prepare(space, units, design, count, trials)
        absent = units_without_data(store, count, trials)
        rows = StimulusRows(store, trial_of, average=self.repetitions == "average", absent=absent, fill=self._fill)
        if self.ncsnr == "computed":
            units = units.assign(ncsnr=("unit", self._compute_ncsnr(store, trial_of, absent)))
        units = with_noise_ceiling(units, numbers, trial_of, split).assign_attrs(
            response_units="original" if self.standardise == "none" else "zscored_within_session",
            standardised_by=STANDARDISED_BY[self.standardise],
            units_without_data=int(absent.sum()),
        )
        return assemble_recording(self.name, name, stimuli, rows, units, split, numbers, trial_of)

    def info(self) -> str:
        """As `Dataset.info`, with the room that a whole subject takes on disk."""
        return f"{super().info()}\n{space_needed(self.published, self._where)}"

    def verify(self, *, read_stimuli: bool = False) -> list[str]:
        """Problems of the published files; nothing is prepared, and responses are not read.

        Missing sessions, files that are shorter than their header says, wrong shapes, counts other than published.

        Parameters
        ----------
        read_stimuli : bool
            Also decode every image of the experiment.
        """
        spaces = {name: self._space(name) for name in self.published.sessions}
        counts = {name: self._session_count(name) for name in spaces}
        return verify_files(spaces, counts, self.published, self.root / DESIGN, self._stimuli, read_stimuli)

    @property
    def _where(self) -> str:
        return "fsaverage" if self.space == "fsaverage" else self.resolution

    @property
    def _fill(self) -> float | None:
        return np.nan if self.missing == "nan" else None

    def _space(self, name: str) -> Space:
        if self.space == "fsaverage":
            return SurfaceSpace(self.root, name, self.betas, self.published)
        return VolumeSpace(self.root, name, self.betas, self.published, self.resolution)

    def _session_count(self, name: str) -> int:
        completed = self.published.sessions[name]
        return completed if self.sessions is None else min(self.sessions, completed)

    def _check_name(self, name: str) -> str:
        plain = str(name).removeprefix("subj").lstrip("0")
        if plain not in self.published.sessions:
            raise UnknownNameError("subject", name, list(self.published.sessions), where="of nsd")
        if plain not in self.subjects():
            first = self._space(plain).session_files(1)[0]
            raise MissingFileError(first, f"sessions of subject {plain} in {self._where}", self.how_to_get)
        return plain

    def _check_sessions(self, space: Space, count: int) -> int:
        """Trials of a session; raises before any long work when a session is missing or damaged."""
        present = space.sessions()
        missing = [number for number in range(1, count + 1) if number not in present]
        if missing:
            path = next(path for path in space.session_files(missing[0]) if not path.is_file())
            shown = ", ".join(map(str, missing))
            raise MissingFileError(
                path, f"{len(missing)} of {count} sessions of subject {space.subject} (number {shown})",
                "sessions=<n> reads the first n alone",
            )  # fmt: skip
        for number in range(1, count + 1):
            found = space.trials_in(number)
            if found != self.published.trials:
                raise DamagedFileError(
                    f"session {number} of subject {space.subject} has {found} trials, expected {self.published.trials} "
                    f"(in {space.session_files(number)[0]})"
                )
        return self.published.trials

    def _open_stimuli(self, numbers: NDArray[np.int64]) -> StimulusSet:
        if not self._stimuli.is_file():
            raise MissingFileError(self._stimuli, "images of nsd", "give stimuli=<path> or get it: " + self.how_to_get)
        everything = StimulusSet.from_hdf5(self._stimuli)
        if len(everything) != self.published.images:
            raise DamagedFileError(
                f"{self._stimuli} holds {len(everything):,} images, expected {self.published.images:,}"
            )
        return everything[numbers]

    def _prepare(self, space: Space, units: xr.Dataset, design: Design, count: int, trials: int) -> TrialStore:
        from braincodec.file_cache import cache_folder

        reference = None
        if self.standardise != "none":
            reference = np.ones(count * trials, bool)
        if self.standardise == "training":
            reference = ~np.isin(design.images[: count * trials], design.shared)
        places = ("vertex",) if self.space == "fsaverage" else ("i", "j", "k")
        identity = [np.ascontiguousarray(units[place].values, "<i4").tobytes() for place in places]
        identity += [(units["hemisphere"].values == "right").tobytes()] if self.space == "fsaverage" else []
        files = [path for number in range(1, count + 1) for path in space.session_files(number)]
        plan: dict[str, Any] = {
            "version": VERSION,
            "subject": space.subject,
            "space": space.name,
            "betas": self.betas,
            "standardise": self.standardise,
            "files": [[path.name, path.stat().st_size] for path in files],
            "units": hashlib.sha256(b"".join(identity)).hexdigest(),
            "reference": "" if reference is None else hashlib.sha256(reference.tobytes()).hexdigest(),
        }
        folder = cache_folder(None if self._cache is None else Path(self._cache)) / "nsd"
        plain = units[[*places, *(["hemisphere"] if self.space == "fsaverage" else [])]]  # regions may be renamed
        return prepare_trials(
            folder / f"{space.person}_{space.name}_{plan_name(plan)}.zarr",
            plan,
            plain,
            range(1, count + 1),
            trials,
            lambda number: space.open(number, units),
            reference,
            show=self._progress,
        )

    def _compute_ncsnr(
        self, store: TrialStore, trial_of: NDArray[np.int64], absent: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        import warnings

        from braincodec.evaluation.definition import UndefinedScoreWarning
        from braincodec.evaluation.noise_ceiling import ncsnr

        kept = StimulusRows(store, trial_of, average=False, absent=absent)
        # the published maps take the variance over all trials as 1, which it is when all trials standardise
        variance = 1.0 if self.standardise == "published" else None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UndefinedScoreWarning)  # units without data are NaN, and counted
            ratios = ncsnr(lazy_responses(kept, range(len(trial_of))), variance, tile_bytes=128 * 2**20)
        return ratios.astype(np.float32)
