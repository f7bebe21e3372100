"""Many people at one model: who shares, who waits, who is told what."""

from __future__ import annotations

import logging
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from braincodec.app.failures import CancelledError, ClosedError, TooBusyError, told
from braincodec.app.queueing import Batcher, Line
from braincodec.errors import BraincodecError, FailedWorkError, InputValueError

PATIENCE = 20.0


class Doubling:
    """Doubles numbers while a gate is open; notes what came together. Refuses what is negative."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.batches: list[list[int]] = []

    def __call__(self, items):
        self.entered.set()
        assert self.gate.wait(PATIENCE)
        self.batches.append(list(items))
        if min(items) < 0:
            raise InputValueError("a negative number")
        return [2 * item for item in items]


@pytest.fixture
def doubling():
    return Doubling()


@pytest.fixture
def line():
    return Line(20)


@pytest.fixture
def batcher(doubling, line):
    made = Batcher("doubling", doubling, line=line, most_together=4)
    yield made
    doubling.gate.set()
    made.close()


def hold(batcher, doubling, key="held", item=0):
    """Have the thread busy with one request; whoever comes now waits."""
    doubling.gate.clear()
    doubling.entered.clear()
    ticket = batcher.submit(key, item)
    assert doubling.entered.wait(PATIENCE)
    return ticket


def test_requests_that_wait_together_are_computed_together(batcher, doubling):
    first = hold(batcher, doubling)
    others = [batcher.submit(str(number), number) for number in range(1, 7)]
    doubling.gate.set()
    assert first.result() == 0
    assert [ticket.result() for ticket in others] == [2, 4, 6, 8, 10, 12]
    assert doubling.batches == [[0], [1, 2, 3, 4], [5, 6]]


def test_equal_requests_are_computed_once_and_take_one_place(batcher, doubling, line):
    first = hold(batcher, doubling)
    waiting = [batcher.submit("same", 5) for _ in range(3)]
    assert line.waiting == 2
    also_first = batcher.submit("held", 0)  # is being computed already
    doubling.gate.set()
    assert [ticket.result() for ticket in [first, also_first, *waiting]] == [0, 0, 10, 10, 10]
    assert doubling.batches == [[0], [5]]
    assert line.waiting == 0


def test_a_failing_item_fails_alone(batcher, doubling):
    first = hold(batcher, doubling)
    good, bad, also_good = (batcher.submit(str(number), number) for number in (1, -1, 3))
    doubling.gate.set()
    assert (first.result(), good.result(), also_good.result()) == (0, 2, 6)
    with pytest.raises(InputValueError, match="negative"):
        bad.result()


def test_more_than_may_wait_are_told_to_come_back(doubling):
    line = Line(3)
    batcher = Batcher("doubling", doubling, line=line)
    first = hold(batcher, doubling)
    waiting = [batcher.submit(str(number), number) for number in (1, 2)]
    with pytest.raises(TooBusyError, match=r"3 requests are waiting already; please try again in about \d+ s") as info:
        batcher.submit("3", 3)
    assert info.value.seconds >= 1
    doubling.gate.set()
    assert [ticket.result() for ticket in (first, *waiting)] == [0, 2, 4]
    assert batcher.submit("3", 3).result() == 6
    batcher.close()


def test_who_left_is_not_computed_for(batcher, doubling, line):
    first = hold(batcher, doubling)
    left = batcher.submit("left", 1)
    with pytest.raises(CancelledError):
        left.result(lambda: True)
    assert line.waiting == 1
    doubling.gate.set()
    first.result()
    assert batcher.submit("next", 2).result() == 4
    assert doubling.batches == [[0], [2]]


def test_who_left_takes_nothing_from_others_who_ask_for_the_same(batcher, doubling):
    hold(batcher, doubling)
    left, stays = batcher.submit("same", 1), batcher.submit("same", 1)
    with pytest.raises(CancelledError):
        left.result(lambda: True)
    doubling.gate.set()
    assert stays.result() == 2


def test_closing_tells_whoever_waits(batcher, doubling, line):
    hold(batcher, doubling)
    waiting = batcher.submit("waits", 1)
    batcher.close(wait=False)
    doubling.gate.set()
    with pytest.raises(ClosedError):
        waiting.result()
    with pytest.raises(ClosedError):
        batcher.submit("late", 2)
    batcher.close()
    assert line.waiting == 0


def test_what_cannot_be_opened_is_told_to_all_who_wait(doubling, line):
    gate = threading.Event()

    def opened():
        gate.wait(PATIENCE)
        raise InputValueError("no weights")

    batcher = Batcher("broken", doubling, line=line, opened=opened)
    tickets = [batcher.submit(str(number), number) for number in range(3)]
    gate.set()
    for ticket in tickets:
        with pytest.raises(InputValueError, match="no weights"):
            ticket.result()
    batcher.close()
    assert batcher.closed
    assert line.waiting == 0


def test_unexpected_errors_are_logged_and_told_in_a_sentence(line, caplog):
    def broken(items):
        raise RuntimeError("/secret/path, line 7")

    batcher = Batcher("fmri-test", broken, line=line)
    with caplog.at_level(logging.ERROR), pytest.raises(FailedWorkError) as info:
        batcher.submit("one", 1).result()
    assert "secret" not in str(info.value)
    assert "fmri-test" in str(info.value)
    assert "/secret/path" in caplog.text
    batcher.close()


def test_a_thread_survives_a_result_of_the_wrong_length(line):
    answers = iter([[], [], [7]])
    batcher = Batcher("short", lambda items: next(answers), line=line)
    with pytest.raises(FailedWorkError):
        batcher.submit("one", 1).result()
    with pytest.raises(FailedWorkError):
        batcher.submit("two", 1).result()
    assert batcher.submit("three", 1).result() == 7
    batcher.close()


def test_errors_given_as_results_are_raised_where_they_are_waited_for(line):
    batcher = Batcher("mixed", lambda items: [told(InputValueError("no"), "x") for _ in items], line=line)
    with pytest.raises(InputValueError, match="no"):
        batcher.submit("one", 1).result()
    batcher.close()


def test_an_error_of_many_waiters_is_raised_anew_for_each(batcher, doubling):
    hold(batcher, doubling)
    tickets = [batcher.submit("bad", -1) for _ in range(2)]
    doubling.gate.set()
    raised = []
    for ticket in tickets:
        with pytest.raises(InputValueError) as info:
            ticket.result()
        raised.append(info.value)
    assert raised[0] is not raised[1]


def test_background_work_is_done_while_nobody_waits(batcher):
    done = threading.Event()

    def steps():
        yield
        yield
        done.set()

    batcher.add_background(steps())
    assert done.wait(PATIENCE)


def test_background_work_goes_on_while_people_keep_coming(doubling, line):
    batcher = Batcher("busy", doubling, line=line, most_together=1)
    done = threading.Event()

    def steps():
        yield
        done.set()

    batcher.add_background(steps())
    began = time.monotonic()
    number = 0
    while not done.is_set() and time.monotonic() < began + PATIENCE:
        number += 1
        batcher.submit(str(number), number).result()
    assert done.is_set()
    batcher.close()


def test_failing_background_work_does_not_end_the_thread(batcher):
    def steps():
        yield
        raise RuntimeError("broken")

    batcher.add_background(steps())
    time.sleep(0.5)
    assert batcher.submit("one", 1).result() == 2


def test_background_work_is_closed_with_the_batcher(batcher):
    begun, closed = threading.Event(), threading.Event()

    def steps():
        try:
            while True:
                begun.set()
                time.sleep(0.001)
                yield
        finally:
            closed.set()

    batcher.add_background(steps())
    assert begun.wait(PATIENCE)
    batcher.close()
    assert closed.is_set()


def test_fifty_people_with_failures_and_departures_all_get_an_answer():
    def compute(items):
        time.sleep(0.0005 * random.random())
        if any(item % 7 == 3 for item in items):
            raise RuntimeError("bad item")
        return [item + 1 for item in items]

    line = Line(1000)
    batcher = Batcher("crowd", compute, line=line, most_together=8)

    def person(seed: int) -> list[str]:
        own, outcomes = random.Random(seed), []
        for _ in range(20):
            item = own.randrange(60)
            leaves = own.random() < 0.1
            try:
                result = batcher.submit(str(item), item).result((lambda: True) if leaves else None)
                outcomes.append("right" if result == item + 1 else "wrong")
            except FailedWorkError:
                outcomes.append("right" if item % 7 == 3 else "wrong")
            except CancelledError:
                outcomes.append("right" if leaves else "wrong")
            except BraincodecError as error:
                outcomes.append(f"wrong: {error}")
        return outcomes

    logging.disable(logging.CRITICAL)
    try:
        with ThreadPoolExecutor(50) as pool:
            outcomes = [outcome for found in pool.map(person, range(50), timeout=60) for outcome in found]
    finally:
        logging.disable(logging.NOTSET)
    assert outcomes == ["right"] * 1000
    batcher.close()
    assert line.waiting == 0
