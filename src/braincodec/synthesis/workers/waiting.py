"""The pieces of work that no worker has yet, and which of them a worker gets next."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Piece:
    """A piece of work.

    Parameters
    ----------
    key : tuple
        Tells it from the others.
    arguments : tuple
        Of the task.
    group : hashable
        A worker goes on with pieces of one group, for which it has the models loaded, while there are any.
    """

    key: tuple[Hashable, ...]
    arguments: tuple[Any, ...]
    group: Hashable = None


class Waiting:
    """Pieces that wait: group after group for each worker, workers spread over the groups.

    Parameters
    ----------
    pieces : iterable of Piece

    Examples
    --------
    >>> waiting = Waiting([Piece((group, number), (), group) for group in (0, 1) for number in (0, 1)])
    >>> [waiting.next_for(worker).key for worker in ("a", "b", "a", "b")]
    [(0, 0), (1, 0), (0, 1), (1, 1)]
    """

    def __init__(self, pieces: Iterable[Piece]) -> None:
        self._groups: dict[Hashable, deque[Piece]] = {}
        for piece in pieces:
            self._groups.setdefault(piece.group, deque()).append(piece)
        self._suspects: deque[Piece] = deque()
        self._group_of: dict[str, Hashable] = {}  # by worker

    def __len__(self) -> int:
        return len(self._suspects) + sum(map(len, self._groups.values()))

    @property
    def suspects(self) -> int:
        """How many wait that were lost with a worker, or failed."""
        return len(self._suspects)

    def next_for(self, worker: str, *, alone: bool = True) -> Piece | None:
        """Take the next piece for a worker.

        Parameters
        ----------
        worker : str
        alone : bool
            Whether it has no other piece: those that failed before are tried alone.
        """
        if self._suspects and alone:
            return self._suspects.popleft()
        group = self._group_of.get(worker)
        if group not in self._groups or worker not in self._group_of:
            if not self._groups:
                return None
            group = self._most_wanting()
            self._group_of[worker] = group
        pieces = self._groups[group]
        piece = pieces.popleft()
        if not pieces:
            del self._groups[group]
        return piece

    def put_back(self, piece: Piece, *, suspect: bool = False) -> None:
        """Let a piece wait again, before the others."""
        if suspect:
            self._suspects.append(piece)
        else:
            self._groups.setdefault(piece.group, deque()).appendleft(piece)

    def forget(self, worker: str) -> None:
        """A worker is gone."""
        self._group_of.pop(worker, None)

    def _most_wanting(self) -> Hashable:
        """The group with the most pieces for each worker that is at it; the first of equals."""
        workers = Counter(self._group_of.values())
        return max(self._groups, key=lambda group: len(self._groups[group]) / (1 + workers[group]))
