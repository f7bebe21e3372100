"""What is recorded is durable and whole, whatever ends a run, and when."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import pickle
import random
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from braincodec import open_store
from braincodec.errors import DamagedFileError, InputValueError, OutputError, UnreachableError
from braincodec.synthesis.storage.completion import finish_store, read_completion
from braincodec.synthesis.storage.place import open_place
from braincodec.synthesis.storage.records import (
    discard_blocks,
    finished_blocks,
    parse_record,
    record_name,
    write_block,
)
from braincodec.synthesis.storage.stored_plan import job_folder
from braincodec.synthesis.verifying.store import verify

from .object_store import bucket, s3_server
from .small_synthesis import begin, computed, contents, go_on, one_array, small_plan, stimulus_ids, values_of

__all__ = ["bucket", "s3_server"]
# of a whole small synthesis, about so many times something is written, named, removed or waited for
ACTS = 900


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Files of a synthesis that nothing happened to."""
    plan, place = small_plan(), open_place(tmp_path_factory.mktemp("undisturbed"))
    go_on(place, plan)
    return contents(place, plan)


class Stopper:
    """Counts what is done to the file system, and does something else at one of these times."""

    def __init__(self, at, act):
        self.at, self.act, self.count = at, act, 0

    def __enter__(self):
        self.before = {(owner, name): getattr(owner, name) for owner, name in self.WATCHED}
        for (owner, name), original in self.before.items():
            setattr(owner, name, self._watched(original))
        return self

    def __exit__(self, *_):
        for (owner, name), original in self.before.items():
            setattr(owner, name, original)

    WATCHED = ((os, "fsync"), (Path, "replace"), (Path, "unlink"), (Path, "mkdir"), (Path, "open"))

    def _watched(self, original):
        def call(*arguments, **named):
            self._tick()
            result = original(*arguments, **named)
            self._tick()
            return result

        return call

    def _tick(self):
        self.count += 1
        if self.count == self.at:
            self.act()


def in_child(work):
    """Run `work` in a process of its own; returns the number of the signal that ended it."""
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            signal.alarm(60)
            work()
            os._exit(0)
        os._exit(1)
    _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else -os.WEXITSTATUS(status)


def kill_at(place, plan, act):
    def work():
        with Stopper(act, lambda: os.kill(os.getpid(), signal.SIGKILL)):
            go_on(place, plan)

    return in_child(work)


def check_goes_on(place, plan, undisturbed):
    """Resumed, the store is that of a run that nothing happened to, and no recorded block was computed again."""
    kept = set(finished_blocks(place, plan))
    listed = list(place.local.rglob("subject-*.zarr/zarr.json"))
    assert not listed or len(kept) == len(list(plan.blocks()))
    again = go_on(place, plan)
    assert set(again) == set(plan.blocks()) - kept
    assert contents(place, plan) == undisturbed
    assert not list(place.local.rglob(".unfinished-*"))
    assert verify(place.address).ok


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("seed", [*range(6), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(6, 20))])
def test_killed_at_any_moment_the_store_ends_as_if_nothing_had_happened(tmp_path, undisturbed, seed):
    plan, place = small_plan(), open_place(tmp_path)
    ended = kill_at(place, plan, random.Random(seed).randrange(1, ACTS))
    assert ended == signal.SIGKILL
    check_goes_on(place, plan, undisturbed)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_killed_at_each_moment_and_again_and_again_on_the_way(tmp_path, undisturbed):
    for act in range(1, ACTS, 20):
        plan, place = small_plan(), open_place(tmp_path / str(act))
        assert kill_at(place, plan, act) == signal.SIGKILL
        kill_at(place, plan, act // 2 + 20)
        check_goes_on(place, plan, undisturbed)


@pytest.mark.parametrize("seed", range(5))
def test_a_disk_that_fails_at_any_moment_is_an_error_and_loses_nothing(tmp_path, undisturbed, seed):
    plan, place = small_plan(), open_place(tmp_path)

    def fail():
        raise OSError(errno.ENOSPC, "No space left on device")

    act = random.Random(seed).randrange(1, ACTS)
    with Stopper(act, fail), contextlib.suppress(OutputError, UnreachableError):
        go_on(place, plan)
    check_goes_on(place, plan, undisturbed)


def test_a_full_disk_keeps_what_is_recorded_and_goes_on_when_there_is_room(small_disk, tmp_path):
    plan = small_plan(count=400, block=40, voxels=1500)  # 5 MB
    other = open_place(tmp_path / "other")
    go_on(other, plan)
    place = open_place(small_disk)
    begin(place, plan)
    with pytest.raises(OutputError, match=r"cannot write .*No space left on device \(.* MB free on that disk\)"):
        for block in plan.blocks():
            write_block(place, plan, block, computed(plan, block))
    kept = finished_blocks(place, plan)
    assert 3 <= len(kept) < 10
    assert not list(small_disk.rglob(".unfinished-*"))
    subprocess.run(["mount", "-o", "remount,size=30m", str(small_disk)], check=True)
    assert set(go_on(place, plan)) == set(plan.blocks()) - set(kept)
    assert contents(place, plan) == contents(other, plan)


def test_a_record_is_written_after_its_data_and_taken_away_before_they_change(tmp_path, monkeypatch):
    plan, place = small_plan(), open_place(tmp_path)
    begin(place, plan)
    block = plan.block(0, 1)
    acts = []
    write_many, remove = place.write_many, place.remove
    monkeypatch.setattr(
        place, "write_many", lambda files: (acts.extend(("write", name) for name in files), write_many(files))
    )
    monkeypatch.setattr(place, "remove", lambda name: (acts.append(("remove", name)), remove(name)))
    record = write_block(place, plan, block, computed(plan, block))
    written = [*(("write", name) for name in record.files), ("write", record_name(plan, block))]
    assert acts == written
    acts.clear()
    write_block(place, plan, block, computed(plan, block, bad=(9,)))
    assert acts == [("remove", record_name(plan, block)), *written]


def test_a_stimulus_that_was_repaired_is_not_left_marked_when_its_block_is_made_again(tmp_path):
    plan, place = small_plan(), open_place(tmp_path)
    go_on(place, plan, bad=(3,))
    assert [item.id for item in read_completion(place, plan).skipped] == ["picture 0003"]
    marked = [block for block, record in finished_blocks(place, plan).items() if record.bad]
    discard_blocks(place, plan, marked)
    assert read_completion(place, plan) is None
    assert not list(tmp_path.rglob("subject-*.zarr/zarr.json"))
    assert go_on(place, plan) == marked
    clean = open_place(tmp_path / "clean")
    go_on(clean, plan)
    own = {name: content for name, content in contents(place, plan).items() if not name.startswith("clean")}
    assert own == contents(clean, plan)


def test_a_block_whose_file_is_missing_or_short_is_not_finished(tmp_path):
    plan, place = small_plan(), open_place(tmp_path)
    go_on(place, plan)
    first, second = plan.block(0, 0), plan.block(1, 1)
    place.remove(next(iter(finished_blocks(place, plan)[first].files)))
    name = next(iter(finished_blocks(place, plan)[second].files))
    place.write(name, place.read(name)[:-1])
    assert set(plan.blocks()) - set(finished_blocks(place, plan)) == {first, second}


def test_a_store_is_not_finished_without_all_blocks_ids_and_labels(tmp_path):
    plan, place = small_plan(), open_place(tmp_path)
    begin(place, plan)
    records = {}
    with pytest.raises(InputValueError, match="5 of 5 blocks are not finished"):
        finish_store(place, plan, stimulus_ids(20), records)
    for block in plan.blocks():
        records[block] = write_block(place, plan, block, computed(plan, block))
    with pytest.raises(InputValueError, match="19 ids for 20 stimuli"):
        finish_store(place, plan, stimulus_ids(19), records)
    with pytest.raises(InputValueError, match="not those that the plan was made for"):
        finish_store(place, plan, stimulus_ids(21)[1:], records)
    place.remove(f"{plan.outputs[0].place}/k")
    with pytest.raises(DamagedFileError, match="labels of units"):
        finish_store(place, plan, stimulus_ids(20), records)
    assert read_completion(place, plan) is None


def test_a_finished_store_holds_nothing_that_killed_workers_left(tmp_path):
    plan, place = small_plan(), open_place(tmp_path)
    begin(place, plan)
    records = {block: write_block(place, plan, block, computed(plan, block)) for block in plan.blocks()}
    group = tmp_path / plan.outputs[0].place
    for folder in (group / "responses", group.parent, tmp_path / job_folder(plan) / "blocks"):
        (folder / ".unfinished-0123456789ab").touch()
    finish_store(place, plan, stimulus_ids(plan.request.count), records)
    assert not list(tmp_path.rglob(".unfinished-*"))


def test_what_does_not_fit_the_block_is_refused_before_anything_is_written(tmp_path):
    plan, place = small_plan(), open_place(tmp_path)
    block = plan.block(0, 0)
    whole = computed(plan, block)
    changed = {
        "values of 1": {"values": whole.values[:1]},
        "7 digests for the 8": {"digests": whole.digests[1:]},
        "is no digest": {"digests": ["nothing"] * 8},
        "not those that could not be read": {"digests": ["-" * 16, *whole.digests[1:]]},
        "rounding of 1 outputs": {"rounding": computed(small_plan(stored_dtype="float16"), block).rounding[:1]},
    }
    for words, change in changed.items():
        with pytest.raises(InputValueError, match=words):
            write_block(place, plan, block, type(whole)(**{**vars(whole), **change}))
    assert list(place.walk()) == []


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A plan, one of its blocks, and the content of its record."""
    plan, place = small_plan(), open_place(tmp_path_factory.mktemp("recorded"))
    begin(place, plan)
    block = plan.block(0, 1)
    write_block(place, plan, block, computed(plan, block, bad=(9,)))
    return plan, block, place.read(record_name(plan, block))


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_a_record_that_is_cut_short_is_never_one(recorded, data):
    plan, block, content = recorded
    at = data.draw(st.integers(0, len(content) - 2))
    with pytest.raises(DamagedFileError, match=r"000001\.json"):
        parse_record(content[:at] + data.draw(st.sampled_from([b"", b"}", b"\0" * 20, b"\xff"])), plan, block)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_a_record_that_says_something_else_is_never_taken_for_the_block(recorded, data):
    plan, block, content = recorded
    values = json.loads(content)
    key = data.draw(
        st.sampled_from(["format", "pass_name", "number", "begin", "end", "digests", "bad", "files", "new"])
    )
    value = data.draw(json_values)
    if values.get(key) == value:
        return
    values[key] = value
    with contextlib.suppress(DamagedFileError):
        read = parse_record(json.dumps(values).encode(), plan, block)
        # what is taken means the same: 1.0 for 1, "1" for 1
        assert read.model_dump(exclude={"seconds"}) == parse_record(content, plan, block).model_dump(
            exclude={"seconds"}
        )


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_other_content_counts_as_no_record(recorded, content):
    plan, block, _ = recorded
    with pytest.raises(DamagedFileError):
        parse_record(content, plan, block)


def test_records_of_other_blocks_versions_and_files_are_no_records(recorded, tmp_path):
    plan, block, content = recorded
    with pytest.raises(DamagedFileError, match=r"000000\.json"):
        parse_record(content, plan, plan.block(0, 0))
    for change in ({"format": 2}, {"files": {"../../etc/passwd": {"bytes": 1, "sha256": ""}}}, {"number": 2}):
        with pytest.raises(DamagedFileError):
            parse_record(json.dumps(json.loads(content) | change).encode(), plan, block)
    place = open_place(tmp_path)
    begin(place, plan)
    place.write(record_name(plan, block), content)  # a record without its data
    place.write(f"{record_name(plan, block)[:-11]}junk.json", b"{}")
    place.write(f"{record_name(plan, block)[:-11]}000099.json", content)
    assert finished_blocks(place, plan) == {}


def test_a_bucket_is_written_like_a_folder(bucket, tmp_path):
    plan = one_array()
    place, folder = open_place(bucket.address, bucket.options), open_place(tmp_path)
    begin(place, plan)
    write_block(place, plan, plan.block(0, 1), computed(plan, plan.block(0, 1)))
    again = open_place(bucket.address, bucket.options)
    assert go_on(again, plan) == [plan.block(0, 0), plan.block(0, 2)]
    go_on(folder, plan)
    assert contents(again, plan) == contents(folder, plan)
    stored = open_store(bucket.address, **bucket.options).responses("fmri", stimuli="pictures", roi="V1")
    np.testing.assert_array_equal(stored[9].values, values_of(plan, plan.outputs[0], 9, 10)[0])


def test_digests_of_records_from_workers_are_held_once(tmp_path):
    place, plan = open_place(tmp_path), one_array()
    begin(place, plan)
    block = plan.block(0, 0)
    record = write_block(place, plan, block, computed(plan, block))
    sent = [pickle.loads(pickle.dumps(record)) for _ in range(2)]
    assert sent == [record, record] and sent[0].digests[3] is sent[1].digests[3]
