"""Workers of a Dask scheduler that runs already."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from braincodec.errors import UnreachableError
from braincodec.synthesis.cluster.base import Cluster

if TYPE_CHECKING:
    from distributed import Scheduler

CONNECT = 10.0  # seconds
JOB_NAMES = "braincodec-"


@contextlib.contextmanager
def running_cluster(address: str, *, on_note: Callable[[str], None], patience: float) -> Iterator[RunningCluster]:
    """Connect to a scheduler; see `open_cluster`."""
    from distributed import Client

    try:
        client = Client(address, timeout=CONNECT, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise UnreachableError(
            f"no Dask scheduler answers at {address}: start one with 'dask scheduler', and its workers with "
            f"'dask worker {address}'"
        ) from error
    cluster = RunningCluster(client, address, _dashboard(client), on_note, patience)
    try:
        cluster.clear()
        yield cluster
    finally:
        cluster.withdraw()
        client.close()


class RunningCluster(Cluster):
    """Workers that others started, and that go on when the run is over."""

    def advice(self) -> str:
        """See `Cluster.advice`."""
        return f"start some with 'dask worker {self.address}'"

    def clear(self) -> None:
        """Take away jobs of runs that were killed, which workers would still hold models for."""
        with contextlib.suppress(Exception):  # a scheduler that does not know our package
            self.withdraw(self.client.run_on_scheduler(_jobs_of_nobody))


def _jobs_of_nobody(dask_scheduler: Scheduler) -> list[str]:
    """Names of jobs on a scheduler while no other client is connected, whose they could be."""
    plugins: Any = dask_scheduler.worker_plugins
    others = [name for name in dask_scheduler.clients if name != "fire-and-forget"]
    return [str(name) for name in plugins if str(name).startswith(JOB_NAMES)] if len(others) <= 1 else []


def _dashboard(client: Any) -> str | None:
    with contextlib.suppress(Exception):  # older schedulers do not say
        return str(client.dashboard_link) or None
    return None
