"""Torchvision's vision transformers, quicker on CPUs and with the same numbers.

Each block runs as five fused oneDNN operations over weights that are laid out for the processor once: the linear
layers carry their GELU and their residual addition. They are float32 throughout, whatever torch's matrix product
precision is set to.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

# largest accepted difference from the module itself, in standard deviations of its output, by type
TOLERANCE = {torch.float32: 3e-5, torch.bfloat16: 0.05}
# oneDNN has its own fused kernels on these processors
CAPABILITIES = ("AVX2", "AVX512")


class PackedLinear:
    """A linear layer with packed weights, fused with what follows it.

    Parameters
    ----------
    weight : torch.Tensor, shape (out, in)
    bias : torch.Tensor or None, shape (out,)
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), None)
        self.bias = None if bias is None else bias.detach()

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """The layer's output: (rows, in) to (rows, out)."""
        return torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "none", [], "")

    def gelu(self, x: torch.Tensor) -> torch.Tensor:
        """The exact GELU of the layer's output."""
        return torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "gelu", [], "none")

    def add(self, x: torch.Tensor, residual: torch.Tensor) -> torch.Tensor:
        """The layer's output plus `residual`."""
        return torch.ops.mkldnn._linear_pointwise(x, residual, self.weight, self.bias, "add")


class PackedBlock(nn.Module):
    """One ``EncoderBlock`` of torchvision's, in evaluation mode, with packed weights."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        attention = block.self_attention
        self.heads = attention.num_heads
        self.ln_1, self.ln_2 = block.ln_1, block.ln_2
        self.to_qkv = PackedLinear(attention.in_proj_weight, attention.in_proj_bias)
        self.to_out = PackedLinear(attention.out_proj.weight, attention.out_proj.bias)
        self.widen = PackedLinear(block.mlp[0].weight, block.mlp[0].bias)
        self.narrow = PackedLinear(block.mlp[3].weight, block.mlp[3].bias)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """The block's output, shape (batch, token, channel) like `tokens`."""
        batch, count, channels = tokens.shape
        x = tokens.reshape(batch * count, channels)
        qkv = self.to_qkv(self.ln_1(x)).view(batch, count, 3, self.heads, channels // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # each (batch, head, token, channel of head)
        attended = F.scaled_dot_product_attention(query, key, value)
        x = self.to_out.add(attended.transpose(1, 2).reshape(batch * count, channels), x)
        x = self.narrow.add(self.widen.gelu(self.ln_2(x)), x)
        return x.view(batch, count, channels)


def packed_transformer(module: Any, layers: Iterable[str]) -> nn.Module | None:
    """A quicker network that gives the same output at `layers`, or None where there is none.

    Parameters
    ----------
    module : torch.nn.Module
        Its parameters are read, never changed; embedding, layer norms and head are shared. The packed weights take
        as much memory again as the blocks' own.
    layers : iterable of str
        Names as in ``module.named_modules()``; layers inside a block need the module itself.

    Returns
    -------
    torch.nn.Module or None
        None for anything but a torchvision ``VisionTransformer`` on a CPU that oneDNN serves, and where the
        first block's output is not the module's.
    """
    if not _is_vision_transformer(module) or any(_inside_a_block(name) for name in layers):
        return None
    encoder = module.encoder
    if not _served_by_onednn(encoder.pos_embedding):
        return None
    try:
        with torch.no_grad():
            blocks = {name: PackedBlock(block) for name, block in encoder.layers.named_children()}
            if not _same_output(next(iter(blocks.values())), encoder.layers[0], encoder.pos_embedding):
                return None
    except (AttributeError, RuntimeError):  # another torch, without these operators
        return None
    quick = _shallow_copy(module)
    quick.encoder = _shallow_copy(encoder)
    quick.encoder.layers = nn.Sequential(OrderedDict(blocks))
    return quick.eval()


def _served_by_onednn(weights: torch.Tensor) -> bool:
    if weights.device.type != "cpu" or weights.dtype not in TOLERANCE or not torch.backends.mkldnn.is_available():
        return False
    if weights.dtype == torch.bfloat16 and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return False
    return torch.backends.cpu.get_cpu_capability() in CAPABILITIES


def _is_vision_transformer(module: nn.Module) -> bool:
    return (type(module).__module__, type(module).__name__) == (
        "torchvision.models.vision_transformer",
        "VisionTransformer",
    )


def _inside_a_block(name: str) -> bool:
    # encoder.layers.encoder_layer_3 is a block, encoder.layers.encoder_layer_3.mlp lies inside
    return name.startswith("encoder.layers.") and name.count(".") > 2


def _shallow_copy(module: nn.Module) -> Any:
    twin = copy.copy(module)
    twin._modules = dict(module._modules)
    return twin


def _same_output(packed: PackedBlock, block: nn.Module, like: torch.Tensor) -> bool:
    generator = torch.Generator().manual_seed(0)
    channels = packed.ln_1.normalized_shape[0]
    tokens = torch.randn(2, 5, channels, generator=generator).to(like.dtype)
    expected, found = block(tokens).float(), packed(tokens).float()
    return bool((found - expected).abs().max() <= TOLERANCE[like.dtype] * expected.std())
