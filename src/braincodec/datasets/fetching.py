"""Fetch the files of open data sets: size first, resumed, checked, and named only when whole."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from braincodec.atomic import exclusive_lock, remove, write_error, write_json
from braincodec.datasets.base import DATASETS, Dataset
from braincodec.datasets.download import Download
from braincodec.datasets.fetched import RECORD, Fetched, FetchedFile, checksum_of, read_record, shown_size
from braincodec.datasets.transfer import Facts, discard, part_here, read_facts, transfer
from braincodec.datasets.unpacking import unpack
from braincodec.errors import DamagedFileError, InputValueError, OutputError, UnknownNameError
from braincodec.progress import progress_bar

WORKSHOP = ".fetching"  # folder of unfinished files, beside the data
KILOBYTE = 1000


def fetch(
    name: str,
    root: str | os.PathLike[str],
    *,
    subjects: str | Sequence[str] | None = None,
    progress: bool | None = None,
    dry_run: bool = False,
) -> Fetched:
    """Fetch the files of a data set that anybody may download.

    Their sizes are asked for first. An interrupted run goes on where it ended, also in another process. A file gets its
    name when all of it is there and its checksum is right; where publishers state none, the SHA-256 of what came is
    written to ``fetched.json`` beside the data, and compared when the file has changed since.

    Parameters
    ----------
    name : str
        ``DATASETS.names()`` lists them.
    root : path
        The folder for them, as `load_dataset` takes it.
    subjects : str or list of str, optional
        Whose files; default: everybody's.
    progress : bool, optional
        Whether to show sizes and a bar; default: when stderr is a terminal.
    dry_run : bool
        Only ask for the sizes; nothing is written.

    Returns
    -------
    Fetched
        Its text is a list of the files with their sizes.

    Raises
    ------
    UnknownNameError
        When there is no such data set or subject.
    InputValueError
        When the data set cannot be fetched, because it is behind an agreement or made in memory; says how to get it.
    MissingFileError, UnreachableError
        When an address is gone, refuses, or does not answer; what came so far is kept.
    DamagedFileError
        When a checksum is wrong: what came is removed. When a file here is not what was fetched.
    OutputError
        When the disk is too small, or another process fetches into the same folder.

    Examples
    --------
    >>> fetch("nsd", "nsd/")
    Traceback (most recent call last):
    braincodec.errors.InputValueError: the data set 'nsd' is not fetched automatically; ...
    """
    kind: type[Dataset] = DATASETS.get(name)
    if not kind.downloads:
        reason = kind.how_to_get or "it has no files"
        raise InputValueError(f"the data set {name!r} is not fetched automatically; {reason}")
    downloads, folder = _chosen(name, kind.downloads, subjects), Path(root).expanduser()
    show = sys.stderr.isatty() if progress is None else progress
    plan = Fetched(name, folder, tuple(_look(item, folder) for item in downloads), kind.how_to_get)
    if show:
        sys.stderr.write(f"{plan}\n")
    if dry_run or plan.complete:
        return plan
    _check_room(plan)
    with _workshop(folder) as place, _bytes_bar(name, plan, show) as advance:
        files = tuple(item if item.state == "here" else _bring(item, folder, place, advance) for item in plan.files)
    return replace(plan, files=files)


def _chosen(name: str, downloads: Sequence[Download], subjects: str | Sequence[str] | None) -> list[Download]:
    if subjects is None:
        return list(downloads)
    known = sorted({item.subject for item in downloads if item.subject is not None})
    wanted = [subjects] if isinstance(subjects, str) else [str(item) for item in subjects]
    for subject in wanted:
        if subject not in known:
            raise UnknownNameError("subject", subject, known, where=f"among what is fetched of {name}")
    return [item for item in downloads if item.subject is None or item.subject in wanted]


def _look(download: Download, root: Path) -> FetchedFile:
    """What is here of a file, and how large it is where it comes from."""
    target, known = root / download.file, read_record(root).get(download.file)
    unpacked = known is not None and download.unpack_to is not None
    if known is not None and known.get("address") == download.address:
        if unpacked and all((root / str(download.unpack_to) / item).exists() for item in known["unpacked"]):
            return FetchedFile(download, known["size"], known["size"], "here", known["sha256"])
        if not unpacked and target.is_file():
            return _known(download, target, known)
    facts = _facts(download)
    if target.is_file() and download.unpack_to is None:
        return _adopted(download, target, facts)
    have = part_here(_part(root, download), facts, checked=download.checksum is not None)
    return FetchedFile(download, facts.size, have, "begun" if have else "to fetch", facts=facts)


def _known(download: Download, target: Path, known: Mapping[str, Any]) -> FetchedFile:
    """A file that was fetched before; looked into only when its size or time has changed."""
    if [target.stat().st_size, target.stat().st_mtime_ns] != known.get("status"):
        found = checksum_of(target)
        if found != f"sha256:{known['sha256']}":
            raise DamagedFileError(
                f"{target} is not what was fetched: it has changed since; remove it to fetch it anew"
            )
    return FetchedFile(download, known["size"], known["size"], "here", known["sha256"])


def _adopted(download: Download, target: Path, facts: Facts) -> FetchedFile:
    """A file that was here already: taken for the one at the address when size and declared checksum agree."""
    size = target.stat().st_size
    wrong = facts.size is not None and size != facts.size
    if download.checksum is not None and not wrong:
        wrong = checksum_of(target, download.checksum.partition(":")[0]) != download.checksum
    if wrong:
        raise OutputError(
            f"{target} exists and is another file than {download.address} ({shown_size(size)} here, "
            f"{'?' if facts.size is None else shown_size(facts.size)} there); move it away, or fetch to another folder"
        )
    return FetchedFile(download, size, size, "here", checksum_of(target).partition(":")[2])


def _facts(download: Download) -> Facts:
    facts = read_facts(_resolved(download.address))
    if download.size is not None and facts.size not in (None, download.size):
        raise DamagedFileError(
            f"{download.address} has {facts.size:,} bytes, but {download.size:,} were published: another version, or "
            "another file; nothing was fetched"
        )
    return facts if facts.size is not None else replace(facts, size=download.size)


def _resolved(address: str) -> str:
    """The address that a DOI and a file name stand for."""
    if not address.startswith("doi:"):
        return address
    from pooch.downloaders import doi_to_repository

    doi, _, file = address.removeprefix("doi:").rpartition("/")
    try:
        return str(doi_to_repository(doi).download_url(file))
    except (ValueError, OSError) as error:  # pooch says which repositories and files there are
        raise InputValueError(f"{address} cannot be found: {error}") from None


def _bring(item: FetchedFile, root: Path, place: Path, advance: Callable[[int], None]) -> FetchedFile:
    """Fetch, check, unpack or name, and record one file."""
    download, part = item.download, _part(root, item.download)
    facts = item.facts or _facts(download)
    transfer(facts, part, advance, checked=download.checksum is not None)
    if download.checksum is not None:
        found = checksum_of(part, download.checksum.partition(":")[0])
        if found != download.checksum:
            discard(part)
            raise DamagedFileError(
                f"{download.address} gave a file with {found}, but {download.checksum} was published; it was removed, "
                "fetch it again"
            )
    size, digest = part.stat().st_size, checksum_of(part).partition(":")[2]
    entry: dict[str, Any] = {"address": download.address, "size": size, "sha256": digest}
    if download.unpack_to is None:
        target = root / download.file
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            part.replace(target)
        except OSError as error:
            raise write_error(target, error) from error
        entry["status"] = [size, target.stat().st_mtime_ns]
    else:
        try:
            entry["unpacked"] = unpack(part, root / download.unpack_to, place / "unpacked")
        except DamagedFileError:
            discard(part)
            raise
    # the part goes last: until the record knows the file, an interrupted run must find it
    files = {**read_record(root), download.file: {**entry, "fetched": datetime.now(UTC).isoformat("T", "seconds")}}
    write_json(root / RECORD, {"files": files})
    discard(part)
    return FetchedFile(download, size, size, "here", digest)


def _part(root: Path, download: Download) -> Path:
    number = hashlib.sha256(download.address.encode()).hexdigest()[:8]
    return root / WORKSHOP / f"{number}-{Path(download.file).name}"


def _check_room(plan: Fetched) -> None:
    existing = next(folder for folder in (plan.root, *plan.root.absolute().parents) if folder.exists())
    if not existing.is_dir():
        raise OutputError(f"{existing} is a file; expected a folder to fetch into")
    free = shutil.disk_usage(existing).free
    if plan.missing_bytes > free:
        raise OutputError(
            f"{plan.name} needs {shown_size(plan.missing_bytes)}, but {shown_size(free)} are free at {existing}"
        )


@contextlib.contextmanager
def _workshop(root: Path) -> Iterator[Path]:
    """The folder of unfinished files, for this process alone; removed when nothing unfinished is left."""
    place = root / WORKSHOP
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(place, error) from error
    lock = exclusive_lock(place / "lock")
    try:
        yield place
    finally:
        lock.close()
        remove(place / "lock")
        with contextlib.suppress(OSError):  # not empty: something is unfinished
            place.rmdir()


@contextlib.contextmanager
def _bytes_bar(name: str, plan: Fetched, show: bool) -> Iterator[Callable[[int], None]]:
    """A bar in kB, which has more digits left than one in bytes; takes numbers of bytes."""
    waiting = [file for file in plan.files if file.state != "here"]
    total, done = sum(file.size or 0 for file in waiting), sum(file.have for file in waiting)
    carried = 0
    with progress_bar(f"fetch {name} (kB)", total // KILOBYTE, done=done // KILOBYTE, show=show) as advance:

        def add(count: int) -> None:
            nonlocal carried
            whole, carried = divmod(carried + count, KILOBYTE)
            advance(whole)

        yield add
