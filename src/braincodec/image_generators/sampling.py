"""Randomness of samples, each with a generator of its own, and networks in another place or precision for a while."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, TypeVar, cast

import numpy as np
import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)
ALIGNMENT = 64  # bytes, of memory that torch allocates on a processor


def sample_generator(seed: int, stimulus: int, sample: int) -> torch.Generator:
    """A generator, on the CPU, for one sample: seeded by `seed`, the number of its stimulus and its own number.

    Examples
    --------
    >>> torch.randn(1, generator=sample_generator(0, 3, 1)) == torch.randn(1, generator=sample_generator(0, 3, 1))
    tensor([True])
    """
    state = int(np.random.SeedSequence((seed, stimulus, sample)).generate_state(1, np.uint64)[0])
    return torch.Generator().manual_seed(state)


def normal_noise(seed: int, stimuli: Sequence[int], n_samples: int, *shape: int) -> torch.Tensor:
    """Standard normal numbers of float32, shape (stimuli, n_samples, ...), each sample from its own generator.

    Examples
    --------
    >>> bool((normal_noise(0, [4, 7], 3, 5)[1, :2] == normal_noise(0, [7], 2, 5)[0]).all())
    True
    """
    drawn = [
        torch.randn(shape, generator=sample_generator(seed, stimulus, sample))
        for stimulus in stimuli
        for sample in range(n_samples)
    ]
    return torch.stack(drawn).view(len(stimuli), n_samples, *shape)


def placed(network: Network, device: torch.device, dtype: torch.dtype) -> Network:
    """The network on `device` in `dtype`, in evaluation mode: itself where it is so already, else a copy.

    A copy shares nothing with the network, and never exists in its old precision. Weights that begin at odd places in
    memory, as those mapped from a file may, are copied too: products with them can end in other last bits.

    Examples
    --------
    >>> network = nn.Linear(2, 1).eval()
    >>> placed(network, torch.device("cpu"), torch.float32) is network
    True
    >>> placed(network, torch.device("cpu"), torch.bfloat16).weight.dtype
    torch.bfloat16
    """
    held = [*network.parameters(), *(b for b in network.buffers() if b.is_floating_point())]
    if all(tensor.device == device and tensor.dtype == dtype and _aligned(tensor) for tensor in held):
        return network.eval()
    memo: dict[int, Any] = {}
    for tensor in held:
        moved = tensor.detach().to(device, dtype, copy=True)
        own = nn.Parameter(moved, requires_grad=False) if isinstance(tensor, nn.Parameter) else moved
        memo[id(tensor)] = own
    return copy.deepcopy(network, memo).to(device).eval()


def _aligned(tensor: torch.Tensor) -> bool:
    return tensor.device.type != "cpu" or tensor.data_ptr() % ALIGNMENT == 0


class Copies:
    """Networks where and as they run; copies elsewhere or in another precision are kept for the next call.

    Examples
    --------
    >>> copies, network = Copies(), nn.Linear(2, 1).eval()
    >>> half = copies.of(network, torch.device("cpu"), torch.bfloat16)
    >>> copies.of(network, torch.device("cpu"), torch.bfloat16) is half
    True
    """

    def __init__(self) -> None:
        self._kept: dict[int, tuple[nn.Module, torch.device, torch.dtype, nn.Module]] = {}

    def of(self, network: Network, device: torch.device, dtype: torch.dtype, *, keep: bool = True) -> Network:
        """`placed`, from an earlier call where it is the same; without `keep`, all that is kept is let go of first."""
        if not keep:
            self._kept.clear()
            return placed(network, device, dtype)
        original, *where, copy_of_it = self._kept.get(id(network), (None, None, None, None))
        if original is not network or where != [device, dtype]:
            self._kept.pop(id(network), None)  # before the next one takes memory
            copy_of_it = placed(network, device, dtype)
            if copy_of_it is not network:
                self._kept[id(network)] = (network, device, dtype, copy_of_it)
        return cast(Network, copy_of_it)
