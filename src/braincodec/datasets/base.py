"""What a data set promises: facts declared, subjects listed, one subject's recording with its split."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

import numpy as np
import xarray as xr

from braincodec.errors import InputTypeError, InputValueError, UnknownNameError
from braincodec.registry import Registry
from braincodec.responses.checks import check_units, refuse_duplicates

if TYPE_CHECKING:
    from braincodec.stimuli import StimulusSet

DATASETS = Registry("data set", "braincodec.datasets")

# parts of a split may add up to one only as nearly as floats do
FRACTION_TOLERANCE = 1e-9

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
    stimuli, units : int
    repetitions : int, optional
        The most that a stimulus has.

    Examples
    --------
    >>> Counts(stimuli=800, units=67).units
    67
    """

    stimuli: int
    units: int
    repetitions: int | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and value < 1:
                raise InputValueError(f"{field.name} must be at least 1, not {value}")


@dataclass(frozen=True)
class Split:
    """Which stimuli train, validate and test a model: ids, disjoint, each once.

    Parameters
    ----------
    train, validation, test : iterable of str

    Raises
    ------
    InputValueError
        When an id repeats, or is in two parts.

    Examples
    --------
    >>> split = Split(train=["a", "b"], test=["c"])
    >>> split.train, split.validation, len(split)
    (('a', 'b'), (), 3)
    >>> Split(train=["a"], test=["a"])
    Traceback (most recent call last):
    braincodec.errors.InputValueError: stimulus 'a' is both in train and in test
    """

    train: tuple[str, ...] = ()
    validation: tuple[str, ...] = ()
    test: tuple[str, ...] = ()

    PARTS: ClassVar[tuple[str, ...]] = ("train", "validation", "test")

    def __post_init__(self) -> None:
        part_of: dict[str, str] = {}
        for part in self.PARTS:
            given = getattr(self, part)
            if isinstance(given, str):
                raise InputTypeError(f"{part} must be a collection of ids, not the string {given!r}")
            ids = tuple(str(item) for item in given)
            refuse_duplicates(f"{part} stimulus", np.asarray(ids, str))
            for item in ids:
                if item in part_of:
                    raise InputValueError(f"stimulus {item!r} is both in {part_of[item]} and in {part}")
            part_of |= dict.fromkeys(ids, part)
            object.__setattr__(self, part, ids)

    @classmethod
    def random(cls, ids: Iterable[object], seed: int, fractions: tuple[float, float, float] = (0.8, 0.1, 0.1)) -> Self:
        """Shuffle and cut; the order inside each part is that of `ids`.

        Parameters
        ----------
        ids : iterable of str
        seed : int
        fractions : (train, validation, test)
            Not negative, at most one in sum; what is left over is in no part.

        Examples
        --------
        >>> [len(part) for part in (Split.random(range(10), seed=0).train, Split.random(range(10), seed=0).test)]
        [8, 1]
        """
        names = [str(item) for item in ids]
        if len(fractions) != len(cls.PARTS) or min(fractions) < 0 or sum(fractions) > 1 + FRACTION_TOLERANCE:
            raise InputValueError(f"fractions must be three, not negative and at most 1 in sum, not {fractions}")
        refuse_duplicates("stimulus", np.asarray(names, str))
        order = np.random.default_rng(seed).permutation(len(names))
        ends = np.rint(np.cumsum(fractions) * len(names)).astype(int)
        cuts = np.split(order, ends)[: len(cls.PARTS)]
        return cls(*(tuple(names[position] for position in np.sort(cut)) for cut in cuts))

    @classmethod
    def from_dict(cls, parts: Mapping[str, Iterable[object]]) -> Self:
        """The split that `to_dict` wrote; unknown parts are refused."""
        for part in parts:
            if part not in cls.PARTS:
                raise UnknownNameError("part of a split", part, cls.PARTS)
        return cls(**{part: tuple(str(item) for item in ids) for part, ids in parts.items()})

    def to_dict(self) -> dict[str, list[str]]:
        """Plain lists, ready for JSON.

        Examples
        --------
        >>> Split(train=["a"]).to_dict()
        {'train': ['a'], 'validation': [], 'test': []}
        """
        return {part: list(getattr(self, part)) for part in self.PARTS}

    def ids(self, part: str) -> tuple[str, ...]:
        """Stimulus ids of one part."""
        if part not in self.PARTS:
            raise UnknownNameError("part of a split", part, self.PARTS)
        ids: tuple[str, ...] = getattr(self, part)
        return ids

    def check_against(self, stimulus_ids: Iterable[object]) -> None:
        """Raise when an id of the split is none of `stimulus_ids`."""
        known = {str(item) for item in stimulus_ids}
        for part in self.PARTS:
            missing = [item for item in self.ids(part) if item not in known]
            if missing:
                raise InputValueError(
                    f"{len(missing)} {part} stimuli of the split have no response, the first is {missing[0]!r}"
                )

    def __len__(self) -> int:
        return sum(len(self.ids(part)) for part in self.PARTS)


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

    def part(self, name: str) -> tuple[StimulusSet, xr.DataArray]:
        """Stimuli and responses of the part "train", "validation" or "test", in the order of the split."""
        ids = list(self.split.ids(name))
        rows = {item: row for row, item in enumerate(self.responses["stimulus"].values.tolist())}
        return self.stimuli[ids], self.responses[[rows[item] for item in ids]]

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
            When an id of it has no response.

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
        return replace(self, split=split)


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

    Examples
    --------
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
    modality: ClassVar[str]
    species: ClassVar[str]
    licence: ClassVar[str]
    citation: ClassVar[str]
    expected: ClassVar[Mapping[str, Counts]]

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
