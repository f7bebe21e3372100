"""A disk that is full while blocks are written, and again while the store is finished."""

from __future__ import annotations

import shutil

import pytest

from .test_killed_at_a_step import run_until_killed
from .whole_run import Output, assert_same, started


def fill(disk, left):
    """Leave so many bytes of a disk free."""
    filler = disk / "filler"
    filler.write_bytes(b"")
    free = shutil.disk_usage(disk).free - left
    assert free > 0
    filler.write_bytes(bytes(free))
    return filler


@pytest.mark.slow
def test_a_full_disk_ends_the_run_in_words_and_with_room_it_goes_on(study, undisturbed, small_disk, tmp_path):
    output, log = Output(str(small_disk / "output")), tmp_path / "log"
    words = [*study.request(), "--workers", "2"]

    def ends_for_want_of_room(left):
        filler, before = fill(small_disk, left), output.records()
        with started(output, *words, log=log) as run:
            assert run.wait() == 1
        last = run.said.splitlines()[-1]
        assert last.startswith("error: cannot write ") and "No space left on device" in last, run.said
        assert "Traceback" not in run.said
        filler.unlink()
        now = output.records()
        assert before.items() <= now.items()
        return now

    assert not ends_for_want_of_room(left=48 * 2**10)
    kept = ends_for_want_of_room(left=600 * 2**10)
    assert 0 < len(kept) < study.blocks
    run_until_killed(study, output, log, at=1)
    every = output.records()
    assert kept.items() <= every.items() and len(every) == study.blocks
    ends_for_want_of_room(left=0)
    with started(output, "--resume", log=log) as run:
        assert run.wait() == 0, run.said
    assert output.records() == every
    assert_same(output, undisturbed)
