"""Models in memory: loaded when asked for, a thread each, and let go when there is no room."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from braincodec.app.failures import ClosedError, TooBusyError
from braincodec.app.loaded import LoadedModel
from braincodec.app.queueing import Batcher, Line, Ticket

Key = tuple[str, str]  # model and subject
TRIES = 3


class ModelRoom:
    """Loaded models by key.

    Parameters
    ----------
    load : callable
        Takes a key, gives the model. Runs in the model's thread, one at a time over all models.
    line : Line
    most_bytes : int
        Of weights. Models that nobody waits for are let go when there are more, those first of which bytes times the
        seconds since they were last used are largest. Models that somebody waits for are kept whatever they take.
    when_loaded : callable, optional
        Takes key, model and batcher, in the model's thread, before its first request.
    """

    def __init__(
        self,
        load: Callable[[Key], LoadedModel],
        *,
        line: Line,
        most_bytes: int,
        when_loaded: Callable[[Key, LoadedModel, Batcher[Any, Any]], None] | None = None,
    ) -> None:
        self.line, self.most_bytes = line, most_bytes
        self._load, self._when_loaded = load, when_loaded
        self._batchers: dict[Key, Batcher[Any, Any]] = {}
        self._models: dict[Key, LoadedModel] = {}
        self._lock = threading.RLock()
        self._loading = threading.Lock()
        self._closed = False

    @property
    def loaded(self) -> list[Key]:
        """Models that are in memory."""
        with self._lock:
            return list(self._models)

    @property
    def nbytes(self) -> int:
        """Bytes of the weights in memory."""
        with self._lock:
            return sum(model.nbytes for model in self._models.values())

    def submit(self, key: Key, name: str, item: Any) -> Ticket[Any, Any]:
        """Ask a model to do something; it is loaded where it is not yet.

        Parameters
        ----------
        key : (str, str)
        name : str
            Of the work: equal names share one result.
        item : object

        Raises
        ------
        TooBusyError, ClosedError
        """
        for _ in range(TRIES):
            with self._lock:
                if self._closed:
                    break
                try:
                    return self._batcher(key).submit(name, item)
                except ClosedError:  # it ended a moment ago: the next one is a new one
                    continue
        raise ClosedError

    def close(self) -> None:
        """End all threads; whoever waits is told."""
        with self._lock:
            self._closed = True
            batchers = list(self._batchers.values())
        for batcher in batchers:
            batcher.close(wait=False)
        for batcher in batchers:
            batcher.close()

    def _batcher(self, key: Key) -> Batcher[Any, Any]:
        found = self._batchers.get(key)
        if found is not None and not found.closed:
            return found
        if self.line.waiting >= self.line.most:
            raise TooBusyError(self.line.waiting, self.line.seconds)
        made: list[Batcher[Any, Any]] = []
        ready = threading.Event()

        def opened() -> None:
            ready.wait()
            self._open(key, made[0])

        batcher: Batcher[Any, Any] = Batcher(
            f"{key[0]} subject {key[1]}", lambda items: self._models[key].compute(items), line=self.line, opened=opened
        )
        made.append(batcher)
        self._batchers[key] = batcher
        ready.set()
        return batcher

    def _open(self, key: Key, batcher: Batcher[Any, Any]) -> None:
        with self._loading:
            model = self._load(key)
            with self._lock:
                self._models[key] = model
                self._make_room(key)
        if self._when_loaded is not None:
            self._when_loaded(key, model, batcher)

    def _make_room(self, newest: Key) -> None:
        now = time.monotonic()

        def weight(key: Key) -> float:
            return self._models[key].nbytes * (now - self._batchers[key].last_used)

        for key in sorted(self._models, key=weight, reverse=True):
            if self.nbytes <= self.most_bytes:
                return
            if key != newest and self._batchers[key].idle:
                self._batchers.pop(key).close(wait=False)
                del self._models[key]
