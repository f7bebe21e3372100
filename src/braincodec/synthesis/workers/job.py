"""What a worker needs to know to compute blocks: the plan, and where models, stimuli and responses are."""

from __future__ import annotations

import importlib.metadata
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from braincodec.errors import DamagedFileError

if TYPE_CHECKING:
    from braincodec.stimuli import StimulusSet
    from braincodec.synthesis.computing.blocks import BlockComputer, Computed
    from braincodec.synthesis.plan import Block, Plan
    from braincodec.synthesis.storage.place import Place
    from braincodec.synthesis.storage.records import BlockRecord


# of a process with torch and nothing else
PROCESS_BYTES = 500 * 2**20
# one that computes and one that is read or written
BLOCKS_AT_ONCE = 2
# of a block's values that exist at once: as computed, and as they are encoded
COPIES_OF_A_BLOCK = 2


def versions_here() -> dict[str, str]:
    """Versions of the packages that decide the values, in this process."""
    from braincodec import __version__

    return {"braincodec": __version__, "torch": importlib.metadata.version("torch")}


@dataclass(frozen=True)
class Job:
    """A synthesis as its workers see it; it is sent to each of them once.

    Parameters
    ----------
    plan : Plan
    stimuli : StimulusSet
        Whose files every worker must be able to read.
    models, models_options
        Address of the store of models, and options for fsspec.
    output, output_options
        Address of the store that is written, and options for fsspec.
    name : str
        Unique to the run.
    versions : dict
        Of the packages that decide the values, where the run was started.
    """

    plan: Plan
    stimuli: StimulusSet
    models: str
    output: str
    models_options: Mapping[str, Any] = field(default_factory=dict)
    output_options: Mapping[str, Any] = field(default_factory=dict)
    name: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    versions: dict[str, str] = field(default_factory=versions_here)
    _metadata: dict[str, bytes] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # a worker may run in another folder
        object.__setattr__(self, "models", absolute(self.models))
        object.__setattr__(self, "output", absolute(self.output))

    def open_output(self) -> Place:
        """The store that is written."""
        from braincodec.synthesis.storage.place import open_place

        return open_place(self.output, dict(self.output_options) or None)

    def open_computer(self, device: str) -> BlockComputer:
        """What computes blocks; models are loaded when the first block needs them."""
        from braincodec.store.open import open_store
        from braincodec.synthesis.computing.blocks import BlockComputer

        models = open_store(self.models, **self.models_options)
        return BlockComputer(models, self.plan, self.stimuli, device=device)

    def is_known_at(self, place: Place) -> bool:
        """Whether the plan is seen at `place`, which a folder of another machine of the same name would not hold."""
        from braincodec.synthesis.storage.records import job_folder

        return place.read(f"{job_folder(self.plan)}/plan.json") is not None

    def finished(self, place: Place, block: Block) -> BlockRecord | None:
        """The record of a block, if it is there and its files hold what it says."""
        from braincodec.synthesis.storage.records import parse_record, record_name
        from braincodec.synthesis.storage.stored_plan import file_facts

        content = place.read(record_name(self.plan, block))
        if content is None:
            return None
        try:
            record = parse_record(content, self.plan, block, self._laid_out(place))
        except DamagedFileError:
            return None
        stored = ((place.read(name), facts) for name, facts in record.files.items())
        return record if all(file is not None and file_facts(file) == facts for file, facts in stored) else None

    def write(self, place: Place, block: Block, computed: Computed) -> BlockRecord:
        """Write a computed block; durable on return."""
        from braincodec.synthesis.storage.records import write_block

        return write_block(place, self.plan, block, computed, self._laid_out(place))

    def _laid_out(self, place: Place) -> dict[str, bytes]:
        """How the arrays are laid out, which is read once by each worker."""
        from braincodec.synthesis.storage.arrays import stored_metadata

        if not self._metadata:
            self._metadata.update(stored_metadata(place, self.plan))
        return self._metadata

    def block_bytes(self, block: Block) -> int:
        """Memory of a block's responses."""
        return len(block) * self.plan.passes[block.pass_number].values * self.plan.itemsize

    def describe(self, begin: int, end: int) -> str:
        """Words for consecutive stimuli."""
        first, last = self.stimuli.ids[begin], self.stimuli.ids[end - 1]
        return f"stimuli {first} to {last} (positions {begin:,} to {end - 1:,})"


def worker_bytes(plan: Plan) -> int:
    """Memory that a worker needs for the largest pass of a plan, two blocks of it at once.

    Parameters
    ----------
    plan : Plan
    """
    itemsize = plan.itemsize
    return PROCESS_BYTES + max(
        one.weight_bytes
        + one.tile * one.image_bytes
        + BLOCKS_AT_ONCE * COPIES_OF_A_BLOCK * min(one.block, plan.request.count) * one.values * itemsize
        for one in plan.passes
    )


def absolute(address: str | Path) -> str:
    """A path that is good in any folder; an address as it is.

    Examples
    --------
    >>> absolute("s3://bucket/models")
    's3://bucket/models'
    """
    text = os.fspath(address)
    return text if "://" in text else str(Path(text).expanduser().absolute())
