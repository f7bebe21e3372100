"""Splits of one scheme with the settings that made them, and the file they are kept in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from braincodec.atomic import atomic_path
from braincodec.datasets.base import Split
from braincodec.errors import DamagedFileError, InputTypeError, InputValueError, MissingFileError

FORMAT = "braincodec splits"
VERSION = 1


class Splits(list[Split]):
    """A list of splits made by one scheme.

    Parameters
    ----------
    splits : iterable of Split
    scheme : str
        Such as ``"random"`` or ``"cluster"``.
    settings : mapping, optional
        Everything that decided them: seeds, fractions, features, and what was measured of the result.

    Examples
    --------
    >>> splits = Splits([Split(train=["a"], test=["b"])], "random", {"seeds": [0]})
    >>> len(splits), splits[0].test, splits.scheme
    (1, ('b',), 'random')
    """

    def __init__(self, splits: Iterable[Split], scheme: str, settings: Mapping[str, Any] | None = None) -> None:
        super().__init__(splits)
        self.scheme = scheme
        self.settings = dict(settings or {})

    def __repr__(self) -> str:
        sizes = ", ".join(f"{len(split.train)}/{len(split.test)}" for split in self)
        return f"<Splits {self.scheme}: {len(self)} of train/test {sizes}>"


def save_splits(
    path: str | Path,
    splits: Mapping[str, Iterable[Split]],
    *,
    about: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write splits with their settings to a JSON file, whole or not at all.

    Parameters
    ----------
    path : str or Path
    splits : mapping of scheme to splits
        A `Splits` brings its settings along.
    about : mapping, optional
        What they belong to: name of the data set, subject, version.
    overwrite : bool
        Replace an existing file.

    Returns
    -------
    Path

    Raises
    ------
    InputTypeError
        When something other than splits is among them, or a setting is no JSON.
    OutputError
        When the file exists or cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> file = save_splits(folder / "splits.json", {"random": [Split(train=["a"], test=["b"])]})
    >>> load_splits(file)
    {'random': <Splits random: 1 of train/test 1/1>}
    """
    schemes = {}
    for scheme, members in splits.items():
        listed = list(members)
        for split in listed:
            if not isinstance(split, Split):
                raise InputTypeError(f"splits of {scheme!r} must be Split objects, not {type(split).__name__}")
        schemes[str(scheme)] = {
            "settings": dict(getattr(members, "settings", {})),
            "splits": [split.to_dict() for split in listed],
        }
    content = {"format": FORMAT, "version": VERSION, "about": dict(about or {}), "schemes": schemes}
    try:
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputTypeError(f"settings of splits must be plain numbers, text and lists: {error}") from None
    with atomic_path(path, overwrite=overwrite) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return Path(path)


def load_splits(path: str | Path, stimulus_ids: Iterable[object] | None = None) -> dict[str, Splits]:
    """Read what `save_splits` wrote.

    Parameters
    ----------
    path : str or Path
    stimulus_ids : iterable of str, optional
        Ids that the splits must be about: any other in them is an error.

    Returns
    -------
    dict of scheme to Splits

    Raises
    ------
    MissingFileError
        When there is no such file.
    DamagedFileError
        When it holds something else.
    InputValueError
        When a split names an id that is none of `stimulus_ids`.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(path, "file of splits")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT or content["version"] != VERSION:
            raise DamagedFileError(
                f"{path} is {content['format']!r} version {content['version']}, not {FORMAT} {VERSION}"
            )
        found = {
            scheme: Splits((Split.from_dict(parts) for parts in entry["splits"]), scheme, entry["settings"])
            for scheme, entry in content["schemes"].items()
        }
    except DamagedFileError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise DamagedFileError(f"{path} is no file of splits, or was damaged ({reason})") from None
    if stimulus_ids is not None:
        known = [str(item) for item in stimulus_ids]
        for scheme, splits in found.items():
            for number, split in enumerate(splits):
                try:
                    split.check_against(known)
                except InputValueError as error:
                    raise InputValueError(f"{path}, {scheme} {number}: {error}") from None
    return found
