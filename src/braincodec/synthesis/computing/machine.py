"""What kind of machine computed something: where it is equal, equal plans give equal bits."""

from __future__ import annotations

import functools
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from braincodec.config import Config

if TYPE_CHECKING:
    import torch

PROCESSOR_FACTS = Path("/proc/cpuinfo")


class Machine(Config):
    """The kind of machine, not the single one.

    Parameters
    ----------
    processor : str
        Its name.
    instructions : str
        The widest that torch uses: ``"AVX512"``.
    device : str
        ``"cpu"``, or the name of the GPU.
    threads : int
        Of the processor.
    torch, pillow : str
        Versions of what computes, and of what decodes images.
    """

    processor: str
    instructions: str
    device: str
    threads: int
    torch: str
    pillow: str


def this_machine(device: torch.device, threads: int) -> Machine:
    """The kind of the machine that this process runs on.

    Parameters
    ----------
    device : torch.device
        Where models compute.
    threads : int

    Examples
    --------
    >>> import torch
    >>> this_machine(torch.device("cpu"), 1).device
    'cpu'
    """
    import torch

    return Machine(
        processor=processor_name(),
        instructions=torch.backends.cpu.get_cpu_capability(),
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        threads=threads,
        torch=torch.__version__,
        pillow=_version("pillow"),
    )


@functools.cache
def processor_name() -> str:
    """Name of the processor, as the system tells it."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", PROCESSOR_FACTS.read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:  # not Linux
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # installed under another name, such as pillow-simd
        return "unknown"
