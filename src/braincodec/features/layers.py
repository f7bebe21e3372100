"""Layers by name: which outputs of a network are wanted, and reading them while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from braincodec.errors import InputTypeError, InputValueError, UnknownNameError

if TYPE_CHECKING:
    import torch
    from torch import nn

# torchvision's feature extraction names the two additions of a transformer block `add` and `add_1`;
# the second is the block's output
LAST_ADDITION = "add_1"
# what the whole network returns; a submodule of this name goes before it
OUTPUT = "output"
WHOLE = ""
TORCHVISION_BLOCK = ("torchvision.models.vision_transformer", "EncoderBlock")


def layer_names(module: nn.Module) -> list[str]:
    """Names of all submodules, outer before inner, in the order of definition.

    Examples
    --------
    >>> from torch import nn
    >>> layer_names(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()))
    ['0', '1']
    """
    return [name for name, _ in module.named_modules() if name]


def resolve_layers(module: nn.Module, patterns: Iterable[str]) -> dict[str, str]:
    """Expand names and shell-style wild-cards to layers of a network.

    Parameters
    ----------
    module : torch.nn.Module
    patterns : iterable of str
        Names as in ``module.named_modules()``. ``*``, ``?`` and ``[...]`` stand for characters within one part of
        the dotted name, so that ``blocks.*`` means the blocks and not what is inside them. Torchvision's
        feature-extraction name ``encoder.layers.encoder_layer_3.add_1`` is accepted for the output of that block, and
        ``output`` for what the network returns.

    Returns
    -------
    dict of str to str
        Layer name as asked for (expanded) to the name of the submodule whose output it is (the network itself has an
        empty one): in the order of `patterns`, and of definition within a wild-card. A layer asked for twice appears
        once.

    Raises
    ------
    UnknownNameError
        When a name or wild-card matches nothing.

    Examples
    --------
    >>> from torch import nn
    >>> network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(nn.ReLU(), nn.Tanh()))
    >>> resolve_layers(network, ["1.*", "0", "output"])
    {'1.0': '1.0', '1.1': '1.1', '0': '0', 'output': ''}
    """
    names = {name: name for name in layer_names(module)}
    aliases = {
        f"{name}.{LAST_ADDITION}": name for name, block in module.named_modules() if _is_torchvision_block(block)
    }
    wanted: dict[str, str] = {}
    for pattern in patterns:
        found = {name: target for name, target in (names | aliases).items() if _matches(name, pattern)}
        if not found and pattern == OUTPUT:
            found = {OUTPUT: WHOLE}
        if not found:
            outer_first = sorted([*names, *aliases], key=lambda name: name.count("."))
            raise UnknownNameError("layer", pattern, outer_first)
        wanted.update({name: target for name, target in found.items() if name not in wanted})
    return wanted


def run_until(
    module: nn.Module, images: torch.Tensor, layers: Iterable[str], consume: Callable[[str, torch.Tensor], None]
) -> None:
    """Run a network, hand over the output of each layer as it is produced, and stop after the last.

    Parameters
    ----------
    module : torch.nn.Module
    images : torch.Tensor
    layers : iterable of str
        Names as in ``module.named_modules()``.
    consume : callable
        Called with name and output, in the order of execution. The network may overwrite the output afterwards:
        copy what has to stay. A module that runs several times in a pass counts with its first output.

    Raises
    ------
    InputValueError
        When a layer did not run in this pass.
    """
    missing = set(layers)

    def hook_for(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            if name not in missing:
                return
            missing.discard(name)
            consume(name, _tensor(name, output))
            if not missing:
                raise _LastLayerReachedError

        return hook

    hooks = [module.get_submodule(name).register_forward_hook(hook_for(name)) for name in sorted(missing)]
    try:
        module(images)
    except _LastLayerReachedError:
        return
    finally:
        for hook in hooks:
            hook.remove()
    if missing:
        raise InputValueError(f"the network ran without calling the layers {sorted(missing)}; choose others")


class _LastLayerReachedError(Exception):
    """Leaves a running network; never seen outside."""


def _matches(name: str, pattern: str) -> bool:
    parts, patterns = name.split("."), pattern.split(".")
    return len(parts) == len(patterns) and all(map(fnmatchcase, parts, patterns))


def _is_torchvision_block(module: nn.Module) -> bool:
    return (type(module).__module__, type(module).__name__) == TORCHVISION_BLOCK


def _tensor(name: str, output: Any) -> torch.Tensor:
    import torch

    first = output[0] if isinstance(output, tuple | list) and output else output
    if not isinstance(first, torch.Tensor):
        raise InputTypeError(f"layer {name!r} returns {type(first).__name__}, not a tensor; choose another layer")
    return first
