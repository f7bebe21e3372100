"""What makes a training repeatable: seeded numbers, algorithms without races, and a precision that is stated."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import numpy as np
import torch

from braincodec.device import resolve_dtype
from braincodec.errors import InputValueError


def seeded(key: Sequence[int]) -> torch.Generator:
    """A generator of the CPU whose numbers follow from whole numbers.

    Examples
    --------
    >>> float(torch.rand(1, generator=seeded([1, 2]))) == float(torch.rand(1, generator=seeded([1, 2])))
    True
    """
    (state,) = np.random.SeedSequence(list(key)).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state) >> 1)


@contextlib.contextmanager
def reproducible(device: torch.device) -> Iterator[None]:
    """Within the block, let cuDNN choose algorithms that give the same result each time."""
    before = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    try:
        if device.type == "cuda":
            torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
        yield
    finally:
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = before


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """The floating-point type of a network in training; float32 may be kept where a step needs it.

    Raises
    ------
    InputValueError
        For half precision on a processor, which would be slower and less exact there.

    Examples
    --------
    >>> choose_precision("auto", torch.device("cpu"))
    torch.float32
    """
    if name == "auto":
        half = device.type == "cuda" and torch.cuda.is_bf16_supported()
        return torch.bfloat16 if half else torch.float32
    if name == "float16" and device.type != "cuda":
        raise InputValueError(f"precision='float16' needs an NVIDIA GPU, not {device.type!r}; use 'auto' or 'float32'")
    return resolve_dtype(name)
