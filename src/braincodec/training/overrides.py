"""Settings changed by others: on the command line, or in a call."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from braincodec.errors import InputValueError
from braincodec.settings_file import parse_settings


def with_overrides(settings: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with some of them changed.

    Parameters
    ----------
    settings : mapping
    overrides : mapping
        Names may have dots, for settings inside others. A mapping is merged into what is there; anything else takes
        its place. A new kind of model, or another data set, leaves the settings of the former behind.

    Returns
    -------
    dict
        A copy.

    Examples
    --------
    >>> with_overrides({"dataset": "nsd", "seed": 1}, {"dataset.root": "/data", "seed": 2})
    {'dataset': {'name': 'nsd', 'root': '/data'}, 'seed': 2}
    """
    changed: dict[str, Any] = copy.deepcopy(dict(settings))
    for what, key in (("model", "kind"), ("dataset", "name")):
        before, now = _stated(changed, what, key), overrides.get(f"{what}.{key}") or _stated(overrides, what, key)
        if None not in (before, now) and before != now:
            changed[what] = {}
    for name, value in overrides.items():
        *path, last = name.split(".")
        if not all((*path, last)):
            raise InputValueError(f"settings: {name!r} is no name of a setting; write it as model.backbone")
        place = changed
        for part in path:
            inside = place.get(part)
            if isinstance(inside, str) and part == "dataset":  # a name alone stands for a data set
                inside = {"name": inside}
            if inside is not None and not isinstance(inside, dict):
                raise InputValueError(f"settings: {name!r} cannot be set, because {part!r} is {inside!r}")
            place[part] = inside or {}
            place = place[part]
        if isinstance(value, Mapping) and isinstance(place.get(last), dict):
            place[last] = place[last] | dict(value)
        else:
            place[last] = copy.deepcopy(value)
    return changed


def parse_override(text: str) -> tuple[str, Any]:
    """A name and its value from ``name=value``; the value is read as YAML.

    Examples
    --------
    >>> parse_override("model.layers=[features.3, features.4]"), parse_override("model.alphas=1e-3")
    (('model.layers', ['features.3', 'features.4']), ('model.alphas', 0.001))
    """
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise InputValueError(f"a setting is changed by name=value, such as model.backbone=gabor:bank; got {text!r}")
    if not value.strip():
        raise InputValueError(f"{name.strip()} has no value; null stands for nothing")
    return name.strip(), parse_settings(f"value: {value}", f"the value of {name.strip()}")["value"]


def _stated(settings: Mapping[str, Any], what: str, key: str) -> Any:
    """The kind of model, or the name of the data set."""
    inside = settings.get(what)
    if isinstance(inside, str) and what == "dataset":
        return inside
    return inside.get(key) if isinstance(inside, Mapping) else None
