"""What runs in a worker process: one block computes while another one is written."""

from __future__ import annotations

import contextlib
import math
import platform
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from distributed import NannyPlugin, Status, WorkerPlugin, get_worker, secede

from braincodec.device import is_out_of_memory, keep_freed_memory
from braincodec.errors import BraincodecError, FailedWorkError, InputValueError, UnreachableError
from braincodec.memory import free_main_memory
from braincodec.synthesis.computing.digests import digests_of
from braincodec.synthesis.workers import gpu
from braincodec.synthesis.workers.job import COPIES_OF_A_BLOCK, Job, versions_here

if TYPE_CHECKING:
    from distributed import Nanny, Worker

    from braincodec.synthesis.computing.blocks import BlockComputer
    from braincodec.synthesis.plan import Block
    from braincodec.synthesis.storage.place import Place
    from braincodec.synthesis.storage.records import BlockRecord

SECONDS_BETWEEN_LOOKS = 0.2


@dataclass(frozen=True)
class Outcome:
    """What became of a piece of work; errors travel as values, so that Dask prints none.

    Parameters
    ----------
    result : object
        A `BlockRecord`, or digests; None where there is an error or a refusal.
    error : BraincodecError or None
    again : bool
        Whether another try may help.
    refusal : str
        Why this worker can do no work of the job.
    """

    result: Any = None
    error: BraincodecError | None = None
    again: bool = False
    refusal: str = ""


class JobPlugin(WorkerPlugin):
    """Carries a job to a worker, and holds there what it needs: models, stimuli, output.

    Parameters
    ----------
    job : Job
    """

    def __init__(self, job: Job) -> None:
        self.job = job

    def __getstate__(self) -> dict[str, Any]:
        return {"job": self.job}

    def setup(self, worker: Worker) -> None:
        """Called in every worker, also those that come late; models are loaded by the first block."""
        self._bench = Bench(self.job)
        self._relax = _without_memory_limits(worker)
        self._relax.__enter__()

    def teardown(self, worker: Worker) -> None:
        """Called when the job is withdrawn, or the worker ends."""
        self._bench.close()
        self._relax.__exit__(None, None, None)

    @property
    def bench(self) -> Bench:
        """What the worker holds for the job."""
        return self._bench


class Bench:
    """What one worker process holds for one job.

    Parameters
    ----------
    job : Job
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.withdrawn = False
        self._opening = threading.Lock()
        self._opened: tuple[BlockComputer, Place] | None = None
        self._room = threading.Condition()
        self._busy = 0

    def close(self) -> None:
        """Free the models; a block that is being computed is not written any more."""
        self.withdrawn = True
        self._opened = None
        gpu.release(self.job.name)

    def open(self) -> tuple[BlockComputer, Place]:
        """The computer and the output, made when first asked for.

        Raises
        ------
        BraincodecError
            When this worker cannot take part: other versions, no GPU, no view of models or output.
        """
        with self._opening:
            if self._opened is None:
                self._check_versions()
                keep_freed_memory()
                place = self.job.open_output()
                if not self.job.is_known_at(place):
                    raise InputValueError(
                        f"it sees no plan in {self.job.output}: the output must lie where all workers can write"
                    )
                self._opened = self.job.open_computer(self._device()), place
            return self._opened

    def work(self, block: Block, again: bool) -> BlockRecord:
        """Compute a block, then write it; `BlockComputer` lets one block compute while another is read or written.

        Parameters
        ----------
        block : Block
        again : bool
            Whether it may be there already, from a worker that was lost before it could say so.

        Raises
        ------
        BraincodecError
            Of the stimuli, the models or the output.
        """
        computer, place = self.open()
        there = self.job.finished(place, block) if again else None
        if there is not None:
            return there
        with self._room_for(block):
            computed = computer.compute(block)
            if self.withdrawn:
                raise UnreachableError("the run that asked for this block is over")
            return self.job.write(place, block, computed)

    @contextlib.contextmanager
    def _room_for(self, block: Block) -> Iterator[None]:
        """Wait for the other block to end where memory is short for two."""
        needed = self.job.block_bytes(block) * COPIES_OF_A_BLOCK
        with self._room:
            while self._busy and free_main_memory() < needed * (self._busy + 1):
                self._room.wait(SECONDS_BETWEEN_LOOKS)
            self._busy += 1
        try:
            yield
        finally:
            with self._room:
                self._busy -= 1
                self._room.notify_all()

    def _check_versions(self) -> None:
        here = versions_here()
        other = [f"{name} {here[name]} in place of {wanted}" for name, wanted in self.job.versions.items()
                 if here[name] != wanted]  # fmt: skip
        if other:
            raise InputValueError(f"it has {' and '.join(other)}, whose values may differ: install the same versions")

    def _device(self) -> str:
        if self.job.plan.request.device != "cuda":
            return self.job.plan.request.device
        return gpu.claim(self.job.name)


def work_on(name: str, block: Block, *, again: bool) -> Outcome:
    """Task: compute and write one block of a job."""
    if get_worker().state.nthreads < 2:
        secede()  # so that the next block can be read while this one computes; how many are here is ours to bound
    return _outcome(name, lambda bench: bench.work(block, again), f"block {block.number} of pass {block.pass_number}")


def look_at(name: str, begin: int, end: int, *, again: bool) -> Outcome:
    """Task: digests of consecutive stimuli, as they are now."""
    return _outcome(name, lambda bench: digests_of(bench.job.stimuli, begin, end), f"stimuli {begin} to {end - 1}")


def _outcome(name: str, task: Callable[[Bench], Any], what: str) -> Outcome:
    plugin = get_worker().plugins.get(name)
    if not isinstance(plugin, JobPlugin):
        return Outcome(refusal=f"{where()}: it was not told of this run")
    try:
        plugin.bench.open()
    except BraincodecError as error:
        return Outcome(refusal=f"{where()}: {error}")
    except Exception as error:  # noqa: BLE001  # told in words where the user is
        return Outcome(refusal=f"{where()}: {_in_words(error)}")
    try:
        return Outcome(result=task(plugin.bench))
    except BraincodecError as error:
        return Outcome(error=error, again=_may_pass(error))
    except Exception as error:  # noqa: BLE001
        return Outcome(error=FailedWorkError(f"{what} failed on {where()}: {_in_words(error)}"), again=True)


def _may_pass(error: BraincodecError) -> bool:
    """Whether another try may help: an address may answer again, and alone a block may find more memory."""
    cause = error.__cause__
    return isinstance(error, UnreachableError) or (cause is not None and is_out_of_memory(cause))


def where() -> str:
    """Address and machine of the worker that this process is."""
    return f"worker {get_worker().address} on {platform.node()}"


def _in_words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


@contextlib.contextmanager
def _without_memory_limits(worker: Worker) -> Iterator[None]:
    """Within the block Dask neither pauses the worker nor spills for the sake of memory, which the plan bounds."""
    limits = worker.memory_manager
    before = limits.memory_pause_fraction, limits.memory_spill_fraction
    limits.memory_pause_fraction = limits.memory_spill_fraction = False
    if worker.status is Status.paused:  # nobody else would wake it now
        worker.status = Status.running
    try:
        yield
    finally:
        limits.memory_pause_fraction, limits.memory_spill_fraction = before


class WithoutMemoryLimit(NannyPlugin):
    """Keeps Dask from ending a worker for the memory that it holds, while it works for us."""

    def setup(self, nanny: Nanny) -> None:
        """Called where a worker's process is watched."""
        self._before = nanny.memory_manager.memory_terminate_fraction
        nanny.memory_manager.memory_terminate_fraction = math.inf

    def teardown(self, nanny: Nanny) -> None:
        """Called when the job is withdrawn."""
        nanny.memory_manager.memory_terminate_fraction = self._before
