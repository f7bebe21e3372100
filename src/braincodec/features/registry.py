"""Backbones by name: ``scheme:name[@weights]``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from braincodec.errors import InputTypeError, InputValueError, UnknownNameError
from braincodec.features.backbone import Backbone
from braincodec.features.weights import build_with_weights
from braincodec.registry import Registry

if TYPE_CHECKING:
    import torch
    from torch import nn

# scheme to a function (name, weights or None) -> Backbone; others join by entry points of the same group
BACKBONES = Registry(
    "backbone scheme",
    entry_point_group="braincodec.backbones",
    built_in={
        "torchvision": "braincodec.features.torchvision_backbones:load",
        "timm": "braincodec.features.timm_backbones:load",
        "open_clip": "braincodec.features.open_clip_backbones:load",
        "efficientnet_lite": "braincodec.features.efficientnet_lite:load",
        "swav": "braincodec.features.swav:load",
        "gabor": "braincodec.features.gabor:load",
        "luminance": "braincodec.features.luminance:load",
        "module": "braincodec.features.imported_backbones:load",
    },
)


def get_backbone(
    name: str, *, weights: Mapping[str, torch.Tensor] | None = None, allow_import: bool = True
) -> Backbone:
    """Load a backbone by name.

    Parameters
    ----------
    name : str
        One of

        - ``torchvision:vit_b_32``, or with chosen weights ``torchvision:vit_b_32@IMAGENET1K_V1``
        - ``timm:vit_tiny_patch16_224.augreg_in21k``: any name of timm's
        - ``open_clip:ViT-B-32/laion2b_s34b_b79k``: the visual tower alone
        - ``efficientnet_lite:0``: its ImageNet weights come with the extra `offline`
        - ``swav:resnet50``: trained without labels
        - ``gabor:bank``: contrast energies of a bank of Gabor filters, computed; no weights to fetch
        - ``luminance:maps``: blurred luminance through a saturating contrast response, computed; for simple figures
        - ``package.module:attribute``: a callable without arguments that returns a ``torch.nn.Module``
          (or a `Backbone`)

        Each takes ``@none`` or ``@none-SEED`` for random weights and ``@/path/to/weights.safetensors`` (or ``.pth``)
        for weights of your own.
    weights : mapping of str to torch.Tensor, optional
        The network's state by name, such as an artefact stores: used instead of the weights that `name` tells, and
        nothing else is read, downloaded or drawn.
    allow_import : bool
        False refuses ``package.module:attribute``, which runs that code; for names that came with a file.

    Returns
    -------
    Backbone

    Raises
    ------
    UnknownNameError
        Unknown scheme, network or weights; the message lists near names.
    MissingExtraError
        The package behind the scheme is not installed.
    MissingFileError
        The weights are neither here nor to be had; the message says which, where it looked, and what to do.

    Examples
    --------
    >>> get_backbone("collections:OrderedDict", allow_import=False)
    Traceback (most recent call last):
    braincodec.errors.InputValueError: ...
    """
    scheme, rest = scheme_and_name(name, allow_import=allow_import)
    rest, _, named_weights = rest.partition("@")
    load = BACKBONES.get(scheme)
    if weights is None:
        return load(rest, named_weights or None)
    return _with_state(name, lambda: load(rest, "none"), weights)


def scheme_and_name(name: str, *, allow_import: bool = True) -> tuple[str, str]:
    """A backbone's scheme and what follows it; nothing is loaded.

    Raises
    ------
    InputTypeError, InputValueError, UnknownNameError
        As `get_backbone`, as far as the name alone tells.

    Examples
    --------
    >>> scheme_and_name("gabor:bank")
    ('gabor', 'bank')
    """
    if not isinstance(name, str):
        raise InputTypeError(f"a backbone is named by text such as 'torchvision:vit_b_32', got {type(name).__name__}")
    scheme, separator, rest = name.partition(":")
    if not separator or not rest:
        raise InputValueError(
            f"backbone {name!r} has no scheme; write 'scheme:name' with one of {', '.join(BACKBONES)}, "
            "or 'package.module:attribute'"
        )
    imported = scheme == "module" or scheme not in BACKBONES
    if imported and not allow_import:
        raise InputValueError(
            f"backbone {name!r} would import and run code named by a file; load it yourself with get_backbone "
            f"and pass it on. Known schemes: {', '.join(BACKBONES)}"
        )
    if imported and scheme != "module":
        if not _importable(scheme):
            raise UnknownNameError("backbone scheme", scheme, BACKBONES.names(), where=f"in {name!r}")
        scheme, rest = "module", name
    return scheme, rest


def _with_state(name: str, load: Callable[[], Backbone], state: Mapping[str, torch.Tensor]) -> Backbone:
    loaded: list[Backbone] = []

    def build() -> nn.Module:
        loaded.append(load())
        return loaded[-1].module

    module = build_with_weights(build, dict(state), f"the given state of {name}")
    return dataclasses.replace(loaded[-1], name=name, module=module, weights="given")


def _importable(module: str) -> bool:
    from importlib.util import find_spec

    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False
