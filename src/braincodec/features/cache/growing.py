"""A cache of features while it grows: rows wait in memory until they fill a shard of every layer.

Every few seconds those that wait are also put into plain files. `state.json` is replaced only after the rows that it
counts are on the disk, so it is right whenever the process is killed.
"""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np

from braincodec import atomic
from braincodec.errors import InputValueError, OutputError
from braincodec.features.cache import zarr_folder
from braincodec.features.cache.layout import shard_stimuli
from braincodec.stimuli import BadStimulus

STORE, STATE, LOCK = "features.zarr", "state.json", "lock"
# a killed run loses at most this much work
SECONDS_BETWEEN_SAVES = 2.0

Block = dict[str, np.ndarray]


@dataclass(frozen=True)
class Progress:
    """How far extraction has come.

    Parameters
    ----------
    rows : int
        Stimuli whose features are stored.
    sealed : int
        Of these, how many are in Zarr; the others wait for their shard to fill.
    next_position : int
        Position in the stimulus set at which to go on.
    bad : tuple of dict
        Stimuli that were left out: position, id, reason.
    """

    rows: int = 0
    sealed: int = 0
    next_position: int = 0
    bad: tuple[dict[str, Any], ...] = ()


class GrowingCache:
    """Features of several layers on their way to a Zarr folder that appears only when it is complete.

    Parameters
    ----------
    path : Path
        The folder to be; until then rows lie in ``.<name>.partial`` beside it, from where a run that was interrupted
        or killed goes on.
    identity : dict
        What decides the features; a folder that was begun with another one is begun anew.
    shapes : mapping of str to tuple of int
        Shape of one stimulus' features, for each layer.
    ids : sequence of str
        Of all stimuli, those that turn out to be unreadable included.
    """

    def __init__(
        self, path: Path, identity: dict[str, Any], shapes: Mapping[str, tuple[int, ...]], ids: Sequence[str]
    ) -> None:
        self.path, self.identity, self.shapes = path, identity, dict(shapes)
        self.folder = path.with_name(f".{path.name}.partial")
        self.store = self.folder / STORE
        self.saved = Progress()
        self._ids = [str(item) for item in ids]
        self._dtype = np.dtype(identity["dtype"])
        self._row_bytes = sum(math.prod(shape) for shape in self.shapes.values()) * self._dtype.itemsize
        self._shard = shard_stimuli(self._row_bytes, len(self._ids))
        # progress and the rows after `sealed`, in one attribute: an interrupt cannot leave one without the other
        self._now: tuple[Progress, tuple[Block, ...]] = (self.saved, ())
        self._touched: set[Path] = set()
        self._last_save = time.monotonic()
        self._lock: IO[str] | None = None
        self._finished = False

    @property
    def progress(self) -> Progress:
        """How far this run has come."""
        return self._now[0]

    def __enter__(self) -> Self:
        try:
            self._open()
        except BaseException as error:
            self._close()
            if isinstance(error, OSError):
                raise self._output_error(error) from error
            raise
        return self

    def append(self, block: Block, next_position: int, bad: Sequence[BadStimulus] = ()) -> None:
        """Add the features of some stimuli.

        Parameters
        ----------
        block : dict of str to array
            For each layer (stimuli, ...), in the stored dtype; kept as it is until it is written.
        next_position : int
            Position in the stimulus set after these and any left-out stimuli.
        bad : sequence of BadStimulus
        """
        for layer, shape in self.shapes.items():
            if block[layer].shape[1:] != shape:
                raise InputValueError(
                    f"layer {layer!r} gives features of shape {block[layer].shape[1:]} for some images, {shape} for "
                    "others; give a preprocessing that makes all images the same size"
                )
        progress, waiting = self._now
        rows = len(next(iter(block.values())))
        progress = replace(
            progress,
            rows=progress.rows + rows,
            next_position=next_position,
            bad=(*progress.bad, *({"position": b.position, "id": b.id, "reason": b.reason} for b in bad)),
        )
        self._now = (progress, (*waiting, block))
        try:
            while self.progress.rows - self.progress.sealed >= self._shard:
                self._seal()
            # after each shard, so that a disk that is full at the next one costs only that
            if self.progress.sealed > progress.sealed or time.monotonic() - self._last_save > SECONDS_BETWEEN_SAVES:
                self._save()
        except OSError as error:
            raise self._output_error(error) from error

    def finish(self) -> None:
        """Give the complete cache its name."""
        try:
            self._save()
            progress, waiting = self._now
            if progress.rows > progress.sealed:
                for layer in self.shapes:
                    self._write(layer, progress.sealed, _joined(waiting, layer))
                self._sync()
            left_out = {item["position"] for item in progress.bad}
            ids = [name for position, name in enumerate(self._ids) if position not in left_out]
            attributes = self.identity | {"skipped": {item["id"]: item["reason"] for item in progress.bad}}
            zarr_folder.finish(self.store, self.shapes, ids, attributes)
            atomic.replace(self.store, self.path)
        except OSError as error:
            raise self._output_error(error) from error
        self._finished = True
        atomic.remove(self.folder)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if not self._finished and self.saved != self.progress:
                self._save()
        except OSError as failure:
            # the state saved before still holds, and the error being raised says more
            if error is None:
                raise self._output_error(failure) from failure
        finally:
            self._close()

    def _open(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = atomic.exclusive_lock(self.folder / LOCK)
        progress = self._left_by_an_earlier_run()
        if progress is not None:
            self.saved = progress
            self._now = (progress, (self._waiting_rows(progress),))
            for unfinished in self.store.rglob("*.partial"):  # what zarr was writing when it was killed
                atomic.remove(unfinished)
            zarr_folder.set_lengths(self.store, self.shapes, len(self._ids))
        else:
            for old in (self.store, self.folder / STATE, *self.folder.glob("rows-*.raw")):
                atomic.remove(old)
            refuse_small_disk([self])
            zarr_folder.create(self.store, self.shapes, self._dtype, len(self._ids), self._shard)
            self._save()
        self._arrays = zarr_folder.open_arrays(self.store, self.shapes)

    def _left_by_an_earlier_run(self) -> Progress | None:
        try:
            state = json.loads((self.folder / STATE).read_text())
            if state["identity"] != self.identity or state["shard"] != self._shard or not self.store.is_dir():
                return None
            return Progress(**state["progress"] | {"bad": tuple(state["progress"]["bad"])})
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _save(self) -> None:
        """Make everything durable, then say so in `state.json`."""
        progress, waiting = self._now
        if progress.rows > progress.sealed:
            stored = self.saved.rows - self.saved.sealed if self.saved.sealed == progress.sealed else 0
            for number, layer in enumerate(self.shapes):
                rows = _joined(waiting, layer)[stored:]
                self._write_at(self._plain_file(progress, number), stored * rows[:1].nbytes, rows.tobytes())
        self._sync()
        state = {"identity": self.identity, "shard": self._shard, "progress": asdict(progress)}
        atomic.write_json(self.folder / STATE, state)
        if self.saved.sealed != progress.sealed:
            for number in range(len(self.shapes)):
                atomic.remove(self._plain_file(self.saved, number))
        self.saved, self._last_save = progress, time.monotonic()

    def _seal(self) -> None:
        progress, waiting = self._now
        rest: Block = {}
        for layer in self.shapes:
            rows = _joined(waiting, layer)
            self._write(layer, progress.sealed, rows[: self._shard])
            # copied, because a view would keep the whole shard in memory
            rest[layer] = rows[self._shard :].copy()
        self._now = (replace(progress, sealed=progress.sealed + self._shard), (rest,))

    def _write(self, layer: str, start: int, rows: np.ndarray) -> None:
        self._arrays[layer][start : start + len(rows)] = rows
        self._touched.add(zarr_folder.shard_path(self.store, layer, start // self._shard, rows.ndim))

    def _waiting_rows(self, progress: Progress) -> Block:
        count = progress.rows - progress.sealed
        block: Block = {}
        for number, (layer, shape) in enumerate(self.shapes.items()):
            values = np.empty(0, self._dtype)
            if count:
                values = np.fromfile(self._plain_file(progress, number), self._dtype, count * math.prod(shape))
            block[layer] = values.reshape(count, *shape)
        return block

    def _plain_file(self, progress: Progress, layer: int) -> Path:
        return self.folder / f"rows-{progress.sealed // self._shard:06d}-{layer:03d}.raw"

    def _sync(self) -> None:
        for path in list(self._touched):
            atomic.sync(path)
            self._touched.discard(path)

    def _write_at(self, path: Path, offset: int, content: bytes) -> None:
        self._touched.add(path)
        with path.open("r+b" if path.exists() else "w+b") as file:
            file.seek(offset)
            file.write(content)

    def _close(self) -> None:
        """Let other processes use the folder; remove it when nothing in it is worth resuming."""
        if self._lock is None:  # the folder belongs to another process
            return
        if not self.saved.rows and not self._finished:
            atomic.remove(self.folder)
        self._lock.close()
        self._lock = None

    @property
    def bytes_to_come(self) -> int:
        """What is still to be written into Zarr."""
        return max(len(self._ids) - self.progress.sealed, 0) * self._row_bytes

    def _output_error(self, error: OSError) -> OutputError:
        if isinstance(error, OutputError):
            return error
        free = shutil.disk_usage(next(folder for folder in self.folder.parents if folder.exists())).free
        kept = f"; {self.saved.rows} stimuli are kept, and the same call goes on after them" if self.saved.rows else ""
        return OutputError(
            f"cannot write {self.path}: {error.strerror or error} ({free / 1e6:,.1f} MB free, "
            f"{self.bytes_to_come / 1e6:,.1f} MB needed for what is to come){kept}"
        )


def refuse_small_disk(caches: Sequence[GrowingCache]) -> None:
    """Raise `OutputError` when the disk has no room for what is still to be written into all of these."""
    needed, free = sum(cache.bytes_to_come for cache in caches), shutil.disk_usage(caches[0].folder).free
    if free < needed:
        raise OutputError(
            f"cannot write {', '.join(str(cache.path) for cache in caches)}: {needed / 1e6:,.1f} MB are needed, "
            f"{free / 1e6:,.1f} MB are free; store float16, take fewer layers, pool, or choose another disk"
        )


def _joined(blocks: Sequence[Block], layer: str) -> np.ndarray:
    return blocks[0][layer] if len(blocks) == 1 else np.concatenate([block[layer] for block in blocks])
