"""What checking a store found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

MOST_SHOWN = 20
WHOLE, UNFINISHED, DAMAGED = "whole", "unfinished", "damaged"
COLUMNS = ("kind", "model", "subject", "roi", "stimuli", "state", "blocks", "planned_blocks", "bytes", "place")


@dataclass(frozen=True)
class Problem:
    """Something that is not as it was written.

    Parameters
    ----------
    place : str
        File or folder below the store.
    what : str
        What is wrong.
    """

    place: str
    what: str

    def __str__(self) -> str:
        return f"{self.place}: {self.what}"


@dataclass(frozen=True)
class Checked:
    """One thing in a store that was checked.

    Parameters
    ----------
    kind : {"responses", "model"}
    place : str
        Its folder below the store.
    state : {"whole", "unfinished", "damaged"}
    model, subject, roi, stimuli : str
        What it is of; empty where that does not apply.
    blocks, planned_blocks : int or None
        Blocks of stimuli that are whole, and that there should be; None for what no synthesis made.
    bytes : int
        Of all its files.
    """

    kind: str
    place: str
    state: str
    model: str = ""
    subject: str = ""
    roi: str = ""
    stimuli: str = ""
    blocks: int | None = None
    planned_blocks: int | None = None
    bytes: int = 0


@dataclass(frozen=True)
class Verification:
    """What `verify` found.

    Parameters
    ----------
    address : str
    checked : tuple of Checked
    problems : tuple of Problem
    discarded : int
        Damaged blocks whose records were removed.
    contents : bool
        Whether files were read, and not only listed.

    Examples
    --------
    >>> found = Verification("generated", (Checked("model", "m/subject-01", "whole"),), ())
    >>> found.ok
    True
    >>> print(found)
    generated: 1 of 1 whole, no problems
    """

    address: str
    checked: tuple[Checked, ...]
    problems: tuple[Problem, ...]
    discarded: int = 0
    contents: bool = field(default=True, kw_only=True)

    @property
    def ok(self) -> bool:
        """Whether everything is there as it was written, and finished."""
        return not self.problems

    @property
    def table(self) -> pd.DataFrame:
        """One row for each set of responses and each model."""
        import pandas as pd

        return pd.DataFrame([{name: getattr(one, name) for name in COLUMNS} for one in self.checked], columns=COLUMNS)

    def __str__(self) -> str:
        whole = sum(one.state == WHOLE for one in self.checked)
        found = f"{len(self.problems):,} problem{'s' * (len(self.problems) > 1)}" if self.problems else "no problems"
        lines = [f"{self.address}: {whole:,} of {len(self.checked):,} whole, {found}"]
        lines += [f"  {problem}" for problem in self.problems[:MOST_SHOWN]]
        if len(self.problems) > MOST_SHOWN:
            lines.append(f"  and {len(self.problems) - MOST_SHOWN:,} more")
        return "\n".join(lines)
