"""What a visitor looks at, as the query of a link and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from braincodec.app.catalogue import ModelChoice

HEMISPHERES = ("both", "left", "right")
VIEWS = ("occipital", "lateral", "medial", "posterior", "ventral", "dorsal", "anterior")
LONGEST_VALUE = 100


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
        Parameters of the link, whatever they hold.
    models : sequence of ModelChoice
    examples : sequence of str
        Names of examples.

    Returns
    -------
    State
        With the default for everything that is unknown.
    list of str
        A sentence for each of these.
    """
    notes: list[str] = []
    usable = [model for model in models if not model.problem] or list(models)
    return State(usable[0].id, usable[0].subjects[0]), notes
