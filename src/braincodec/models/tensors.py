"""Checks and hashes of a model's weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from braincodec.errors import InputValueError

if TYPE_CHECKING:
    import hashlib

    import torch


def add_tensor(digest: hashlib._Hash, name: str, tensor: torch.Tensor) -> None:
    """Add name, dtype, shape and bytes of a tensor to a hash."""
    import torch

    digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    digest.update(flat.view(torch.uint8).numpy().data if flat.numel() else b"")


def check_tensor_shapes(tensors: Mapping[str, torch.Tensor], expected: Mapping[str, tuple[int | None, ...]]) -> None:
    """Raise `InputValueError` unless every expected tensor is there in its shape (None stands for any size)."""
    for name, shape in expected.items():
        if name not in tensors:
            raise InputValueError(f"weights lack {name!r}; expected {', '.join(expected)}")
        found = tuple(tensors[name].shape)
        if len(found) != len(shape) or any(want not in (None, have) for want, have in zip(shape, found, strict=True)):
            raise InputValueError(f"weight {name!r} has shape {found}, expected {shape} (None: any size)")
