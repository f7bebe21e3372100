"""The folder in which responses grow until they are complete, and from which an interrupted run goes on.

Rows wait in memory until they fill a shard, which is then written to Zarr, once. Every few seconds those that wait
are also put into a plain file. `state.json` is replaced only after the rows that it counts are on the disk, so it is
right whenever the process is killed.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import xarray as xr

from braincodec.atomic import exclusive_lock, remove, sync, write_json
from braincodec.responses.formats import row_bytes, zarr_store
from braincodec.responses.formats.labels import VARIABLE

STORE, STATE, IDS, LOCK, FINAL = "responses.zarr", "state.json", "ids.jsonl", "lock", "final"
# a killed run loses at most this much work
SECONDS_BETWEEN_SAVES = 2.0
# HDF5 takes attributes of 64 kB: left-out stimuli beyond this many characters are counted, but not named
MOST_CHARACTERS_OF_SKIPPED = 32_000


@dataclass(frozen=True)
class Progress:
    """How far a run has come.

    Parameters
    ----------
    rows : int
        Stimuli whose responses are stored.
    sealed : int
        Of these, how many are in Zarr; the others wait for their shard to fill.
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
        self.saved = Progress()
        # progress and the rows after `sealed`, in one attribute: an interrupt cannot leave one without the other
        self._now: tuple[Progress, tuple[np.ndarray, ...]] = (self.saved, ())
        self._row_bytes = row_bytes(template)
        self._shard_rows = 0  # until `open` has asked the array, which an earlier version may have made
        self._touched: set[Path] = set()
        self._last_save = time.monotonic()
        self._lock: IO[str] | None = None

    @property
    def progress(self) -> Progress:
        """How far this run has come."""
        return self._now[0]

    def open(self, *, discard: bool = False) -> None:
        """Take the folder for this process, go on where it stopped, or begin (always when `discard`)."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = exclusive_lock(self.folder / LOCK)
        if discard:
            remove(self.folder / STATE)
        for left_over in self.folder.glob(f"{FINAL}*"):
            remove(left_over)
        state = read_state(self.folder)
        if state is not None:
            zarr_store.reopen(self.store)
        else:
            for old in (self.store, *self.folder.glob("rows-*.raw")):
                remove(old)
            zarr_store.create(self.store, self.template)
        self._array = zarr_store.open_array(self.store)
        self._shard_rows = (self._array.shards or self._array.chunks)[0]
        if state is not None:
            self.saved = Progress(**state["progress"] | {"bad": tuple(state["progress"]["bad"])})
            self._now = (self.saved, (self._waiting_rows(self.saved),))
        else:
            (self.folder / IDS).write_bytes(b"")
            self.save()

    def append(self, block: np.ndarray, ids: Sequence[str], next_position: int, bad: Sequence[dict[str, Any]]) -> None:
        """Add rows."""
        progress, waiting = self._now
        lines = "".join(json.dumps(item) + "\n" for item in ids).encode()
        self._write_at(self.folder / IDS, progress.ids_bytes, lines)
        progress = replace(
            progress,
            rows=progress.rows + len(block),
            next_position=next_position,
            ids_bytes=progress.ids_bytes + len(lines),
            bad=(*progress.bad, *bad),
        )
        self._now = (progress, (*waiting, block))
        while self.progress.rows - self.progress.sealed >= self._shard_rows:
            self._seal()
        # after each shard, so that a disk that is full at the next one costs only that
        if self.progress.sealed > progress.sealed or time.monotonic() - self._last_save > SECONDS_BETWEEN_SAVES:
            self.save()

    def save(self) -> None:
        """Make everything durable, then say so in `state.json`."""
        progress, waiting = self._now
        if progress.rows > progress.sealed:
            same_shard = self.saved.sealed == progress.sealed
            stored = self.saved.rows - self.saved.sealed if same_shard else 0
            rows = np.concatenate(waiting)[stored:]
            self._write_at(self._plain_file(progress), stored * self._row_bytes, rows.tobytes())
        for path in list(self._touched):
            sync(path)
            self._touched.discard(path)
        state = {"version": 1, **self.identity, "progress": asdict(progress)}
        write_json(self.folder / STATE, state)
        if self.saved.sealed != progress.sealed:
            remove(self._plain_file(self.saved))
        self.saved, self._last_save = progress, time.monotonic()

    def finish(self) -> Path:
        """Write the last rows to Zarr and complete it; returns the Zarr group. May be repeated."""
        progress, waiting = self._now
        self.save()
        if progress.rows > progress.sealed:
            self._write_shard(progress, np.concatenate(waiting))
        if self.progress.bad:
            self.template = self.template.assign_attrs(skipped_attributes(self.progress.bad))
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
        progress, waiting = self._now
        rows = np.concatenate(waiting)
        self._write_shard(progress, rows[: self._shard_rows])
        # copied, because a view would keep the whole shard in memory
        rest = rows[self._shard_rows :].copy()
        self._now = (replace(progress, sealed=progress.sealed + self._shard_rows), (rest,))

    def _write_shard(self, progress: Progress, rows: np.ndarray) -> None:
        self._array[progress.sealed : progress.sealed + len(rows)] = rows
        shard = str(progress.sealed // self._shard_rows)
        self._touched.add(self.store.joinpath(VARIABLE, "c", shard, *["0"] * (rows.ndim - 1)))

    def _waiting_rows(self, progress: Progress) -> np.ndarray:
        row_shape, count = self.template.shape[1:], progress.rows - progress.sealed
        if not count:
            return np.empty((0, *row_shape), self.template.dtype)
        values = np.fromfile(self._plain_file(progress), self.template.dtype, count * math.prod(row_shape))
        return values.reshape(count, *row_shape)

    def _plain_file(self, progress: Progress) -> Path:
        return self.folder / f"rows-{progress.sealed // self._shard_rows:06d}.raw"

    def _write_at(self, path: Path, offset: int, content: bytes) -> None:
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


def skipped_attributes(bad: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Attributes that say what was left out: `skipped` (JSON, id to reason) and `skipped_count`."""
    named: dict[str, str] = {}
    left = MOST_CHARACTERS_OF_SKIPPED
    for item in bad:
        left -= len(json.dumps({item["id"]: item["reason"]}))
        if left < 0:
            break
        named[item["id"]] = item["reason"]
    return {"skipped": json.dumps(named), "skipped_count": len(bad)}
