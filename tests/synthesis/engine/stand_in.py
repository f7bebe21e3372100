"""A job whose blocks take no models: what the engine does with workers is tested by what its blocks tell of them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from braincodec.errors import OutputError, UnreachableError
from braincodec.stimuli import StimulusSet
from braincodec.synthesis.plan import Block, Output, Pass, Plan, Request
from braincodec.synthesis.workers.job import Job

TILE = 4


def make_plan(stimuli: StimulusSet, *, passes: int = 1, block: int = 4, **request: Any) -> Plan:
    asked = Request(
        models=("stand-in",), stimuli="images", count=len(stimuli), fingerprint=stimuli.fingerprint(), **request
    )
    made = []
    for number in range(passes):
        place = f"generated_responses/stand-in/stimuli-images/subject-{number + 1:02d}.zarr"
        output = Output(
            model="stand-in", subject=number + 1, place=place, dims=("unit",), shape=(3,), identity="0" * 64
        )
        made.append(
            Pass(
                name=f"{number:03d}-stand-in",
                outputs=(output,),
                shared="nothing",
                tile=TILE,
                block=block,
                weight_bytes=0,
                image_bytes=0,
            )
        )
    return Plan(request=asked, passes=tuple(made), version="0", models_address="nowhere")


@dataclass(frozen=True)
class Record:
    """What a block of a `StandInJob` gives."""

    block: Block
    digests: tuple[str, ...]
    process: int


class StandInComputer:
    """Computes nothing, and notes when; what is to go wrong is told by files in a folder."""

    def __init__(self, job: StandInJob) -> None:
        self.job = job
        self.turn = threading.Lock()

    def compute(self, block: Block) -> Record:
        folder = Path(self.job.output)
        name = f"{block.pass_number}-{block.number}"
        with (folder / "begun.txt").open("a") as file:
            file.write(json.dumps([name, os.getpid(), time.time()]) + "\n")
        with self.turn, noted(folder, "computing"):
            held = np.ones(self.job.hold_bytes, np.uint8)
            time.sleep(self.job.seconds)
            del held
        if name in self.job.kill_always:
            os.kill(os.getpid(), signal.SIGKILL)
        if name in self.job.fail:
            raise self.job.fail[name]
        return record_of(block)


@contextlib.contextmanager
def noted(folder: Path, what: str) -> Iterator[None]:
    """Note from when until when a process did something."""
    begin = time.time()
    yield
    with (folder / "spans.txt").open("a") as file:
        file.write(json.dumps([what, os.getpid(), begin, time.time()]) + "\n")


def both_at_once(folder: Path) -> int:
    """How often a process wrote one block while it computed another."""
    spans = [json.loads(line) for line in (folder / "spans.txt").read_text().splitlines()]
    computing, writing = ([one for one in spans if one[0] == what] for what in ("computing", "writing"))
    return sum(a[1] == b[1] and a[2] < b[3] and b[2] < a[3] for a in computing for b in writing)


def record_of(block: Block) -> Record:
    return Record(block, tuple(f"{position:016x}" for position in range(block.begin, block.end)), os.getpid())


@dataclass(frozen=True)
class StandInJob(Job):
    """See the module."""

    seconds: float = 0.0
    writing_seconds: float = 0.0
    kill_always: tuple[str, ...] = ()
    kill_once_written: tuple[str, ...] = ()
    fail: dict[str, Exception] = field(default_factory=dict)
    hold_bytes: int = 0

    def open_output(self) -> Any:
        return Path(self.output)

    def is_known_at(self, place: Any) -> bool:
        return (place / "plan").exists()

    def finished(self, place: Any, block: Block) -> Any:
        path = place / "written.txt"
        if path.exists() and f"{block.pass_number}-{block.number}" in path.read_text().split():
            return record_of(block)
        return None

    def open_computer(self, device: str) -> Any:
        return StandInComputer(self)

    def write(self, place: Any, block: Block, computed: Any) -> Any:
        with noted(place, "writing"):
            time.sleep(self.writing_seconds)
        with (place / "written.txt").open("a") as file:
            file.write(f"{block.pass_number}-{block.number}\n")
        if f"{block.pass_number}-{block.number}" in self.kill_once_written:
            os.kill(os.getpid(), signal.SIGKILL)
        return computed


def make_job(folder: Path, *, count: int = 40, passes: int = 1, block: int = 4, **options: Any) -> StandInJob:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plan").touch()
    stimuli = StimulusSet.open(np.zeros((count, 2, 2, 3), np.uint8))
    plan = make_plan(stimuli, passes=passes, block=block)
    return StandInJob(plan=plan, stimuli=stimuli, models="nowhere", output=str(folder), **options)


__all__ = ["OutputError", "Record", "StandInJob", "UnreachableError", "make_job"]
