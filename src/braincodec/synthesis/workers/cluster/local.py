"""Workers as processes of this machine, below a scheduler in this process."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from braincodec.errors import UnreachableError
from braincodec.memory import free_main_memory
from braincodec.synthesis.workers.cluster.base import Cluster

if TYPE_CHECKING:
    from distributed import LocalCluster

LOCAL_WORKER = "braincodec.synthesis.workers.cluster.local_worker"
THIS_MACHINE = "127.0.0.1"
DASHBOARD_PORT = 8787
# how often a worker may end before it ever reached the scheduler
FAILED_STARTS = 3
# what is left is for the system's cache of files
SHARE_OF_FREE_MEMORY = 0.8
LINES_SHOWN = 5
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
# imported by a worker while the scheduler starts: what blocks need, and takes seconds
PRELOADED = ("torch", "braincodec.synthesis.computing.blocks")
GPU_VARIABLE = "CUDA_VISIBLE_DEVICES"


def default_workers(threads: int, device: str = "cpu", worker_bytes: int = 0) -> int:
    """As many workers as the processor has threads for, or one a GPU; no more than memory holds.

    Parameters
    ----------
    threads : int
        For each worker.
    device : {"cpu", "cuda", "mps"}
    worker_bytes : int
        Memory that one needs.

    Examples
    --------
    >>> default_workers(threads=10_000)
    1
    """
    if device == "cuda":
        return max(1, len(_gpus()))
    if device != "cpu":
        return 1
    from dask.system import CPU_COUNT  # limits of containers and jobs included

    fitting = int(free_main_memory() * SHARE_OF_FREE_MEMORY) // worker_bytes if worker_bytes else CPU_COUNT
    return max(1, min(CPU_COUNT // max(1, threads), fitting))


@contextlib.contextmanager
def local_cluster(
    *,
    workers: int | None,
    threads: int,
    device: str,
    worker_bytes: int = 0,
    on_note: Callable[[str], None],
    patience: float,
) -> Iterator[LocalWorkers]:
    """Start workers on this machine; see `open_cluster`."""
    count = default_workers(threads, device, worker_bytes) if workers is None else workers
    gpus = _gpus() if device == "cuda" else []
    with tempfile.TemporaryDirectory(prefix="braincodec-workers-") as folder, contextlib.ExitStack() as stack:
        processes = [WorkerProcess(number, Path(folder), threads, gpus) for number in range(count)]
        stack.callback(stop_all, processes)
        for process in processes:  # they import what they need while the scheduler starts
            process.start()
        scheduler = stack.enter_context(_scheduler())
        from distributed import Client

        client = stack.enter_context(Client(scheduler, set_as_default=False))
        cluster = LocalWorkers(client, scheduler, processes, on_note, patience)
        try:
            yield cluster
        finally:
            stop_all(processes)  # what they hold need not be freed first


class LocalWorkers(Cluster):
    """Processes of this machine; one that is killed is replaced.

    Parameters
    ----------
    scheduler : distributed.LocalCluster
        Without workers of its own.
    processes : list of WorkerProcess
    """

    is_local = True
    waits = True  # workers that cannot be started are told from those that are slow to start

    def __init__(
        self,
        client: Any,
        scheduler: LocalCluster,
        processes: list[WorkerProcess],
        on_note: Callable[[str], None],
        patience: float,
    ) -> None:
        super().__init__(client, "this machine", dashboard_link(scheduler), on_note, patience)
        self._scheduler, self._processes = scheduler, processes
        for process in processes:
            process.connect(scheduler.scheduler_address)

    @property
    def workers_expected(self) -> int:
        """See `Cluster.workers_expected`."""
        return len(self._processes)

    @property
    def process_ids(self) -> list[int]:
        """Of the workers that run."""
        return [process.number for process in self._processes if process.runs]

    def tend(self) -> None:
        """Start a worker anew where one ended.

        Raises
        ------
        UnreachableError
            When one ends again and again before it reaches the scheduler; with its last words.
        """
        here = {str(worker.name) for worker in list(self._scheduler.scheduler.workers.values())}
        for process in self._processes:
            process.reached |= process.name in here
            if process.runs:
                continue
            words = process.last_words()
            if words and process.reached:
                self.note(f"a worker ended: {words}")
            process.failed_starts = 0 if process.reached else process.failed_starts + 1
            if process.failed_starts >= FAILED_STARTS:
                raise UnreachableError(
                    f"workers cannot be started on this machine: {words or 'they end without a word'}"
                )
            try:
                process.start()
            except OSError as error:
                raise UnreachableError(f"workers cannot be started on this machine: {error}") from error
            process.connect(self._scheduler.scheduler_address)

    def advice(self) -> str:
        """See `Cluster.advice`."""
        return "they are being started; a machine that is busy or short of memory takes long (use fewer workers)"

    def withdraw(self) -> None:
        """See `Cluster.withdraw`; these workers end with the cluster."""


class WorkerProcess:
    """One worker of this machine, started as a command of its own.

    It is no fork and imports no script of the user's, and ends when this process ends, however that ends: its standard
    input is a pipe from here.

    Parameters
    ----------
    number : int
    folder : Path
        For its log and its scratch files.
    threads : int
    gpus : list of str
        Names by which a process sees one; empty when it computes on the processor.
    """

    def __init__(self, number: int, folder: Path, threads: int, gpus: list[str]) -> None:
        self._index, self._folder = number, folder
        self._environment = {name: str(threads) for name in THREAD_VARIABLES}
        if gpus:
            self._environment[GPU_VARIABLE] = gpus[number % len(gpus)]
        self._process: subprocess.Popen[bytes] | None = None
        self._log = folder / f"worker-{number}.log"
        self._starts = 0
        self.reached = False
        self.failed_starts = 0

    @property
    def name(self) -> str:
        """By which the scheduler knows it."""
        return f"{self._index}-{self._starts}"

    @property
    def number(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def runs(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process; it waits for `connect`."""
        self.stop()
        self._starts += 1
        self.reached = False
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", LOCAL_WORKER, self.name, str(self._folder), *PRELOADED],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=os.environ | self._environment,
                start_new_session=True,  # an interrupt from the keyboard is for this process alone
            )

    def connect(self, address: str) -> None:
        """Tell it where the scheduler is."""
        pipe = self._pipe()
        with contextlib.suppress(OSError):  # it has ended: `Cluster.tend` sees to it
            pipe.write(f"{address}\n".encode())
            pipe.flush()

    def stop(self) -> None:
        """End the process at once: what is not durable is computed again."""
        if self._process is not None:
            self._process.kill()
            with contextlib.suppress(OSError):
                self._pipe().close()
            self._process.wait()
            self._process = None

    def last_words(self) -> str:
        """The end of its log, which holds nothing while all is well."""
        with contextlib.suppress(OSError):
            lines = [line.strip() for line in self._log.read_text(errors="replace").splitlines() if line.strip()]
            return " / ".join(lines[-LINES_SHOWN:])
        return ""

    def _pipe(self) -> IO[bytes]:
        assert self._process is not None and self._process.stdin is not None
        return self._process.stdin


def stop_all(processes: list[WorkerProcess]) -> None:
    """End all processes."""
    for process in processes:
        process.stop()


@contextlib.contextmanager
def _scheduler() -> Iterator[LocalCluster]:
    """A scheduler in this process that this machine alone can reach."""
    import dask
    import distributed

    settings = {"distributed.scheduler.work-stealing": False, "distributed.worker.profile.enabled": False}
    with dask.config.set(settings):
        cluster = distributed.LocalCluster(
            host=THIS_MACHINE,
            n_workers=0,
            processes=True,
            dashboard_address=dashboard_setting(THIS_MACHINE),
        )
    with cluster:
        yield cluster


def dashboard_setting(host: str) -> str | None:
    """Where a scheduler of ours shows its dashboard; None where bokeh, which draws it, is not installed."""
    if importlib.util.find_spec("bokeh") is None:
        return None
    return f"{host}:{DASHBOARD_PORT}"


def dashboard_link(cluster: Any) -> str | None:
    """Address of a cluster's dashboard, where there is one."""
    return str(cluster.dashboard_link) if importlib.util.find_spec("bokeh") and cluster.dashboard_link else None


def _gpus() -> list[str]:
    """Names by which processes of this machine can be given one GPU each."""
    chosen = os.environ.get(GPU_VARIABLE)
    if chosen is not None:
        return [name.strip() for name in chosen.split(",") if name.strip()]
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]
