"""Which stimuli pre-train: those that train in every recording; a part of them chooses the epoch."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from braincodec.datasets.base import Dataset, Recording
from braincodec.errors import InputTypeError, InputValueError

if TYPE_CHECKING:
    from collections.abc import Iterable


def name_of(recording: Recording) -> str:
    """What a trunk calls a recording: ``"<data set>/<subject>"``."""
    return f"{recording.dataset}/{recording.subject}"


def listed_recordings(data: Any) -> list[Recording]:
    """Recordings of all subjects of all that is given.

    Parameters
    ----------
    data : Recording, Dataset, or sequence of these

    Raises
    ------
    InputTypeError, InputValueError
        When it is something else, is empty, or holds a subject twice.
    """
    given = list(data) if isinstance(data, list | tuple) else [data]
    recordings: list[Recording] = []
    for item in given:
        if isinstance(item, Dataset):
            recordings += [item.subject(name) for name in item.subjects()]
        elif isinstance(item, Recording):
            recordings.append(item)
        else:
            raise InputTypeError(f"recordings and data sets are needed, not {type(item).__name__}")
    if not recordings:
        raise InputTypeError("at least one recording is needed to pre-train on, got none")
    names = [name_of(recording) for recording in recordings]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputValueError(f"each subject may be given once; given again: {', '.join(twice)}")
    return recordings


@dataclass(frozen=True)
class Division:
    """Training stimuli of one recording.

    Attributes
    ----------
    train, held_out : tuple of str
    """

    train: tuple[str, ...]
    held_out: tuple[str, ...]


def divided_stimuli(recordings: Sequence[Recording], held_out: float, seed: int) -> list[Division]:
    """Stimuli that train, and those that choose the epoch, of each recording.

    A stimulus that any recording of a data set holds out, for validation or test, is left out of all of them. A
    stimulus is on one side in all recordings of its data set, with all its repetitions; near copies of it that the
    recording knows (coordinate `group`) are on the same side.

    Parameters
    ----------
    recordings : sequence of Recording
    held_out : float
        Share of each data set's groups of stimuli; at least one of each recording.
    seed : int

    Raises
    ------
    InputValueError
        When a recording has fewer than two groups of stimuli that may train.
    """
    banned = {
        (one.dataset, item) for one in recordings for part in ("validation", "test") for item in one.split.ids(part)
    }
    stimuli = [[item for item in one.split.train if (one.dataset, item) not in banned] for one in recordings]
    groups = [_groups(one, ids) for one, ids in zip(recordings, stimuli, strict=True)]
    for one, members in zip(recordings, groups, strict=True):
        if len(set(members)) < 2:
            raise InputValueError(
                f"{name_of(one)} has {len(set(members))} training stimuli that no recording of {one.dataset} holds "
                "out; at least 2 are needed"
            )
    chosen = _chosen([one.dataset for one in recordings], groups, held_out, seed)
    return [
        Division(
            tuple(item for item, group in zip(ids, members, strict=True) if (one.dataset, group) not in chosen),
            tuple(item for item, group in zip(ids, members, strict=True) if (one.dataset, group) in chosen),
        )
        for one, ids, members in zip(recordings, stimuli, groups, strict=True)
    ]


def _groups(recording: Recording, ids: list[str]) -> list[str]:
    if "group" not in recording.responses.coords:
        return ids
    coordinate = recording.responses["group"]
    group = dict(zip(coordinate["stimulus"].values.tolist(), coordinate.values.tolist(), strict=True))
    return [f"group {group[item]}" for item in ids]


def _chosen(datasets: Sequence[str], groups: Sequence[Sequence[str]], share: float, seed: int) -> set[tuple[str, str]]:
    """Groups that are held out: those first in an order by hash, which does not depend on what else is given."""
    chosen: set[tuple[str, str]] = set()
    for dataset in dict.fromkeys(datasets):
        members = [set(own) for name, own in zip(datasets, groups, strict=True) if name == dataset]
        order = _in_order(set().union(*members), dataset, seed)
        held = set(order[: max(1, round(share * len(order)))])
        for own in members:
            ranked = _in_order(own, dataset, seed)
            if not held & own:
                held.add(ranked[0])
        for own in members:
            if own <= held:  # something must be left to learn from
                held.discard(_in_order(own, dataset, seed)[-1])
        chosen |= {(dataset, group) for group in held}
    return chosen


def _in_order(groups: Iterable[str], dataset: str, seed: int) -> list[str]:
    return sorted(groups, key=lambda group: hashlib.sha256(f"{seed} {dataset} {group}".encode()).digest())
