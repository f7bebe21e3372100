"""A pretrained network with the preprocessing it was trained with."""

from __future__ import annotations

import copy
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from braincodec.features.layers import layer_names
from braincodec.features.preprocessing import Preprocessing

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass
class Backbone:
    """A network in evaluation mode, its preprocessing, and where its weights come from.

    Parameters
    ----------
    name : str
        The name that `get_backbone` finds it by.
    module : torch.nn.Module
        Put into evaluation mode; its parameters stop requiring gradients.
    preprocessing : Preprocessing or None
        What its authors prescribe; None where nobody does.
    weights : str
        Where the weights come from, in words.

    Examples
    --------
    >>> from torch import nn
    >>> Backbone("tiny", nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), None).layers()
    ['0', '1']
    """

    name: str
    module: nn.Module
    preprocessing: Preprocessing | None
    weights: str = "not stated"

    def __post_init__(self) -> None:
        self.module.eval().requires_grad_(False)

    def layers(self) -> list[str]:
        """Names of all layers that features can be taken from."""
        return layer_names(self.module)

    def fingerprint(self) -> str:
        """Hexadecimal SHA-256 of all weights by name: the same weights, the same features."""
        import torch

        digest = hashlib.sha256()
        for name, tensor in sorted(self.module.state_dict().items()):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            flat = tensor.detach().cpu().contiguous().reshape(-1)
            digest.update(flat.view(torch.uint8).numpy().data if flat.numel() else b"")
        return digest.hexdigest()


def converted(module: nn.Module, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """The same network on a device and in a floating-point type; tensors that fit already are shared, not copied.

    Convolutions are laid out channels last on a CPU, where that is a quarter to a half faster.

    Examples
    --------
    >>> import torch
    >>> module = torch.nn.Linear(2, 2)
    >>> half = converted(module, torch.device("cpu"), torch.bfloat16)
    >>> half.weight.dtype, module.weight.dtype
    (torch.bfloat16, torch.float32)
    """
    import torch

    def convert(tensor: torch.Tensor) -> torch.Tensor:
        spatial = tensor.dim() == 4 and device.type == "cpu"
        return tensor.detach().to(
            device=device,
            dtype=dtype if tensor.is_floating_point() else tensor.dtype,
            memory_format=torch.channels_last if spatial else torch.preserve_format,
        )

    # deepcopy takes from here what it finds, by identity: the structure is copied, the tensors are not
    tensors: dict[int, torch.Tensor] = {id(buffer): convert(buffer) for buffer in module.buffers()}
    for parameter in module.parameters():
        tensors[id(parameter)] = torch.nn.Parameter(convert(parameter), requires_grad=False)
    return copy.deepcopy(module, tensors).eval()
