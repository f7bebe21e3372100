"""One GPU to a worker process, whichever cluster started it."""

from __future__ import annotations

import contextlib
import os
import platform
import tempfile
import threading
from pathlib import Path
from typing import IO, Any

from braincodec.atomic import exclusive_lock
from braincodec.errors import InputValueError, OutputError


class _Claim:
    """The GPU of this process, the lock that it is claimed by, and the jobs that use it."""

    def __init__(self) -> None:
        self.turn = threading.Lock()
        self.device = ""
        self.lock: IO[str] | None = None
        self.jobs: set[str] = set()


_claim = _Claim()


def claim(job: str) -> str:
    """The GPU of this process, such as ``"cuda:1"``: the first that no other worker on this machine has.

    The claim is a lock on a file, which ends with the process however that ends. GPUs are told apart by their own
    identifiers, because a job may see its GPU under any number.

    Parameters
    ----------
    job : str
        What the GPU is for; see `release`.

    Raises
    ------
    InputValueError
        When there is no GPU, or others have all of them.
    """
    with _claim.turn:
        if _claim.lock is None:
            _claim.device, _claim.lock = _first_free()
        _claim.jobs.add(job)
        return _claim.device


def release(job: str) -> None:
    """Give the GPU back when no other job of this process uses it."""
    with _claim.turn:
        _claim.jobs.discard(job)
        if not _claim.jobs and _claim.lock is not None:
            _claim.lock.close()
            _claim.lock = None


def lock_device(identifier: str, folder: Path | None = None) -> IO[str] | None:
    """Take the lock named after a device for this process; None when another process has it."""
    with contextlib.suppress(OutputError):
        return exclusive_lock((folder or _own_folder()) / f"gpu-{identifier}.lock")
    return None


def _first_free() -> tuple[str, IO[str]]:
    import torch

    identifiers = [_identifier(torch.cuda.get_device_properties(i)) for i in range(torch.cuda.device_count())]
    for number, identifier in enumerate(identifiers):
        lock = lock_device(identifier)
        if lock is not None:
            return f"cuda:{number}", lock
    host = platform.node()
    if not identifiers:
        raise InputValueError(f"there is no GPU on {host}; ask for device='cpu', or start workers where there is one")
    raise InputValueError(f"other workers have all GPUs of {host} ({len(identifiers)}): start one worker a GPU")


def _identifier(properties: Any) -> str:
    """The identifier that the maker gave to a device, else its name."""
    text = str(getattr(properties, "uuid", "") or properties.name)
    return "".join(character if character.isalnum() else "-" for character in text)


def _own_folder() -> Path:
    """A folder for locks that belongs to the user alone."""
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "")
    folder = Path(tempfile.gettempdir()) / f"braincodec-{user}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if hasattr(os, "getuid") and (folder.is_symlink() or folder.stat().st_uid != user):
        raise InputValueError(f"{folder} belongs to somebody else; set TMPDIR to a folder of your own")
    return folder
