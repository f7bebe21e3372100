"""Which files hold whose responses: patterns, lists, folders and mappings, by subject and session."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from braincodec.datasets.own.formats import split_key, suffix_of
from braincodec.errors import InputValueError, MissingFileError

FIELDS = re.compile(r"\{(subject|session)\}")
OF_NAME = {"subject": re.compile(r"sub-([A-Za-z0-9]+)"), "session": re.compile(r"ses-([A-Za-z0-9]+)")}  # as BIDS
SHARED = ""  # the subject of files that hold all of them


@dataclass(frozen=True)
class Source:
    """Responses of one subject's session.

    Attributes
    ----------
    subject, session : str
        Empty where nothing says so.
    given : Any
        As `read_trials` takes it.
    """

    subject: str
    session: str
    given: Any


def find_sources(given: Any, root: Path | None) -> list[Source]:
    """Responses by subject and session.

    Parameters
    ----------
    given : path, pattern, list, array or mapping of subject to one of these
        ``"betas/sub-{subject}_ses-{session}.npy"``, ``"betas/*.nii.gz"``, a folder.
    root : Path, optional
        What relative paths start from.

    Raises
    ------
    MissingFileError
        When a path does not exist or nothing matches a pattern.
    InputValueError
        When a folder holds nothing that can be responses, or a mapping is empty.
    """
    if isinstance(given, Mapping):
        if not given:
            raise InputValueError("responses is an empty mapping; expected responses by subject")
        return [
            Source(str(subject), found.session, found.given)
            for subject, own in given.items()
            for found in find_sources(own, root)
        ]
    if isinstance(given, list | tuple) and given and all(isinstance(item, str | Path) for item in given):
        paths = [_placed(item, root) for item in given]
        return _by_name(paths, Path(os.path.commonpath([path.absolute().parent for path in paths])))
    if not isinstance(given, str | Path):
        return [Source(SHARED, "", given)]
    text = str(_placed(given, root))
    if FIELDS.search(text):
        return _by_fields(text)
    if any(mark in text for mark in "*?[") and not Path(text).exists():
        return _by_name(_matching(text), _fixed_part(text))
    path, _ = split_key(text)
    if path.is_dir() and not suffix_of(path) and not (path / "zarr.json").exists():
        return _by_name(_in_folder(path), path)
    if not path.exists():
        raise MissingFileError(path, "responses")
    return _by_name([Path(text)], Path(text).parent)


def placed(path: str | Path, root: Path | None) -> Path:
    """A path from `root` where it is relative and exists there, else as it is.

    Examples
    --------
    >>> placed("/data/a.npy", Path("study"))
    PosixPath('/data/a.npy')
    """
    return _placed(path, root)


def _placed(path: str | Path, root: Path | None) -> Path:
    own = Path(path).expanduser()
    inside = own if root is None else root / own  # an absolute path stays as it is
    return own if own.exists() and not inside.exists() else inside


def _by_fields(pattern: str) -> list[Source]:
    glob = FIELDS.sub("*", pattern)
    names = FIELDS.findall(pattern)
    parts = FIELDS.split(pattern)
    seen: set[str] = set()
    expression = ""
    for place, part in enumerate(parts):
        if place % 2 == 0:
            expression += re.escape(part).replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
        else:  # the same field again must be the same text
            expression += f"(?P={part})" if part in seen else f"(?P<{part}>[^/]+?)"
            seen.add(part)
    sources: dict[tuple[str, str], list[Path]] = {}
    for path in _matching(glob):
        match = re.fullmatch(expression, path.as_posix())
        if match:
            fields = {name: match[name] for name in names}
            sources.setdefault((fields.get("subject", SHARED), fields.get("session", "")), []).append(path)
    if not sources:
        raise MissingFileError(pattern, "responses")
    order = sorted(sources, key=lambda names: [_natural(Path(name)) for name in names])
    return [Source(*names, _one_or_many(sources[names])) for names in order]


def _by_name(paths: Sequence[Path], base: Path) -> list[Source]:
    """Files by the `sub-` and `ses-` in their names and folders below `base`; one source where there are none."""
    sources: dict[tuple[str, str], list[Path]] = {}
    for path in paths:
        names = {
            field: (expression.findall(path.absolute().relative_to(base.absolute()).as_posix()) or [""])[-1]
            for field, expression in OF_NAME.items()
        }
        sources.setdefault((names["subject"], names["session"]), []).append(path)
    without = [str(path) for (subject, _), own in sources.items() if not subject for path in own]
    if without and len({subject for subject, _ in sources}) > 1:
        raise InputValueError(f"some responses name their subject (sub-01) and others do not, such as {without[0]}")
    return [Source(subject, session, _one_or_many(own)) for (subject, session), own in sources.items()]


def _fixed_part(pattern: str) -> Path:
    """The folders of a pattern before the first that varies.

    Examples
    --------
    >>> _fixed_part("betas/sub-*/run.npy")
    PosixPath('betas')
    """
    parts = Path(pattern).parts
    first = next(place for place, part in enumerate(parts) if any(mark in part for mark in "*?["))
    return Path(*parts[:first])


def _one_or_many(paths: list[Path]) -> Path | list[Path]:
    return paths[0] if len(paths) == 1 else paths


def _matching(pattern: str) -> list[Path]:
    anchor = Path(Path(pattern).anchor or ".")
    relative = Path(pattern).relative_to(anchor) if Path(pattern).is_absolute() else Path(pattern)
    found = sorted((path for path in anchor.glob(str(relative)) if suffix_of(path)), key=_natural)
    if not found:
        raise MissingFileError(pattern, "responses that match the pattern")
    return found


def _in_folder(folder: Path) -> list[Path]:
    found = [path for path in folder.rglob("*") if suffix_of(path) and not _hidden_or_inside(path, folder)]
    if not found:
        raise InputValueError(f"the folder {folder} holds no responses: no .npy, .npz, .nii.gz, .csv, .nc, .zarr, .fif")
    return sorted(found, key=_natural)


def _hidden_or_inside(path: Path, folder: Path) -> bool:
    """Whether a path is hidden, or a part of a Zarr group."""
    parts = path.relative_to(folder).parts
    return any(part.startswith(".") for part in parts) or any(part.endswith(".zarr") for part in parts[:-1])


def _natural(path: Path) -> list[Any]:
    """A key that sorts trial_2 before trial_10."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", path.as_posix())]
