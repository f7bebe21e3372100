"""Requests of many people to one model: they wait in a line of limited length and are computed together."""

from __future__ import annotations

from braincodec.errors import BraincodecError


class TooBusyError(BraincodecError):
    """Too many people wait already; says in how many seconds to try again.

    Attributes
    ----------
    seconds : int
    """

    def __init__(self, waiting: int, seconds: int) -> None:
        self.seconds = seconds
        super().__init__(f"{waiting} people are waiting already; please try again in about {seconds} s")


class CancelledError(BraincodecError):
    """Nobody waits for the result any more."""
