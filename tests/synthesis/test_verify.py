"""Checking a store finds every damage, and what is discarded is made again as it was."""

from __future__ import annotations

import json
import os
import re
import shutil

import numpy as np
import pytest

from braincodec.errors import InputValueError, MissingFileError, OutputError, UnreachableError
from braincodec.responses import build_responses
from braincodec.responses.formats import layout
from braincodec.synthesis.storage.completion import stimulus_files
from braincodec.synthesis.storage.place import open_place
from braincodec.synthesis.storage.records import finished_blocks, record_name, write_block
from braincodec.synthesis.storage.stored_plan import file_facts, job_folder
from braincodec.synthesis.verifying.store import verify

from ..small_models import gabor_linear
from .object_store import bucket, s3_server
from .small_synthesis import begin, computed, contents, go_on, one_array, small_plan, stimulus_ids

__all__ = ["bucket", "s3_server"]
PLAN = small_plan()
FMRI, EEG = PLAN.outputs[0].place, PLAN.outputs[2].place
JOB = job_folder(PLAN)
SHARD = f"{FMRI}/responses/c/1/0"


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """What the disk has taken is another file's matter."""
    monkeypatch.setattr(os, "fsync", lambda number: None)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    place = open_place(tmp_path_factory.mktemp("whole") / "store")
    go_on(place, PLAN, bad=(12,))
    return place


@pytest.fixture
def store(whole, tmp_path):
    """A copy to be damaged."""
    shutil.copytree(whole.local, tmp_path / "store")
    return open_place(tmp_path / "store")


def test_a_store_whose_arrays_another_version_cut_otherwise_is_whole(tmp_path, monkeypatch):
    with monkeypatch.context() as earlier:
        earlier.setattr(layout, "ZARR_CHUNK_BYTES", {"default": 40, "fast": 40})
        place = open_place(tmp_path / "store")
        go_on(place, PLAN, bad=(12,))
    metadata = json.loads(place.read(f"{FMRI}/responses/zarr.json"))
    found = verify(place.local, progress=False)
    assert found.ok, found.problems
    (sharding,) = metadata["codecs"]
    options = layout.array_options((5,), "float32", ("stimulus", "unit"), block=PLAN.passes[0].block)
    assert sharding["configuration"]["chunk_shape"] != list(options["chunks"])
    flipped(place, SHARD)
    assert not verify(place.local, progress=False).ok


def flipped(place, name, at=0.5):
    content = bytearray(place.read(name))
    content[int(at * len(content))] ^= 1
    place.write(name, bytes(content))


def edited_json(place, name, edit):
    content = json.loads(place.read(name))
    edit(content)
    place.write(name, json.dumps(content, separators=(",", ":")).encode())  # as it was written


def consistently(place, name, content):
    """Replace a file of a group, and its digest wherever one is stated."""
    place.write(name, content)
    facts = file_facts(content).model_dump()

    def replace_digest(values):
        for key, value in values.items():
            if key in (name, name.partition(".zarr/")[2]) and "sha256" in value and name.startswith(FMRI):
                values[key] = facts
            elif isinstance(value, dict):
                replace_digest(value)

    for record in (f"{JOB}/complete.json", f"{JOB}/groups.json", record_name(PLAN, PLAN.block(0, 1))):
        edited_json(place, record, replace_digest)


def unlisted_hole(place):
    """A row of NaN that no record knows of, although every digest is right."""
    from braincodec.synthesis.storage.shards import encode_block

    block = PLAN.block(0, 1)
    values = computed(PLAN, block, bad=(12, 13)).values[0]
    ((_, content),) = encode_block(PLAN.outputs[0], PLAN, PLAN.passes[0], block, values).items()
    consistently(place, SHARD, content)


def other_metadata(key, value):
    def damage(place):
        content = json.loads(place.read(f"{FMRI}/responses/zarr.json"))
        content[key] = value
        consistently(place, f"{FMRI}/responses/zarr.json", json.dumps(content).encode())

    return damage


def other_ids(ids):
    def damage(place):
        for name, content in stimulus_files(ids).items():
            consistently(place, f"{FMRI}/{name}", content)

    return damage


DAMAGES = {
    "a flipped byte": (lambda p: flipped(p, SHARD), rf"{SHARD}: differs from its checksum \(stimuli 8 to 15\)"),
    "a short shard": (lambda p: p.write(SHARD, p.read(SHARD)[:-9]), rf"{SHARD}: has \d+ bytes in place of \d+"),
    "no shard": (lambda p: p.remove(SHARD), rf"{SHARD}: is missing \(stimuli 8 to 15\)"),
    "no record": (lambda p: p.remove(record_name(PLAN, PLAN.block(0, 1))), "no record of stimuli 8 to 15"),
    "half a record": (
        lambda p: p.write(record_name(PLAN, PLAN.block(1, 0)), p.read(record_name(PLAN, PLAN.block(1, 0)))[:99]),
        r"001-eeg/000000\.json is not valid JSON",
    ),
    "a record of other values": (
        lambda p: edited_json(
            p, record_name(PLAN, PLAN.block(0, 1)), lambda c: c["files"][SHARD].update(sha256="0" * 64)
        ),
        "differs from its checksum",
    ),
    "another shape": (other_metadata("shape", [20, 6]), r"shape is \[20, 6\], planned is \[20, 5\]"),
    "another dtype": (other_metadata("data_type", "float64"), "data_type is float64, planned is float32"),
    "other labels": (lambda p: flipped(p, f"{FMRI}/k/c/0"), rf"{FMRI}/k/c/0: differs from its checksum"),
    "no labels": (lambda p: p.remove(f"{FMRI}/k"), rf"{FMRI}/k/zarr\.json: is missing"),
    "no note of labels": (lambda p: p.remove(f"{JOB}/groups.json"), r"groups\.json is missing"),
    "flipped ids": (lambda p: flipped(p, f"{EEG}/stimulus/c/0"), rf"{EEG}/stimulus/c/0: differs from its checksum"),
    "no ids": (lambda p: p.remove(f"{EEG}/stimulus"), rf"{EEG}/stimulus/zarr\.json: is missing"),
    "ids in another order": (other_ids(stimulus_ids(20)[::-1]), "other stimulus ids than the plan was made for"),
    "an id twice": (other_ids([*stimulus_ids(19), "picture 0000"]), "an id occurs twice"),
    "too few ids": (other_ids(stimulus_ids(19)), f"{FMRI}/"),
    "a hole": (unlisted_hole, r"1 stimuli \(13\) hold no responses, and are not listed as skipped"),
    "other attributes": (
        lambda p: edited_json(p, f"{EEG}/zarr.json", lambda c: c["attributes"].pop("skipped")),
        rf"{EEG}/zarr\.json: has [\d,]+ bytes",
    ),
    "no metadata": (lambda p: p.remove(f"{EEG}/zarr.json"), rf"{EEG}/zarr\.json: is missing"),
    "half a last file": (
        lambda p: p.write(f"{JOB}/complete.json", b'{"format": 1'),
        r"complete\.json is not valid JSON",
    ),
    "no last file": (lambda p: p.remove(f"{JOB}/complete.json"), "unfinished"),
}


def test_a_whole_store_is_found_whole(whole):
    found = verify(whole.address)
    assert found.ok and str(found) == f"{whole.address}: 4 of 4 whole, no problems"
    table = found.table
    assert table["state"].tolist() == ["whole"] * 4
    assert table[["blocks", "planned_blocks"]].values.tolist() == [[3, 3], [3, 3], [2, 2], [2, 2]]
    assert table[["model", "subject", "roi", "stimuli"]].values[0].tolist() == ["fmri", "1", "V1", "pictures"]
    assert table["bytes"].sum() == sum(file.size for file in whole.walk("generated_responses"))
    assert verify(whole.address, contents=False).ok


@pytest.mark.parametrize("what", DAMAGES)
def test_damage_is_found_discarded_and_made_again_as_it_was(whole, store, what):
    damage, words = DAMAGES[what]
    damage(store)
    found = verify(store.address)
    assert not found.ok
    assert any(re.search(words, str(problem)) for problem in found.problems), found
    verify(store.address, discard_damaged=True)
    assert not (store.local / JOB / "complete.json").exists()
    again = go_on(store, PLAN, bad=(12,))
    assert len(again) <= 1
    assert contents(store, PLAN) == contents(whole, PLAN)
    assert verify(store.address).ok


def test_only_the_damaged_blocks_are_made_again(store):
    flipped(store, SHARD)
    flipped(store, f"{EEG}/responses/c/0/0/0/0")
    found = verify(store.address, discard_damaged=True)
    assert found.discarded == 2 and not found.ok
    assert found.table["state"].tolist() == ["damaged", "whole", "damaged", "whole"]
    assert found.table["blocks"].tolist() == [2, 3, 1, 2]
    assert go_on(store, PLAN, bad=(12,)) == [PLAN.block(0, 1), PLAN.block(1, 0)]


def test_sizes_alone_find_what_is_missing_or_short_but_no_flipped_byte(store):
    flipped(store, SHARD)
    assert verify(store.address, contents=False).ok
    store.write(SHARD, store.read(SHARD)[:-1])
    store.remove(f"{EEG}/responses/c/0/0/0/0")
    problems = {problem.place: problem.what for problem in verify(store.address, contents=False).problems}
    assert set(problems) == {SHARD, f"{EEG}/responses/c/0/0/0/0"}
    assert problems[f"{EEG}/responses/c/0/0/0/0"].startswith("is missing")


def test_an_unfinished_store_is_not_whole_and_says_how_far_it_is(tmp_path):
    place = open_place(tmp_path)
    begin(place, PLAN)
    write_block(place, PLAN, PLAN.block(0, 0), computed(PLAN, PLAN.block(0, 0)))
    found = verify(tmp_path)
    assert not found.ok
    assert [str(problem) for problem in found.problems] == [
        f"{JOB}: unfinished: 1 of 5 blocks are recorded; --resume goes on"
    ]
    assert found.table["state"].tolist() == ["unfinished"] * 4
    assert verify(tmp_path, discard_damaged=True).discarded == 0
    assert len(finished_blocks(place, PLAN)) == 1


def test_a_run_that_was_killed_while_it_finished_is_unfinished_and_not_damaged(store):
    store.remove(f"{JOB}/complete.json")
    store.remove(f"{EEG}/zarr.json")
    found = verify(store.address)
    assert [str(problem) for problem in found.problems] == [f"{JOB}: unfinished; --resume goes on"]
    assert found.table["state"].tolist() == ["unfinished"] * 4


def test_what_lists_an_array_with_holes_is_damage(store):
    store.remove(f"{JOB}/complete.json")
    store.remove(record_name(PLAN, PLAN.block(0, 1)))
    problems = [problem.place for problem in verify(store.address, discard_damaged=True).problems]
    assert problems == [JOB, *(f"{output.place}/zarr.json" for output in PLAN.outputs)]
    assert not list(store.local.rglob("subject-*.zarr/zarr.json"))


def test_a_store_of_another_version_is_named_and_left_alone(store):
    edited_json(store, f"{JOB}/plan.json", lambda content: content.update(format=7))
    before = contents(store, PLAN)
    found = verify(store.address, discard_damaged=True)
    assert not found.ok and "has format 7" in str(found)
    assert contents(store, PLAN) == before


@pytest.mark.parametrize("name", ["../../elsewhere", "/etc/passwd", "fmri/subject-01/config.json", "\0"])
def test_names_that_lead_elsewhere_are_damage_and_never_followed(store, name):
    kept = store.local.parent / "elsewhere"
    kept.write_bytes(b"kept")
    stated = {"bytes": 1, "sha256": ""}
    edited_json(store, f"{JOB}/complete.json", lambda c: c["files"].update({name: stated}))
    edited_json(store, f"{JOB}/groups.json", lambda c: c["groups"][FMRI]["files"].update({"../../x": stated}))
    found = verify(store.address, discard_damaged=True)
    assert {problem.place for problem in found.problems} >= {f"{JOB}/complete.json", f"{JOB}/groups.json"}
    assert kept.read_bytes() == b"kept"
    assert go_on(store, PLAN, bad=(12,)) == []
    assert verify(store.address).ok


def test_damage_is_not_discarded_while_somebody_writes(store):
    flipped(store, SHARD)
    with store.exclusive(), pytest.raises(OutputError, match="being written"):
        verify(store.address, discard_damaged=True)


@pytest.fixture
def others(tmp_path):
    """A model, and responses that no synthesis made."""
    gabor_linear(4, model="small").save(tmp_path / "small" / "subject-01")
    values = np.random.default_rng(0).standard_normal((300, 4)).astype(np.float32)
    group = tmp_path / "generated_responses" / "small" / "stimuli-test" / "subject-01.zarr"
    responses = build_responses(values, [f"s{n}" for n in range(300)])
    return tmp_path, group, responses


def test_models_are_checked_by_their_checksums(others):
    root, _, _ = others
    assert verify(root).ok and verify(root).table["kind"].tolist() == ["model"]
    place = open_place(root)
    flipped(place, "small/subject-01/model.safetensors")
    place.remove("small/subject-01/README.md")
    assert sorted(map(str, verify(root).problems)) == [
        "small/subject-01/README.md: is missing",
        "small/subject-01/model.safetensors: differs from its checksum",
    ]
    place.remove("small/subject-01/checksums.json")
    assert "checksums.json: is missing" in str(verify(root))


def test_responses_without_records_are_opened_and_decoded(others):
    root, group, responses = others
    responses.bc.to_zarr(group)
    assert verify(root).ok
    (shard,) = (path for path in group.glob("responses/c/**/*") if path.is_file())
    content = shard.read_bytes()
    shard.write_bytes(content[: len(content) // 2])
    assert "cannot be decoded" in str(verify(root))
    shard.unlink()
    assert re.search(r"responses/c/0/0: is missing", str(verify(root)))
    (group / "zarr.json").unlink()
    assert "zarr.json: is missing" in str(verify(root))


def test_rows_without_responses_must_be_listed(others):
    root, group, responses = others
    responses[7] = np.nan
    responses.bc.to_zarr(group)
    assert r"1 stimuli (s7) hold no responses" in str(verify(root))
    shutil.rmtree(group)
    responses.assign_attrs(skipped=json.dumps({"s7": "not an image"})).bc.to_zarr(group)
    assert verify(root).ok


def test_a_bucket_is_verified_and_what_is_discarded_is_made_again(bucket):
    plan = one_array(count=8)
    place = open_place(bucket.address, bucket.options)
    go_on(place, plan)
    before = contents(place, plan)
    name = f"{FMRI}/responses/c/0/0"
    flipped(place, name)
    found = verify(bucket.address, bucket.options, discard_damaged=True)
    assert [problem.place for problem in found.problems] == [name] and found.discarded == 1
    assert go_on(place, plan) == [plan.block(0, 0)]
    assert contents(place, plan) == before
    assert verify(bucket.address, bucket.options).ok
    with pytest.raises(UnreachableError, match="no-such-bucket"):
        verify(
            "s3://no-such-bucket-here/store",
            {**bucket.options, "client_kwargs": {"endpoint_url": "http://127.0.0.1:9"}},
        )


def test_what_is_no_store_is_said(tmp_path):
    with pytest.raises(MissingFileError, match="nothing at this place"):
        verify(tmp_path / "nowhere")
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(InputValueError, match="neither generated responses nor models"):
        verify(tmp_path)
    assert not (tmp_path / "nowhere").exists()
