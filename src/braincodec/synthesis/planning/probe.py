"""A few tiles of real stimuli through the models of a plan: how long they take, and how small they become."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from braincodec.progress import progress_bar
from braincodec.synthesis.computing.blocks import BlockComputer
from braincodec.synthesis.plan import Block, Plan
from braincodec.synthesis.storage.shards import encode_block

if TYPE_CHECKING:
    from braincodec.stimuli import StimulusSet
    from braincodec.store.base import Store

# seconds that a whole probe may take, loading included; a pass that was begun is ended
BUDGET = 20.0
MOST_TILES = 4
# of one pass
SECONDS_OF_TILES = 3.0


@dataclass(frozen=True)
class Probed:
    """What a probe measured.

    Parameters
    ----------
    seconds : dict of int to float
        Of one worker for one image, by number of the pass; not every pass is measured.
    raw_bytes, compressed_bytes : int
        Of the responses that were computed, before and after compression.
    """

    seconds: dict[int, float] = field(default_factory=dict)
    raw_bytes: int = 0
    compressed_bytes: int = 0

    @property
    def ratio(self) -> float:
        """Bytes stored for each byte of responses; 1 where nothing was measured."""
        return self.compressed_bytes / self.raw_bytes if self.raw_bytes else 1.0

    def seconds_of(self, plan: Plan, number: int) -> float | None:
        """Seconds for one image in a pass; of one not measured by the nearest measured one, in proportion to weights.

        Nearest is the same model before another one, then the pass whose models are nearest in size.
        """
        if not self.seconds:
            return None
        one = plan.passes[number]

        def distance(other: int) -> tuple[bool, float]:
            there = plan.passes[other]
            return there.outputs[0].model != one.outputs[0].model, abs(there.weight_bytes - one.weight_bytes)

        nearest = min(self.seconds, key=distance)
        return self.seconds[nearest] * one.weight_bytes / max(1, plan.passes[nearest].weight_bytes)

    def total_seconds(self, plan: Plan) -> float | None:
        """Seconds of one worker for the whole plan."""
        parts = [self.seconds_of(plan, number) for number in range(len(plan.passes))]
        return None if None in parts else plan.request.count * sum(part for part in parts if part is not None)


def probe(
    models: Store, plan: Plan, stimuli: StimulusSet, *, budget: float = BUDGET, progress: bool | None = None
) -> Probed:
    """Time passes of a plan on the first of its stimuli, on this machine; nothing is written.

    Parameters
    ----------
    models : Store
    plan : Plan
    stimuli : StimulusSet
    budget : float
        Seconds after which no further pass is begun; one is always measured.
    progress : bool, optional
        Show a bar; default: when stderr is a terminal.

    Returns
    -------
    Probed

    Raises
    ------
    DamagedFileError
        Naming a stimulus that cannot be read, where the plan does not mark such.
    """
    seconds: dict[int, float] = {}
    raw = compressed = 0
    computer = BlockComputer(models, plan, stimuli)
    began = time.perf_counter()
    with progress_bar("probe: passes", len(plan.passes), show=progress) as advance:
        for number in _order(plan):
            if seconds and time.perf_counter() - began > budget:
                break
            seconds[number], before, after = _one_pass(computer, plan, number)
            raw, compressed = raw + before, compressed + after
            advance(1)
    return Probed(seconds, raw, compressed)


def _order(plan: Plan) -> Iterator[int]:
    """Passes in the order in which they are measured: one of each model first, then those of other sizes."""
    known: set[str] = set()
    later = []
    for number, one in enumerate(plan.passes):
        if one.outputs[0].model in known:
            later.append(number)
            continue
        known.add(one.outputs[0].model)
        yield number
    yield from sorted(later, key=lambda number: plan.passes[number].weight_bytes, reverse=True)


def _one_pass(computer: BlockComputer, plan: Plan, number: int) -> tuple[float, int, int]:
    """Seconds an image, bytes of its responses, and bytes as they are stored."""
    one = plan.passes[number]
    computer.load(number)
    first = Block(number, 0, 0, min(one.tile, plan.request.count))
    began = time.perf_counter()
    computer.compute(first)  # the first call makes what later ones find ready
    of_one = time.perf_counter() - began
    tiles = max(1, min(MOST_TILES, int(SECONDS_OF_TILES / max(of_one, 1e-6)), one.block // one.tile))
    block = Block(number, 0, 0, min(tiles * one.tile, plan.request.count))
    began = time.perf_counter()
    computed = computer.compute(block)
    files = [
        encode_block(output, plan, one, block, values)
        for output, values in zip(one.outputs, computed.values, strict=True)
    ]
    took = time.perf_counter() - began
    raw = sum(values.nbytes for values in computed.values)
    return took / len(block), raw, sum(len(content) for of_output in files for content in of_output.values())
