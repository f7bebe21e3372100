"""What the computing of one block gives, and how it is put together."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from braincodec.errors import DamagedFileError, InputValueError
from braincodec.stimuli import BadStimulus, Batch
from braincodec.synthesis.computing.digests import UNREADABLE, put_digests
from braincodec.synthesis.computing.members import named
from braincodec.synthesis.computing.rounding import Rounding, to_float16

if TYPE_CHECKING:
    from braincodec.synthesis.computing.machine import Machine
    from braincodec.synthesis.plan import Block, Plan

# a whole block that cannot be read is a disk that is gone, where it has so many stimuli
LEAST_LOST = 8


@dataclass
class Computed:
    """What one block gave.

    Parameters
    ----------
    values : list of array, each (stimuli, *shape)
        One an output of the pass, in the stored dtype; rows of NaN for stimuli that cannot be read.
    digests : list of str
        Of each stimulus.
    bad : list of BadStimulus
        Those that cannot be read, by their position in the whole set.
    rounding : list of (Rounding or None)
        One an output; None where float32 is stored.
    seconds : float
        That reading and computing took, without waiting for other blocks.
    machine : Machine
    """

    values: list[NDArray[Any]]
    digests: list[str]
    bad: list[BadStimulus]
    rounding: list[Rounding | None]
    seconds: float
    machine: Machine


class BlockParts:
    """A block's result while it is put together, tile after tile.

    Parameters
    ----------
    plan : Plan
    block : Block
    """

    def __init__(self, plan: Plan, block: Block) -> None:
        self.plan, self.block = plan, block
        self.outputs = plan.passes[block.pass_number].outputs
        dtype = plan.request.stored_dtype
        self.values = [np.empty((len(block), *output.shape), dtype) for output in self.outputs]
        self.rounding: list[list[Rounding]] = [[] for _ in self.outputs]
        self.digests = [UNREADABLE] * len(block)
        self.bad: list[BadStimulus] = []

    def note(self, batch: Batch) -> None:
        """Digests, and stimuli that cannot be read."""
        put_digests(self.digests, batch)
        for one in batch.bad:
            found = dataclasses.replace(one, position=self.block.begin + one.position)
            if self.plan.request.on_bad == "raise":
                raise DamagedFileError(
                    f"stimulus {found.id!r} ({found.position + 1:,} of {self.plan.request.count:,}): {found.reason}; "
                    "on_bad='mark' (--on-bad mark) writes NaN in its place and lists it"
                )
            self.bad.append(found)
            for values in self.values:
                values[one.position] = np.nan

    def put(self, output: int, positions: NDArray[np.int64], values: NDArray[np.float32]) -> None:
        """Responses (stimuli, *shape) of one output, at positions in the block.

        Raises
        ------
        InputValueError
            When they are too large for float16, or there are none for a stimulus, as for one that cannot be read.
        """
        self._refuse_nothing(output, positions, values)
        target = self.values[output]
        rows = slice(int(positions[0]), int(positions[-1]) + 1)
        where = rows if rows.stop - rows.start == len(positions) else positions
        if target.dtype == np.float16:
            rounded = np.empty(values.shape, np.float16)
            self.rounding[output].append(to_float16(values, rounded, named(self.outputs[output])))
            target[where] = rounded
        else:
            target[where] = values

    def _refuse_nothing(self, output: int, positions: NDArray[np.int64], values: NDArray[np.float32]) -> None:
        rows = values.reshape(len(values), -1)
        for row in np.flatnonzero(np.isnan(rows[:, 0])):
            if np.isnan(rows[row]).all():
                raise InputValueError(
                    f"{named(self.outputs[output])} gives nothing but NaN for the stimulus at position "
                    f"{self.block.begin + int(positions[row]):,}: its weights hold NaN, or no unit of it was measured"
                )

    def finished(self, seconds: float, machine: Machine) -> Computed:
        """All parts together."""
        if len(self.bad) == len(self.block) >= LEAST_LOST:
            raise DamagedFileError(
                f"none of {len(self.bad):,} stimuli from {self.bad[0].id!r} on can be read; the first: "
                f"{self.bad[0].reason}; is the place where they lie still there?"
            )
        rounding = [
            Rounding.merged(parts) if values.dtype == np.float16 else None
            for parts, values in zip(self.rounding, self.values, strict=True)
        ]
        return Computed(self.values, self.digests, self.bad, rounding, seconds, machine)
