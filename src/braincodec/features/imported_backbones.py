"""``package.module:attribute``: any importable callable that returns a network."""

from __future__ import annotations

from importlib import import_module

from braincodec.errors import InputTypeError, InputValueError, UnknownNameError
from braincodec.features.backbone import Backbone
from braincodec.features.preprocessing import Preprocessing
from braincodec.features.weights import load_weights, random_seed, read_state_dict, with_seed


def load(name: str, weights: str | None) -> Backbone:
    """Import a callable and let it build a network.

    Parameters
    ----------
    name : str
        ``"package.module:attribute"``. The attribute is called without arguments and returns a ``torch.nn.Module``
        or a `Backbone`. A module may carry a `Preprocessing` as its attribute ``preprocessing``.
    weights : str or None
        A path, ``"none"`` or ``"none-SEED"``; None is seed 0, for whatever the callable draws at random.

    Raises
    ------
    UnknownNameError, InputTypeError
    """
    from torch import nn

    address, _, attribute = name.partition(":")
    if not attribute:
        raise InputValueError(f"write 'package.module:attribute', got {name!r}")
    try:
        module = import_module(address)
    except ImportError as error:
        raise InputValueError(f"cannot import {address!r} for the backbone {name!r}: {error}") from error
    if not hasattr(module, attribute):
        public = [n for n in dir(module) if not n.startswith("_")]
        raise UnknownNameError("attribute", attribute, public, where=f"of module {address}")
    seed = random_seed(weights)
    try:
        built = with_seed(seed or 0, getattr(module, attribute))
    except TypeError as error:
        raise InputTypeError(f"{name} must be callable without arguments: {error}") from error
    if isinstance(built, Backbone):
        return built
    if not isinstance(built, nn.Module):
        raise InputTypeError(f"{name} returned {type(built).__name__}; expected a torch.nn.Module or a Backbone")
    source = f"as {name} sets them" if weights is None else f"random, seed {seed}"
    if weights is not None and seed is None:
        source = weights
        load_weights(built, read_state_dict(weights), source)
    preprocessing = getattr(built, "preprocessing", None)
    full_name = name + (f"@{weights}" if weights else "")
    return Backbone(full_name, built, preprocessing if isinstance(preprocessing, Preprocessing) else None, source)
