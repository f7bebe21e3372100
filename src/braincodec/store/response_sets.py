"""Sets of generated responses of a store, chosen by name, and what became of them when they were copied."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from braincodec.errors import BraincodecError, OutputError, UnknownNameError
from braincodec.subjects import Subject, plain_subject

if TYPE_CHECKING:
    import pandas as pd

    from braincodec.store.base import Store

Outcome = Literal["pending", "written", "kept", "skipped", "failed"]


@dataclass(frozen=True)
class ResponseSet:
    """The generated responses of one model and subject to one stimulus set.

    Attributes
    ----------
    model, stimuli : str
    subject : int or str
    roi : str or None
        None where one array holds all units.
    """

    model: str
    stimuli: str
    subject: Subject
    roi: str | None = None

    @property
    def title(self) -> str:
        """In words."""
        return f"{self.model} subject {self.subject}{f' {self.roi}' if self.roi else ''}: {self.stimuli}"


@dataclass(frozen=True)
class CopiedResponses:
    """What became of one set.

    Attributes
    ----------
    source : ResponseSet
    outcome : str
        ``"written"``, ``"kept"`` (was there already), ``"skipped"`` or ``"failed"``; ``"pending"`` before.
    reason : str
        Why it was skipped or failed.
    files : tuple of Path
        Its responses, one file for each region where they are split.
    nbytes : int
        Of the values that were written.
    seconds : float
    """

    source: ResponseSet
    outcome: Outcome = "pending"
    reason: str = ""
    files: tuple[Path, ...] = ()
    nbytes: int = 0
    seconds: float = 0.0


# is told of each set before and after it is copied
Watch = Callable[[CopiedResponses], None]


def copy_sets(
    sets: Iterable[ResponseSet],
    copy: Callable[[ResponseSet], CopiedResponses],
    *,
    on_start: Watch,
    on_end: Watch,
) -> list[CopiedResponses]:
    """Copy sets of responses one after another; one that fails keeps no other from being copied.

    Parameters
    ----------
    sets : iterable of ResponseSet
    copy : callable
        Copies one; says what became of it.
    on_start, on_end : callable
        Called with each `CopiedResponses` before and after.

    Returns
    -------
    list of CopiedResponses

    Raises
    ------
    UnknownNameError
        From `copy`: what was asked for is not there.
    OutputError
        From `copy`: the others could not be written either.
    """
    done = []
    for one in sets:
        on_start(CopiedResponses(one))
        started = time.monotonic()
        try:
            result = copy(one)
        except (OutputError, UnknownNameError):
            raise
        except BraincodecError as error:
            result = CopiedResponses(one, "failed", str(error))
        result = replace(result, seconds=time.monotonic() - started)
        on_end(result)
        done.append(result)
    return done


def table_of(sets: Iterable[ResponseSet]) -> pd.DataFrame:
    """What `Store.response_sets` gives: columns model, stimuli, subject, and roi, empty for arrays of all units.

    Examples
    --------
    >>> table_of([ResponseSet("fmri-nsd-fwrf", "things", 1, "V1")]).to_dict("records")
    [{'model': 'fmri-nsd-fwrf', 'stimuli': 'things', 'subject': 1, 'roi': 'V1'}]
    """
    import pandas as pd

    rows = [(one.model, one.stimuli, one.subject, one.roi or "") for one in sets]
    return pd.DataFrame(rows, columns=["model", "stimuli", "subject", "roi"])


def chosen_sets(
    store: Store,
    *,
    models: Sequence[str] | None = None,
    stimuli: Sequence[str] | None = None,
    subjects: Sequence[Subject] | None = None,
    rois: Sequence[str] | None = None,
) -> list[ResponseSet]:
    """The generated responses of a store, or some of them.

    Parameters
    ----------
    store : Store
    models, stimuli, subjects : sequence, optional
        Only these.
    rois : sequence, optional
        Only these of the arrays that hold one region; arrays of all units stay.

    Returns
    -------
    list of ResponseSet
        In the store's order.

    Raises
    ------
    UnknownNameError
        With the names that are there.
    """
    found = [
        ResponseSet(row["model"], row["stimuli"], row["subject"], row["roi"] or None)
        for row in store.response_sets().to_dict("records")
    ]
    wanted = None if subjects is None else [plain_subject(one) for one in subjects]
    for what, asked, attribute in (
        ("model", models, "model"),
        ("stimulus set", stimuli, "stimuli"),
        ("subject", wanted, "subject"),
    ):
        known = list(dict.fromkeys(getattr(one, attribute) for one in found))
        for name in asked or ():
            if name not in known:
                raise UnknownNameError(what, name, known, where=f"of generated responses in {store.address}")
        found = [one for one in found if asked is None or getattr(one, attribute) in asked]
    known = list(dict.fromkeys(one.roi for one in found if one.roi))
    # arrays of all units tell their regions when they are opened
    for name in rois or () if all(one.roi for one in found) else ():
        if name not in known:
            raise UnknownNameError("roi", name, known, where=f"of generated responses in {store.address}")
    return [one for one in found if rois is None or one.roi is None or one.roi in rois]
