"""Which stimuli train, validate and test a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from braincodec.errors import InputTypeError, InputValueError, UnknownNameError
from braincodec.responses.checks import refuse_duplicates

# parts of a split may add up to one only as nearly as floats do
FRACTION_TOLERANCE = 1e-9
# what the attribute `standardised_by` of units says of responses that depend on the split
BY_TRAINING = "training trials"


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
        known = {str(item): None for item in stimulus_ids}
        for part in self.PARTS:
            missing = [item for item in self.ids(part) if item not in known]
            if missing:
                raise InputValueError(
                    f"{len(missing)} {part} stimuli of the split have no response, the first is {missing[0]!r}"
                    + (f"; ids of stimuli are such as {next(iter(known))!r}" if known else "")
                )

    def refuse_held_out_by(self, other: Split, where: str) -> None:
        """Raise when a split holds out training stimuli of this one, by whose responses all were standardised."""
        train = set(self.train)
        for part in ("validation", "test"):
            seen = [item for item in other.ids(part) if item in train]
            if seen:
                raise InputValueError(
                    f"{where}: responses were standardised by training trials, {len(seen)} of which this split would "
                    f"hold out as {part}, the first is {seen[0]!r}: what is held out must not shape the responses. "
                    'Open the data set under that split (own: split=), or with standardise="none"'
                )

    def __len__(self) -> int:
        return sum(len(self.ids(part)) for part in self.PARTS)
