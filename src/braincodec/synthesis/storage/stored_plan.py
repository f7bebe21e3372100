"""The folder of one synthesis in a store: its plan, and how it is begun, found and taken away."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from typing import Any

from braincodec.config import Config
from braincodec.errors import DamagedFileError, InputValueError, MissingFileError
from braincodec.synthesis.plan import FORMAT, Plan
from braincodec.synthesis.storage.place import Place, plain_name

SYNTHESIS = "synthesis"
PLAN, COMPLETE = "plan.json", "complete.json"
RESPONSES = "generated_responses/"
JOB_NAME = re.compile(r"[0-9a-f]{12}", re.ASCII)
# in a plan of any size that makes sense; a damaged number must not keep a program busy for days
MOST_BLOCKS = 10_000_000
PASS_NAME = re.compile(r"\w[\w.=-]*")
# of stimuli: of a folder or file, or of each image
Address = str | tuple[str, ...]


class FileFacts(Config):
    """Size and checksum of a file."""

    bytes: int
    sha256: str


class StoredPlan(Config):
    """What ``plan.json`` holds.

    Parameters
    ----------
    format : int
    plan_hash : str
        `Plan.hash` when it was written.
    stimuli_address : str, tuple of str or None
        Where the stimuli were found, where they were opened by paths.
    plan : Plan
    """

    format: int = FORMAT
    plan_hash: str
    stimuli_address: Address | None = None
    plan: Plan


def file_facts(content: bytes) -> FileFacts:
    """Size and SHA-256 of a file's content."""
    return FileFacts(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def ids_hash(ids: Iterable[object]) -> str:
    """Hexadecimal SHA-256 of stimulus ids in their order."""
    return hashlib.sha256("\0".join(map(str, ids)).encode("utf-8", "surrogateescape")).hexdigest()


def job_of(plan: Plan) -> str:
    """Name of the synthesis that answers the plan's request."""
    return plan.request.hash()[:12]


def job_folder(plan: Plan) -> str:
    """Where plan and records of a synthesis lie below the store."""
    return f"{SYNTHESIS}/{job_of(plan)}"


def jobs(place: Place) -> list[str]:
    """Names of the syntheses in a store, finished or not."""
    return [name for name in place.names(SYNTHESIS) if JOB_NAME.fullmatch(name)]


def write_plan(place: Place, plan: Plan, stimuli_address: Address | None = None) -> None:
    """Begin a synthesis: its plan is the first thing that is written."""
    stored = StoredPlan(plan_hash=plan.hash(), stimuli_address=stimuli_address, plan=plan)
    place.write(f"{job_folder(plan)}/{PLAN}", stored.model_dump_json(indent=1).encode())


def read_plan(place: Place, job: str) -> Plan:
    """The plan of one synthesis of the store; see `read_stored_plan`."""
    return read_stored_plan(place, job).plan


def read_stored_plan(place: Place, job: str) -> StoredPlan:
    """The plan of one synthesis of the store, and where its stimuli were found.

    Parameters
    ----------
    place : Place
    job : str
        From `jobs`.

    Raises
    ------
    MissingFileError
        When there is no such synthesis.
    InputValueError
        When another version of the package wrote it in a form that this one does not know.
    DamagedFileError
        When it is cut short, edited, or no plan.
    """
    name = f"{SYNTHESIS}/{plain_name(job)}/{PLAN}"
    where = place.join(name)
    content = place.read(name)
    if content is None:
        raise MissingFileError(where, "plan of a synthesis")
    values = parsed_json(content, where)
    if isinstance(values.get("format"), int) and values["format"] != FORMAT:
        plan = values.get("plan")
        version = plan.get("version", "unknown") if isinstance(plan, dict) else "unknown"
        raise InputValueError(
            f"{where} has format {values['format']}, written by braincodec {version}; this one knows format {FORMAT}: "
            "use that version, or begin anew (--overwrite, overwrite=True)"
        )
    try:
        stored = StoredPlan.parse(values)
    except InputValueError as error:
        raise DamagedFileError(f"{where} is damaged: {error}") from error
    if stored.plan_hash != stored.plan.hash() or job_of(stored.plan) != job:
        raise DamagedFileError(f"{where} was changed after it was written: its hash is another one")
    check_plan(stored.plan, where)
    return stored


def check_plan(plan: Plan, where: str) -> None:
    """Raise `DamagedFileError` where following a plan would lead outside the store, or to arrays that cannot be."""
    if plan.request.count < 1 or not plan.passes:
        raise DamagedFileError(f"{where} plans nothing: {plan.request.count} stimuli, {len(plan.passes)} passes")
    for one in plan.passes:
        if not PASS_NAME.fullmatch(one.name) or not one.outputs:
            raise DamagedFileError(f"{where} holds a pass without outputs or a plain name: {one.name!r}")
        if one.tile < 1 or one.block < one.tile or one.block % one.tile:
            raise DamagedFileError(f"{where}: blocks of {one.block} stimuli are not made of tiles of {one.tile}")
    if sum(plan.request.count // one.block for one in plan.passes) > MOST_BLOCKS:
        raise DamagedFileError(f"{where} plans more than {MOST_BLOCKS:,} blocks")
    refuse_elsewhere((output.place for output in plan.outputs), where)
    for output in plan.outputs:
        if not output.place.endswith(".zarr"):
            raise DamagedFileError(f"{where}: {output.place!r} is no place for generated responses")
        if len(output.shape) != len(output.dims) or min(output.shape, default=0) < 1:
            raise DamagedFileError(f"{where}: {output.place} has dimensions {output.dims} of sizes {output.shape}")
    for what, names in (
        ("pass", [one.name for one in plan.passes]),
        ("output", [output.place for output in plan.outputs]),
    ):
        if len(set(names)) != len(names):
            raise DamagedFileError(f"{where} names a {what} twice")


def refuse_elsewhere(names: Iterable[str], where: str) -> None:
    """Raise `DamagedFileError` where a name leads out of the generated responses: nobody of ours wrote it."""
    for name in names:
        try:
            inside = plain_name(name).startswith(RESPONSES)
        except InputValueError:
            inside = False
        if not inside:
            raise DamagedFileError(f"{where}: {name!r} is no place for generated responses")


def discard_job(place: Place, plan: Plan) -> None:
    """Remove a synthesis and the responses it made; killed half-way, it may be repeated."""
    unfinish(place, plan)
    for output in plan.outputs:
        place.remove(output.place)
    folder = job_folder(plan)
    for name in place.names(folder):
        if name != PLAN:  # by which the rest is found
            place.remove(f"{folder}/{name}")
    place.remove(folder)


def unfinish(place: Place, plan: Plan) -> None:
    """Take away what makes the responses of a synthesis listed: the mark of completion, then the groups' own files."""
    place.remove(f"{job_folder(plan)}/{COMPLETE}")
    for output in plan.outputs:
        place.remove(f"{output.place}/zarr.json")


def parsed_json(content: bytes, where: str) -> dict[str, Any]:
    """A JSON object.

    Raises
    ------
    DamagedFileError
        When it is none.
    """
    try:
        values = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(f"{where} is not valid JSON: {error}") from None
    if not isinstance(values, dict):
        raise DamagedFileError(f"{where} holds no JSON object")
    return values
