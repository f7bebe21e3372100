"""Requests of many people: they wait in a line of limited length, and are computed several at a time."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

from braincodec.app.failures import CancelledError, ClosedError, TooBusyError, copied, told
from braincodec.errors import BraincodecError

REST = 0.3  # seconds after a request, in which the next is likely, before work goes on in the background
LOOK_AGAIN = 0.1  # seconds between looks at whether somebody still waits
BATCHES_A_STEP = 10  # while people wait, background work does a step after so many batches
MEMORY_OF_SPEED = 0.3  # weight of the last batch in the running seconds of a request
log = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")


class Line:
    """How many requests wait, over all models.

    Parameters
    ----------
    most : int
        More are refused.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._waiting = 0
        self._seconds_each = 0.1
        self._lock = threading.Lock()

    @property
    def waiting(self) -> int:
        """Requests that wait or are being computed."""
        return self._waiting

    @property
    def seconds(self) -> int:
        """About how long the line takes, at least 1."""
        return max(1, round(self._waiting * self._seconds_each))

    def enter(self) -> None:
        """Take a place.

        Raises
        ------
        TooBusyError
            When there is none.
        """
        with self._lock:
            if self._waiting >= self.most:
                raise TooBusyError(self._waiting, self.seconds)
            self._waiting += 1

    def leave(self) -> None:
        """Give the place back."""
        with self._lock:
            self._waiting -= 1

    def took(self, seconds_each: float) -> None:
        """Learn what one request of the last batch took."""
        with self._lock:
            self._seconds_each += MEMORY_OF_SPEED * (seconds_each - self._seconds_each)


class _Request(Generic[Item, Result]):
    """One computation, for everybody who has asked for the same."""

    def __init__(self, key: str, item: Item) -> None:
        self.key, self.item = key, item
        self.waiters = 0
        self.done = threading.Event()
        self.result: Result | None = None
        self.error: BraincodecError | None = None


class Ticket(Generic[Item, Result]):
    """A place in the line."""

    def __init__(self, batcher: Batcher[Item, Result], request: _Request[Item, Result]) -> None:
        self._batcher, self._request = batcher, request

    def result(self, cancelled: Callable[[], bool] | None = None) -> Result:
        """Wait for the result.

        Parameters
        ----------
        cancelled : callable, optional
            Asked while waiting; True gives the place up.

        Raises
        ------
        CancelledError
        BraincodecError
            What went wrong in the computation.
        """
        while not self._request.done.wait(LOOK_AGAIN if cancelled is not None else None):
            if cancelled is not None and cancelled():
                self._batcher.give_up(self._request)
                raise CancelledError
        if self._request.error is not None:
            # an error raised in several threads at once would share one traceback
            raise copied(self._request.error)
        return self._request.result  # type: ignore[return-value]  # None is then the result


class Batcher(Generic[Item, Result]):
    """A thread that computes the requests that wait for it, several at a time, each distinct one once.

    Parameters
    ----------
    name : str
    compute : callable
        Takes a list of items and gives their results in the same order; an error of braincodec's own as a result is
        raised where it is waited for. Called by the thread alone.
    line : Line
    most_together : int
        Items of one call.
    opened : callable, optional
        Called by the thread before anything else. When it raises, everybody who waits is told, and the batcher closes.

    Notes
    -----
    A batch that fails is computed again one by one, so that an item spoils its own request only. Errors that are not
    braincodec's own are logged, and told in a sentence.
    """

    def __init__(
        self,
        name: str,
        compute: Callable[[Sequence[Item]], Sequence[Result]],
        *,
        line: Line,
        most_together: int = 16,
        opened: Callable[[], None] | None = None,
    ) -> None:
        self.name = name
        self.last_used = time.monotonic()
        self._compute, self._line, self._most, self._opened = compute, line, most_together, opened
        self._waiting: OrderedDict[str, _Request[Item, Result]] = OrderedDict()
        self._running: dict[str, _Request[Item, Result]] = {}
        self._background: list[Iterator[object]] = []
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=f"explorer {name}", daemon=True)
        self._thread.start()

    @property
    def closed(self) -> bool:
        """Whether it takes no requests any more."""
        return self._closed

    @property
    def idle(self) -> bool:
        """Whether nobody waits for it."""
        with self._changed:
            return not self._waiting and not self._running

    def submit(self, key: str, item: Item) -> Ticket[Item, Result]:
        """Take a place in the line; whoever asks for a key that is there already shares its place.

        Raises
        ------
        TooBusyError, ClosedError
        """
        with self._changed:
            if self._closed:
                raise ClosedError
            request = self._waiting.get(key) or self._running.get(key)
            if request is None:
                self._line.enter()
                request = self._waiting[key] = _Request(key, item)
                self._changed.notify()
            request.waiters += 1
            self.last_used = time.monotonic()
            return Ticket(self, request)

    def add_background(self, steps: Iterator[object]) -> None:
        """Work to be done a step at a time while nobody waits; among many requests a step now and then."""
        with self._changed:
            if not self._closed:
                self._background.append(steps)
                self._changed.notify()

    def give_up(self, request: _Request[Item, Result]) -> None:
        """One person less waits for a request; what nobody waits for is not computed."""
        with self._changed:
            request.waiters -= 1
            if request.waiters == 0 and self._waiting.get(request.key) is request:
                del self._waiting[request.key]
                self._finish(request, CancelledError())

    def close(self, wait: bool = True) -> None:
        """Take no more; tell whoever waits; end the thread after what it is doing now."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if wait and threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        error: BraincodecError = ClosedError()
        try:
            if self._opened is not None:
                self._opened()
            self._serve()
        except BaseException as problem:  # noqa: BLE001  whoever waits must be told, whatever it was
            error = told(problem, self.name)
        finally:
            with self._changed:
                self._closed = True
                for request in [*self._waiting.values(), *self._running.values()]:
                    self._finish(request, error)
                self._waiting.clear()
                self._running.clear()
            for steps in self._background:
                _close(steps)

    def _serve(self) -> None:
        batches = 0
        while True:
            with self._changed:
                while not (self._closed or self._waiting) and (rest := self._rest()) != 0:
                    self._changed.wait(rest)
                if self._closed:
                    return
                taken = [self._waiting.popitem(last=False)[1] for _ in range(min(self._most, len(self._waiting)))]
                self._running = {request.key: request for request in taken}
            if taken:
                self._answer(taken)
                batches += 1
            if self._background and (not taken or batches >= BATCHES_A_STEP):
                batches = 0
                self._step()

    def _rest(self) -> float | None:
        """Seconds until background work may go on; None where there is none."""
        if not self._background:
            return None
        return max(0.0, self.last_used + REST - time.monotonic())

    def _answer(self, taken: list[_Request[Item, Result]]) -> None:
        started = time.monotonic()
        try:
            self._compute_together(taken)
        except Exception as error:  # noqa: BLE001  see `told`
            if len(taken) == 1:
                self._settle(taken[0], None, told(error, self.name))
            else:
                for request in taken:
                    self._answer([request])
        self._line.took((time.monotonic() - started) / len(taken))

    def _compute_together(self, taken: list[_Request[Item, Result]]) -> None:
        results = self._compute([request.item for request in taken])
        for request, result in zip(taken, results, strict=True):
            if isinstance(result, BraincodecError):
                self._settle(request, None, result)
            else:
                self._settle(request, result, None)

    def _settle(self, request: _Request[Item, Result], result: Result | None, error: BraincodecError | None) -> None:
        with self._changed:
            request.result = result
            self._running.pop(request.key, None)
            self._finish(request, error)

    def _finish(self, request: _Request[Item, Result], error: BraincodecError | None) -> None:
        if not request.done.is_set():
            request.error = error
            request.done.set()
            self._line.leave()

    def _step(self) -> None:
        # taken from the front and put back at the end, so that several take turns
        steps = self._background.pop(0)
        try:
            next(steps)
        except StopIteration:
            return
        except Exception as error:  # noqa: BLE001  work in the background must not end the thread
            told(error, f"{self.name} in the background")
            return
        with self._changed:
            self._background.append(steps)


def _close(steps: Iterator[object]) -> None:
    close = getattr(steps, "close", None)
    if close is not None:
        try:
            close()
        except Exception as error:  # it is being thrown away
            log.error("while closing", exc_info=error)
