"""The folder in which responses grow until they are complete, and from which an interrupted run goes on.

Rows first go to a plain file; when a shard is full it is written to Zarr once and the file is dropped. `state.json`
is replaced only after the rows that it counts are on the disk, so it is right whenever the process is killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import xarray as xr

from braincodec.atomic import remove
from braincodec.errors import OutputError
from braincodec.responses.formats import row_bytes, zarr_store
from braincodec.responses.formats.labels import VARIABLE
from braincodec.responses.formats.layout import shard_shape

STORE, STATE, IDS, LOCK, FINAL = "responses.zarr", "state.json", "ids.jsonl", "lock", "final"
# a killed run loses at most this much work
SECONDS_BETWEEN_SAVES = 2.0
# attributes of a file have to stay small: more left-out stimuli than these are counted, but not named
MOST_SKIPPED_NAMED = 200


@dataclass(frozen=True)
class Progress:
    """How far a run has come.

    Parameters
    ----------
    rows : int
        Stimuli whose responses are stored.
    sealed : int
        Of these, how many are in Zarr; the others are in plain files.
    next_position : int
        Position in the stimulus set at which to go on.
    ids_bytes : int
        Length of the list of ids.
    bad : tuple of dict
        Stimuli that were left out: position, id, reason.
    """

    rows: int = 0
    sealed: int = 0
    next_position: int = 0
    ids_bytes: int = 0
    bad: tuple[dict[str, Any], ...] = ()


class Staging:
    """A growing set of rows on disk.

    Parameters
    ----------
    folder : Path
    template : DataArray
        Responses to no stimuli: dimensions, coordinates, attributes, dtype.
    identity : dict
        What the rows are; stored for whoever finds the folder.
    """

    def __init__(self, folder: Path, template: xr.DataArray, identity: dict[str, Any]) -> None:
        self.folder, self.template, self.identity = folder, template, identity
        self.store = folder / STORE
        self.progress = self.saved = Progress()
        self._row_bytes = row_bytes(template)
        self._shard_rows = shard_shape(template.shape[1:], template.dtype.itemsize)[0]
        self._touched: set[Path] = set()
        self._last_save = time.monotonic()
        self._lock: IO[str] | None = None

    def open(self, *, discard: bool = False) -> None:
        """Take the folder for this process, go on where it stopped, or begin (always when `discard`)."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(self.folder / LOCK)
        if discard:
            remove(self.folder / STATE)
        for left_over in self.folder.glob(f"{FINAL}*"):
            remove(left_over)
        state = read_state(self.folder)
        if state is not None:
            self.progress = self.saved = Progress(**state["progress"] | {"bad": tuple(state["progress"]["bad"])})
            zarr_store.reopen(self.store)
        else:
            remove(self.store)
            zarr_store.create(self.store, self.template)
            (self.folder / IDS).write_bytes(b"")
            self.save()
        self._array = zarr_store.open_array(self.store)

    def append(self, block: np.ndarray, ids: Sequence[str], next_position: int, bad: Sequence[dict[str, Any]]) -> None:
        """Add rows; they count once all of them are stored."""
        done = 0
        while done < len(block):
            shard, inside = divmod(self.progress.rows + done, self._shard_rows)
            part = block[done : done + self._shard_rows - inside]
            self._write_at(self._plain_file(shard), inside * self._row_bytes, part.data)
            done += len(part)
        lines = "".join(json.dumps(item) + "\n" for item in ids).encode()
        self._write_at(self.folder / IDS, self.progress.ids_bytes, lines)
        # one assignment, so that an interrupt cannot leave half of it
        self.progress = replace(
            self.progress,
            rows=self.progress.rows + len(block),
            next_position=next_position,
            ids_bytes=self.progress.ids_bytes + len(lines),
            bad=(*self.progress.bad, *bad),
        )
        while self.progress.rows - self.progress.sealed >= self._shard_rows:
            self._seal()
        if time.monotonic() - self._last_save > SECONDS_BETWEEN_SAVES:
            self.save()

    def save(self) -> None:
        """Make everything durable, then say so in `state.json`."""
        progress = self.progress
        for path in list(self._touched):
            _sync(path)
            self._touched.discard(path)
        state = {"version": 1, **self.identity, "progress": asdict(progress)}
        zarr_store.write_json(self.folder / STATE, state)
        self.saved, self._last_save = progress, time.monotonic()

    def finish(self) -> Path:
        """Write the last rows to Zarr and complete it; returns the Zarr group. May be repeated."""
        rest = self.progress.rows - self.progress.sealed
        if rest:
            self._write_shard(rest)
        self.save()
        skipped = [item["id"] for item in self.progress.bad]
        if skipped:
            named = json.dumps(skipped[:MOST_SKIPPED_NAMED])
            self.template = self.template.assign_attrs(skipped_count=len(skipped), skipped_stimuli=named)
        zarr_store.finish(self.store, self.template, self.ids())
        return self.store

    def ids(self) -> list[str]:
        """Ids of the stored rows."""
        content = (self.folder / IDS).read_bytes()[: self.progress.ids_bytes]
        return [json.loads(line) for line in content.splitlines()]

    def close(self) -> None:
        """Let other processes use the folder; remove it when nothing in it is worth resuming."""
        if self._lock is None:  # the folder belongs to another process
            return
        if not self.saved.rows:
            remove(self.folder)
        self._lock.close()
        self._lock = None

    def _seal(self) -> None:
        shard = self.progress.sealed // self._shard_rows
        self._write_shard(self._shard_rows)
        self.progress = replace(self.progress, sealed=self.progress.sealed + self._shard_rows)
        self._touched.discard(self._plain_file(shard))
        self.save()
        remove(self._plain_file(shard))

    def _write_shard(self, count: int) -> None:
        start = self.progress.sealed
        shard = start // self._shard_rows
        row_shape = self.template.shape[1:]
        values = np.fromfile(self._plain_file(shard), self.template.dtype, count * int(np.prod(row_shape)))
        self._array[start : start + count] = values.reshape(count, *row_shape)
        _sync(self.store.joinpath(VARIABLE, "c", str(shard), *["0"] * len(row_shape)))

    def _plain_file(self, shard: int) -> Path:
        return self.folder / f"rows-{shard:06d}.raw"

    def _write_at(self, path: Path, offset: int, content: bytes | memoryview) -> None:
        self._touched.add(path)
        with path.open("r+b" if path.exists() else "w+b") as file:
            file.seek(offset)
            file.write(content)


def read_state(folder: Path) -> dict[str, Any] | None:
    """What an earlier run left in the folder; None when it got nowhere."""
    try:
        state = json.loads((folder / STATE).read_text())
    except (OSError, ValueError):
        return None
    return state if isinstance(state, dict) and state.get("version") == 1 and (folder / STORE).is_dir() else None


def _sync(path: Path) -> None:
    if path.exists():
        with path.open("rb") as file:
            os.fsync(file.fileno())


def _locked(path: Path) -> IO[str]:
    file = path.open("w")
    with contextlib.suppress(ImportError):  # no advisory locks on this system
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise OutputError(f"{path.parent} is being written by another process") from None
        except OSError:  # a file system without locks
            pass
    return file
