"""What a data set promises: facts declared, subjects listed, one subject's recording with its split."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

import numpy as np
import xarray as xr

from braincodec.datasets.catalogue import count_problems, describe_dataset, verify_dataset
from braincodec.datasets.download import Download
from braincodec.datasets.split import BY_TRAINING, Split
from braincodec.errors import DamagedFileError, InputTypeError, InputValueError
from braincodec.registry import Registry
from braincodec.responses.checks import check_units, refuse_duplicates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from braincodec.stimuli import StimulusSet

DATASETS = Registry(
    "data set",
    entry_point_group="braincodec.datasets",
    built_in={
        "algonauts2023": "braincodec.datasets.algonauts2023:Algonauts2023",
        "bold5000": "braincodec.datasets.bold5000.dataset:Bold5000",
        "digit69": "braincodec.datasets.digit69:Digit69",
        "god": "braincodec.datasets.god.dataset:GenericObjectDecoding",
        "macaque_v4": "braincodec.datasets.macaque_v4:MacaqueV4",
        "nsd": "braincodec.datasets.nsd.dataset:NSD",
        "nsd_prepared": "braincodec.datasets.nsd.prepared:NSDPrepared",
        "own": "braincodec.datasets.own.dataset:Own",
        "simulated": "braincodec.datasets.simulated:Simulated",
        "things_eeg2": "braincodec.datasets.things_eeg2.dataset:ThingsEEG2",
    },
)

DatasetClass = TypeVar("DatasetClass", bound="type[Dataset]")


def register_dataset(name: str) -> Callable[[DatasetClass], DatasetClass]:
    """Class decorator that adds a `Dataset` to `DATASETS` and gives it its name."""

    def add(cls: DatasetClass) -> DatasetClass:
        cls.name = name
        DATASETS.register(name)(cls)
        return cls

    return add


@dataclass(frozen=True)
class Counts:
    """How much of one subject there should be, for checking what is on disk.

    Parameters
    ----------
    stimuli : int
    units : int, optional
        Where it depends on what is read, nothing is declared.
    repetitions : int, optional
        The most that a stimulus has.

    Examples
    --------
    >>> Counts(stimuli=800, units=67).units
    67
    """

    stimuli: int
    units: int | None = None
    repetitions: int | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and value < 1:
                raise InputValueError(f"{field.name} must be at least 1, not {value}")


@dataclass(frozen=True, eq=False)
class Recording:
    """One subject's (or session's) stimuli, responses, units and split.

    Parameters
    ----------
    dataset, subject : str
    stimuli : StimulusSet
    responses : DataArray
        Its first dimension is `stimulus`; may be lazy. Every id is one of `stimuli`.
    units : Dataset
        As many units, or channels and times, as the responses have.
    split : Split
        Its ids all have responses.

    Raises
    ------
    InputValueError
        When these do not fit each other.
    """

    dataset: str
    subject: str
    stimuli: StimulusSet
    responses: xr.DataArray
    units: xr.Dataset
    split: Split

    def __post_init__(self) -> None:
        if not isinstance(self.responses, xr.DataArray):
            raise InputTypeError(f"responses must be an xarray.DataArray, not {type(self.responses).__name__}")
        if self.responses.dims[:1] != ("stimulus",) or "stimulus" not in self.responses.coords:
            dims = ", ".join(map(str, self.responses.dims))
            raise InputValueError(f"responses need `stimulus` as first dimension, with ids; these have ({dims})")
        object.__setattr__(self, "units", check_units(self.units))
        for dim in ("unit", "channel", "time"):
            if self.units.sizes.get(dim) != self.responses.sizes.get(dim):
                raise InputValueError(
                    f"units have {self.units.sizes.get(dim, 'no')} along {dim}, "
                    f"responses {self.responses.sizes.get(dim, 'none')}"
                )
        ids = self.responses["stimulus"].values
        refuse_duplicates("stimulus id of the responses", ids)
        without_stimulus = ids[~np.isin(ids, np.asarray(self.stimuli.ids, dtype=str))]
        if len(without_stimulus):
            raise InputValueError(
                f"{len(without_stimulus)} responses have no stimulus, the first is {str(without_stimulus[0])!r}"
            )
        self.split.check_against(ids)

    def __repr__(self) -> str:
        shape = ", ".join(f"{self.responses.sizes[dim]:,} {dim}" for dim in self.responses.dims)
        parts = ", ".join(f"{len(self.split.ids(part)):,} {part}" for part in Split.PARTS if self.split.ids(part))
        return f"<Recording of {self.dataset}, subject {self.subject}: responses ({shape}); split {parts or 'empty'}>"

    def part(self, name: str) -> tuple[StimulusSet, xr.DataArray]:
        """Stimuli and responses of the part "train", "validation" or "test", in the order of the split.

        Where the coordinate `repetitions` says how often each stimulus was shown, there are as many repetitions as the
        stimuli of this part have at most.
        """
        ids = list(self.split.ids(name))
        rows = {item: row for row, item in enumerate(self.responses["stimulus"].values.tolist())}
        return self.stimuli[ids], shown_repetitions(self.responses[[rows[item] for item in ids]])

    def with_split(self, split: Split) -> Self:
        """The same recording under another split; nothing is read or copied.

        Parameters
        ----------
        split : Split
            Its ids all have responses; it need not name all that have.

        Raises
        ------
        InputTypeError
            When `split` is no `Split`.
        InputValueError
            When an id of it has no response, or it holds out stimuli by which the responses were standardised.

        Examples
        --------
        >>> from braincodec.responses import build_responses, build_units
        >>> from braincodec.stimuli import StimulusSet
        >>> units = build_units(ijk=[[0, 0, 0]])
        >>> stimuli = StimulusSet.open(np.zeros((3, 4, 4, 3), np.uint8), ids=["a", "b", "c"])
        >>> responses = build_responses(np.zeros((3, 1)), ["a", "b", "c"], units)
        >>> recording = Recording("example", "1", stimuli, responses, units, Split(train=["a", "b"], test=["c"]))
        >>> recording.with_split(Split(train=["c"], test=["a"])).part("test")[0].ids.tolist()
        ['a']
        """
        if not isinstance(split, Split):
            raise InputTypeError(f"split must be a Split, not {type(split).__name__}")
        if self.units.attrs.get("standardised_by") == BY_TRAINING:
            self.split.refuse_held_out_by(split, f"{self.dataset}, subject {self.subject}")
        return replace(self, split=split)


def shown_repetitions(responses: xr.DataArray, rows: NDArray[Any] | slice = slice(None)) -> xr.DataArray:
    """The same responses without the repetitions that none of their stimuli has; nothing is read.

    Parameters
    ----------
    responses : DataArray
        Each stimulus has its repetitions first, as many as its coordinate `repetitions` says, and then NaN. Without
        that coordinate the responses come back as they are.
    rows : array of int or slice
        The stimuli that count; all stay.

    Examples
    --------
    >>> values = xr.DataArray(np.zeros((2, 5)), dims=("stimulus", "repetition"))
    >>> shown_repetitions(values.assign_coords(repetitions=("stimulus", [1, 3]))).shape
    (2, 3)
    """
    times_shown = responses.coords.get("repetitions")
    if times_shown is None or times_shown.dims != ("stimulus",) or "repetition" not in responses.dims:
        return responses
    times_shown = times_shown[rows]
    most = max(int(times_shown.max()), 1) if times_shown.size else 1
    return responses.isel(repetition=slice(0, most))


class Dataset(ABC):
    """A public data set.

    A subclass declares the facts below, from which checks, tables and catalogue pages are made, and registers itself
    with `register_dataset`, which sets `name`.

    Attributes
    ----------
    name : str
    modality : str
        Such as "fmri", "eeg", "spikes".
    species, licence, citation : str
    expected : mapping of subject to Counts
    how_to_get : str
        Where the files are to be had, and under which names.
    downloads : tuple of Download
        What `braincodec.datasets.fetch` fetches: files that anybody may have; none where an agreement comes first.
    split_origin : str
        Whose split the recordings have: a published one, or one drawn here with a seed.

    Examples
    --------
    >>> from braincodec.errors import UnknownNameError
    >>> class Nobody(Dataset):
    ...     modality, species, licence = "fmri", "human", "CC0"
    ...     citation, expected = "no one, never", {}
    ...     def subjects(self):
    ...         return []
    ...     def subject(self, name):
    ...         raise UnknownNameError("subject", name, self.subjects())
    >>> Nobody().subject("1")
    Traceback (most recent call last):
    braincodec.errors.UnknownNameError: unknown subject '1'; available: none
    """

    name: ClassVar[str]
    # of the class, or stated for one object
    modality: str
    species: str
    licence: str
    citation: str
    expected: ClassVar[Mapping[str, Counts]]
    how_to_get: ClassVar[str] = ""
    downloads: ClassVar[tuple[Download, ...]] = ()
    split_origin: str = ""

    FACTS: ClassVar[tuple[str, ...]] = ("modality", "species", "licence", "citation", "expected")

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        missing = [fact for fact in cls.FACTS if not hasattr(cls, fact)]
        if missing:
            raise InputTypeError(f"the data set {cls.__name__} must declare {', '.join(missing)}")

    @abstractmethod
    def subjects(self) -> list[str]:
        """Names of the subjects or sessions."""

    @abstractmethod
    def subject(self, name: str) -> Recording:
        """One subject's recording.

        Raises
        ------
        UnknownNameError
            When `name` is none of `subjects`.
        """

    def __repr__(self) -> str:
        subjects = self.subjects()
        shown = ", ".join(subjects[:8]) + (", ..." if len(subjects) > 8 else "")
        return f"<{type(self).__name__}: {self.modality} data set {self.name!r}, subjects {shown or 'none'}>"

    def files(self, name: str) -> list[Path]:
        """Files that one subject's recording is read from; none where it is made in memory."""
        return []

    def info(self) -> str:
        """What the data set is, whose, how much of it there is, and how to get it: a few lines of text.

        Examples
        --------
        >>> from braincodec.datasets import load_dataset
        >>> print(load_dataset("simulated").info().splitlines()[2].strip())
        species     none (simulated)
        """
        return describe_dataset(self)

    def verify(self, *, read_stimuli: bool = False) -> list[str]:
        """Problems of what is on disk, one sentence each; an empty list when everything is as declared.

        Parameters
        ----------
        read_stimuli : bool
            Also decode every stimulus.

        Examples
        --------
        >>> from braincodec.datasets import load_dataset
        >>> load_dataset("simulated", n=10, repetitions=1, backbone="gabor:bank", calibration=8).verify()
        []
        """
        return verify_dataset(self, read_stimuli=read_stimuli)

    def checked(self, recording: Recording) -> Recording:
        """The same recording, or an error when it differs from the counts declared in `expected`.

        Raises
        ------
        DamagedFileError
        """
        problems = count_problems(recording, self.expected.get(recording.subject))
        if problems:
            files = ", ".join(str(path) for path in self.files(recording.subject))
            raise DamagedFileError(
                f"{self.name}, subject {recording.subject}: {'; '.join(problems)} (in {files or 'no file'})"
            )
        return recording
