"""Runs whose workers are killed, or which are killed whole: nothing is lost, and nothing finished is computed again."""

from __future__ import annotations

import random
import signal

import numpy as np
import pytest

import braincodec as bc

from .whole_run import Output, assert_same, started

# in this order, upon as many blocks more as chance has it; a block that ends its worker three times in one run would
# be taken for the culprit, so no run loses three workers
VICTIMS = ("worker", "run", "worker", "worker", "run", "run", "worker", "worker", "run", "worker")


def run_and_kill(study, output, victims, chance, log):
    """Run until the store is finished, and kill; gives the victims that a quick run had no time for."""
    kept, left = {}, list(victims)
    while True:
        with started(output, *study.request(), "--workers", "2", log=log) as run:
            while left and run.wait_for_records(output.count() + chance.randint(1, 4)):
                if left[0] == "run":
                    run.kill()
                    left.pop(0)
                elif run.kill_a_worker(chance):
                    left.pop(0)
            ended = run.wait()
        now = output.records()
        assert kept.items() <= now.items(), "finished blocks were computed again"
        kept = now
        if ended == 0:
            return left
        assert ended == -signal.SIGKILL, run.said


@pytest.mark.slow
def test_a_run_that_lost_a_worker_and_was_then_killed_goes_on_by_what_the_store_says(study, undisturbed, tmp_path):
    output, chance = Output(str(tmp_path / "output")), random.Random(1)
    with started(output, *study.request(), "--workers", "2", log=tmp_path / "log") as run:
        assert run.wait_for_records(chance.randint(2, 6)), run.said
        assert run.kill_a_worker(chance)
        assert run.wait_for_records(output.count() + chance.randint(3, 10)), run.said
        run.kill()
    kept = output.records()
    assert 0 < len(kept) < study.blocks
    assert bc.open_store(output.address).response_sets().empty
    with started(output, "--resume", "--workers", "1", log=tmp_path / "log") as run:
        assert run.wait() == 0, run.said
    assert "goes on, " in run.said and "blocks are there" in run.said
    assert kept.items() <= output.records().items()
    assert_same(output, undisturbed)
    found, expected = (
        bc.open_store(one.address).responses("fmri-fwrf", stimuli="images", roi="V1") for one in (output, undisturbed)
    )
    np.testing.assert_array_equal(found.values, expected.values)
    assert found["stimulus"].values.tolist() == sorted(path.name for path in study.images.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("seed", [20])
def test_bits_are_those_of_an_undisturbed_run_after_kills_at_random_points(study, undisturbed, tmp_path, seed):
    chance, victims, outputs = random.Random(seed), VICTIMS, 0
    while victims:
        output = Output(str(tmp_path / f"output-{outputs}"))
        victims = run_and_kill(study, output, victims, chance, tmp_path / "log")
        assert_same(output, undisturbed)
        outputs += 1
        assert outputs < 5, "runs end before they can be killed"
