"""Workers of a Dask scheduler that runs already."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from braincodec.errors import UnreachableError
from braincodec.synthesis.workers.cluster.base import JOB_PREFIX, Cluster

if TYPE_CHECKING:
    from distributed import Client, Scheduler, WorkerPlugin

CONNECT = 10.0  # seconds


@contextlib.contextmanager
def running_cluster(address: str, *, on_note: Callable[[str], None], patience: float) -> Iterator[RunningCluster]:
    """Connect to a scheduler; see `open_cluster`."""
    from distributed import Client

    try:
        client = Client(address, timeout=min(CONNECT, patience), set_as_default=False)
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
        _close(client)


class RunningCluster(Cluster):
    """Workers that others started, and that go on when the run is over."""

    def advice(self) -> str:
        """See `Cluster.advice`."""
        return f"start some with 'dask worker {self.address}'"

    def deploy(self, plugin: WorkerPlugin, name: str) -> str:
        """See `Cluster.deploy`."""
        from braincodec.synthesis.workers.worker import WithoutMemoryLimit

        own = super().deploy(plugin, name)
        with contextlib.suppress(Exception):  # workers that have nobody to watch them
            self.client.register_plugin(WithoutMemoryLimit(), name=own)
        return own

    def _withdraw(self, name: str) -> None:
        super()._withdraw(name)
        self.client.unregister_worker_plugin(name, nanny=True)

    def clear(self) -> None:
        """Take away jobs of runs that were killed, which workers would still hold models for."""
        with contextlib.suppress(Exception):  # a scheduler that does not know our package
            for name in self.client.run_on_scheduler(_abandoned_jobs):
                self._withdraw(name)


def _close(client: Client) -> None:
    """Close a client; where its scheduler is gone that may fail, and what ended the run is what is told."""
    try:
        client.close()
    except Exception:  # noqa: BLE001
        client.status = "closed"  # or it would try again when it is forgotten, and complain after our last line
        with contextlib.suppress(Exception):
            client._loop_runner.stop()  # the last of its threads, for the same reason


def _abandoned_jobs(dask_scheduler: Scheduler) -> list[str]:
    """Names of jobs on a scheduler whose client is gone."""
    names = [str(name) for name in dask_scheduler.worker_plugins if str(name).startswith(JOB_PREFIX)]
    return [name for name in names if name.rpartition("@")[2] not in dask_scheduler.clients]


def _dashboard(client: Client) -> str | None:
    """Where a scheduler shows its dashboard, if it has one."""
    with contextlib.suppress(Exception):  # a scheduler that does not know our package
        if client.run_on_scheduler(_has_dashboard):
            return str(client.dashboard_link)
    return None


def _has_dashboard(dask_scheduler: Scheduler) -> bool:
    return bool(dask_scheduler.http_application.applications)  # it names an address in any case
