"""Progress bars on stderr, with rate and time left."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

Advance = Callable[[int], None]


@contextlib.contextmanager
def progress_bar(description: str, total: int, *, done: int = 0, show: bool | None = None) -> Iterator[Advance]:
    """Show a bar while the block runs.

    Parameters
    ----------
    description : str
    total, done : int
        Items in all, and those finished by an earlier run.
    show : bool, optional
        Default: only when stderr is a terminal.

    Yields
    ------
    advance : callable
        ``advance(n)`` after `n` more items.

    Examples
    --------
    >>> with progress_bar("encode", 10, show=False) as advance:
    ...     advance(10)
    """
    if not (sys.stderr.isatty() if show is None else show):
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class RateColumn(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text("" if speed is None else f"{speed:,.1f}/s")

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), RateColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=False) as progress:
        task = progress.add_task(description, total=total, completed=done)
        yield lambda count: progress.advance(task, count)
