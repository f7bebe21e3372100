"""What every cluster offers, wherever its workers run."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from braincodec.errors import UnreachableError

if TYPE_CHECKING:
    from distributed import Client, WorkerPlugin

# seconds without any worker until a run ends, or says what it waits for
PATIENCE = 60.0
# seconds that a scheduler may take to answer
ANSWER = 30.0
# of the names of jobs on a scheduler
JOB_PREFIX = "braincodec-"


class Cluster:
    """Workers below one Dask scheduler; some may come late and some may be lost.

    Parameters
    ----------
    client : distributed.Client
        Connected.
    address : str
        For messages.
    dashboard : str or None
        Address of Dask's dashboard, where there is one.
    on_note : callable
        Called with sentences for the user.
    patience : float
        Seconds.
    """

    is_local = False  # whether workers are processes of this machine, which end with the run
    waits = False  # whether having no workers for long is no reason to end

    def __init__(
        self, client: Client, address: str, dashboard: str | None, on_note: Callable[[str], None], patience: float
    ) -> None:
        self.client, self.address, self.dashboard = client, address, dashboard
        self.note, self.patience = on_note, patience
        self._deployed: list[str] = []
        self._silent = False  # one that did not answer is not asked again

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.address!r})"

    @property
    def workers_expected(self) -> int:
        """Workers that blocks will be shared by, as far as is known; for forecasts."""
        return len(self.workers())

    @property
    def is_lost(self) -> bool:
        """Whether the scheduler no longer answers."""
        return self._silent or self.client.status != "running"

    def workers(self) -> list[str]:
        """Addresses of the workers that are there now.

        Raises
        ------
        UnreachableError
            When the scheduler is lost.
        """
        if not self.is_lost:
            # a connection that is lost at this moment raises what it likes: OSError, RuntimeError, AttributeError
            with contextlib.suppress(Exception):
                return list(self.client.sync(self.client.scheduler.ncores, callback_timeout=ANSWER))
        self._silent = True
        raise UnreachableError(f"the scheduler at {self.address} is gone, or does not answer")

    def tend(self) -> None:
        """Replace workers that were lost, where that is ours to do; called now and then."""

    def advice(self) -> str:
        """What to do when there are no workers."""
        return "start some"

    def deploy(self, plugin: WorkerPlugin, name: str) -> str:
        """Give every worker, also those that come later, what it needs for a job.

        Returns
        -------
        str
            Name by which tasks find it in a worker. It holds the client's, so that what a killed run left is told from
            what another one uses.
        """
        own = f"{JOB_PREFIX}{name}@{self.client.id}"
        if own not in self._deployed:
            self._deployed.append(own)
            # a worker that cannot take it says so when it is given work
            with contextlib.suppress(Exception):
                self.client.register_plugin(plugin, name=own)
        return own

    def withdraw(self) -> None:
        """Take jobs away from all workers, which free what they hold for them."""
        while self._deployed:
            name = self._deployed.pop()
            if not self.is_lost:
                with contextlib.suppress(Exception):  # the end of a run has no use for what fails here
                    self._withdraw(name)

    def _withdraw(self, name: str) -> None:
        self.client.unregister_worker_plugin(name)
