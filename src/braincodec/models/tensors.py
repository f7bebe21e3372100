"""Checks and hashes of a model's weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from braincodec.errors import InputValueError

if TYPE_CHECKING:
    import hashlib

    import torch

ALIGNMENT = 64  # bytes: what torch gives to its own tensors
WHOLE_PAGES_FROM = 32 * 2**20  # bytes: where C allocators stop to carve arrays out of larger blocks


def add_tensor(digest: hashlib._Hash, name: str, tensor: torch.Tensor) -> None:
    """Add name, dtype, shape and bytes of a tensor to a hash."""
    import torch

    digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    digest.update(flat.view(torch.uint8).numpy().data if flat.numel() else b"")


def equal_bits(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether dtype, shape and values are the same; never where there is a NaN."""
    import torch

    return one.dtype == other.dtype and one.device == other.device and torch.equal(one, other)


def aligned(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor, copied where it begins at an address that can differ from process to process.

    Large ones are left where they are: they are mapped from a file, whose pages all processes share, or come from the
    system in whole pages, so they begin at the same distance from a page in every process.
    """
    if tensor.device.type != "cpu" or tensor.data_ptr() % ALIGNMENT == 0 or tensor.nbytes > WHOLE_PAGES_FROM:
        return tensor
    return tensor.clone()


def check_tensor_shapes(tensors: Mapping[str, torch.Tensor], expected: Mapping[str, tuple[int | None, ...]]) -> None:
    """Raise `InputValueError` unless every expected tensor is there in its shape (None stands for any size)."""
    for name, shape in expected.items():
        if name not in tensors:
            raise InputValueError(f"weights lack {name!r}; expected {', '.join(expected)}")
        found = tuple(tensors[name].shape)
        if len(found) != len(shape) or any(want not in (None, have) for want, have in zip(shape, found, strict=True)):
            raise InputValueError(f"weight {name!r} has shape {found}, expected {shape} (None: any size)")
