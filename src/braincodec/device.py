"""The one place that decides the device, the dtype and the batch size."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import math
import os
import sys
from collections.abc import Callable, Iterator
from numbers import Integral
from typing import TYPE_CHECKING, Literal, TypeVar

from braincodec.errors import InputValueError, UnknownNameError
from braincodec.memory import free_main_memory

if TYPE_CHECKING:
    import torch

Device = str
Dtype = Literal["auto", "float32", "bfloat16", "float16"]
DTYPES = ("auto", "float32", "bfloat16", "float16")
MOST_IMAGES_A_BATCH = 256
SHARE_OF_FREE_MEMORY = 0.5
# the default fp32 kernels reach 3e-7; true bf16 arithmetic is at 3e-3
LARGEST_FP32_GRADE_ERROR = 3e-6

# how torch's allocators, cuBLAS and cuDNN say it
OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "_status_alloc_failed")

T = TypeVar("T")


def resolve_device(name: str | torch.device = "auto") -> torch.device:
    """The torch device meant by `name`.

    Parameters
    ----------
    name : str or torch.device
        ``"auto"`` takes a CUDA GPU, else Apple's ``mps``, else the CPU.

    Raises
    ------
    UnknownNameError
        When the device is not present; the message lists those that are.

    Examples
    --------
    >>> resolve_device("cpu").type
    'cpu'
    """
    import torch

    available = ["cpu"]
    available += [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        available.append("mps")
    if str(name) == "auto":
        return torch.device("cuda:0" if "cuda:0" in available else available[-1])
    wanted = "cuda:0" if str(name) == "cuda" else str(name)
    if wanted not in available:
        raise UnknownNameError("device", str(name), ["auto", *available])
    return torch.device(wanted)


def resolve_dtype(name: str = "float32") -> torch.dtype:
    """The torch dtype to compute in; ``"auto"`` is float32, which keeps published numbers."""
    import torch

    if name not in DTYPES:
        raise UnknownNameError("dtype", name, DTYPES)
    return {"auto": torch.float32}.get(name) or getattr(torch, name)


def free_memory(device: torch.device) -> int:
    """Bytes that can still be allocated on `device`, container limits included."""
    if device.type == "cuda":
        import torch

        # what torch holds and does not use can be had too
        idle = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + idle
    return free_main_memory()


def choose_batch_size(
    requested: int | str, *, bytes_per_image: int, device: torch.device, preferred: int = 32, images: int | None = None
) -> int:
    """Images in one forward pass.

    Parameters
    ----------
    requested : int or "auto"
        A positive number is kept; ``"auto"`` takes what fits into half of the free memory, at most `preferred`
        (beyond it the processor gains nothing).
    bytes_per_image : int
        Memory that one image needs on its way through the model.
    device : torch.device
    preferred : int
    images : int, optional
        How many there are in all.

    Examples
    --------
    >>> choose_batch_size(7, bytes_per_image=1, device=resolve_device("cpu"))
    7
    """
    if requested == "auto":
        fitting = int(free_memory(device) * SHARE_OF_FREE_MEMORY / max(1, bytes_per_image))
        size = max(1, min(fitting, preferred, MOST_IMAGES_A_BATCH))
        if images:
            # 100 images in batches of at most 64 are two of 50: a small last batch costs more than its share
            size = math.ceil(images / math.ceil(images / size))
    elif isinstance(requested, bool) or not isinstance(requested, Integral) or requested < 1:
        raise InputValueError(f"batch_size must be 'auto' or a positive whole number, got {requested!r}")
    else:
        size = int(requested)
    return max(1, min(size, images)) if images is not None else size


def halve_on_out_of_memory(run: Callable[[int, int], T], start: int, stop: int, size: int) -> Iterator[tuple[T, int]]:
    """Call ``run(begin, end)`` over ``start..stop`` in steps of `size`, with half the step after each out-of-memory.

    Parameters
    ----------
    run : callable
        Computes items ``begin..end``; may raise an out-of-memory error.
    start, stop, size : int

    Yields
    ------
    result, size
        What `run` returned, and the step that it fitted into (for the caller to keep).

    Examples
    --------
    >>> def run(begin, end):
    ...     if end - begin > 2:
    ...         raise MemoryError
    ...     return end - begin
    >>> [result for result, size in halve_on_out_of_memory(run, 0, 5, 4)]
    [2, 2, 1]
    """
    begin = start
    while begin < stop:
        end = min(stop, begin + size)
        fits = True
        try:
            result = run(begin, end)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error) or end - begin == 1:
                raise
            fits = False
        if fits:
            yield result, size
            begin = end
        else:
            # only here: while it is handled, the error's traceback holds what the failed call had allocated
            release_cached_memory()
            size = (end - begin + 1) // 2


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that memory ran out, on the CPU or a GPU."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(phrase in text for phrase in OUT_OF_MEMORY)


def release_cached_memory() -> None:
    """Give memory back that nothing uses any more, on the processor and on GPUs."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


@contextlib.contextmanager
def fast_matmul(device: torch.device | None = None) -> Iterator[None]:
    """Within the block, use the quickest float32 arithmetic whose error is still that of float32.

    On processors with AVX-512 but without AMX, torch's "medium" precision picks a oneDNN kernel that is twice as
    fast and as exact; elsewhere the same setting computes in bfloat16. A measured error decides, once per process.
    On NVIDIA GPUs the same setting, and cuDNN's default, mean TF32 with ten bits of mantissa: both are off in the
    block.

    Parameters
    ----------
    device : torch.device, optional
        Where the products are computed; default: the CPU.
    """
    import torch

    on_gpu = device is not None and device.type == "cuda"
    try:
        before, convolutions = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    except RuntimeError:  # set through torch's newer interface, which does not mix with this one: the user's choice
        yield
        return
    try:
        if on_gpu:
            torch.set_float32_matmul_precision("highest")
            torch.backends.cudnn.allow_tf32 = False
        elif medium_is_fp32_grade():
            torch.set_float32_matmul_precision("medium")
        yield
    finally:
        torch.set_float32_matmul_precision(before)
        if on_gpu:
            torch.backends.cudnn.allow_tf32 = convolutions


@functools.cache
def medium_is_fp32_grade() -> bool:
    """Whether torch's "medium" matrix product keeps float32's accuracy on this machine's CPU (measured)."""
    import torch

    before = torch.get_float32_matmul_precision()
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 256, 256, generator=generator)
    exact = a.double() @ b.double()
    try:
        torch.set_float32_matmul_precision("medium")
        error = ((a @ b).double() - exact).abs().max() / exact.abs().max()
    finally:
        torch.set_float32_matmul_precision(before)
    return bool(error < LARGEST_FP32_GRADE_ERROR)


@functools.cache
def keep_freed_memory() -> bool:
    """Ask the C allocator to keep freed blocks, so that each batch does not fault its pages in anew.

    Returns whether the allocator took the setting (glibc only; harmless elsewhere). Called before long runs.
    """
    if not sys.platform.startswith("linux") or "MALLOC_MMAP_THRESHOLD_" in os.environ:
        return False
    trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return False
    return bool(mallopt(mmap_threshold, 32 * 2**20)) and bool(mallopt(trim_threshold, 256 * 2**20))
