"""Whole runs as a user starts them: ``braincodec synthesize`` in processes that can be killed."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fsspec
import psutil

import braincodec as bc

COMMAND = "from braincodec.cli.app import main; main()"
PATIENCE = 240.0  # seconds; ends a test that hangs, on a machine however busy
# what differs between two runs that made the same
TIMES = {"finished", "seconds", "version"}


@dataclass(frozen=True)
class Study:
    """Models and images.

    Parameters
    ----------
    folder : Path
    blocks : int
        Units of work of a whole run.
    """

    folder: Path
    blocks: int

    @property
    def models(self) -> Path:
        return self.folder / "models"

    @property
    def images(self) -> Path:
        return self.folder / "images"

    def request(self, *, images: Path | None = None) -> list[str]:
        """The words of the command that say what is asked for."""
        return [
            *("--store", str(self.models), "--models", "all", "--stimuli", str(images or self.images)),
            *("--name", "images", "--tile", "4", "--block", "4"),
        ]


@dataclass(frozen=True)
class Output:
    """Where a run writes."""

    address: str
    options: dict[str, Any] = field(default_factory=dict)

    def files(self, folder: str) -> dict[str, bytes]:
        """Contents below a folder, hidden files too; some may vanish while they are read."""
        system, root = fsspec.url_to_fs(self.address, **self.options)
        system.invalidate_cache()
        found = system.find(f"{root}/{folder}")
        contents = system.cat(found, on_error="omit") if found else {}
        return {path.removeprefix(f"{root}/"): content for path, content in contents.items()}

    def records(self) -> dict[str, bytes]:
        """The records of blocks; each holds the seconds that it took, so one that was computed again differs."""
        return {name: content for name, content in self.files("synthesis").items() if is_record(name)}

    def count(self) -> int:
        """How many blocks are recorded."""
        system, root = fsspec.url_to_fs(self.address, **self.options)
        system.invalidate_cache()
        return sum(map(is_record, system.find(f"{root}/synthesis")))

    def responses(self) -> dict[str, bytes]:
        """Every file of arrays, ids and labels."""
        return self.files("generated_responses")

    def told(self) -> dict[str, Any]:
        """What plan, records and the last file say, without times."""
        return {
            name: {key: value for key, value in json.loads(content).items() if key not in TIMES}
            for name, content in self.files("synthesis").items()
        }


class Running:
    """A command that runs, and its processes."""

    def __init__(self, process: subprocess.Popen[str], log: Path, output: Output) -> None:
        self.process, self.output, self._log = process, output, log

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    @property
    def said(self) -> str:
        """What it wrote to its standard error."""
        return self._log.read_text(errors="replace")

    def workers(self) -> list[psutil.Process]:
        """Its worker processes that are alive."""
        try:
            children = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        return [child for child in children if is_alive(child)]

    def wait_for_records(self, count: int) -> bool:
        """Wait until so many blocks are recorded; gives whether the run goes on."""
        until(lambda: self.ended or self.output.count() >= count)
        return not self.ended

    def kill_a_worker(self, chance: random.Random) -> bool:
        """Kill one of its workers; gives whether there was one before it ended."""
        until(lambda: self.ended or bool(self.workers()), pause=0.1)
        workers = self.workers()
        if self.ended or not workers:
            return False
        os.kill(chance.choice(workers).pid, signal.SIGKILL)
        return True

    def kill(self) -> None:
        """Kill the process group of the command, and wait until none of its workers is left."""
        workers = self.workers()
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        until(lambda: not any(map(is_alive, workers)), 30)

    def wait(self) -> int:
        """Wait for its end, which leaves no process behind; gives the exit code."""
        workers = []

        def ended() -> bool:
            workers.extend(self.workers())
            return self.ended

        until(ended, pause=0.2)
        until(lambda: not any(map(is_alive, workers)), 30)
        return self.process.returncode


@contextlib.contextmanager
def started(output: Output, *words: str, log: Path, program: str = COMMAND, **environment: str) -> Iterator[Running]:
    """Run ``braincodec synthesize`` beside the test, in a session of its own; it leaves no folder of ours behind."""
    temporary = log.with_name("temporary")
    temporary.mkdir(exist_ok=True)
    variables = os.environ | {"OMP_NUM_THREADS": "1", "TMPDIR": str(temporary)} | environment
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", program, "synthesize", "--output", output.address, *words],
            stdout=subprocess.DEVNULL,
            stderr=file,
            text=True,
            env=variables,
            start_new_session=True,
        )
    running = Running(process, log, output)
    try:
        yield running
        assert running.ended, "a test waits for the end of its runs, or kills them"
        until(lambda: not list(temporary.glob("braincodec-*")), 30)
    finally:
        if not running.ended:
            running.kill()


def is_record(name: str) -> bool:
    """Whether a file says that a block is durable; unfinished ones are hidden."""
    return "/blocks/" in name and name.endswith(".json") and "/." not in name


def is_alive(process: psutil.Process) -> bool:
    """Whether it runs."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def until(condition: Callable[[], bool], seconds: float = PATIENCE, pause: float = 0.01) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(pause)


def assert_same(output: Output, undisturbed: Output) -> None:
    """Arrays, ids, labels and what the store says of them are those of the undisturbed run."""
    expected, found = undisturbed.responses(), output.responses()
    assert sorted(found) == sorted(expected)
    assert [name for name in expected if found[name] != expected[name]] == []
    assert output.told() == undisturbed.told()
    checked = bc.verify(output.address, output.options or None, progress=False)
    assert checked.ok, str(checked)
