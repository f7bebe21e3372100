"""`braincodec responses export --to` and `list`: whole sets between NED's layout and ours."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest

from braincodec.store import open_store
from braincodec.synthesis.plan import Output, Pass, Plan, Request
from braincodec.synthesis.storage.place import open_place
from braincodec.synthesis.storage.stored_plan import write_plan

from ..legacy.layouts import THINGS, write_responses

PLACE = "synthetic_neural_responses/modality-fmri/train_dataset-nsd/model-fwrf/imageset-things"
FILE = f"{PLACE}/synthetic_neural_responses_sub-01_roi-V1.h5"


@pytest.fixture
def ned(tmp_path):
    """Two regions of one subject."""
    write_responses(tmp_path / "ned")
    write_responses(tmp_path / "ned", roi="V2", shape=(7, 4))
    return tmp_path / "ned"


def test_sets_go_to_a_store_and_back_to_ned(run, ned, tmp_path):
    outcome = run("responses", "export", "--to", "store", "-s", ned, "-o", tmp_path / "store")
    assert outcome.code == 0
    assert "2 written" in outcome.out
    back = run("responses", "export", "--to", "ned", "-s", tmp_path / "store", "-o", tmp_path / "back", "--roi", "V1")
    assert back.code == 0
    with h5py.File(ned / FILE) as there, h5py.File(tmp_path / "back" / FILE) as here:
        assert np.array_equal(here["synthetic_neural_responses"], there["synthetic_neural_responses"])
    assert open_store(tmp_path / "back").response_sets()["roi"].tolist() == ["V1"]
    again = run("responses", "export", "--to", "ned", "-s", tmp_path / "store", "-o", tmp_path / "back")
    assert "1 written, 1 kept" in again.out
    shown = run("responses", "show", "-s", tmp_path / "store", "--stimuli", "things", "--roi", "V1", "--rows", "0:2")
    assert THINGS[1] in shown.out


def test_outcome_can_be_read_by_programs(run, ned, tmp_path):
    run("responses", "export", "--to", "store", "-s", ned, "-o", tmp_path / "store")
    outcome = run("responses", "export", "--to", "ned", "-s", tmp_path / "store", "-o", tmp_path / "back", "--json")
    rows = json.loads(outcome.out)
    assert [row["outcome"] for row in rows] == ["written", "written"]
    assert rows[0]["source"]["roi"] == "V1"
    assert rows[0]["files"] == [str(tmp_path / "back" / FILE)]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--to", "ned", "--rows", "0:2"], "--rows takes a slice, --to ned writes whole sets"),
        (["--to", "ned", "--stimuli", "thing"], "did you mean 'things'"),
        (["--to", "store", "--labels", "x.mat"], "--labels belongs to --to ned"),
        (["--to", "ned", "--labels", "x.mat"], "labels of an image set not found"),
        (["--to", "file"], "--stimuli names the set to export"),
    ],
)
def test_mistakes_are_answered_before_anything_is_written(run, ned, tmp_path, words, message):
    run("responses", "export", "--to", "store", "-s", ned, "-o", tmp_path / "store")
    outcome = run("responses", "export", "-s", tmp_path / "store", *words, "-o", tmp_path / "x")
    assert outcome.code == 1
    assert message in outcome.err
    assert not (tmp_path / "x").exists()


def test_sets_in_neds_layout_are_not_written_so_again(run, ned, tmp_path):
    outcome = run("responses", "export", "--to", "ned", "-s", ned, "-o", tmp_path / "x")
    assert outcome.code == 1
    assert "NED's layout already" in outcome.err


def test_command_fails_when_no_set_could_be_written(run, ned, tmp_path):
    (ned / FILE).write_bytes(b"no HDF5")
    outcome = run("responses", "export", "--to", "store", "-s", ned, "-o", tmp_path / "store", "--roi", "V1")
    assert outcome.code == 1
    assert "1 failed" in outcome.out


def unfinished_plan(subject):
    place = f"generated_responses/fmri-nsd-fwrf/stimuli-mine/subject-{subject:02d}_roi-V1.zarr"
    output = Output(
        model="fmri-nsd-fwrf", subject=subject, roi="V1", place=place, dims=("unit",), shape=(4,), identity="0" * 64
    )
    one = Pass(
        name="000-fmri-nsd-fwrf", outputs=(output,), shared="nothing", tile=4, block=4, weight_bytes=1, image_bytes=1
    )
    request = Request(models=("fmri-nsd-fwrf",), subjects=(subject,), stimuli="mine", count=12, fingerprint="0")
    return Plan(request=request, passes=(one,), version="0", models_address="models")


def test_list_names_what_a_synthesis_has_not_finished(run, ned, tmp_path):
    run("responses", "export", "--to", "store", "-s", ned, "-o", tmp_path / "store")
    place = open_place(tmp_path / "store")
    write_plan(place, unfinished_plan(2))
    (job,) = place.names("synthesis")
    place.write(f"synthesis/{job}/blocks/000-fmri-nsd-fwrf/000001.json", b"{}")
    outcome = run("responses", "list", "-s", tmp_path / "store")
    assert outcome.code == 0
    assert "unfinished, 33 %" in outcome.out
    assert "--resume goes on" in outcome.err
    rows = json.loads(run("responses", "list", "-s", tmp_path / "store", "--json").out)
    assert {"model": "fmri-nsd-fwrf", "stimuli": "things", "subject": 1, "roi": "V1"} in rows
    assert rows[-1] | {"subject": 2, "state": "unfinished", "blocks_done": 1, "blocks": 3} == rows[-1]
    place.write(f"synthesis/{job}/complete.json", b"{}")
    assert "unfinished" not in run("responses", "list", "-s", tmp_path / "store").out


def test_list_goes_on_past_a_plan_that_cannot_be_read(run, ned, tmp_path):
    run("responses", "export", "--to", "store", "-s", ned, "-o", tmp_path / "store")
    open_place(tmp_path / "store").write("synthesis/0123456789ab/plan.json", b"{")
    outcome = run("responses", "list", "-s", tmp_path / "store")
    assert outcome.code == 0
    assert "things" in outcome.out
    assert "plan.json is not valid JSON" in outcome.err
