"""Records of finished blocks: a block counts as done when its record is there, which is written after its data."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import FiniteFloat, field_validator

from braincodec.config import Config
from braincodec.errors import DamagedFileError, InputTypeError, InputValueError
from braincodec.stimuli import BadStimulus
from braincodec.synthesis.computing.digests import UNREADABLE
from braincodec.synthesis.computing.machine import Machine
from braincodec.synthesis.computing.rounding import Rounding
from braincodec.synthesis.plan import FORMAT, Block, Plan
from braincodec.synthesis.storage.arrays import stored_metadata
from braincodec.synthesis.storage.place import Place
from braincodec.synthesis.storage.shards import ARRAY, METADATA, block_files, encode_block
from braincodec.synthesis.storage.stored_plan import FileFacts, file_facts, job_folder, parsed_json, unfinish

if TYPE_CHECKING:
    from braincodec.synthesis.computing.computed import Computed

BLOCKS = "blocks"
DIGEST = re.compile(r"[0-9a-f]{16}", re.ASCII)
NUMBER = re.compile(r"(\d{6,9})\.json", re.ASCII)


class BlockRecord(Config):
    """Says that the responses to a block of stimuli are durable, and what they are.

    Parameters
    ----------
    format : int
    pass_name : str
    number, begin, end : int
        As in `Block`.
    digests : tuple of str
        Of each stimulus' content: 16 hexadecimal characters, or `UNREADABLE`.
    bad : tuple of BadStimulus
        Stimuli that could not be read, by their position in the whole set; their responses are NaN.
    rounding : tuple of Rounding
        One an output where values were rounded to be stored; otherwise empty.
    machine : Machine
        The kind that computed the block.
    seconds : float
        Of reading and computing.
    files : dict of str to FileFacts
        By name below the store.
    """

    format: int = FORMAT
    pass_name: str
    number: int
    begin: int
    end: int
    digests: tuple[str, ...]
    bad: tuple[BadStimulus, ...] = ()
    rounding: tuple[Rounding, ...] = ()
    machine: Machine
    seconds: FiniteFloat
    files: dict[str, FileFacts]

    @field_validator("digests")
    @classmethod
    def _held_once(cls, digests: tuple[str, ...]) -> tuple[str, ...]:
        # every pass sees the same stimuli: of a million of them in many passes, text is most of the memory
        return tuple(map(sys.intern, digests))

    def __setstate__(self, state: dict[Any, Any]) -> None:
        super().__setstate__(state)
        self.__dict__["digests"] = self._held_once(self.digests)  # of those that come from workers too


def record_name(plan: Plan, block: Block) -> str:
    """Name of the record of a block below the store."""
    return f"{job_folder(plan)}/{BLOCKS}/{plan.passes[block.pass_number].name}/{block.number:06d}.json"


def write_block(
    place: Place, plan: Plan, block: Block, computed: Computed, laid_out: Mapping[str, bytes] | None = None
) -> BlockRecord:
    """Write the responses to a block of stimuli, and once they are durable, its record.

    Parameters
    ----------
    place : Place
    plan : Plan
    block : Block
    computed : Computed
        From `BlockComputer.compute`.
    laid_out : mapping of str to bytes, optional
        `stored_metadata` of the place, which is read where it is not given.

    Raises
    ------
    InputTypeError, InputValueError
        When these are not the responses to such a block.
    OutputError, UnreachableError
        When the place cannot be written; there is no record of the block then.
    """
    one = plan.passes[block.pass_number]
    if len(computed.values) != len(one.outputs):
        raise InputValueError(f"pass {one.name} has {len(one.outputs)} outputs, got values of {len(computed.values)}")
    record = BlockRecord(
        pass_name=one.name,
        number=block.number,
        begin=block.begin,
        end=block.end,
        digests=tuple(computed.digests),
        bad=tuple(computed.bad),
        rounding=tuple(rounding for rounding in computed.rounding if rounding is not None),
        machine=computed.machine,
        seconds=computed.seconds,
        files={},
    )
    _check_contents(record, plan, block)
    name = record_name(plan, block)
    if place.read(name) is not None:
        place.remove(name)  # of an earlier run: must not speak for what is written now
    laid_out = stored_metadata(place, plan) if laid_out is None else laid_out
    files: dict[str, FileFacts] = {}
    for output, values in zip(one.outputs, computed.values, strict=True):
        if output.place not in laid_out:
            raise DamagedFileError(f"{place.join(output.place)}/{METADATA} is missing or damaged; run it again")
        encoded = encode_block(output, plan, one, block, values, laid_out[output.place])
        own = {f"{output.place}/{file}": content for file, content in encoded.items()}
        place.write_many(own)
        files |= {file: file_facts(content) for file, content in own.items()}
    record = record.model_copy(update={"files": files})
    place.write(name, record.model_dump_json().encode())
    return record


def finished_blocks(place: Place, plan: Plan) -> dict[Block, BlockRecord]:
    """The blocks that need not be computed again, in order.

    A record counts where it is whole, speaks of this plan's block, its files are there in their sizes, and it is known
    how their arrays are laid out; anything else is as if it were absent.
    """
    laid_out = stored_metadata(place, plan)
    known = [all(output.place in laid_out for output in one.outputs) for one in plan.passes]
    sizes = {file.name: file.size for output in plan.outputs for file in place.walk(f"{output.place}/{ARRAY}/c")}
    found = {}
    for block, content in stored_records(place, plan):
        with contextlib.suppress(DamagedFileError):
            record = parse_record(content, plan, block, laid_out)
            if known[block.pass_number] and all(
                sizes.get(name, -1) in (None, facts.bytes) for name, facts in record.files.items()
            ):
                found[block] = record
    return found


def stored_records(place: Place, plan: Plan) -> Iterable[tuple[Block, bytes]]:
    """Content of every record that there is, unchecked, with the block that its name stands for."""
    for pass_number, one in enumerate(plan.passes):
        folder = f"{job_folder(plan)}/{BLOCKS}/{one.name}"
        numbers = [int(match[1]) for name in place.names(folder) if (match := NUMBER.fullmatch(name))]
        blocks = [plan.block(pass_number, number) for number in sorted(numbers)]
        blocks = [block for block in blocks if block.begin < block.end]
        contents = place.read_many(record_name(plan, block) for block in blocks)
        for block, content in zip(blocks, contents, strict=True):
            if content is not None:
                yield block, content


def parse_record(content: bytes, plan: Plan, block: Block, laid_out: Mapping[str, bytes] | None = None) -> BlockRecord:
    """The record of a block from its file.

    Parameters
    ----------
    content : bytes
    plan : Plan
    block : Block
    laid_out : mapping of str to bytes, optional
        `stored_metadata` of the place. Arrays that are not in it count as laid out by this version.

    Raises
    ------
    DamagedFileError
        When it is cut short, edited, of another version, or speaks of another block.
    """
    name = record_name(plan, block)
    try:
        record = BlockRecord.parse(parsed_json(content, name))
        _check_contents(record, plan, block)
    except DamagedFileError:
        raise
    except (InputValueError, InputTypeError) as error:
        raise DamagedFileError(f"{name} is damaged: {error}") from error
    one = plan.passes[block.pass_number]
    stated = (record.format, record.pass_name, record.number, record.begin, record.end)
    if stated != (FORMAT, one.name, block.number, block.begin, block.end):
        raise DamagedFileError(f"{name} speaks of another block or version: {stated}")
    expected = {
        f"{output.place}/{file}"
        for output in one.outputs
        for file in block_files(output, plan, one, block, (laid_out or {}).get(output.place))
    }
    if set(record.files) != expected:
        raise DamagedFileError(f"{name} lists other files than the block has")
    return record


def discard_blocks(place: Place, plan: Plan, blocks: Iterable[Block]) -> None:
    """Forget blocks, so that a resumed run computes them again; the store is unfinished from then on."""
    unfinish(place, plan)
    for block in blocks:
        place.remove(record_name(plan, block))


def _check_contents(record: BlockRecord, plan: Plan, block: Block) -> None:
    one = plan.passes[block.pass_number]
    if len(record.digests) != len(block):
        raise InputValueError(f"{len(record.digests)} digests for the {len(block)} stimuli of a block")
    unreadable = [block.begin + row for row, digest in enumerate(record.digests) if digest == UNREADABLE]
    if [item.position for item in record.bad] != unreadable:
        raise InputValueError("the stimuli without a digest are not those that could not be read")
    wrong = next((digest for digest in record.digests if digest != UNREADABLE and not DIGEST.fullmatch(digest)), None)
    if wrong is not None:
        raise InputValueError(f"{wrong[:40]!r} is no digest of a stimulus: it has 16 hexadecimal characters")
    expected = len(one.outputs) if plan.request.stored_dtype != "float32" else 0
    if len(record.rounding) != expected:
        raise InputValueError(f"rounding of {len(record.rounding)} outputs, expected that of {expected}")
