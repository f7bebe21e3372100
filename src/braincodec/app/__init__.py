"""The explorer: a page on which photographs become responses, and responses photographs.

`Explorer` is what the page asks for everything and needs no web framework; the page itself needs the extra ``app``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from braincodec.app.explorer import Explorer as Explorer
    from braincodec.app.serve import launch as launch

_MODULES = {"Explorer": "braincodec.app.explorer", "launch": "braincodec.app.serve"}

__all__ = ["Explorer", "launch"]


def __getattr__(name: str) -> Any:
    """Import when first used: neither torch nor Gradio is needed to know what there is."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_MODULES[name]), name)
