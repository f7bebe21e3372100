"""Responses that a synthesis has begun and not finished: nothing opens them yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from braincodec.errors import InputValueError
from braincodec.remote import scheme_of
from braincodec.subjects import Subject
from braincodec.synthesis.plan import Pass
from braincodec.synthesis.storage.place import READ_ONLY, Place, open_place
from braincodec.synthesis.storage.records import BLOCKS, NUMBER
from braincodec.synthesis.storage.stored_plan import COMPLETE, SYNTHESIS, jobs, read_plan


@dataclass(frozen=True)
class Unfinished:
    """One array that is being made, or was when its synthesis was interrupted.

    Attributes
    ----------
    model, stimuli : str
    subject : int or str
    roi : str or None
    done, blocks : int
        Blocks of stimuli that are recorded as durable, and all.
    """

    model: str
    stimuli: str
    subject: Subject
    roi: str | None
    done: int
    blocks: int


def unfinished_responses(
    address: str | Path, storage_options: Mapping[str, Any] | None = None
) -> tuple[list[Unfinished], list[str]]:
    """Arrays of the syntheses in a store that are not finished.

    Parameters
    ----------
    address : str or Path
        Of the store.
    storage_options : mapping, optional
        For addresses. Places that can only be read hold none that goes on.

    Returns
    -------
    arrays : list of Unfinished
    problems : list of str
        Of syntheses whose plan cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> unfinished_responses(tempfile.mkdtemp())
    ([], [])
    """
    text = str(address)
    if "://" in text and scheme_of(text) in READ_ONLY:
        return [], []
    place = open_place(address, storage_options)
    found, problems = [], []
    for job in jobs(place):
        if COMPLETE in place.names(f"{SYNTHESIS}/{job}"):
            continue
        try:
            plan = read_plan(place, job)
        except InputValueError as error:
            problems.append(str(error))
            continue
        for one in plan.passes:
            done = _recorded(place, job, one)
            blocks = -(-plan.request.count // one.block)
            found += [
                Unfinished(output.model, plan.request.stimuli, output.subject, output.roi, done, blocks)
                for output in one.outputs
            ]
    return found, problems


def _recorded(place: Place, job: str, one: Pass) -> int:
    return sum(NUMBER.fullmatch(name) is not None for name in place.names(f"{SYNTHESIS}/{job}/{BLOCKS}/{one.name}"))
