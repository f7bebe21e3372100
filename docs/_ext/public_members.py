"""What pages of the API reference show: members of a class that are ours, and what is in a registry or a constant."""

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


def words_on(module: str, name: str) -> str:
    """What there is to say of something that is neither class nor function: its names, its keys, or its value."""
    from braincodec.registry import Registry

    item = getattr(import_module(module), name)
    if isinstance(item, Registry):
        names = ", ".join(f"``{known}``" for known in item.names())
        return (
            f"Registry of each {item.what} by name: ``{name}.names()`` lists them, ``{name}.get(name)`` gives one. "
            f"Other packages add theirs by entry points.\n\nNames: {names}."
        )
    if isinstance(item, dict):
        return f"A dictionary of {type(next(iter(item.values()))).__name__}: {', '.join(f'``{key}``' for key in item)}."
    return f"``{item!r}``"


def setup(app: Sphinx) -> dict[str, Any]:
    """Make these known to the templates of autosummary."""
    app.config.autosummary_context = {"members_of": members_by_name, "words_on": words_on}
    return {"parallel_read_safe": True, "parallel_write_safe": True}
