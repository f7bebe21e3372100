"""Workers as jobs of a Slurm whose commands run the job script at once, on this machine."""

from __future__ import annotations

import os
import re
import signal
import stat
import sys
from collections import Counter
from pathlib import Path

import pytest

from braincodec.errors import InputValueError, MissingExtraError, UnknownNameError, UnreachableError
from braincodec.synthesis.workers.cluster import check_cluster, open_cluster
from braincodec.synthesis.workers.cluster.slurm import job_settings
from braincodec.synthesis.workers.engine import run_blocks

SBATCH = """#!/bin/sh
if [ -e "{folder}/refuse" ]; then cat "{folder}/refuse" >&2; exit 1; fi
cp "$1" "{folder}/script-$$.sh"
echo $$ >> "{folder}/submitted"
[ -e "{folder}/full" ] || setsid sh "{folder}/script-$$.sh" > "{folder}/job-$$.log" 2>&1 < /dev/null &
echo "$!" > "{folder}/pid-$$"
echo "Submitted batch job $$"
"""
SCANCEL = """#!/bin/sh
echo "$1" >> "{folder}/cancelled"
kill -9 -- "-$(cat "{folder}/pid-$1")" 2> /dev/null
exit 0
"""


@pytest.fixture
def slurm(importable_stand_in, tmp_path, monkeypatch):
    """Folder in which the commands note what they were asked."""
    folder = tmp_path / "slurm"
    folder.mkdir()
    for name, text in {"sbatch": SBATCH, "scancel": SCANCEL}.items():
        path = folder / name
        path.write_text(text.format(folder=folder))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def lines(path):
    return path.read_text().split() if path.exists() else []


def test_blocks_are_computed_in_jobs_which_are_cancelled_at_the_end(slurm, make_job):
    job = make_job()
    options = {"queue": "gpu", "account": "lab", "memory": "3GiB", "walltime": "00:30:00"}
    with open_cluster("slurm", workers=2, threads=1, options=options) as cluster:
        assert cluster.workers_expected == 2
        run_blocks(cluster, job, job.plan.blocks())
    written = (Path(job.output) / "written.txt").read_text().split()
    assert Counter(written) == {f"0-{number}": 1 for number in range(10)}
    submitted = lines(slurm / "submitted")
    assert len(submitted) == 2 and set(lines(slurm / "cancelled")) == set(submitted)
    script = (slurm / f"script-{submitted[0]}.sh").read_text()
    for line in ("-p gpu", "-A lab", "--mem=3G", "-t 00:30:00", "--cpus-per-task=1"):
        assert f"#SBATCH {line}\n" in script
    assert re.search(r"--nthreads 2 .*--memory-limit 0", script)


def test_while_jobs_wait_in_the_queue_the_run_says_so_and_waits(slurm, make_job):
    (slurm / "full").touch()
    notes = []

    class EnoughError(Exception):
        pass

    def note(text):
        notes.append(text)
        if len(notes) == 2:
            raise EnoughError

    with pytest.raises(EnoughError), open_cluster("slurm", workers=1, on_note=note, patience=0.6) as cluster:
        run_blocks(cluster, job := make_job(), job.plan.blocks())
    (number,) = lines(slurm / "submitted")
    assert all(re.match(rf"no workers for \d+ seconds: jobs {number} wait in the queue", text) for text in notes)
    assert lines(slurm / "cancelled") == [number]


def test_what_slurm_says_when_it_refuses_jobs_is_told(slurm, make_job):
    (slurm / "refuse").write_text("sbatch: error: invalid partition specified: gpux\n")
    job = make_job()
    with (
        pytest.raises(
            UnreachableError,
            match=r"Slurm refuses the jobs: sbatch: error: invalid partition specified: gpux; 0 of 10 blocks",
        ),
        open_cluster("slurm", workers=2, options={"queue": "gpux"}) as cluster,
    ):
        run_blocks(cluster, job, job.plan.blocks())


@pytest.mark.slow
def test_a_job_that_ends_is_submitted_again(slurm, make_job, monkeypatch):
    import dask

    monkeypatch.setattr("braincodec.synthesis.workers.cluster.slurm.BETWEEN_SUBMISSIONS", 0.5)
    job = make_job(count=40, seconds=0.2)

    def kill_the_first(record):
        if len(lines(slurm / "submitted")) == 1:
            (number,) = lines(slurm / "submitted")
            os.killpg(int((slurm / f"pid-{number}").read_text()), signal.SIGKILL)

    with dask.config.set({"distributed.deploy.lost-worker-timeout": "1s"}), open_cluster("slurm") as cluster:
        run_blocks(cluster, job, job.plan.blocks(), on_done=kill_the_first)
    assert len(lines(slurm / "submitted")) >= 2
    assert set((Path(job.output) / "written.txt").read_text().split()) == {f"0-{number}" for number in range(10)}


def test_a_gpu_is_asked_for_unless_the_options_do():
    assert job_settings(4, "cuda", {})["job_extra_directives"] == ["--gres=gpu:1"]
    given = {"job_extra_directives": ["--gpus-per-node=a100:1"]}
    assert job_settings(4, "cuda", given)["job_extra_directives"] == ["--gpus-per-node=a100:1"]
    assert job_settings(4, "cpu", {})["job_extra_directives"] == []


def test_unknown_options_and_machines_without_slurm_are_refused_before_anything_starts(slurm, monkeypatch):
    check_cluster("slurm", workers=3, options={"queue": "cpu"})
    with pytest.raises(UnknownNameError, match="unknown option 'que' of a Slurm cluster; did you mean 'queue'"):
        check_cluster("slurm", options={"que": "cpu"})
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputValueError, match="there is no sbatch on this machine"):
        check_cluster("slurm")
    monkeypatch.setitem(sys.modules, "dask_jobqueue", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"braincodec\[scale\]"):
        check_cluster("slurm")
