"""Workers that blocks are given to: processes of this machine, a running Dask scheduler's, or jobs of Slurm."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from braincodec.errors import InputValueError, UnknownNameError
from braincodec.synthesis.workers.cluster.base import PATIENCE, Cluster

LOCAL, SLURM = "local", "slurm"
SCHEMES = ("tcp://", "tls://", "ws://", "wss://", "ucx://")
CHOICES = (LOCAL, SLURM, "tcp://host:port", "tls://host:port")

__all__ = ["Cluster", "check_cluster", "open_cluster"]


def check_cluster(spec: str, *, workers: int | None = None, options: Mapping[str, Any] | None = None) -> None:
    """Refuse what is no cluster, before long work; nothing is started.

    Parameters
    ----------
    spec, workers, options
        See `open_cluster`.

    Raises
    ------
    UnknownNameError
        With the valid choices.
    InputValueError
        For a number of workers or options that do not go with the kind of cluster.
    MissingExtraError
        When dask-jobqueue is needed and absent.

    Examples
    --------
    >>> check_cluster("slrum")
    Traceback (most recent call last):
    braincodec.errors.UnknownNameError: unknown cluster 'slrum'; did you mean 'slurm'? available: local, slurm, ...
    """
    if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int) or workers < 1):
        raise InputValueError(f"workers must be a whole number of at least 1, got {workers!r}")
    if spec == SLURM:
        from braincodec.synthesis.workers.cluster.slurm import check_options

        check_options(options or {})
    elif spec == LOCAL or (isinstance(spec, str) and spec.startswith(SCHEMES)):
        if options:
            raise InputValueError(f"options of a cluster ({', '.join(options)}) are for cluster='slurm', not {spec!r}")
        if workers is not None and spec != LOCAL:
            raise InputValueError(
                f"the workers of {spec} are started with 'dask worker {spec}', as many as you like; leave workers out"
            )
    else:
        raise UnknownNameError("cluster", spec, CHOICES)


@contextlib.contextmanager
def open_cluster(
    spec: str = LOCAL,
    *,
    workers: int | None = None,
    threads: int = 1,
    device: str = "cpu",
    worker_bytes: int = 0,
    options: Mapping[str, Any] | None = None,
    on_note: Callable[[str], None] | None = None,
    patience: float = PATIENCE,
) -> Iterator[Cluster]:
    """Start workers, or connect to those that run; all that was started ends with the block.

    Parameters
    ----------
    spec : str
        ``"local"`` (processes of this machine), ``"tcp://host:port"`` or ``"tls://host:port"`` (a running Dask
        scheduler) or ``"slurm"`` (one job a worker).
    workers : int, optional
        Default: of this machine as many as `threads` allow, or one a GPU; of Slurm 1. A running cluster has its own.
    threads : int
        Of the processor, for each worker.
    device : {"cpu", "cuda", "mps"}
    worker_bytes : int
        Memory that a worker needs (`workers.job.worker_bytes`), which bounds the default number of them.
    options : mapping, optional
        For Slurm: what `dask_jobqueue.SLURMCluster` takes (``queue``, ``account``, ``memory``, ``walltime``,
        ``job_extra_directives``, ...).
    on_note : callable, optional
        Called with sentences for the user.
    patience : float
        Seconds without any worker after which a run ends (on Slurm: after which it says what it waits for).

    Yields
    ------
    Cluster
        It may have no workers yet: they are given work as they come.

    Raises
    ------
    UnreachableError
        When no scheduler answers, or workers cannot be started.
    UnknownNameError, InputValueError, MissingExtraError
        See `check_cluster`.
    """
    from braincodec.synthesis.workers.cluster.quiet import quiet_dask

    check_cluster(spec, workers=workers, options=options)
    said = on_note or _nothing
    with quiet_dask(), contextlib.ExitStack() as stack:
        if spec == LOCAL:
            from braincodec.synthesis.workers.cluster.local import local_cluster

            yield stack.enter_context(
                local_cluster(
                    workers=workers,
                    threads=threads,
                    device=device,
                    worker_bytes=worker_bytes,
                    on_note=said,
                    patience=patience,
                )
            )
        elif spec == SLURM:
            from braincodec.synthesis.workers.cluster.slurm import slurm_cluster

            yield stack.enter_context(
                slurm_cluster(
                    workers=workers or 1,
                    threads=threads,
                    device=device,
                    options=options or {},
                    on_note=said,
                    patience=patience,
                )
            )
        else:
            from braincodec.synthesis.workers.cluster.running import running_cluster

            yield stack.enter_context(running_cluster(spec, on_note=said, patience=patience))


def _nothing(_: str) -> None:
    pass
