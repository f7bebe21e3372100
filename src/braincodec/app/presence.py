"""Who still looks at the page: nothing is computed for visitors who have left."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

# s; a browser that lost its connection comes back within them
PATIENCE = 10.0
MOST_KNOWN = 10_000
LONGEST_NAME = 100


@dataclass
class _Visitor:
    streams: int = 0
    seen: float = field(default_factory=time.monotonic)


class Presence:
    """Which visitors listen, by the names that their pages give themselves.

    Parameters
    ----------
    patience : float
        Seconds without a sign of somebody after which they have left.

    Examples
    --------
    >>> presence = Presence(patience=0)
    >>> with presence.listening("a page"):
    ...     presence.left("a page")
    False
    >>> presence.left("a page"), presence.left("a page that was never seen")
    (True, False)
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self.patience = patience
        self._visitors: OrderedDict[str, _Visitor] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def listening(self, name: str) -> Iterator[None]:
        """While somebody listens to what the server sends."""
        visitor = self._known(name)
        with self._lock:
            visitor.streams += 1
        try:
            yield
        finally:
            with self._lock:
                visitor.streams -= 1
                visitor.seen = time.monotonic()

    def asked(self, name: str) -> None:
        """Somebody has asked for something."""
        visitor = self._known(name)
        with self._lock:
            visitor.seen = time.monotonic()

    def left(self, name: str | None) -> bool:
        """Whether nobody of this name listens any more; of names that were never seen nothing is known."""
        with self._lock:
            visitor = self._visitors.get(name or "")
            return visitor is not None and not visitor.streams and time.monotonic() - visitor.seen >= self.patience

    def _known(self, name: str) -> _Visitor:
        name = name[:LONGEST_NAME]
        with self._lock:
            visitor = self._visitors.setdefault(name, _Visitor())
            self._visitors.move_to_end(name)
            while len(self._visitors) > MOST_KNOWN:
                self._visitors.popitem(last=False)
            return visitor
