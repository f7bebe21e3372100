"""What visitors of the page are told when something does not work."""

from __future__ import annotations

import logging

from braincodec.errors import BraincodecError, FailedWorkError

log = logging.getLogger(__name__)


class TooBusyError(BraincodecError):
    """Too many requests wait already; says in how many seconds to try again.

    Attributes
    ----------
    seconds : int
    """

    def __init__(self, waiting: int, seconds: int) -> None:
        self.seconds = seconds
        super().__init__(f"{waiting} requests are waiting already; please try again in about {seconds} s")


class CancelledError(BraincodecError):
    """Nobody waits for the result any more."""

    def __init__(self) -> None:
        super().__init__("the request was cancelled")


class ClosedError(BraincodecError):
    """The page is being closed, or the model made room for another."""

    def __init__(self) -> None:
        super().__init__("the explorer has been closed")


def told(error: BaseException, where: str) -> BraincodecError:
    """An error as it is told to a visitor: braincodec's own as they are, others logged and named by their kind.

    Examples
    --------
    >>> print(told(ValueError("internal"), "fmri-test"))
    fmri-test could not be computed (ValueError); whoever runs this page finds more in its log
    """
    if isinstance(error, BraincodecError):
        return error
    log.error("%s", where, exc_info=error)
    return FailedWorkError(
        f"{where} could not be computed ({type(error).__name__}); whoever runs this page finds more in its log"
    )


def copied(error: BraincodecError) -> BraincodecError:
    """The same error without its traceback: one that is raised in several threads at once would share it."""
    rebuild, arguments = error.__reduce__()
    fresh: BraincodecError = rebuild(*arguments)
    return fresh
