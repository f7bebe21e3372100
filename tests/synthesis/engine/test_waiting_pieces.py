"""Which piece of work a worker gets next."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from braincodec.synthesis.workers.waiting import Piece, Waiting


def pieces(*sizes):
    return [Piece((group, number), (), group) for group, size in enumerate(sizes) for number in range(size)]


def test_a_worker_stays_with_the_models_that_it_has_loaded():
    waiting = Waiting(pieces(3, 3))
    assert [waiting.next_for("a").group for _ in range(6)] == [0, 0, 0, 1, 1, 1]


def test_workers_are_spread_over_groups_by_what_there_is_to_do():
    waiting = Waiting(pieces(9, 3))
    groups = [waiting.next_for(worker).group for worker in "abcd"]
    assert Counter(groups) == {0: 3, 1: 1}


def test_workers_that_are_gone_do_not_count():
    waiting = Waiting(pieces(4, 3))
    assert waiting.next_for("a").group == 0
    waiting.forget("a")
    assert waiting.next_for("b").group == 0


def test_a_suspect_is_given_only_to_a_worker_without_other_work():
    waiting = Waiting(pieces(3))
    suspect = waiting.next_for("a")
    waiting.put_back(suspect, suspect=True)
    assert waiting.next_for("a", alone=False) != suspect
    assert waiting.next_for("a", alone=True) == suspect
    waiting.put_back(suspect, suspect=True)
    waiting.next_for("a", alone=False)
    assert waiting.next_for("a", alone=False) is None
    assert len(waiting) == 1


@settings(deadline=None)
@given(st.lists(st.integers(0, 6), max_size=5), st.randoms(use_true_random=False))
def test_every_piece_is_given_exactly_once_whatever_is_put_back(sizes, random):
    waiting = Waiting(pieces(*sizes))
    given_out = []
    while waiting:
        piece = waiting.next_for(random.choice("abc"), alone=random.random() < 0.5 or not random.random())
        if piece is None:
            continue
        if random.random() < 0.3:
            waiting.put_back(piece, suspect=random.random() < 0.5)
        else:
            given_out.append(piece)
    assert sorted(piece.key for piece in given_out) == [piece.key for piece in pieces(*sizes)]
