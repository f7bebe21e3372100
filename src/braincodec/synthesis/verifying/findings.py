"""What checking one synthesis found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from braincodec.synthesis.plan import Block, Plan
from braincodec.synthesis.verifying.verification import DAMAGED, UNFINISHED, WHOLE, Checked, Problem


@dataclass
class JobFindings:
    """What is wrong with one synthesis, and what it consists of.

    Parameters
    ----------
    plan : Plan or None
        None where it cannot be read.
    problems : list of Problem
    damaged : dict of Block to None
        Blocks that were recorded, and are not what their record says.
    files : list of str
        Damaged files beside those of blocks: labels, ids, metadata.
    whole : dict of str to int
        Whole blocks of each output, by place.
    finished : bool
        Whether it says that it came to its end.
    """

    plan: Plan | None
    problems: list[Problem] = field(default_factory=list)
    damaged: dict[Block, None] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    whole: dict[str, int] = field(default_factory=dict)
    finished: bool = False

    def add(self, place: str, what: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(place, what))

    def checked(self, sizes: Mapping[str, int | None]) -> list[Checked]:
        """One row for each output."""
        rows = []
        for one in self.plan.passes if self.plan else ():
            planned = -(-self.plan.request.count // one.block) if self.plan else 0
            for output in one.outputs:
                whole = self.whole.get(output.place, 0)
                wrong = any(problem.place.startswith(f"{output.place}/") for problem in self.problems)
                if self.finished:
                    state = WHOLE if whole == planned and not wrong else DAMAGED
                else:
                    state = DAMAGED if wrong else UNFINISHED
                rows.append(
                    Checked(
                        "responses",
                        output.place,
                        state,
                        output.model,
                        str(output.subject),
                        output.roi or "",
                        self.plan.request.stimuli if self.plan else "",
                        whole,
                        planned,
                        sum(size or 0 for name, size in sizes.items() if name.startswith(f"{output.place}/")),
                    )
                )
        return rows
