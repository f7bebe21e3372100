"""Runs of a synthesis whose blocks are computed in this process, and images for them."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace

import pytest
from PIL import Image

from braincodec.synthesis import one_run
from braincodec.synthesis.computing.blocks import BlockComputer
from braincodec.synthesis.computing.digests import UNREADABLE, digests_of
from braincodec.synthesis.storage.records import write_block
from braincodec.synthesis.workers.engine import ComparedStimuli

from ..small_models import images


@pytest.fixture
def here(monkeypatch):
    """Compute blocks in this process: `here.most` ends a run after so many, `here.computed` lists them.

    `here.before` has what happens before the blocks of these numbers, `here.started` how many workers were wanted.
    """
    seen = SimpleNamespace(most=None, computed=[], compared=0, before={}, started=[])

    def run_blocks(_, job, pending, *, finished=None, on_done=None):
        computer = BlockComputer((job.models, dict(job.models_options)), job.plan, job.stimuli)
        place = job.open_output()
        for number, block in enumerate(pending):
            if number == seen.most:
                raise KeyboardInterrupt
            seen.before.get(number, lambda: None)()
            record = write_block(place, job.plan, block, computer.compute(block))
            seen.computed.append((block.pass_number, block.number))
            on_done(record)

    def check_stimuli(_, job, records, *, on_done=None):
        seen.compared += 1
        now = digests_of(job.stimuli)
        known = {}
        for block, record in records.items():
            known |= dict(zip(range(block.begin, block.end), record.digests, strict=True))
        differs = [position for position, digest in known.items() if digest != now[position]]
        repaired = [position for position in differs if known[position] == UNREADABLE]
        return ComparedStimuli(tuple(sorted(set(differs) - set(repaired))), tuple(sorted(repaired)))

    @contextlib.contextmanager
    def open_cluster(*_, workers, **__):
        seen.started.append(workers)
        yield SimpleNamespace(dashboard=None)

    for name, stand_in in {
        "run_blocks": run_blocks,
        "check_stimuli": check_stimuli,
        "open_cluster": open_cluster,
    }.items():
        monkeypatch.setattr(one_run, name, stand_in)
    return seen


@pytest.fixture
def pictures(tmp_path):
    """A folder of ten images."""
    return write_pictures(tmp_path / "pictures")


def write_pictures(folder, count=10):
    folder.mkdir()
    for number, pixels in enumerate(images(count, 32)):
        Image.fromarray(pixels).save(folder / f"{number:02d}.png")
    return folder
