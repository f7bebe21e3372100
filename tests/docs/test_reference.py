"""The API reference lists every public name, and nothing that is not there."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from typing import Any

import braincodec as bc

from ..documents import DOCS

# beside the modules that `braincodec` names
MORE_MODULES = ("image_generators", "published_lea", "readouts", "stimuli")


def listed() -> Iterator[tuple[str, str]]:
    """Modules and names of the lists on the pages of the reference."""
    for page in (DOCS / "api").glob("*.rst"):
        module = ""
        for line in page.read_text(encoding="utf-8").splitlines():
            if found := re.fullmatch(r"\.\. currentmodule:: (\S+)", line):
                module = found[1]
            elif found := re.fullmatch(r"   ([A-Za-z_][\w.]*)", line):
                yield module, found[1]


def object_of(module: str, name: str) -> Any:
    """What a listed name stands for; an `AttributeError` where it stands for nothing."""
    *parts, last = name.split(".")
    holder = importlib.import_module(".".join((module, *parts)))
    return getattr(holder, last)


def test_every_public_name_is_listed() -> None:
    described = {id(object_of(module, name)) for module, name in listed()}
    names = {name for name in dir(bc) if inspect.ismodule(getattr(bc, name))} | set(MORE_MODULES)
    modules = [bc, *(importlib.import_module(f"braincodec.{name}") for name in sorted(names))]
    public = {f"{module.__name__}.{name}": getattr(module, name) for module in modules for name in _public(module)}
    assert not sorted(name for name, item in public.items() if id(item) not in described), "list them in docs/api/*.rst"


def test_no_name_is_listed_twice() -> None:
    names = list(listed())
    assert len(names) == len(set(names)) > 200


def _public(module: Any) -> list[str]:
    return [name for name in getattr(module, "__all__", []) if name != "__version__"]
