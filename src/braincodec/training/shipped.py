"""Settings that come with the package: one file for each published model, and examples."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

from braincodec.errors import MissingFileError, UnknownNameError
from braincodec.settings_file import SUFFIXES, parse_settings, read_settings

PACKAGE, FOLDER, SUFFIX = "braincodec", "configs", ".yaml"


def shipped_configs() -> dict[str, str]:
    """Names of the shipped settings, and the first line of each, which says what they are for.

    Examples
    --------
    >>> "simulated_fmri" in shipped_configs()
    True
    """
    return {name: _text(name).partition("\n")[0].lstrip("# ").strip() for name in _names()}


def load_settings(given: str | Path) -> dict[str, Any]:
    """Settings from a file, or shipped ones by their name.

    Raises
    ------
    MissingFileError, UnknownNameError
        When it is neither.
    """
    path = Path(given)
    if path.is_file() or isinstance(given, Path):
        return read_settings(path)
    name = path.stem if path.suffix == SUFFIX and path.name == str(given) else str(given)
    if name in _names():
        return parse_settings(_text(name), f"{name}{SUFFIX}")
    if path.suffix.lower() in SUFFIXES or len(path.parts) > 1:
        raise MissingFileError(path, "settings", f"settings that come with the package: {', '.join(_names())}")
    raise UnknownNameError(
        "settings", str(given), _names(), where="(no such file, and none that come with the package)"
    )


def shipped_text(name: str) -> str:
    """A shipped file with its comments, to start one's own from.

    Raises
    ------
    UnknownNameError
    """
    if name not in _names():
        raise UnknownNameError("settings", name, _names())
    return _text(name)


def _names() -> list[str]:
    folder = resources.files(PACKAGE) / FOLDER
    return sorted(item.name.removesuffix(SUFFIX) for item in folder.iterdir() if item.name.endswith(SUFFIX))


def _text(name: str) -> str:
    return (resources.files(PACKAGE) / FOLDER / f"{name}{SUFFIX}").read_text(encoding="utf-8")
