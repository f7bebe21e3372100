"""Which members a class shows in the API reference: ours, not those that it has from pydantic, tuples or errors."""

from __future__ import annotations

import inspect
from functools import reduce
from importlib import import_module
from typing import Any

from sphinx.application import Sphinx

OURS = ("braincodec", "ned")


def members_of(cls: type) -> tuple[list[str], list[str]]:
    """Names of a class's public methods and of its properties, those that have a docstring.

    Inherited ones count where the class that defines them is ours.
    """
    methods: dict[str, None] = {}
    properties: dict[str, None] = {}
    for base in inspect.getmro(cls):
        if base.__module__.split(".")[0] not in OURS:
            continue
        for name, member in vars(base).items():
            if name.startswith("_") or name in methods or name in properties:
                continue
            if isinstance(member, property):
                properties.update({name: None} if member.__doc__ else {})
            elif inspect.isroutine(getattr(cls, name)) and inspect.getdoc(getattr(cls, name)):
                methods[name] = None
    return list(methods), list(properties)


def members_by_name(module: str, name: str) -> tuple[list[str], list[str]]:
    """`members_of` the class of a name in a module."""
    return members_of(reduce(getattr, name.split("."), import_module(module)))


def setup(app: Sphinx) -> dict[str, Any]:
    """Make lists of members known to the templates of autosummary."""
    app.config.autosummary_context = {"members_of": members_by_name}
    return {"parallel_read_safe": True, "parallel_write_safe": True}
