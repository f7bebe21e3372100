from __future__ import annotations

import threading

import pytest
import torch

from braincodec.readouts.workers import Workers


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_pieces_run_side_by_side_with_one_thread_each_and_come_in_order(two_threads):
    meet = threading.Barrier(2, timeout=20)

    def run(number: int) -> tuple[int, int, bool]:
        meet.wait()  # passes only when two pieces run at once
        return number, torch.get_num_threads(), torch.is_inference_mode_enabled()

    with Workers(torch.device("cpu")) as workers:
        assert list(workers.map(run, range(6))) == [(number, 1, True) for number in range(6)]
    assert torch.get_num_threads() == 2


def test_new_threads_get_all_cores_again_afterwards(two_threads):
    with Workers(torch.device("cpu")) as workers:
        list(workers.map(abs, range(4)))
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert found == [2]


def test_items_are_taken_only_a_few_ahead(two_threads):
    taken: list[int] = []

    def items():
        for number in range(100):
            taken.append(number)
            yield number

    with Workers(torch.device("cpu")) as workers:
        results = workers.map(abs, items())
        next(results)
        assert len(taken) <= 4


def test_an_error_in_a_piece_reaches_the_caller(two_threads):
    with Workers(torch.device("cpu")) as workers, pytest.raises(ZeroDivisionError):
        list(workers.map(lambda number: 1 // number, [1, 0, 2]))
    assert torch.get_num_threads() == 2
