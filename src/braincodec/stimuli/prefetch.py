"""Work ahead in threads, in order, within bounds."""

from __future__ import annotations

import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar, cast

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_DECODING_THREADS = 8
LONGEST_FAREWELL = 10.0  # seconds to wait for a thread that is inside somebody else's function


class Stopped(Exception):  # noqa: N818  no error: the reader has left
    """Nobody waits for the items any more."""


class _Failure:
    def __init__(self, error: BaseException) -> None:
        self.error = error


_END = object()


def prefetch(produce: Callable[[Callable[[], None]], Iterator[Item]], depth: int) -> Iterator[Item]:
    """Run an iterator in a thread, at most `depth` items ahead of the reader.

    The thread ends when the items do, or soon after the reader closes the iterator, fails or is interrupted; an error
    in the thread is raised in the reader.

    Parameters
    ----------
    produce : function
        Given a function `check`, returns the iterator. It should call `check` often: once the reader has left, `check`
        raises, which ends the thread.
    depth : int
        Items made but not yet taken, the one in the making included. 0 makes them in the reader's thread.

    Examples
    --------
    >>> list(prefetch(lambda check: iter("abc"), depth=2))
    ['a', 'b', 'c']
    """
    if depth == 0:
        yield from produce(lambda: None)
        return
    left = threading.Event()
    free = threading.Semaphore(depth)
    made: queue.SimpleQueue[object] = queue.SimpleQueue()

    def check() -> None:
        if left.is_set():
            raise Stopped

    def work() -> None:
        try:
            items = produce(check)
            while True:
                free.acquire()
                check()
                made.put(next(items, _END))
        except Stopped:
            pass
        except BaseException as error:  # noqa: BLE001  handed to the reader, whatever it is
            made.put(_Failure(error))

    # a daemon, so that an iterator that was left half-read cannot keep the program from ending
    thread = threading.Thread(target=work, name="braincodec-decode", daemon=True)
    thread.start()
    try:
        while (item := made.get()) is not _END:
            free.release()
            if isinstance(item, _Failure):
                raise item.error
            yield cast(Item, item)
            item = None
    finally:
        left.set()
        free.release()
        if thread is not threading.current_thread():
            thread.join(LONGEST_FAREWELL)


def map_ahead(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int, check: Callable[[], None]
) -> Iterator[Result]:
    """Apply a function in several threads; results come in order, and few are held at a time.

    Parameters
    ----------
    function : function
    items : iterable
        Taken only a little ahead of the results.
    threads : int
        1 or more.
    check : function
        Called before each result; raises to stop.

    Examples
    --------
    >>> list(map_ahead(abs, [-1, 2, -3], threads=2, check=lambda: None))
    [1, 2, 3]
    """
    waiting: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="braincodec-decode")
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > threads + 1:
                check()
                yield waiting.popleft().result()
        while waiting:
            check()
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def decoding_threads() -> int:
    """How many threads decode: one core is left for computing."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        cores = os.cpu_count() or 1
    return max(1, min(MOST_DECODING_THREADS, cores - 1))
