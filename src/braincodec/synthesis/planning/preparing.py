"""From the arguments of a synthesis to what it will do; what is wrong with them is found here, before long work."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from braincodec.errors import InputValueError, MissingFileError, OutputError
from braincodec.stimuli import StimulusSet
from braincodec.synthesis.plan import Block, Plan, Request
from braincodec.synthesis.planning.at_hand import Workers, free_bytes
from braincodec.synthesis.planning.existing import Earlier, Situation, earlier_syntheses, in_what, look_at_output
from braincodec.synthesis.planning.forecast import Forecast
from braincodec.synthesis.planning.licences import licence_notes
from braincodec.synthesis.planning.making import Planned, make_plan
from braincodec.synthesis.planning.named_stimuli import as_published, open_stimuli
from braincodec.synthesis.planning.probe import Probed
from braincodec.synthesis.planning.request import as_store, choose_targets, given_again, make_request
from braincodec.synthesis.storage.place import Place, open_place
from braincodec.synthesis.storage.stored_plan import Address, ids_hash
from braincodec.synthesis.workers.cluster import LOCAL

if TYPE_CHECKING:
    from braincodec.store.base import Store


@dataclass(frozen=True)
class Prepared:
    """What a run starts from.

    Parameters
    ----------
    place : Place
        Where responses go.
    store : Store
        Where models are.
    stimuli : StimulusSet
    stimuli_address : str, tuple of str or None
        None where they came from memory.
    request : Request
    situation : Situation
    look : callable
        Gives the situation as it is now.
    notes : tuple of str
    """

    place: Place
    store: Store
    stimuli: StimulusSet
    stimuli_address: Address | None
    request: Request
    situation: Situation
    look: Callable[[], Situation]
    notes: tuple[str, ...]

    @property
    def plan(self) -> Plan:
        """Of the synthesis that the run goes on with."""
        if self.earlier is None:
            raise InputValueError("nothing was begun, so there is no plan yet")
        request = self.earlier.plan.request.model_copy(update={"on_bad": self.request.on_bad})
        return self.earlier.plan.model_copy(update={"request": request})

    @property
    def stimuli_may_differ(self) -> bool:
        """Whether files of the stimuli are not as they were when the synthesis was begun."""
        return self.earlier is not None and self.earlier.plan.request.fingerprint != self.request.fingerprint

    def refuse_if_changed(self) -> None:
        """Raise where somebody else has begun or ended something at the output since it was looked at.

        Raises
        ------
        OutputError
        """
        if self.look() != self.situation:
            raise OutputError(f"another run has written to {self.place.address} just now: give the same command again")

    @property
    def earlier(self) -> Earlier | None:
        """The synthesis that the run goes on with."""
        return self.situation.earlier

    def planned(self, *, progress: bool | None) -> Planned:
        """A plan for the request; of a synthesis that is gone on with, its own.

        Raises
        ------
        InputValueError
            When the models would give another plan than the one that was begun with.
        OutputError, UnreachableError
            When the output cannot be written: models are not loaded in vain.
        """
        if self.earlier is None:
            self.place.refuse_unwritable()
            return make_plan(self.store, self.request, progress=progress)
        planned = make_plan(self.store, self.earlier.plan.request, progress=progress)
        if planned.plan.hash() != self.earlier.plan.hash():
            raise InputValueError(
                f"the models in {self.store.address} are other ones than {self.place.address} was begun with by "
                f"braincodec {self.earlier.plan.version}: put those back, or begin anew (--overwrite, overwrite=True)"
            )
        return planned


def prepare(
    store: Any,
    models: str | Sequence[str] | None,
    stimuli: Any,
    output: Any,
    *,
    workers: Workers,
    name: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    add: bool = False,
    storage_options: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Prepared:
    """Check the arguments of `synthesize`; nothing is loaded, started or written.

    Parameters
    ----------
    workers : Workers
    **settings
        What `make_request` takes; the others are those of `synthesize`.
    """
    workers.check()
    place = open_place(output, storage_options)
    if models is None or stimuli is None:
        return _as_before(place, store, models, stimuli, name, resume=resume, settings=settings)
    if store is None:
        raise InputValueError("say where the models are: store=, or --store FOLDER")
    opened = as_store(store)
    images, own_name, address = open_stimuli(stimuli, name)
    request = make_request(opened, models, images, own_name, is_local=workers.cluster == LOCAL, **settings)
    targets = tuple(one.place(own_name) for one in choose_targets(opened, request).targets)

    def look() -> Situation:
        return look_at_output(place, request, targets, resume=resume, overwrite=overwrite, add=add)

    notes = tuple(licence_notes(opened.entry(one) for one in request.models))
    return Prepared(place, opened, images, address, request, look(), look, notes)


def _as_before(
    place: Place,
    store: Any,
    models: object,
    stimuli: Any,
    name: str | None,
    *,
    resume: bool,
    settings: Mapping[str, Any],
) -> Prepared:
    """What a run goes on with that says no more than where."""
    if not resume or models is not None:
        missing = " and ".join([*["models"] * (models is None), *["stimuli"] * (stimuli is None)])
        raise InputValueError(
            f"{missing} are missing: name them, or give neither and go on with what {place.address} holds (--resume, "
            "resume=True)"
        )
    earlier = _only(place, name)
    plan = earlier.plan
    source = stimuli if stimuli is not None else earlier.stimuli_address
    if source is None:
        raise InputValueError(
            f"where the stimuli of {place.address} lie is not recorded, because they were not opened by a path: give "
            "them again (--stimuli, stimuli=)"
        )
    with _moved("models", "--store, store=", recorded=store is None):
        opened = as_store(store if store is not None else plan.models_address)
    with _moved("stimuli", "--stimuli, stimuli=", recorded=stimuli is None):
        images = as_published(StimulusSet.open(source), plan.request.stimuli)
    now = {"count": len(images), "ids": ids_hash(images.ids), "fingerprint": images.fingerprint()}
    request = plan.request.model_copy(update=now)
    for words, asked in (("stimuli", request), ("settings", given_again(request, settings))):
        if not earlier.answers(asked):
            raise InputValueError(f"{place.address} was begun with other {words} ({in_what(plan.request, asked)})")
    request = given_again(request, settings)
    notes = tuple(licence_notes(opened.entry(one) for one in request.models))
    return Prepared(
        place=place,
        store=opened,
        stimuli=images,
        stimuli_address=earlier.stimuli_address,
        request=request,
        situation=Situation(earlier),
        look=lambda: Situation(_only(place, name)),
        notes=notes,
    )


@contextlib.contextmanager
def _moved(what: str, options: str, *, recorded: bool) -> Iterator[None]:
    """Say of what is not found where an earlier run had it that it may be given again."""
    try:
        yield
    except MissingFileError as error:
        if not recorded:
            raise
        hint = f"the run that is gone on with had them there: say where they are now ({options})"
        raise MissingFileError(error.path, what, hint) from error


def _only(place: Place, name: str | None) -> Earlier:
    """The synthesis of a store that is meant where none is named: the unfinished one, else the only one."""
    every = [one for one in earlier_syntheses(place) if name in (None, one.plan.request.stimuli)]
    found = [one for one in every if not one.finished] or every
    if not found:
        raise MissingFileError(place.address, "synthesis to go on with", "nothing was begun there")
    if len(found) > 1:
        raise InputValueError(
            f"{place.address} holds several syntheses ({'; '.join(map(str, found))}): name models and stimuli to choose"
        )
    return found[0]


def forecast_of(
    prepared: Prepared,
    plan: Plan,
    workers: Workers,
    records: Collection[Block],
    probed: Probed | None = None,
) -> Forecast:
    """The plan in words, for the workers at hand.

    Parameters
    ----------
    prepared : Prepared
    plan : Plan
    workers : Workers
    records : collection of Block
        Those that are finished.
    probed : Probed, optional
    """
    blocks = sum(1 for _ in plan.blocks())
    number, where = workers.at_hand(plan, blocks - len(records))
    finished: dict[int, int] = {}
    for block in records:
        finished[block.pass_number] = finished.get(block.pass_number, 0) + len(block)
    state = "replaced" if prepared.situation.discarded or prepared.situation.removed else "new"
    if prepared.earlier is not None:
        state = f"goes on, {len(records):,} of {blocks:,} blocks are there"
        state = "complete already" if prepared.earlier.finished else state
    return Forecast(
        plan=plan,
        output=prepared.place.address,
        stimuli=prepared.stimuli.describe(),
        state=state,
        workers=number,
        where=where,
        finished=finished,
        probed=probed or Probed(),
        free_bytes=free_bytes(prepared.place),
        notes=prepared.notes,
    )
