"""What lies at the output already, and what a new run may do about it."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from braincodec.errors import BraincodecError, InputValueError, OutputError
from braincodec.legacy.families import MODELS_FOLDER
from braincodec.legacy.generated import PLACES
from braincodec.staged_folder import differences
from braincodec.store.native_store import RESPONSES
from braincodec.store.response_description import description_name
from braincodec.subjects import FOLDER
from braincodec.synthesis.plan import Plan, Request
from braincodec.synthesis.storage.place import Place
from braincodec.synthesis.storage.stored_plan import COMPLETE, SYNTHESIS, Address, discard_job, jobs, read_stored_plan

CHOICES = (
    "go on with it (--resume, resume=True), begin anew (--overwrite, overwrite=True), or put responses with other "
    "names beside it (--add, add=True)"
)
BEGIN_ANEW = "begin anew (--overwrite, overwrite=True), or choose another output"
# the one changes when files are copied or touched, and contents are compared then; the other changes no response
NOT_COMPARED = {"fingerprint", "on_bad"}


@dataclass(frozen=True)
class Earlier:
    """A synthesis that lies in a store.

    Parameters
    ----------
    plan : Plan
    finished : bool
    stimuli_address : str, tuple of str or None
    """

    plan: Plan
    finished: bool
    stimuli_address: Address | None = None

    def answers(self, request: Request) -> bool:
        """Whether it was asked for the same, as far as can be told without reading the stimuli."""
        return compared(self.plan.request) == compared(request)

    def __str__(self) -> str:
        request = self.plan.request
        return f"{', '.join(request.models)} to {request.stimuli!r}, {'finished' if self.finished else 'unfinished'}"


@dataclass(frozen=True)
class Situation:
    """What a run finds, and does before it begins.

    Parameters
    ----------
    earlier : Earlier or None
        The synthesis that it goes on with.
    discarded : tuple of Plan
        Syntheses that it replaces.
    removed : tuple of str
        Files and folders below the store that it removes beside them.
    """

    earlier: Earlier | None = None
    discarded: tuple[Plan, ...] = ()
    removed: tuple[str, ...] = ()

    def make_room(self, place: Place) -> None:
        """Remove what is replaced."""
        for plan in self.discarded:
            discard_job(place, plan)
            for output in plan.outputs:
                place.remove(description_name(output.place))
        for name in self.removed:
            place.remove(name)


def compared(request: Request) -> dict[str, Any]:
    """The parts of a request that two runs on one store must have in common."""
    return request.model_dump(mode="json", exclude=NOT_COMPARED)


def in_what(before: Request, now: Request) -> str:
    """In what two requests differ, in words.

    Examples
    --------
    >>> first = Request(models=("m",), stimuli="s", count=3, ids="a", fingerprint="")
    >>> in_what(first, first.model_copy(update={"ids": "b", "tile": 4}))
    'tile was None, is 4; the stimuli have other ids'
    """
    parts = [compared(before), compared(now)]
    ids = [part.pop("ids") for part in parts]
    other = ["the stimuli have other ids"] if ids[0] != ids[1] and before.count == now.count else []
    return "; ".join([*filter(None, [differences(*parts)]), *other])


def earlier_syntheses(place: Place) -> list[Earlier]:
    """Every synthesis in a store that this version can read.

    Raises
    ------
    InputValueError, DamagedFileError
        For one that it cannot.
    """
    return [_earlier(place, job) for job in jobs(place)]


def _earlier(place: Place, job: str) -> Earlier:
    stored = read_stored_plan(place, job)
    return Earlier(stored.plan, place.read(f"{SYNTHESIS}/{job}/{COMPLETE}") is not None, stored.stimuli_address)


def look_at_output(
    place: Place, request: Request, targets: Sequence[str], *, resume: bool, overwrite: bool, add: bool
) -> Situation:
    """What a run with this request may do at a place.

    Parameters
    ----------
    place : Place
    request : Request
    targets : sequence of str
        Places of the arrays that it makes.
    resume, overwrite, add : bool
        As of `synthesize`.

    Returns
    -------
    Situation

    Raises
    ------
    OutputError
        When something lies there that the run may neither go on with, replace, nor stand beside.
    InputValueError
        When what it should go on with was asked for something else, or written by another version.
    """
    if resume and overwrite:
        raise InputValueError("resume goes on with what is there, overwrite begins anew: choose one of them")
    refuse_other_folder(place)
    found, unreadable, reason = _readable(place)
    if unreadable and not overwrite:
        raise reason
    same = next((one for one in found if one.answers(request)), None)
    if same is not None and not overwrite:
        if same.finished and not resume:
            raise OutputError(f"{place.address} holds these responses already ({same}): {CHOICES}")
        return Situation(same)
    colliding = [one for one in found if {output.place for output in one.plan.outputs} & set(targets)]
    others = [one for one in found if one not in colliding]
    if overwrite:
        of_others = {output.place for one in others for output in one.plan.outputs}
        made = {output.place for one in found for output in one.plan.outputs} - of_others
        removed = [f"{SYNTHESIS}/{job}" for job in unreadable]
        strangers = [one for one in _present(place, targets) if one not in made]
        if strangers and not unreadable:
            raise OutputError(
                f"{place.join(strangers[0])} is there, and was made by no synthesis of this store, so it is not "
                "overwritten; choose another name (--name, name=), or remove it yourself"
            )
        return Situation(None, tuple(one.plan for one in colliding), tuple(removed + strangers))
    _refuse_collision(place, request, targets, colliding, resume=resume)
    if found and not add:
        raise _not_beside(place, request, min(found, key=lambda one: one.finished), resume=resume)
    return Situation()


def _refuse_collision(
    place: Place, request: Request, targets: Sequence[str], colliding: Sequence[Earlier], *, resume: bool
) -> None:
    for one in colliding:
        words = in_what(one.plan.request, request)
        state = "a finished" if one.finished else "an unfinished"
        if resume or not one.finished:
            raise InputValueError(
                f"{place.address} holds {state} synthesis that was asked for something else ({words}); ask for the "
                f"same, {BEGIN_ANEW}"
            )
        name = posixpath.basename(next(o.place for o in one.plan.outputs if o.place in targets))
        raise OutputError(
            f"{place.address} holds other responses of the same names, such as {name} ({words}): choose another name "
            f"for the stimuli (--name, name=), {BEGIN_ANEW}"
        )
    present = _present(place, targets)
    if present:
        raise OutputError(
            f"{place.join(present[0])} is there, and was made by no synthesis of this store; choose another name "
            "(--name, name=), or remove it yourself"
        )


def _not_beside(place: Place, request: Request, other: Earlier, *, resume: bool) -> BraincodecError:
    words = in_what(other.plan.request, request)
    beside = "put these responses beside it (--add, add=True)"
    if resume:
        return InputValueError(
            f"{place.address} holds a synthesis that was asked for something else ({words}); {beside}"
        )
    if not other.finished:
        return InputValueError(
            f"{place.address} holds an unfinished synthesis that was asked for something else ({words}); ask for the "
            f"same to go on with it, {beside}, or choose another output"
        )
    return OutputError(f"{place.address} holds a synthesis already ({other}): {CHOICES}")


def _readable(place: Place) -> tuple[list[Earlier], list[str], InputValueError]:
    """Syntheses that can be read, names of those that cannot, and why."""
    found, unreadable, reason = [], [], InputValueError("")
    for job in jobs(place):
        try:
            found.append(_earlier(place, job))
        except InputValueError as error:
            unreadable.append(job)
            reason = error
    return found, unreadable, reason


def _present(place: Place, targets: Sequence[str]) -> list[str]:
    """Which of the groups there are, whole or not."""
    listed: dict[str, set[str]] = {}
    for target in targets:
        folder = posixpath.dirname(target)
        if folder not in listed:
            listed[folder] = set(place.names(folder))
    return [target for target in targets if posixpath.basename(target) in listed[posixpath.dirname(target)]]


def refuse_other_folder(place: Place) -> None:
    """Raise `OutputError` where responses would come to lie among files that are no store.

    Raises
    ------
    OutputError
    """
    names = place.names()
    published = {MODELS_FOLDER, *PLACES} & set(names)
    if published:
        raise OutputError(
            f"{place.address} is a folder in NED's layout ({', '.join(sorted(published))}): responses are written to a "
            "store of their own; choose another output, and 'braincodec responses export --to ned' copies them over"
        )
    if not names or {SYNTHESIS, RESPONSES} & set(names):
        return
    for name in names:
        if any(one.startswith(FOLDER) for one in place.names(name)):
            return  # a store of models
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    raise OutputError(f"{place.address} is no store, and not empty ({shown}): choose another output")
