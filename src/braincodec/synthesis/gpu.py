"""One GPU to a worker process, whichever cluster started it."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import tempfile
from pathlib import Path
from typing import IO, Any

from braincodec.atomic import exclusive_lock
from braincodec.errors import InputValueError, OutputError


@functools.cache
def claimed_gpu() -> str:
    """The GPU of this process, such as ``"cuda:1"``: the first that no other worker on this machine has.

    The claim is a lock on a file, which ends with the process however that ends. GPUs are told apart by their own
    identifiers, because a job may see its GPU under any number.

    Raises
    ------
    InputValueError
        When there is no GPU, or others have all of them.
    """
    import torch

    identifiers = [_identifier(torch.cuda.get_device_properties(i)) for i in range(torch.cuda.device_count())]
    for number, identifier in enumerate(identifiers):
        if claim(identifier) is not None:
            return f"cuda:{number}"
    host = platform.node()
    if not identifiers:
        raise InputValueError(f"there is no GPU on {host}; ask for device='cpu', or start workers where there is one")
    raise InputValueError(
        f"the {len(identifiers)} GPUs of {host} are each taken by another worker: start one worker a GPU"
        if len(identifiers) > 1
        else f"the GPU of {host} is taken by another worker: start one worker a GPU"
    )


_held: dict[str, IO[str]] = {}


def claim(identifier: str, folder: Path | None = None) -> IO[str] | None:
    """Take the lock named after a device for this process; None when another process has it."""
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "")
    path = Path(folder or tempfile.gettempdir()) / f"braincodec-{user}-gpu-{identifier}.lock"
    with contextlib.suppress(OutputError):
        _held[identifier] = exclusive_lock(path)
        return _held[identifier]
    return None


def _identifier(properties: Any) -> str:
    """The identifier that the maker gave to a device, else its name."""
    text = str(getattr(properties, "uuid", "") or properties.name)
    return "".join(character if character.isalnum() else "-" for character in text)
