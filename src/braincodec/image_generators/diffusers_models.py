"""diffusers, imported when it is needed."""

from __future__ import annotations

from types import ModuleType

from braincodec.extras import import_optional, require_optional
from braincodec.features.torchvision_compat import import_torchvision


def import_diffusers(module: str = "diffusers", *, what: str) -> ModuleType:
    """The package, or a module of it.

    Parameters
    ----------
    module : str
    what : str
        What needs it, for the message when it is absent.

    Raises
    ------
    MissingExtraError
        When it is not installed.
    """
    require_optional("diffusers", what)
    import_torchvision(what)  # it imports torchvision, which may need help
    return import_optional(module, what)
