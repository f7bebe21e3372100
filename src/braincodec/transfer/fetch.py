"""Models, stores and other folders copied here from an address."""

from __future__ import annotations

import contextlib
import filecmp
import json
import os
import posixpath
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from braincodec.artefact import CHECKSUMS, CONFIG, UNITS, WEIGHTS, sha256_of
from braincodec.atomic import atomic_path, refuse_existing, remove, write_error
from braincodec.errors import BraincodecError, DamagedFileError, MissingFileError, OutputError
from braincodec.folder import Folder, FoundFile, open_folder
from braincodec.remote import RemoteFolder
from braincodec.transfer.plan import Transfer, TransferFile, shown

ROOM_LEFT = 50_000_000  # bytes that stay free on the disk


def fetch(
    address: str | Path,
    output: str | Path,
    *,
    offline: bool | None = None,
    overwrite: bool = False,
    progress: bool | None = None,
    dry_run: bool = False,
    **options: Any,
) -> Transfer:
    """Copy what lies at an address into a folder: an artefact, a store, a NED folder, or any other.

    Files come by way of the cache and are checked; an artefact is compared with its ``checksums.json`` and appears
    whole or not at all. An interrupted call goes on when it is called again.

    Parameters
    ----------
    address : str or Path
        ``hf://user/name``, ``s3://bucket/folder``, ``https://...`` or whatever fsspec reads, or a path.
    output : str or Path
        The folder; what lies below the address comes to lie below it.
    offline : bool, optional
        Take only what was fetched before; default: what the environment variable ``BRAINCODEC_OFFLINE`` says.
    overwrite : bool
        Replace files that are here and are others.
    progress : bool, optional
        Say the size first, and show a bar; default: when stderr is a terminal.
    dry_run : bool
        Only look what there is.
    **options
        Handed to fsspec, such as ``anon=True``; ``cache=`` names the folder for fetched files.

    Returns
    -------
    Transfer
        What was copied, and what was here before.

    Raises
    ------
    MissingFileError
        When nothing lies at the address; offline, when something was not fetched before.
    DamagedFileError
        When a checksum differs, or an artefact there is not whole.
    OutputError
        When another file lies here, or the disk is too small.
    UnreachableError
        When the address does not answer, or refuses.

    Examples
    --------
    >>> fetch("no/such/store", "here")
    Traceback (most recent call last):
    braincodec.errors.MissingFileError: store folder not found: no/such/store; ...
    """
    folder, output = open_folder(address, offline=offline, **options), Path(output).expanduser().absolute()
    found = list(folder.walk())
    if not found:
        raise MissingFileError(address, "anything to fetch", "there is nothing at this place")
    bundles = _bundles(folder, found)
    here = {file.name for bundle in bundles for file in bundle.here(output, overwrite)}
    transfer = Transfer(
        str(address), str(output), tuple(TransferFile(file.name, file.size, file.name in here) for file in found)
    )
    if dry_run:
        return transfer
    _check_room(transfer, output)
    with shown(transfer, "fetch", progress) as advance:
        for bundle in bundles:
            if not all(file.name in here for file in bundle.files):
                bundle.copy(output, overwrite, advance)
    return transfer


@dataclass(frozen=True)
class Bundle:
    """Files that come together: an artefact's, or one that belongs to none."""

    folder: Folder
    place: str
    files: tuple[FoundFile, ...]
    sums: dict[str, str] | None = None

    def here(self, output: Path, overwrite: bool) -> list[FoundFile]:
        """Which of the files are in the output already; raises `OutputError` where others are."""
        if self.sums is None:
            (file,) = self.files
            target = output / file.name
            if not os.path.lexists(target):
                return []
            if self._is_same(file, target):
                return [file]
            refuse_existing(target, overwrite=overwrite)
            return []
        target = output / self.place
        present = [name for name in (*self.sums, CHECKSUMS) if os.path.lexists(target / name)]
        if len(present) > len(self.sums) and all(sha256_of(target / n) == value for n, value in self.sums.items()):
            return list(self.files)
        if present:
            refuse_existing(target / present[0], overwrite=overwrite)
        return []

    def _is_same(self, file: FoundFile, target: Path) -> bool:
        """Compared by the checksum that the address states, else byte by byte."""
        if not target.is_file() or target.stat().st_size != file.size:
            return False
        stated = isinstance(self.folder, RemoteFolder) and self.folder.has_checksum_of(file.name, target)
        return stated or filecmp.cmp(self.folder.local(file.name), target, shallow=False)

    def copy(self, output: Path, overwrite: bool, advance: Callable[[int], None]) -> None:
        """Bring the files here, whole or not at all."""
        if self.sums is None:
            (file,) = self.files
            with atomic_path(output / file.name, overwrite=overwrite) as temporary:
                self._bring(file, temporary, advance)
            return
        target = output / self.place
        made = [folder for folder in target.parents if not folder.exists()]  # innermost first
        staged = target.parent / f".{uuid.uuid4().hex[:12]}-{target.name}"
        try:
            staged.mkdir(parents=True)
            for file in self.files:
                self._bring(file, staged / posixpath.basename(file.name), advance)
            if not target.exists():
                staged.rename(target)
                return
            (target / CHECKSUMS).unlink(missing_ok=True)  # from now on, and until the last file, it is not whole
            for name in (*self.sums, CHECKSUMS):
                (staged / name).replace(target / name)
        except BraincodecError:
            raise
        except OSError as error:
            raise write_error(target, error) from error
        finally:
            remove(staged)
            for folder in made:
                with contextlib.suppress(OSError):  # it holds what was fetched
                    folder.rmdir()

    def _bring(self, file: FoundFile, target: Path, advance: Callable[[int], None]) -> None:
        told = 0

        def tell(count: int) -> None:
            nonlocal told
            told += count
            advance(count)

        if isinstance(self.folder, RemoteFolder):
            self.folder.on_bytes = tell
        source = self.folder.local(file.name)
        expected = (self.sums or {}).get(posixpath.basename(file.name))
        if expected is not None and sha256_of(source) != expected:
            if isinstance(self.folder, RemoteFolder):
                self.folder.forget(file.name)
            raise DamagedFileError(
                f"{self.folder.join(file.name)} differs from its checksum; nothing of that model is kept: push it again"
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        _link_or_copy(source, target, link=isinstance(self.folder, RemoteFolder))
        advance(max(0, source.stat().st_size - told))  # of what was in the cache


def _bundles(folder: Folder, found: list[FoundFile]) -> list[Bundle]:
    """Artefacts first, then what belongs to none."""
    names = {file.name for file in found}
    places = {posixpath.dirname(name) for name in names if posixpath.basename(name) == CONFIG}
    artefacts = {one for one in places if {posixpath.join(one, WEIGHTS), posixpath.join(one, UNITS)} & names}
    bundles = []
    for place in sorted(artefacts):
        path = posixpath.join(place, CHECKSUMS)
        if path not in names:
            raise DamagedFileError(f"{folder.join(place)} lacks {CHECKSUMS}: it was not pushed whole; push it again")
        sums = _read_sums(folder, path)
        files = tuple(
            file for file in found if posixpath.dirname(file.name) == place and posixpath.basename(file.name) in sums
        )
        lacking = set(sums) - {posixpath.basename(file.name) for file in files}
        if lacking:
            raise DamagedFileError(f"{folder.join(place)} lacks {', '.join(sorted(lacking))}; push it again")
        last = next(file for file in found if file.name == path)
        bundles.append(Bundle(folder, place, (*files, last), sums))
    of_artefacts = {file.name for bundle in bundles for file in bundle.files}
    return bundles + [Bundle(folder, "", (file,)) for file in found if file.name not in of_artefacts]


def _read_sums(folder: Folder, name: str) -> dict[str, str]:
    try:
        content = json.loads(folder.local(name).read_text(encoding="utf-8"))
        return {str(file): str(value) for file, value in content.items()}
    except (ValueError, AttributeError) as error:
        raise DamagedFileError(f"{folder.join(name)} is no table of checksums; push the model again") from error


def _link_or_copy(source: Path, target: Path, link: bool) -> None:
    """A second name for a file of the cache where the disk allows it: whoever changes it has it fetched anew."""
    if link:
        with contextlib.suppress(OSError):
            os.link(source, target)
            return
    shutil.copyfile(source, target)


def _check_room(transfer: Transfer, output: Path) -> None:
    existing = next(folder for folder in (output, *output.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    if transfer.missing_size + ROOM_LEFT > free:
        raise OutputError(
            f"{transfer.missing_size / 1e9:.2f} GB are to come and {free / 1e9:.2f} GB are free on the disk of {output}"
        )
