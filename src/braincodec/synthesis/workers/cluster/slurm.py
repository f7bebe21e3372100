"""Workers as jobs of Slurm, through dask-jobqueue."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from braincodec.errors import InputValueError, UnknownNameError, UnreachableError
from braincodec.extras import require_optional
from braincodec.synthesis.workers.cluster.base import Cluster
from braincodec.synthesis.workers.cluster.local import dashboard_link, dashboard_setting
from braincodec.synthesis.workers.cluster.local_worker import THREADS_FOR_BLOCKS

SUBMIT = "sbatch"
# where neither options nor Dask's configuration say
DEFAULT_MEMORY = "16GiB"
DEFAULT_WALLTIME = "04:00:00"
# seconds between tries while Slurm is busy, and the words by which it says so
PAUSES = (2.0, 10.0)
BUSY = ("timed out", "temporarily unable", "try again")
# seconds until jobs that ended, or were refused, are submitted again
BETWEEN_SUBMISSIONS = 15.0
# options of ours: how many workers there are, and what a worker is, is not for the options to say
RESERVED = ("n_workers", "processes", "nanny", "asynchronous")


def check_options(options: Mapping[str, Any]) -> None:
    """Refuse options that dask-jobqueue does not know, and machines that have no Slurm.

    Raises
    ------
    MissingExtraError
        When dask-jobqueue is not installed.
    UnknownNameError
        With the options that there are.
    InputValueError
        When there is no ``sbatch`` here.
    """
    require_optional("dask_jobqueue", "computing on Slurm")
    known = known_options()
    for name in options:
        if name not in known:
            raise UnknownNameError("option", name, known, where="of a Slurm cluster")
    if shutil.which(SUBMIT) is None:
        raise InputValueError(f"there is no {SUBMIT} on this machine: start the run where Slurm jobs are submitted")


def known_options() -> list[str]:
    """What `dask_jobqueue.SLURMCluster` takes, less what is decided here."""
    from dask_jobqueue.core import Job, JobQueueCluster
    from dask_jobqueue.slurm import SLURMJob

    names = [name for kind in (SLURMJob, Job, JobQueueCluster) for name in inspect.signature(kind.__init__).parameters]
    left_out = {"self", "scheduler", "name", "kwargs", "base_class_kwargs", "args", "job_kwargs", *RESERVED}
    return sorted(set(names) - left_out)


@contextlib.contextmanager
def slurm_cluster(
    *,
    workers: int,
    threads: int,
    device: str,
    options: Mapping[str, Any],
    on_note: Callable[[str], None],
    patience: float,
) -> Iterator[SlurmWorkers]:
    """Submit one job a worker; see `open_cluster`."""
    from dask_jobqueue import SLURMCluster
    from distributed import Client

    settings = job_settings(threads, device, options)
    try:
        jobs = SLURMCluster(n_workers=0, job_cls=recording_job(), **settings)
    except (ValueError, TypeError, OSError) as error:
        raise InputValueError(f"Slurm jobs cannot be described: {error}") from error
    with jobs, Client(jobs, set_as_default=False) as client:
        cluster = SlurmWorkers(client, jobs, workers, on_note, patience)
        cluster.tend()
        yield cluster


def job_settings(threads: int, device: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """What `SLURMCluster` is called with.

    Parameters
    ----------
    threads : int
        Processor cores of each job.
    device : str
    options : mapping
        Of the user's, which go before ours.
    """
    import dask
    import dask_jobqueue  # noqa: F401  # reads its settings when it is imported

    configured = dask.config.get("jobqueue.slurm", {})
    settings: dict[str, Any] = {"cores": threads, "processes": 1}
    if configured.get("memory") is None:
        settings["memory"] = DEFAULT_MEMORY
    if configured.get("walltime") is None:
        settings["walltime"] = DEFAULT_WALLTIME
    settings |= options
    # Slurm's own limit holds, not Dask's; the last of two equal options counts
    ours = ["--nthreads", str(THREADS_FOR_BLOCKS), "--memory-limit", "0"]
    settings["worker_extra_args"] = [*ours, *(options.get("worker_extra_args") or ())]
    directives = list(settings.get("job_extra_directives") or configured.get("job-extra-directives") or ())
    if device == "cuda" and not any("--gres" in line or "--gpus" in line for line in directives):
        directives.append("--gres=gpu:1")
    settings["job_extra_directives"] = directives
    scheduler = dict(settings.get("scheduler_options") or {})
    scheduler.setdefault("dashboard_address", dashboard_setting(""))
    settings["scheduler_options"] = scheduler
    return settings


def recording_job() -> Any:
    """dask-jobqueue's job, which tries again when Slurm is busy, and keeps what Slurm said when it refused."""
    from dask_jobqueue.slurm import SLURMJob
    from distributed.core import Status

    class Job(SLURMJob):
        refusal = ""

        async def start(self) -> None:
            for pause in (*PAUSES, None):
                try:
                    await super().start()
                    return
                except (RuntimeError, ValueError, OSError) as error:
                    if pause is None or not any(word in str(error) for word in BUSY):
                        self.refusal, self.status = _words_of_slurm(str(error)), Status.failed
                        raise
                await asyncio.sleep(pause)

    return Job


def _words_of_slurm(text: str) -> str:
    """What ``sbatch`` said, out of dask-jobqueue's account of it."""
    said = text.partition("stderr:")[2].strip() or text
    return " ".join(said.split())


class SlurmWorkers(Cluster):
    """Jobs of Slurm; one that ends is submitted again.

    Parameters
    ----------
    jobs : dask_jobqueue.SLURMCluster
    workers : int
        How many jobs there shall be.
    """

    waits = True

    def __init__(self, client: Any, jobs: Any, workers: int, on_note: Callable[[str], None], patience: float) -> None:
        super().__init__(client, "slurm", dashboard_link(jobs), on_note, patience)
        self._jobs, self._count = jobs, workers
        self._submitted = 0.0

    @property
    def workers_expected(self) -> int:
        """See `Cluster.workers_expected`."""
        return self._count

    def tend(self) -> None:
        """Submit jobs until there are as many as asked for, those in the queue included.

        Raises
        ------
        UnreachableError
            When Slurm refuses all of them; with its words.
        """
        known = dict(self._jobs.workers)
        refused = {name: job.refusal for name, job in known.items() if job.refusal}
        if refused and len(refused) == len(known):
            raise UnreachableError(f"Slurm refuses the jobs: {next(iter(refused.values()))}")
        if len(known) - len(refused) < self._count and time.monotonic() - self._submitted > BETWEEN_SUBMISSIONS:
            self._submitted = time.monotonic()
            for name, reason in refused.items():
                self.note(f"Slurm refused a job, which is submitted again: {reason}")
                self._jobs.workers.pop(name, None)
            self._jobs.scale(jobs=self._count)

    def advice(self) -> str:
        """See `Cluster.advice`."""
        numbers = [str(job.job_id) for job in list(self._jobs.workers.values()) if job.job_id]
        told = f"jobs {', '.join(numbers)} wait in the queue or start" if numbers else "no job was accepted yet"
        return f"{told} ('squeue --me' shows them); Ctrl-C ends the run"
