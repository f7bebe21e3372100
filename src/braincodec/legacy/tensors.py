"""Arrays of legacy files as torch tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch


def tensor(array: Any) -> torch.Tensor:
    """A float32 tensor with memory of its own, from an array or tensor of any real dtype."""
    import torch

    if isinstance(array, torch.Tensor):
        return array.detach().float().clone()
    return torch.from_numpy(np.array(array, np.float32, order="C"))
