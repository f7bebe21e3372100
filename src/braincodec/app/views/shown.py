"""A whole visit as what the page's places hold."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from braincodec.app.state import state_to_query
from braincodec.app.views.bars import bars
from braincodec.app.views.facts import model_facts, seen, status
from braincodec.app.views.figures import cortex_numbers, scalp_numbers
from braincodec.app.views.gallery import decoded, nearest
from braincodec.app.views.slices import slices
from braincodec.app.views.words import cortex_in_words, course_in_words, escaped, headline
from braincodec.app.visit import MOST_ASKED, NEAREST
from braincodec.errors import BraincodecError

if TYPE_CHECKING:
    from braincodec.app.predicting import VolumeSlices
    from braincodec.app.visit import Visit, Visits


@dataclass(frozen=True)
class Shown:
    """What the places of the page hold, as HTML.

    Attributes
    ----------
    status, seen, headline, slices, bars, nearest, decoded, about : str
    payload : str
        Numbers for the figures, and words that stand for them.
    waiting : bool
        Whether asking again will show more.
    """

    status: str
    seen: str
    headline: str
    payload: str
    slices: str
    bars: str
    nearest: str
    decoded: str
    about: str
    waiting: bool


def shown(visits: Visits, visit: Visit) -> Shown:
    """What the page shows of a visit."""
    prediction, state, model = visit.prediction, visit.state, visits.model_of(visit)
    volume = _volume(visit)
    example = next((one for one in visits.patterns_of(visit) if one.name == visit.pattern), None)
    return Shown(
        status=status(visit.error, list(visit.notes)),
        seen="" if visit.pixels is None else seen(visit.pixels, visit.title, visit.licence),
        headline="" if prediction is None else _headline(visit),
        payload=payload(visit, decodes=visits.decodes(visit)),
        slices="" if volume is None or prediction is None else slices(prediction, volume, state.roi),
        bars="" if prediction is None else bars(prediction, state.roi),
        nearest=_nearest(visits, visit),
        decoded=decoded(visit.decoded, example, visits.patterns_of(visit)) if visits.decodes(visit) else "",
        about=model_facts(model),
        waiting=_waiting(visit),
    )


def payload(visit: Visit, *, decodes: bool = False) -> str:
    """Numbers for the figures as an attribute that scripts read, and the words that stand for the figures."""
    prediction, state = visit.prediction, visit.state
    sent: dict[str, Any] = {
        "shows": "none",
        "simulated": False,
        "decodes": decodes,
        "state": {
            "query": state_to_query(state),
            "example": state.example,
            "uploaded": visit.uploaded,
            "hemisphere": state.hemisphere,
            "view": state.view,
            "time": state.time,
        },
    }
    words = {"cortex": "", "scalp": ""}
    if prediction is not None:
        sent["simulated"] = prediction.simulated
        course = prediction.time_course(None)
        if course is not None:
            chosen = prediction.time_course(state.roi) or course
            sent |= {"shows": "scalp", "scalp": scalp_numbers(course, chosen)}
            words["scalp"] = course_in_words(chosen)
        elif (numbers := cortex_numbers(prediction, state.roi)) is not None:
            sent |= {"shows": "cortex", "cortex": numbers}
            words["cortex"] = cortex_in_words(prediction, state.roi)
        elif _volume(visit) is not None:
            sent["shows"] = "slices"
    described = "".join(f'<p class="unseen" id="{name}-words">{escaped(text)}</p>' for name, text in words.items())
    return f'<div id="bc-payload" data-payload="{escaped(json.dumps(sent, separators=(",", ":")))}"></div>{described}'


def _volume(visit: Visit) -> VolumeSlices | None:
    """Slices of what has neither sensors nor a surface."""
    prediction = visit.prediction
    if prediction is None or prediction.responses.dims != ("unit",) or prediction.on_cortex(None) is not None:
        return None
    return prediction.slices(visit.state.roi)


def _headline(visit: Visit) -> str:
    assert visit.prediction is not None
    words = headline(visit.prediction, visit.state.roi, str(visit.state.subject), visit.title)
    return f'<p id="bc-headline" role="status">{words}</p>'


def _nearest(visits: Visits, visit: Visit) -> str:
    prediction, roi = visit.prediction, visit.state.roi
    if prediction is None:
        return ""
    try:
        found = visits.explorer.neighbours(prediction, roi, NEAREST)
    except BraincodecError as error:
        return status(str(error), [])
    return nearest(found, prediction.reference, roi, waiting=_waiting(visit))


def _waiting(visit: Visit) -> bool:
    if visit.asked >= MOST_ASKED:
        return False
    if visit.decoded is not None and not visit.decoded.complete:
        return True
    reference = visit.prediction.reference if visit.prediction is not None else None
    return reference is not None and not reference.ready and not reference.final
