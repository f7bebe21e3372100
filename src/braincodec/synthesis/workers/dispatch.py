"""Pieces of work to the workers of a cluster: never many ahead, and again when a worker is lost."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from braincodec.errors import BraincodecError, FailedWorkError, InputValueError, UnreachableError
from braincodec.synthesis.workers.cluster.base import Cluster
from braincodec.synthesis.workers.job import BLOCKS_AT_ONCE
from braincodec.synthesis.workers.waiting import Piece, Waiting

if TYPE_CHECKING:
    from distributed import Future

    from braincodec.synthesis.workers.worker import Outcome

# how often a piece is tried before it counts as what ends its workers
TRIES = 3
# seconds between two looks at which workers there are
LOOK = 0.5
# seconds that a finished result may take on its way
FETCH = 30.0
# what is known when a worker ended with a piece
LOST = "its worker was lost each time (killed, perhaps for want of memory: take fewer workers, or smaller blocks)"


@dataclass(eq=False)
class Flight:
    """A piece that a worker has."""

    piece: Piece
    worker: str
    future: Future
    ended: bool = field(default=False)


class Dispatch:
    """Hands pieces of work to workers until all are done.

    Parameters
    ----------
    cluster : Cluster
    name : str
        Of the job that the workers know.
    task : callable
        ``task(name, *piece.arguments, again=...)``, called in a worker; gives an `Outcome`. `again` says that it was
        tried before.
    pieces : sequence of Piece
    describe : callable
        Words for a piece.
    on_done : callable
        Called here with each piece and its result.
    state : callable
        Words on what is kept when the run ends early.
    """

    def __init__(
        self,
        cluster: Cluster,
        name: str,
        task: Callable[..., Outcome],
        pieces: Sequence[Piece],
        *,
        describe: Callable[[Piece], str],
        on_done: Callable[[Piece, Any], None],
        state: Callable[[], str],
    ) -> None:
        self.cluster, self.name, self.task = cluster, name, task
        self.describe, self.on_done, self.state = describe, on_done, state
        self.waiting = Waiting(pieces)
        self.of_worker: dict[str, list[Flight]] = {}
        self.refusals: dict[str, str] = {}
        self.landed: queue.SimpleQueue[Flight] = queue.SimpleQueue()
        self.tries: dict[Piece, int] = {}
        self.served = time.monotonic()
        self.noted = 0.0

    def run(self) -> None:
        """Return when all pieces are done; whatever raises, workers are left without pieces."""
        try:
            looked = 0.0
            while self.waiting or any(self.of_worker.values()):
                if time.monotonic() - looked > LOOK:
                    self._look()
                    looked = time.monotonic()
                self._hand_out()
                self._settle_landed(wait=LOOK)
        except BraincodecError:
            raise
        except Exception as error:
            # a scheduler that was lost since the last look shows in more than one way; a pipe that broke is not it
            if self._is_of_connection(error) or not self._scheduler_answers():
                raise self._lost() from error
            raise
        finally:
            self._drop_all()

    def _look(self) -> None:
        """See which workers there are; take back the pieces of those that were lost."""
        try:
            self.cluster.tend()
            there = set(self.cluster.workers())
        except UnreachableError as error:
            raise self._lost(error) from error
        for address in there - set(self.of_worker):
            self.of_worker[address] = []
        for address in set(self.of_worker) - there:
            flights = self.of_worker.pop(address)
            self.refusals.pop(address, None)
            self.waiting.forget(address)
            if flights:
                self.cluster.note(f"the worker at {address} was lost; others take over its work")
            for flight in flights:
                flight.ended = True
                flight.future.release()
                self._again(flight.piece, LOST)
        self._wait_for_workers()

    def _wait_for_workers(self) -> None:
        now = time.monotonic()
        if set(self.of_worker) - set(self.refusals):
            self.served, self.noted = now, 0.0
            return
        reasons = "; ".join(dict.fromkeys(self.refusals.values()))
        if reasons:
            raise InputValueError(f"no worker can do the work: {reasons}; {self.state()}")
        lasted = now - self.served
        if lasted - self.noted < self.cluster.patience:
            return
        self.noted = lasted
        told = f"no workers for {lasted:.0f} seconds"
        if not self.cluster.waits:
            raise UnreachableError(f"{told} at {self.cluster.address}: {self.cluster.advice()}; {self.state()}")
        self.cluster.note(f"{told}: {self.cluster.advice()}")

    def _hand_out(self) -> None:
        """Give pieces to workers that have room, those with the fewest first."""
        usable = {address: flights for address, flights in self.of_worker.items() if address not in self.refusals}
        with_suspect = {a for a, flights in usable.items() if any(self.tries.get(one.piece) for one in flights)}
        reserved = None  # has nothing new until it can take a piece that failed before, which is tried alone
        if self.waiting.suspects and not with_suspect and usable:
            reserved = min(usable, key=lambda address: len(usable[address]))
        for room in range(BLOCKS_AT_ONCE):
            for address, flights in usable.items():
                if len(flights) > room or address in with_suspect or (address == reserved and flights):
                    continue
                piece = self.waiting.next_for(address, alone=not flights)
                if piece is None:
                    continue
                self._submit(piece, address)
                if self.tries.get(piece):
                    with_suspect.add(address)

    def _submit(self, piece: Piece, address: str) -> None:
        future = self.cluster.client.submit(
            self.task,
            self.name,
            *piece.arguments,
            key=f"{self.name}-{'-'.join(map(str, piece.key))}-{self.tries.get(piece, 0)}-{time.monotonic_ns()}",
            workers=[address],
            allow_other_workers=False,
            pure=False,
            retries=0,
            again=piece in self.tries,
        )
        flight = Flight(piece, address, future)
        self.of_worker[address].append(flight)
        future.add_done_callback(lambda _: self.landed.put(flight))

    def _settle_landed(self, wait: float) -> None:
        """Wait for a piece to end, and settle it and those that ended meanwhile."""
        try:
            flight = self.landed.get(timeout=wait)
            while True:
                if not flight.ended:
                    self._settle(flight)
                flight = self.landed.get_nowait()
        except queue.Empty:
            return

    def _settle(self, flight: Flight) -> None:
        flight.ended = True
        outcome = self._fetch(flight)
        if flight in self.of_worker.get(flight.worker, ()):
            self.of_worker[flight.worker].remove(flight)
        flight.future.release()
        if outcome is None:
            self._again(flight.piece, LOST)
        elif outcome.refusal:
            self._refused(flight, outcome.refusal)
        elif outcome.error is None:
            self.tries.pop(flight.piece, None)
            self.on_done(flight.piece, outcome.result)
        elif outcome.again:
            self._again(flight.piece, str(outcome.error), outcome.error)
        else:
            raise outcome.error

    def _fetch(self, flight: Flight) -> Outcome | None:
        """What became of a piece; None when its worker was lost before it could say."""
        from distributed.scheduler import KilledWorker

        from braincodec.synthesis.workers.worker import Outcome

        try:
            outcome = self._result(flight)
        except (KilledWorker, TimeoutError):
            return None
        except CancelledError:
            if self.cluster.is_lost:
                raise self._lost() from None
            return None
        except UnreachableError as error:
            raise self._lost(error) from error
        except Exception as error:
            if not self._scheduler_answers():
                raise self._lost() from error
            # before our own code began: no such package there, or another version
            return Outcome(refusal=f"worker {flight.worker}: {type(error).__name__}: {error}")
        assert isinstance(outcome, Outcome)
        return outcome

    def _result(self, flight: Flight) -> Any:
        """A result that was announced; `TimeoutError` when its worker was lost before it was fetched."""
        deadline = time.monotonic() + FETCH
        while True:
            try:
                return flight.future.result(timeout=LOOK)
            except TimeoutError:
                if time.monotonic() > deadline or flight.worker not in self.cluster.workers():
                    raise

    def _refused(self, flight: Flight, reason: str) -> None:
        if flight.worker in self.of_worker and flight.worker not in self.refusals:
            self.refusals[flight.worker] = reason
            self.cluster.note(f"a worker is left out: {reason}")
        self.waiting.put_back(flight.piece, suspect=flight.piece in self.tries)

    def _again(self, piece: Piece, reason: str, error: BraincodecError | None = None) -> None:
        self.tries[piece] = self.tries.get(piece, 0) + 1
        if self.tries[piece] < TRIES:
            self.waiting.put_back(piece, suspect=True)
            return
        if error is not None and not isinstance(error, FailedWorkError):
            raise error
        raise FailedWorkError(f"{self.describe(piece)} failed {TRIES} times: {reason}; {self.state()}")

    def _is_of_connection(self, error: Exception) -> bool:
        from distributed.comm import CommClosedError

        return self.cluster.is_lost or isinstance(error, CommClosedError | TimeoutError)

    def _scheduler_answers(self) -> bool:
        try:
            self.cluster.workers()
        except UnreachableError:
            return False
        return True

    def _lost(self, error: BaseException | None = None) -> UnreachableError:
        told = str(error) if error else f"the scheduler at {self.cluster.address} is gone"
        return UnreachableError(f"{told}; {self.state()}")

    def _drop_all(self) -> None:
        for flights in self.of_worker.values():
            for flight in flights:
                flight.ended = True
                if not self.cluster.is_lost:
                    flight.future.release()
        self.of_worker.clear()
