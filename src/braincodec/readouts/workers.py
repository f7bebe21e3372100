"""Independent pieces of work on all cores, one core a piece: no core ever waits for another within an operation."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Self, TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


class Workers:
    """Threads that compute pieces side by side, as many as torch may use; on a GPU there is one.

    Splitting each operation among the cores instead would make the quick ones wait for the slow ones thousands of
    times, which on a machine that others use too costs more than the work.

    Parameters
    ----------
    device : torch.device

    Examples
    --------
    >>> with Workers(torch.device("cpu")) as workers:
    ...     list(workers.map(lambda number: number + 1, [1, 2, 3]))
    [2, 3, 4]
    """

    def __init__(self, device: torch.device) -> None:
        self.count = torch.get_num_threads() if device.type == "cpu" else 1
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        if self.count > 1:
            self._pool = ThreadPoolExecutor(self.count, initializer=torch.set_num_threads, initargs=(1,))
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None
            torch.set_num_threads(self.count)  # what new threads start with was changed as well

    def map(self, run: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Results in the order of the items, which are taken only a few ahead of need."""
        if self._pool is None:
            for item in items:
                yield _inferring(run, item)
            return
        ahead: deque[Future[Any]] = deque()
        for item in items:
            ahead.append(self._pool.submit(_inferring, run, item))
            if len(ahead) > self.count:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _inferring(run: Callable[[Item], Result], item: Item) -> Result:
    with torch.inference_mode():  # a setting of each thread
        return run(item)
