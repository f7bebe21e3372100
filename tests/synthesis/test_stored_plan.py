"""The file that says what a synthesis does."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from braincodec.errors import BraincodecError, DamagedFileError, InputValueError, MissingFileError
from braincodec.synthesis.storage.place import open_place
from braincodec.synthesis.storage.stored_plan import (
    discard_job,
    job_folder,
    job_of,
    jobs,
    read_plan,
    read_stored_plan,
    write_plan,
)

from .small_synthesis import contents, go_on, small_plan


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """What the disk has taken is another file's matter."""
    monkeypatch.setattr(os, "fsync", lambda number: None)


@pytest.fixture
def place(tmp_path):
    return open_place(tmp_path)


def name_of(plan):
    return f"{job_folder(plan)}/plan.json"


def write_edited(place, plan, edit, rehash=False):
    """The plan's file after `edit` of its content."""
    write_plan(place, plan)
    content = json.loads(place.read(name_of(plan)))
    edit(content)
    if rehash:  # as somebody would who means harm
        from braincodec.synthesis.plan import Plan

        content["plan_hash"] = Plan.parse(content["plan"]).hash()
    place.write(name_of(plan), json.dumps(content).encode())


def test_a_plan_comes_back_as_it_was_written(place):
    plan = small_plan(stored_dtype="float16", layout="fast")
    write_plan(place, plan, "pictures/")
    assert jobs(place) == [job_of(plan)]
    assert read_plan(place, job_of(plan)) == plan
    assert read_stored_plan(place, job_of(plan)).stimuli_address == "pictures/"


def test_a_plan_that_is_not_there_is_named(place):
    with pytest.raises(MissingFileError, match=r"plan of a synthesis not found: .*synthesis/000000000000/plan\.json"):
        read_plan(place, "000000000000")
    with pytest.raises(InputValueError):
        read_plan(place, "../..")


def test_a_plan_of_another_version_says_which_one_wrote_it(place):
    plan = small_plan()
    write_edited(place, plan, lambda content: content.update(format=99, new_key="unknown here"))
    with pytest.raises(InputValueError, match=r"has format 99, written by braincodec 0\.1; this one knows format 1"):
        read_plan(place, job_of(plan))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(data=st.data())
def test_a_plan_that_is_cut_short_or_overwritten_is_never_followed(place, data):
    plan = small_plan()
    write_plan(place, plan)
    content = place.read(name_of(plan))
    at = data.draw(st.integers(0, len(content) - 1))
    rest = data.draw(st.binary(max_size=30))
    damaged = content[:at] + rest
    place.write(name_of(plan), damaged)
    try:
        assert read_plan(place, job_of(plan)) == plan  # only a space may have changed
    except BraincodecError as error:
        assert "plan.json" in str(error)


@pytest.mark.parametrize(
    ("key", "value"),
    [("count", 19), ("stored_dtype", "float16"), ("fingerprint", "other"), ("models", ["eeg"])],
)
def test_a_changed_request_is_noticed(place, key, value):
    plan = small_plan()
    write_edited(place, plan, lambda content: content["plan"]["request"].update({key: value}), rehash=True)
    with pytest.raises(DamagedFileError, match="was changed after it was written"):
        read_plan(place, job_of(plan))


def _output(content):
    return content["plan"]["passes"][0]["outputs"][0]


HOSTILE = {
    "outside the store": lambda c: _output(c).update(place="generated_responses/../../elsewhere.zarr"),
    "absolute": lambda c: _output(c).update(place="/generated_responses/a.zarr"),
    "in another folder": lambda c: _output(c).update(place="synthesis/a.zarr"),
    "twice the same": lambda c: _output(c).update(place=c["plan"]["passes"][0]["outputs"][1]["place"]),
    "no size": lambda c: _output(c).update(shape=[0]),
    "a size too many": lambda c: _output(c).update(shape=[5, 5]),
    "a pass that leads elsewhere": lambda c: c["plan"]["passes"][0].update(name="../.."),
    "no tile": lambda c: c["plan"]["passes"][0].update(tile=0),
    "blocks of half tiles": lambda c: c["plan"]["passes"][0].update(block=6),
    "nothing": lambda c: c["plan"].update(passes=[]),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_plan_is_refused_even_with_the_right_hash(place, what):
    plan = small_plan()
    write_edited(place, plan, HOSTILE[what], rehash=True)
    with pytest.raises(DamagedFileError, match=r"plan\.json"):
        read_plan(place, job_of(plan))


def test_a_plan_of_absurdly_many_blocks_is_refused(place):
    plan = small_plan()
    huge = plan.model_copy(update={"request": plan.request.model_copy(update={"count": 10**12})})
    write_plan(place, huge)
    with pytest.raises(DamagedFileError, match="more than 10,000,000 blocks"):
        read_plan(place, job_of(huge))


def test_discarding_a_synthesis_removes_what_it_made_and_nothing_else(place):
    plan, other = small_plan(), small_plan(count=6)
    other = other.model_copy(
        update={
            "passes": tuple(
                one.model_copy(
                    update={
                        "outputs": tuple(
                            output.model_copy(update={"place": output.place.replace("pictures", "others")})
                            for output in one.outputs
                        )
                    }
                )
                for one in other.passes
            )
        }
    )
    go_on(place, other)
    before = contents(place, other)
    go_on(place, plan)
    place.write("fmri/subject-01/config.json", b"{}")
    discard_job(place, plan)
    discard_job(place, plan)
    assert contents(place, other) == before | {"fmri/subject-01/config.json": b"{}"}
