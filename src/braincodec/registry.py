"""Named things that others can add to: models, backbones, data sets, metrics."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator
from functools import reduce
from importlib import import_module, metadata
from typing import Any

from braincodec.errors import BraincodecError, InputValueError, UnknownNameError


class Registry:
    """Names to objects, with third parties joining through entry points.

    Parameters
    ----------
    what : str
        Kind of thing, used in error messages.
    entry_point_group : str, optional
        Group whose entry points are added when first looked at, such as ``"braincodec.models"``. Built-in names win
        over theirs.
    built_in : dict of str to str, optional
        Names to ``"module:attribute"``, imported when first asked for.

    Examples
    --------
    >>> shapes = Registry("shape")
    >>> @shapes.register("circle")
    ... class Circle: ...
    >>> shapes.names()
    ['circle']
    """

    def __init__(self, what: str, entry_point_group: str = "", built_in: dict[str, str] | None = None) -> None:
        self.what = what
        self._group = entry_point_group
        self._objects: dict[str, Any] = {}
        self._addresses: dict[str, str] = dict(built_in or {})
        self._entry_points_read = not entry_point_group

    def register(self, name: str) -> Callable[[Any], Any]:
        """Decorator that adds the decorated object under `name`.

        Raises
        ------
        InputValueError
            When another object has that name: what a stored name means must not depend on what was imported.
        """

        def add(item: Any) -> Any:
            known = _address(self._objects[name]) if name in self._objects else self._addresses.get(name)
            if known not in (None, _address(item)):
                raise InputValueError(f"{self.what} {name!r} is {known} already; choose another name")
            self._objects[name] = item
            return item

        return add

    def get(self, name: str) -> Any:
        """The object called `name`.

        Raises
        ------
        UnknownNameError
            With the known names, when there is none.
        InputValueError
            When a third party's entry point cannot be loaded.
        """
        self._read_entry_points()
        if name not in self._objects:
            if name not in self._addresses:
                raise UnknownNameError(self.what, name, self.names())
            self._objects[name] = self._load(name)
        return self._objects[name]

    def _load(self, name: str) -> Any:
        module, _, attributes = self._addresses[name].partition(":")
        try:
            item = import_module(module)
            return reduce(getattr, attributes.split("."), item) if attributes else item
        except BraincodecError:
            raise
        except (ImportError, AttributeError) as error:
            raise InputValueError(
                f"{self.what} {name!r} should be {self._addresses[name]}, which cannot be loaded: {error}"
            ) from error

    def names(self, pattern: str = "*") -> list[str]:
        """Sorted names that match a shell-style pattern."""
        self._read_entry_points()
        return sorted(n for n in {*self._objects, *self._addresses} if fnmatch.fnmatchcase(n, pattern))

    def __contains__(self, name: str) -> bool:
        return name in self.names()

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def _read_entry_points(self) -> None:
        if self._entry_points_read:
            return
        self._entry_points_read = True
        for point in metadata.entry_points(group=self._group):
            # `value` may end in the names of extras
            self._addresses.setdefault(point.name, f"{point.module}:{point.attr}")


def _address(item: Any) -> str:
    return f"{getattr(item, '__module__', '')}:{getattr(item, '__qualname__', repr(item))}"
