"""Dask's own log, kept off the user's terminal: what matters in it becomes an error or a note of ours."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator

SILENT = logging.CRITICAL + 1
PACKAGES = ("distributed", "dask", "dask_jobqueue", "tornado", "bokeh", "asyncio")


@contextlib.contextmanager
def quiet_dask() -> Iterator[None]:
    """Within the block, Dask and what it stands on write no log lines and no warnings.

    Examples
    --------
    >>> with quiet_dask():
    ...     logging.getLogger("distributed.scheduler").error("not seen")
    """
    import distributed  # noqa: F401  # sets levels of its loggers when it is imported

    names = {name for name in list(logging.root.manager.loggerDict) if name.partition(".")[0] in PACKAGES}
    before = {name: logging.getLogger(name).level for name in names | set(PACKAGES)}
    for name in before:
        logging.getLogger(name).setLevel(SILENT)
    try:
        with warnings.catch_warnings():
            for package in PACKAGES:
                warnings.filterwarnings("ignore", module=rf"{package}\b")
            yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
