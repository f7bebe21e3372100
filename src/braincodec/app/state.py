"""What a visitor looks at, as the query of a link and back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from braincodec.app.catalogue import ModelChoice
from braincodec.app.scalp import LOBES
from braincodec.errors import InputValueError

HEMISPHERES = ("both", "left", "right")
VIEWS = ("occipital", "lateral", "medial", "posterior", "ventral", "dorsal", "anterior")
LONGEST_SHOWN = 60
LONGEST_TIME = 10.0  # seconds
PLAIN_NUMBER = re.compile(r"-?\d{1,4}(\.\d{1,6})?", re.ASCII)


@dataclass(frozen=True)
class State:
    """What a visitor looks at.

    Attributes
    ----------
    model : str
    subject : int or str
    roi : str or None
        None: all.
    hemisphere : {"both", "left", "right"}
    view : str
        One of `VIEWS`.
    time : float or None
        Seconds, of a topography.
    example : str or None
        Name of an example; photographs of visitors are never in a link.
    """

    model: str
    subject: int | str
    roi: str | None = None
    hemisphere: str = "both"
    view: str = "occipital"
    time: float | None = None
    example: str | None = None


def state_to_query(state: State) -> str:
    """The query of a link, such as ``"model=fmri-nsd-fwrf&subject=1&roi=V1"``; what is as it is by default is left out.

    Examples
    --------
    >>> state_to_query(State("fmri-nsd-fwrf", 1, roi="V1"))
    'model=fmri-nsd-fwrf&subject=1&roi=V1'
    """
    default = State(state.model, state.subject)
    items: dict[str, Any] = {"model": state.model, "subject": state.subject}
    items |= {
        name: value
        for name, value in vars(state).items()
        if name not in items and value is not None and value != getattr(default, name)
    }
    return urlencode(items)


def state_from_query(
    query: Mapping[str, Any], models: Sequence[ModelChoice], examples: Sequence[str] = ()
) -> tuple[State, list[str]]:
    """What a link asks for, as far as it exists.

    Parameters
    ----------
    query : mapping of str to str
        Parameters of the link, whatever they hold; unknown parameters are ignored.
    models : sequence of ModelChoice
    examples : sequence of str
        Names of examples.

    Returns
    -------
    State
        With the default for everything that is unknown.
    list of str
        A sentence for each of these.

    Examples
    --------
    >>> from braincodec.app.catalogue import ModelChoice
    >>> models = [ModelChoice("fmri-test", "test", "fmri", "encode", [1], {1: ("V1",)})]
    >>> state_from_query({"model": "fmri-test", "roi": "V9"}, models)
    (State(model='fmri-test', subject=1, roi=None, hemisphere='both', view='occipital', time=None, example=None),
    ["The link asks for the region 'V9', which is not here; all regions are shown instead."])
    """
    notes: list[str] = []
    given = {str(name): value if isinstance(value, str) else "" for name, value in query.items() if value is not None}

    def chosen(name: str, what: str, known: Sequence[str], default: str, shown: str) -> str:
        asked = given.get(name, "")
        if not asked or asked in known:
            return asked or default
        notes.append(f"The link asks for the {what} {_quoted(asked)}, which is not here; {shown} instead.")
        return default

    default = first_choice(models)
    id = chosen("model", "model", [model.id for model in models], default.id, f"{default.id} is shown")
    model = next(model for model in models if model.id == id)
    if model.problem:
        notes.append(f"The model {model.id} cannot be opened here; {default.id} is shown instead.")
        model = default
    subjects = {str(subject): subject for subject in model.subjects}
    first = next(iter(subjects))
    subject = subjects[chosen("subject", "subject", list(subjects), first, f"subject {first} is shown")]
    rois = [*model.rois_of_subject.get(subject, ()), *(LOBES if model.modality not in ("fmri", "spikes") else ())]
    state = State(
        model=model.id,
        subject=subject,
        roi=chosen("roi", "region", rois, "", "all regions are shown") or None,
        hemisphere=chosen("hemisphere", "hemisphere", HEMISPHERES, HEMISPHERES[0], "both are shown"),
        view=chosen("view", "view", VIEWS, VIEWS[0], f"the {VIEWS[0]} view is shown"),
        time=_time(given.get("time", ""), notes),
        example=chosen("example", "example", examples, "", "choose a photograph") or None,
    )
    return state, notes


def first_choice(models: Sequence[ModelChoice]) -> ModelChoice:
    """What is shown to somebody who has not chosen: a model that can be opened, on a cortex if there is one.

    Raises
    ------
    InputValueError
        When there are no models.
    """
    if not models:
        raise InputValueError("there are no models to choose from")
    return min(models, key=lambda model: (bool(model.problem), not model.has_cortex, model.modality != "fmri",
                                          model.direction == "decode"))  # fmt: skip


def _time(asked: str, notes: list[str]) -> float | None:
    if not asked:
        return None
    if PLAIN_NUMBER.fullmatch(asked) and abs(float(asked)) <= LONGEST_TIME:
        return float(asked)
    notes.append(f"The link asks for the time {_quoted(asked)}, which is no number of seconds; the default is shown.")
    return None


def _quoted(asked: str) -> str:
    """What somebody wrote into a link, fit to be shown: short, and printable."""
    plain = "".join(letter if letter.isprintable() else "?" for letter in asked)
    return repr(plain if len(plain) <= LONGEST_SHOWN else plain[: LONGEST_SHOWN - 1] + "…")
