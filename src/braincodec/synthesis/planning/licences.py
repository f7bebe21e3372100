"""Whether responses made by a model may be passed on, as far as its licence says."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from braincodec.store.base import ModelEntry

# short names of licences (https://spdx.org/licenses) under which works and what is made of them may be passed on; some
# ask to name the authors, to keep the licence, or not to sell
OPEN = re.compile(
    r"(cc0|cc-by(-nc)?(-sa)?|apache|mit|bsd|isc|pddl|odc-by|odbl|unlicense|zlib|mpl|[al]?gpl)([ -][\w.+ -]*)?",
    re.IGNORECASE,
)
NO_DERIVATIVES = re.compile(r"cc-by(-nc)?-nd", re.IGNORECASE)
JOINED = re.compile(r"\s+(?:and|or|with)\s+", re.IGNORECASE)


def permits_redistribution(licence: str) -> bool:
    """Whether a licence is known to let others pass on what a model made.

    Parameters
    ----------
    licence : str
        Short name, or several joined by AND, OR or WITH; anything else counts as not permitting.

    Examples
    --------
    >>> [permits_redistribution(name) for name in ("CC-BY-4.0", "BSD-3-Clause AND Apache-2.0", "NSD terms of use", "")]
    [True, True, False, False]
    """
    parts = [part.strip(" ()") for part in JOINED.split(licence.strip())]
    return all(OPEN.fullmatch(part) is not None and NO_DERIVATIVES.match(part) is None for part in parts)


def licence_notes(entries: Iterable[ModelEntry]) -> list[str]:
    """A remark for each model whose licence does not permit, or does not state, redistribution.

    Examples
    --------
    >>> from braincodec.store.base import ModelEntry
    >>> licence_notes([ModelEntry("fmri-x", "fmri", "nsd", "fwrf", {1: ("V1",)}, licence="NSD terms of use")])
    ["fmri-x: its licence ('NSD terms of use') is not known to permit redistribution; ask before you pass on ..."]
    """
    notes = []
    for entry in entries:
        if permits_redistribution(entry.licence):
            continue
        known = f"its licence ({entry.licence!r}) is not known to permit" if entry.licence else "no licence states"
        notes.append(f"{entry.id}: {known} redistribution; ask before you pass on the responses it makes")
    return notes
