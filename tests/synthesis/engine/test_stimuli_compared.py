"""Stimuli compared with what they were when responses to them were computed."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from braincodec.errors import InputValueError
from braincodec.stimuli import StimulusSet
from braincodec.synthesis.computing.digests import digests_of
from braincodec.synthesis.plan import Block
from braincodec.synthesis.workers.cluster import open_cluster
from braincodec.synthesis.workers.engine import check_stimuli, run_blocks, stimuli_to_check


@pytest.fixture(scope="module")
def cluster(importable_stand_in):
    with open_cluster("local", workers=1) as opened:
        yield opened


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(20):
        Image.fromarray(random.integers(0, 255, (6, 5, 3), np.uint8)).save(folder / f"{number:02d}.png")
    (folder / "07.png").write_bytes(b"damaged")
    return folder


@pytest.fixture
def job_of(make_job):
    from dataclasses import replace

    def of(folder, **options):
        return replace(make_job(count=20, **options), stimuli=StimulusSet.open(folder))

    return of


def records(job, *, passes=1):
    digests = digests_of(job.stimuli)
    return {
        block: SimpleNamespace(digests=tuple(digests[block.begin : block.end]))
        for block in job.plan.blocks()
        if block.pass_number < passes
    }


def test_only_what_changed_is_named_whatever_the_times_of_the_files(cluster, images, job_of, tmp_path):
    found = records(job_of(images))
    copy = tmp_path / "copy"
    shutil.copytree(images, copy, copy_function=shutil.copyfile)
    same = check_stimuli(cluster, job_of(copy), found)
    assert (same.changed, same.repaired) == ((), ())
    Image.new("RGB", (5, 6)).save(copy / "03.png")
    Image.new("RGB", (5, 6)).save(copy / "07.png")
    (copy / "12.png").write_bytes(b"damaged")
    compared = []
    other = check_stimuli(cluster, job_of(copy), found, on_done=compared.append)
    assert other.changed == (3, 12)
    assert other.repaired == (7,)
    assert sum(compared) == stimuli_to_check(found) == 20


def test_stimuli_of_blocks_that_are_not_finished_are_not_read(cluster, images, job_of):
    job = job_of(images)
    found = {block: record for block, record in records(job).items() if block.number in (1, 3)}
    assert stimuli_to_check(found) == 8
    Image.new("RGB", (5, 6)).save(images / "00.png")
    Image.new("RGB", (5, 6)).save(images / "05.png")
    assert check_stimuli(cluster, job, found).changed == (5,)


@pytest.mark.parametrize("spans", [[(0, 4), (4, 8)], [(0, 8), (0, 4), (4, 8)], [(2, 600), (0, 300)], []])
def test_each_stimulus_is_read_once_however_blocks_of_passes_overlap(spans):
    blocks = [Block(number, 0, begin, end) for number, (begin, end) in enumerate(spans)]
    assert stimuli_to_check(blocks) == len({position for begin, end in spans for position in range(begin, end)})


def test_a_stimulus_that_changes_between_two_passes_ends_the_run(cluster, images, job_of):
    job = job_of(images, passes=2)
    finished = {block: record for block, record in records(job).items() if block.number == 2}
    pending = [block for block in job.plan.blocks() if block not in finished]
    with pytest.raises(InputValueError, match=r"stimulus 08\.png \(position 8\) changed while the run went on"):
        run_blocks(cluster, job, pending, finished=finished)  # the stand-in's digests are other ones
