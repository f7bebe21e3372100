"""Steps of optimisers: which weights decay, how a loss moves them, and their moments as tensors by name."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from braincodec.models.gradient_training.settings import TrainingSettings

Weights = dict[str, torch.Tensor]
BETAS = (0.9, 0.95)  # as transformers are usually trained, LEA's among them


def adamw(
    modules: Iterable[nn.Module], settings: TrainingSettings, betas: tuple[float, float] = BETAS
) -> torch.optim.AdamW:
    """AdamW over all weights of `modules`; decay for matrices and kernels alone (as Loshchilov and Hutter 2019 use it).

    Examples
    --------
    >>> from braincodec.models.gradient_training import TrainingSettings
    >>> optimiser = adamw([nn.Linear(3, 2)], TrainingSettings(weight_decay=0.1))
    >>> [(group["weight_decay"], len(group["params"])) for group in optimiser.param_groups]
    [(0.1, 1), (0.0, 1)]
    """
    weights: dict[int, torch.Tensor] = {}  # by identity, because modules may share some
    for module in modules:
        weights |= {id(weight): weight for weight in module.parameters() if weight.requires_grad}
    decaying = [weight for weight in weights.values() if weight.squeeze().ndim > 1]
    others = [weight for weight in weights.values() if weight.squeeze().ndim <= 1]
    groups = [
        {"params": decaying, "weight_decay": settings.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([one for one in groups if one["params"]], lr=settings.learning_rate, betas=betas)


def descend(optimiser: torch.optim.Optimizer, loss: torch.Tensor, settings: TrainingSettings) -> None:
    """Move the weights of `optimiser` by one step against the gradient of `loss`."""
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    if settings.gradient_limit is not None:
        moved = [weight for group in optimiser.param_groups for weight in group["params"]]
        nn.utils.clip_grad_norm_(moved, settings.gradient_limit)
    optimiser.step()


def learning_rate_factor(done: float, warmup: float) -> float:
    """Share of the highest learning rate once the share `done` of all steps is over.

    Examples
    --------
    >>> [round(learning_rate_factor(done, 0.2), 2) for done in (0.0, 0.1, 0.2, 0.6, 1.0)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    if done < warmup:
        return done / warmup
    return (1 + math.cos(math.pi * (done - warmup) / (1 - warmup))) / 2


def autocast(device: torch.device, precision: torch.dtype) -> contextlib.AbstractContextManager[Any]:
    """Matrix products in `precision` within the block, where that is not float32."""
    return torch.autocast(device.type, precision, enabled=precision != torch.float32)


def moments(optimisers: Mapping[str, torch.optim.Optimizer]) -> Weights:
    """What optimisers remember of earlier steps, by name."""
    found = {}
    for name, optimiser in optimisers.items():
        for number, weight in enumerate(_weights(optimiser)):
            for kind, value in optimiser.state.get(weight, {}).items():
                found[f"{name}/{number}/{kind}"] = value
    return found


def restore_moments(optimisers: Mapping[str, torch.optim.Optimizer], tensors: Weights) -> None:
    """Let optimisers remember what `moments` gave, to the last bit."""
    for name, optimiser in optimisers.items():
        for number, weight in enumerate(_weights(optimiser)):
            prefix = f"{name}/{number}/"
            own = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
            # made as the optimiser makes them, so that the order in memory is the same
            optimiser.state[weight] = {
                kind: torch.zeros_like(weight).copy_(value) if value.shape == weight.shape and kind != "step" else value
                for kind, value in own.items()
            }


def _weights(optimiser: torch.optim.Optimizer) -> list[torch.Tensor]:
    return [weight for group in optimiser.param_groups for weight in group["params"]]
