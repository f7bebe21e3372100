"""`braincodec verify`."""

from __future__ import annotations

import json

import pytest

from braincodec.synthesis.storage.place import open_place

from ..synthesis.small_synthesis import go_on, small_plan

SHARD = f"{small_plan().outputs[0].place}/responses/c/1/0"


@pytest.fixture
def store(tmp_path):
    place = open_place(tmp_path / "generated")
    go_on(place, small_plan())
    return place


def test_whole_store_is_a_table_and_exit_code_0(run, store):
    outcome = run("verify", store.address)
    assert outcome.code == 0
    assert "3 of 3" in outcome.out and "pictures" in outcome.out and "damaged" not in outcome.out
    assert f"{store.address}: 4 of 4 whole, no problems" in outcome.err


def test_damage_is_exit_code_1_and_can_be_discarded(run, store):
    store.write(SHARD, store.read(SHARD)[:-1])
    outcome = run("verify", store.address, "--discard-damaged")
    assert outcome.code == 1
    assert "damaged" in outcome.out and f"{SHARD}: has " in outcome.err
    assert f"1 damaged block forgotten: 'braincodec synthesize -o {store.address} --resume' goes on" in outcome.err
    assert go_on(store, small_plan()) == [small_plan().block(0, 1)]
    assert run("verify", store.address).code == 0


def test_json_holds_problems_and_what_was_checked(run, store):
    store.remove(SHARD)
    outcome = run("verify", store.address, "--json", "--sizes-only")
    found = json.loads(outcome.out)
    assert outcome.code == 1 and found["ok"] is False and found["discarded"] == 0
    assert found["problems"] == [{"place": SHARD, "what": "is missing (stimuli 8 to 15)"}]
    assert [one["state"] for one in found["checked"]] == ["damaged", "whole", "whole", "whole"]


def test_what_is_no_store_is_an_error(run, tmp_path):
    outcome = run("verify", tmp_path / "nothing")
    assert outcome.code == 1 and outcome.err.startswith("error: store not found")
