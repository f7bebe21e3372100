"""The command that a worker of this machine is: ``python -m ...local_worker NAME FOLDER MODULE...``.

It imports the modules, reads the scheduler's address from standard input, and ends when that is closed.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import shutil
import sys
import threading
from pathlib import Path

# a block that computes and one that is read or written
THREADS_FOR_BLOCKS = 2
# tries to remove a folder in which another thread or worker makes files
REMOVALS = 20
SETTINGS = {
    "distributed.worker.profile.enabled": False,
    "distributed.worker.memory.terminate": False,
    "distributed.comm.timeouts.connect": "30s",
    "distributed.admin.low-level-log-length": 100,
}


def main(name: str, folder: str, *modules: str) -> None:
    """Import what blocks need, then work until standard input is closed."""
    import dask
    import distributed  # noqa: F401  # its settings, before ours

    for module in modules:
        importlib.import_module(module)
    dask.config.set(SETTINGS)
    address = sys.stdin.readline().strip()
    if not address:
        _end_with_parent(folder)
    threading.Thread(target=_end_with_parent, args=[folder], daemon=True).start()
    asyncio.run(_work(address, name, folder))


async def _work(address: str, name: str, folder: str) -> None:
    from distributed import Worker

    from braincodec.synthesis.workers.cluster.quiet import quiet_dask

    # Dask's own memory limits are off: what a worker holds is bounded by the plan
    with quiet_dask():
        worker = Worker(
            address, name=name, nthreads=THREADS_FOR_BLOCKS, memory_limit=0, local_directory=folder, dashboard=False
        )
        async with worker:
            await worker.finished()


def _end_with_parent(folder: str) -> None:
    sys.stdin.read()
    for _ in range(REMOVALS):  # a parent that was killed cannot
        shutil.rmtree(folder, ignore_errors=True)
        if not Path(folder).exists():
            break
    os._exit(0)  # at once: what is not durable is computed again


if __name__ == "__main__":
    main(*sys.argv[1:])
