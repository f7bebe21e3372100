"""Import torchvision even where its compiled operators do not match the installed torch."""

from __future__ import annotations

import sys
import warnings
from types import ModuleType
from typing import Any

from braincodec.extras import import_optional

# torchvision describes these two operators to torch on import, which fails when its library was not loaded
# (a CUDA build of torchvision over a CPU build of torch); nothing here calls them
MISSING_OPERATORS = ("nms", "qnms")
OPERATOR_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"

# a library's definitions live as long as the object
_libraries: list[Any] = []


def import_torchvision(what: str = "a torchvision backbone") -> ModuleType:
    """Import torchvision; where its operators are missing, declare them so that the import succeeds.

    Call it before importing anything that imports torchvision (timm, open_clip).

    Parameters
    ----------
    what : str
        What needs it, for the message when torchvision is absent.

    Raises
    ------
    MissingExtraError
        When torchvision is not installed.
    """
    loaded = sys.modules.get("torchvision")
    if loaded is not None:
        return loaded
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return import_optional("torchvision", what)
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
    # torchvision executed halfway: its submodules must not be mistaken for imported ones
    for name in [n for n in sys.modules if n.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    _declare_missing_operators()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return import_optional("torchvision", what)


def _declare_missing_operators() -> None:
    import torch

    # FRAGMENT: a partly loaded torchvision library may own the name space already
    library = torch.library.Library("torchvision", "FRAGMENT")
    _libraries.append(library)
    for name in MISSING_OPERATORS:
        if not hasattr(torch.ops.torchvision, name):
            library.define(name + OPERATOR_SCHEMA)
