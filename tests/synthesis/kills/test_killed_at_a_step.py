"""Runs that are killed right before a file gets its name: while labels are written, while the store is finished."""

from __future__ import annotations

import random
import shutil
import signal

import pytest

import braincodec as bc

from .whole_run import COMMAND, Output, assert_same, started

# kills its own process, with no chance to tidy up, before the so-manieth renaming or removal after that of a file
KILLED = (
    """
import os, signal, sys

after, left, begun = os.environ["KILLED_AFTER"], int(os.environ["KILLED_AT"]), False

def kill_in_time(event, arguments):
    global begun, left
    if event == os.environ["KILLED_UPON"]:
        left -= begun or not after
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        begun |= str(arguments[-1 if event == "os.remove" else 1]).endswith(after)

sys.addaudithook(kill_in_time)
"""
    + COMMAND
)
LABELS, IDS_AND_METADATA, REMOVALS = range(1, 30), range(1, 13), range(10, 150)


def run_until_killed(study, output, log, *, at, after="", upon="os.rename", words=()):
    environment = {"KILLED_AT": str(at), "KILLED_AFTER": after, "KILLED_UPON": upon}
    with started(output, *study.request(), "--workers", "2", *words, log=log, program=KILLED, **environment) as run:
        assert run.wait() == -signal.SIGKILL, run.said


@pytest.mark.slow
@pytest.mark.parametrize("seed", [4])
def test_labels_ids_and_metadata_are_whole_after_kills_while_they_are_written(study, undisturbed, tmp_path, seed):
    chance, output, log = random.Random(seed), Output(str(tmp_path / "output")), tmp_path / "log"
    run_until_killed(study, output, log, at=chance.choice(LABELS), after="plan.json")
    run_until_killed(study, output, log, at=chance.choice(LABELS))
    assert not output.records()
    run_until_killed(study, output, log, at=chance.choice(IDS_AND_METADATA), after="groups.json")
    kept = output.records()
    assert len(kept) == study.blocks
    run_until_killed(study, output, log, at=chance.choice(IDS_AND_METADATA))
    with started(output, "--resume", log=log) as run:
        assert run.wait() == 0, run.said
    assert output.records() == kept
    assert_same(output, undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [5])
def test_a_run_that_was_killed_while_it_removed_an_earlier_one_is_begun_anew(study, undisturbed, tmp_path, seed):
    chance, output, log = random.Random(seed), Output(str(tmp_path / "output")), tmp_path / "log"
    shutil.copytree(undisturbed.address, output.address)
    run_until_killed(study, output, log, at=chance.choice(REMOVALS), upon="os.remove", words=("--overwrite",))
    assert bc.open_store(output.address).response_sets().empty
    with started(output, *study.request(), "--workers", "2", log=log) as run:
        assert run.wait() == 0, run.said
    assert_same(output, undisturbed)
