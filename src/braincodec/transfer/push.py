"""Artefacts copied to another place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from braincodec.artefact import CHECKSUMS, FILES, verify_checksums
from braincodec.errors import InputValueError, MissingFileError, OutputError
from braincodec.transfer.destination import Destination, Package, open_destination
from braincodec.transfer.plan import Transfer, TransferFile, shown


def push_artefact(
    path: str | Path,
    address: str | Path,
    *,
    private: bool | None = None,
    message: str | None = None,
    overwrite: bool = False,
    progress: bool | None = None,
    dry_run: bool = False,
    **options: Any,
) -> Transfer:
    """Copy one artefact to an address, which is an artefact's folder then.

    Parameters
    ----------
    path : str or Path
        The folder that ``model.save`` wrote.
    address : str or Path
        ``hf://user/name``, ``s3://bucket/folder`` or whatever fsspec writes to, or a path.
    private, message, overwrite, progress, dry_run, **options
        See `push_artefacts`.

    Returns
    -------
    Transfer
        What was copied, and what lay there before.

    Raises
    ------
    MissingFileError, DamagedFileError
        When `path` holds no whole artefact.
    InputValueError, OutputError, UnreachableError
        See `push_artefacts`.

    Examples
    --------
    >>> push_artefact("no/such/artefact", "memory://model")
    Traceback (most recent call last):
    braincodec.errors.MissingFileError: artefact not found: no/such/artefact
    """
    return push_artefacts(
        {"": Path(path)},
        address,
        source=str(path),
        private=private,
        message=message,
        overwrite=overwrite,
        progress=progress,
        dry_run=dry_run,
        **options,
    )


def push_artefacts(
    folders: Mapping[str, Path],
    address: str | Path,
    *,
    source: str,
    private: bool | None = None,
    message: str | None = None,
    overwrite: bool = False,
    progress: bool | None = None,
    dry_run: bool = False,
    **options: Any,
) -> Transfer:
    """Copy artefacts to places below an address.

    Files that lie there with the same checksum are not copied again, so an interrupted push goes on when it is called
    again. An artefact's ``checksums.json`` comes last: what was pushed by half is never taken for whole.

    Parameters
    ----------
    folders : mapping of str to Path
        Folder of each artefact on this machine, by its place below the address.
    address : str or Path
    source : str
        Where they come from, in words.
    private : bool, optional
        Whether a repository made for them on a model hub may be seen by its owner only; default: the account's own.
    message : str, optional
        For places that keep a history.
    overwrite : bool
        Replace artefacts that lie there and are others.
    progress : bool, optional
        Say the size first, and show a bar; default: when stderr is a terminal.
    dry_run : bool
        Only compare; nothing is written.
    **options
        Handed to fsspec, or ``token=`` and ``endpoint=`` of a model hub.

    Returns
    -------
    Transfer

    Raises
    ------
    MissingFileError, DamagedFileError
        When an artefact here is not whole.
    OutputError
        When another artefact lies there, or a file came out wrong.
    UnreachableError
        Without credentials, and when the address refuses or does not answer.
    """
    packages = [_package(place, folder) for place, folder in folders.items()]
    if not packages:
        raise InputValueError(f"{source} holds no artefact to push")
    destination = open_destination(address, **options)
    if not dry_run:
        destination.prepare(private)
    there = {package.place: _compare(destination, package, overwrite) for package in packages}
    files = tuple(
        TransferFile(package.name(name), package.size(name), name in there[package.place])
        for package in packages
        for name in (*package.sums, CHECKSUMS)
    )
    transfer = Transfer(source, destination.address, files)
    if dry_run:
        return transfer
    with shown(transfer, "push", progress) as advance:
        for package in packages:
            have = there[package.place]
            if CHECKSUMS not in have:
                words = message or f"braincodec: {package.place or package.folder.name}"
                destination.put(package, [name for name in package.sums if name not in have], words, advance)
    return transfer


def _package(place: str, folder: Path) -> Package:
    if not folder.is_dir():
        raise MissingFileError(folder, "artefact")
    for name in (*FILES, CHECKSUMS):
        if not (folder / name).is_file():
            raise MissingFileError(folder / name, "file of an artefact", "save the model again")
    verify_checksums(folder)
    sums = json.loads((folder / CHECKSUMS).read_text(encoding="utf-8"))
    return Package(place, folder, {name: sums[name] for name in FILES})


def _compare(destination: Destination, package: Package, overwrite: bool) -> set[str]:
    """Names of the package's files that lie there already, ``checksums.json`` among them where it is whole."""
    known = destination.checksums(package)
    whole = destination.whole(package)
    if known == package.sums and whole == set(package.sums):
        return whole | {CHECKSUMS}
    if known is not None and known != package.sums and not overwrite:
        place = package.place or "it"
        raise OutputError(
            f"another model lies at {destination.address} ({place}); choose another place or ask to overwrite it "
            "(--overwrite, overwrite=True)"
        )
    return whole
