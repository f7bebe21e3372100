"""The end of a synthesis: stimulus ids and metadata make its arrays readable, a last file says that all is there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braincodec import __version__
from braincodec.config import Config
from braincodec.errors import DamagedFileError, InputTypeError, InputValueError
from braincodec.responses.staging import skipped_attributes
from braincodec.stimuli import BadStimulus
from braincodec.store.response_description import description_name
from braincodec.synthesis.computing.machine import Machine
from braincodec.synthesis.computing.rounding import Rounding
from braincodec.synthesis.plan import FORMAT, Block, Output, Plan
from braincodec.synthesis.storage.arrays import ROOT, Group, read_groups, sweep_unfinished
from braincodec.synthesis.storage.place import Place
from braincodec.synthesis.storage.records import BlockRecord
from braincodec.synthesis.storage.stored_plan import (
    COMPLETE,
    FileFacts,
    file_facts,
    ids_hash,
    job_folder,
    parsed_json,
    refuse_elsewhere,
)


class Completion(Config):
    """What ``complete.json`` holds; a synthesis is finished when it is there.

    Parameters
    ----------
    format : int
    plan_hash : str
    version : str
        Of the package that finished.
    finished : str
        When, in UTC.
    stimuli, blocks : int
        How many.
    ids : str
        `ids_hash` of the stimulus ids.
    seconds : float
        Of reading and computing, all workers together.
    skipped : tuple of BadStimulus
        Stimuli that could not be read, by position.
    rounding : dict of str to Rounding
        By place of the output, where values were rounded to be stored.
    machines : tuple of Machine
        The kinds that took part. Values are equal bit for bit only where a plan was computed on one kind.
    files : dict of str to FileFacts
        All files of the groups, by name below the store.
    """

    format: int = FORMAT
    plan_hash: str
    version: str = __version__
    finished: str
    stimuli: int
    blocks: int
    ids: str
    seconds: float
    skipped: tuple[BadStimulus, ...]
    rounding: dict[str, Rounding]
    machines: tuple[Machine, ...]
    files: dict[str, FileFacts]

    @property
    def stored_bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.bytes for file in self.files.values())


def finish_store(
    place: Place, plan: Plan, stimulus_ids: Sequence[str] | NDArray[Any], records: Mapping[Block, BlockRecord]
) -> Completion:
    """Make the arrays of a synthesis readable once all blocks are recorded; killed half-way, it may be repeated.

    Parameters
    ----------
    place : Place
    plan : Plan
    stimulus_ids : sequence or array of str
        Of the whole set, in order.
    records : mapping of Block to BlockRecord
        Of every block.

    Raises
    ------
    InputValueError
        When blocks are missing, or there are more or fewer ids than stimuli.
    DamagedFileError
        When the labels are damaged: `create_groups` makes them again.
    OutputError, UnreachableError
        When the place cannot be written.
    """
    missing = [block for block in plan.blocks() if block not in records]
    if missing:
        raise InputValueError(f"{len(missing):,} of {len(list(plan.blocks())):,} blocks are not finished")
    if len(stimulus_ids) != plan.request.count:
        raise InputValueError(f"{len(stimulus_ids):,} ids for {plan.request.count:,} stimuli")
    if plan.request.ids not in ("", ids_hash(stimulus_ids)):
        raise InputValueError("the ids of the stimuli are not those that the plan was made for")
    groups = read_groups(place, plan)
    if groups is None:
        raise DamagedFileError(f"the labels of units in {place.address} are missing or damaged; run it again")
    sweep_unfinished(place, plan)
    of_stimuli = stimulus_files(stimulus_ids)
    files: dict[str, FileFacts] = {}
    roundings: dict[str, Rounding] = {}
    for pass_number, one in enumerate(plan.passes):
        own = [record for block, record in records.items() if block.pass_number == pass_number]
        bad = sorted({item.position: item for record in own for item in record.bad}.values(), key=_position)
        for record in own:
            files |= record.files
        for number, output in enumerate(one.outputs):
            attributes = _skipped(bad)
            if any(record.rounding for record in own):
                roundings[output.place] = Rounding.merged(record.rounding[number] for record in own)
                attributes |= _stated(roundings[output.place])
            files |= _finish_group(place, output, groups.groups[output.place], of_stimuli, attributes)
            description = place.read(description_name(output.place))
            if description is not None:
                files[description_name(output.place)] = file_facts(description)
    completion = Completion(
        plan_hash=plan.hash(),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        stimuli=plan.request.count,
        blocks=len(records),
        ids=ids_hash(stimulus_ids),
        seconds=sum(record.seconds for record in records.values()),
        skipped=tuple(skipped_stimuli(records)),
        rounding=roundings,
        machines=tuple(dict.fromkeys(record.machine for record in records.values())),
        files=files,
    )
    place.write(f"{job_folder(plan)}/{COMPLETE}", completion.model_dump_json().encode())
    return completion


def read_completion(place: Place, plan: Plan) -> Completion | None:
    """What `finish_store` wrote; None where the synthesis is unfinished.

    Raises
    ------
    DamagedFileError
        When the file is damaged, or speaks of another plan.
    """
    name = f"{job_folder(plan)}/{COMPLETE}"
    content = place.read(name)
    if content is None:
        return None
    where = place.join(name)
    try:
        completion = Completion.parse(parsed_json(content, where))
    except DamagedFileError:
        raise
    except (InputValueError, InputTypeError) as error:
        raise DamagedFileError(f"{where} is damaged: {error}") from error
    if completion.format != FORMAT or completion.plan_hash != plan.hash():
        raise DamagedFileError(f"{where} speaks of another plan")
    refuse_elsewhere(completion.files, where)
    return completion


def skipped_stimuli(records: Mapping[Block, BlockRecord]) -> list[BadStimulus]:
    """The stimuli that some pass could not read, by position."""
    return sorted({item.position: item for record in records.values() for item in record.bad}.values(), key=_position)


def stimulus_files(stimulus_ids: Sequence[str] | NDArray[Any]) -> dict[str, bytes]:
    """Files of the array of stimulus ids, by name below a group."""
    from zarr.storage import MemoryStore

    from braincodec.responses.formats.zarr_store import write_stimulus_ids

    files: dict[str, Any] = {}
    write_stimulus_ids(MemoryStore(files), [str(name) for name in stimulus_ids])
    return {name: content.to_bytes() for name, content in files.items() if name != ROOT}


def _finish_group(
    place: Place, output: Output, group: Group, of_stimuli: Mapping[str, bytes], attributes: Mapping[str, Any]
) -> dict[str, FileFacts]:
    """Write ids and metadata of one group; returns all its files but those of blocks."""
    names = [name for name in group.files if name.endswith(ROOT)]
    metadata = dict(zip(names, place.read_many(f"{output.place}/{name}" for name in names), strict=True))
    metadata |= {name: content for name, content in of_stimuli.items() if name.endswith(ROOT)}
    root = {**group.root, "attributes": {**group.root.get("attributes", {}), **attributes}}
    written = {f"{output.place}/{name}": content for name, content in of_stimuli.items()}
    place.write_many(written)
    written[f"{output.place}/{ROOT}"] = _consolidated(root, metadata)
    place.write(f"{output.place}/{ROOT}", written[f"{output.place}/{ROOT}"])
    labels = {f"{output.place}/{name}": facts for name, facts in group.files.items()}
    return labels | {name: file_facts(content) for name, content in written.items()}


def _consolidated(root: dict[str, Any], metadata: Mapping[str, bytes | None]) -> bytes:
    """Metadata of a group with those of its arrays: one request to open it."""
    import zarr
    from zarr.core.buffer import default_buffer_prototype
    from zarr.storage import MemoryStore

    from braincodec.responses.formats.zarr_store import quiet

    buffer = default_buffer_prototype().buffer
    files: dict[str, Any] = {name: buffer.from_bytes(content) for name, content in metadata.items() if content}
    files[ROOT] = buffer.from_bytes(json.dumps(root).encode())
    with quiet():
        zarr.consolidate_metadata(MemoryStore(files))
    content: bytes = files[ROOT].to_bytes()
    return content


def _skipped(bad: Sequence[BadStimulus]) -> dict[str, Any]:
    return skipped_attributes([{"id": item.id, "reason": item.reason} for item in bad]) if bad else {}


def _stated(rounding: Rounding) -> dict[str, float]:
    """What rounding changed, as attributes of the responses."""
    stated = {"float16_largest_error": rounding.largest, "float16_relative_error": rounding.relative}
    return {name: value for name, value in stated.items() if np.isfinite(value)}


def _position(item: BadStimulus) -> int:
    return item.position
