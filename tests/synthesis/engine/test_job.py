"""What a job tells a worker."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from braincodec.stimuli import StimulusSet
from braincodec.synthesis.storage.place import open_place
from braincodec.synthesis.storage.records import record_name, write_block
from braincodec.synthesis.workers.job import PROCESS_BYTES, Job, worker_bytes

from ..small_synthesis import begin, computed, small_plan


@pytest.fixture
def job(tmp_path):
    plan = small_plan()
    stimuli = StimulusSet.open(np.zeros((plan.request.count, 2, 2, 3), np.uint8))
    return Job(plan, stimuli, models=str(tmp_path / "models"), output=str(tmp_path / "out"))


def test_paths_hold_in_the_folder_of_any_worker(job, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    near = Job(job.plan, job.stimuli, models="models", output="s3://bucket/out")
    assert (near.models, near.output) == (str(tmp_path / "models"), "s3://bucket/out")
    assert job.output == str(tmp_path / "out")


def test_it_travels_whole(job):
    other = pickle.loads(pickle.dumps(job))
    assert (other.plan, other.name, other.versions) == (job.plan, job.name, job.versions)
    assert other.stimuli.fingerprint() == job.stimuli.fingerprint()


def test_an_output_that_does_not_hold_the_plan_is_not_the_one(job):
    place = open_place(job.output)
    assert not job.is_known_at(place)
    begin(place, job.plan)
    assert job.is_known_at(place)


def test_a_block_is_finished_only_while_its_record_and_its_files_agree(job):
    place, block = open_place(job.output), job.plan.block(0, 1)
    begin(place, job.plan)
    assert job.finished(place, block) is None
    record = write_block(place, job.plan, block, computed(job.plan, block))
    assert job.finished(place, block) == record
    name = next(iter(record.files))
    content = place.read(name)
    place.write(name, content[:-1] + bytes([content[-1] ^ 1]))
    assert job.finished(place, block) is None
    place.remove(name)
    assert job.finished(place, block) is None
    place.write(name, content)
    place.write(record_name(job.plan, block), b"{}")
    assert job.finished(place, block) is None


def test_memory_of_a_worker_is_that_of_its_largest_pass():
    small, large = small_plan(), small_plan(voxels=100_000)
    assert PROCESS_BYTES < worker_bytes(small) < worker_bytes(large)
    assert worker_bytes(large) > 4 * large.passes[0].block * large.passes[0].values * 2
