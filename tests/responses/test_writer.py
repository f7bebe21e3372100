"""Streaming: any batches give the same file, an interrupted run goes on, another plan is refused."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from braincodec.errors import InputTypeError, InputValueError, OutputError, UnknownNameError
from braincodec.responses import ResponseWriter, build_responses, open_responses

PLAN = {"model": "test", "stimuli": "abc"}
SUFFIXES = [".zarr", ".nc", ".h5", ".npy", ".npz", ".nii.gz"]


@dataclass
class Bad:
    position: int
    id: str
    reason: str


@pytest.fixture
def small_shards(monkeypatch):
    """Shards of 128 stimuli for 12 voxels, so that a few hundred stimuli fill several."""
    monkeypatch.setattr("braincodec.responses.formats.layout.SHARD_BYTES", 128 * 12 * 4)


@pytest.fixture
def whole(volume_units):
    values = np.random.default_rng(5).standard_normal((300, 12)).astype(np.float32)
    return build_responses(values, [f"image-{n}" for n in range(300)], volume_units)


def put(writer, whole, start, stop):
    writer.write(whole.values[start:stop], whole.stimulus.values[start:stop], next_position=stop)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_streamed_file_equals_the_whole(suffix, whole, small_shards, tmp_path):
    if suffix == ".nii.gz":
        pytest.importorskip("nibabel")
    path = tmp_path / f"out{suffix}"
    with ResponseWriter(path, whole[:0], plan=PLAN) as writer:
        for start in range(0, 300, 70):
            put(writer, whole, start, min(start + 70, 300))
            assert not path.exists()
        responses = writer.commit()
    assert np.array_equal(responses, whole)
    assert responses.dtype == np.float32
    if suffix not in (".npy", ".nii.gz"):
        xr.testing.assert_identical(responses.load(), whole)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 200), min_size=1, max_size=6), st.integers(0, 5))
def test_any_batches_and_any_interruption_give_the_same_rows(tmp_path_factory, sizes, stop_after):
    folder = tmp_path_factory.mktemp("batches")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("braincodec.responses.formats.layout.SHARD_BYTES", 128 * 3 * 4)
        ends = np.cumsum(sizes)
        whole = build_responses(np.random.default_rng(0).standard_normal((ends[-1], 3)).astype("f4"), range(ends[-1]))
        with ResponseWriter(folder / "out.zarr", whole[:0], plan=PLAN) as writer:
            for start, stop in list(zip([0, *ends], ends, strict=False))[:stop_after]:
                put(writer, whole, start, stop)
        with ResponseWriter(folder / "out.zarr", whole[:0], plan=PLAN) as writer:
            assert writer.rows == writer.next_position == ([0, *ends][min(stop_after, len(ends))])
            for start, stop in zip([0, *ends], ends, strict=False):
                if start >= writer.next_position:
                    put(writer, whole, start, stop)
            xr.testing.assert_identical(writer.commit().load(), whole)


def test_interrupted_run_leaves_only_the_folder_to_resume(whole, small_shards, tmp_path):
    path = tmp_path / "out.nc"
    with pytest.raises(KeyboardInterrupt), ResponseWriter(path, whole[:0], plan=PLAN) as writer:
        put(writer, whole, 0, 200)
        raise KeyboardInterrupt
    assert [p.name for p in tmp_path.iterdir()] == [".out.nc.partial"]
    state = json.loads((tmp_path / ".out.nc.partial" / "state.json").read_text())
    assert (state["progress"]["rows"], state["progress"]["next_position"], state["plan"]) == (200, 200, PLAN)
    with ResponseWriter(path, whole[:0], plan=PLAN) as writer:
        assert (writer.rows, writer.next_position) == (200, 200)
        put(writer, whole, 200, 300)
        xr.testing.assert_identical(writer.commit().load(), whole)
    assert [p.name for p in tmp_path.iterdir()] == ["out.nc"]


def test_run_that_wrote_nothing_leaves_nothing(whole, tmp_path):
    with pytest.raises(ZeroDivisionError), ResponseWriter(tmp_path / "out.zarr", whole[:0], plan=PLAN):
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())


def test_bytes_do_not_depend_on_interruption(whole, small_shards, tmp_path):
    for name, stops in (("one.zarr", [300]), ("two.zarr", [77, 210, 300])):
        start = 0
        for stop in stops:
            with ResponseWriter(tmp_path / name, whole[:0], plan=PLAN) as writer:
                put(writer, whole, start, stop)
                start = stop
                if stop == 300:
                    writer.commit()
    files = [sorted(p for p in (tmp_path / name).rglob("*") if p.is_file()) for name in ("one.zarr", "two.zarr")]
    assert [p.relative_to(tmp_path / "one.zarr") for p in files[0]] == [
        p.relative_to(tmp_path / "two.zarr") for p in files[1]
    ]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(*files, strict=True))


def test_commit_that_was_interrupted_can_be_repeated(whole, small_shards, tmp_path, monkeypatch):
    path = tmp_path / "out.zarr"
    with monkeypatch.context() as patch:
        patch.setattr("braincodec.responses.writer.replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt), ResponseWriter(path, whole[:0], plan=PLAN) as writer:
            put(writer, whole, 0, 290)
            writer.commit()
    with ResponseWriter(path, whole[:0], plan=PLAN) as writer:
        assert writer.rows == 290
        put(writer, whole, 290, 300)
        xr.testing.assert_identical(writer.commit().load(), whole)


def test_left_out_stimuli_are_reported_across_runs(whole, tmp_path):
    path = tmp_path / "out.zarr"
    with ResponseWriter(path, whole[:0], plan=PLAN) as writer:
        writer.write(whole.values[:2], ["x", "y"], next_position=3, bad=[Bad(1, "broken", "truncated")])
    with ResponseWriter(path, whole[:0], plan=PLAN) as writer:
        assert (writer.rows, writer.next_position) == (2, 3)
        writer.write(np.empty((0, 12)), [], next_position=5, bad=[Bad(3, "n3", "r" * 40_000), Bad(4, "n4", "empty")])
        assert [item["position"] for item in writer.bad] == [1, 3, 4]
        responses = writer.commit()
    assert json.loads(responses.attrs["skipped"]) == {"broken": "truncated"}
    assert responses.attrs["skipped_count"] == 3


def test_another_plan_is_refused_unless_it_may_discard(whole, tmp_path):
    path = tmp_path / "out.zarr"
    with ResponseWriter(path, whole[:0], plan=PLAN) as writer:
        put(writer, whole, 0, 5)
    other = {**PLAN, "model": "better"}
    with pytest.raises(InputValueError, match=r"model was 'test', now 'better'.*overwrite=True"):
        ResponseWriter(path, whole[:0], plan=other)
    with pytest.raises(InputValueError, match="units or dimensions differ"):
        ResponseWriter(path, whole[:0, :5], plan=PLAN)
    with ResponseWriter(path, whole[:0], plan=PLAN, overwrite=True) as writer:
        assert writer.rows == 5
    with ResponseWriter(path, whole[:0], plan=other, overwrite=True) as writer:
        assert writer.rows == 0
        put(writer, whole, 0, 300)
        xr.testing.assert_identical(writer.commit().load(), whole)


def test_existing_file_is_replaced_only_when_asked_and_only_at_the_end(whole, tmp_path):
    path = whole[:2].bc.to_zarr(tmp_path / "out.zarr")
    with pytest.raises(OutputError, match="exists"):
        ResponseWriter(path, whole[:0], plan=PLAN)
    with ResponseWriter(path, whole[:0], plan=PLAN, overwrite=True) as writer:
        put(writer, whole, 0, 3)
        assert open_responses(path).sizes["stimulus"] == 2
        writer.commit()
    assert open_responses(path).sizes["stimulus"] == 3


def test_what_cannot_be_written_is_refused_before_any_work(whole, surface, sensor, tmp_path):
    pytest.importorskip("nibabel")
    for template in (surface[:0], sensor[:0], whole.drop_attrs()[:0]):
        with pytest.raises(InputValueError, match=r"NIfTI|affine"):
            ResponseWriter(tmp_path / "out.nii.gz", template, plan=PLAN)
    with pytest.raises(UnknownNameError, match=r"available: .h5, .nc, .nii.gz, .npy, .npz, .zarr"):
        ResponseWriter(tmp_path / "out.csv", whole[:0], plan=PLAN)
    with pytest.raises(InputTypeError, match="JSON"):
        ResponseWriter(tmp_path / "out.zarr", whole[:0], plan={"model": object()})
    with pytest.raises(InputValueError, match="no stimuli"):
        ResponseWriter(tmp_path / "out.zarr", whole, plan=PLAN)
    with pytest.raises(OutputError, match="are needed"):
        ResponseWriter(tmp_path / "out.zarr", whole[:0], plan=PLAN, expected_stimuli=10**15).__enter__()
    assert not list(tmp_path.iterdir())


def test_wrong_blocks_are_refused_and_do_no_harm(whole, tmp_path):
    with ResponseWriter(tmp_path / "out.zarr", whole[:0], plan=PLAN) as writer:
        put(writer, whole, 0, 2)
        with pytest.raises(InputValueError, match=r"expected \(stimuli, 12\)"):
            writer.write(np.zeros((2, 11)), ["x", "y"], 4)
        with pytest.raises(InputValueError, match="1 ids for 2 rows"):
            writer.write(np.zeros((2, 12)), ["x"], 4)
        with pytest.raises(InputValueError, match="'image-1' was written before"):
            writer.write(np.zeros((1, 12)), ["image-1"], 4)
        with pytest.raises(InputValueError, match="'x' occurs 2 times"):
            writer.write(np.zeros((2, 12)), ["x", "x"], 4)
        with pytest.raises(InputValueError, match="lies before"):
            writer.write(np.zeros((1, 12)), ["x"], 1)
        put(writer, whole, 2, 300)
        xr.testing.assert_identical(writer.commit().load(), whole)


def test_block_may_be_reused_by_the_caller(whole, tmp_path):
    block = np.empty((100, 12), np.float32)
    with ResponseWriter(tmp_path / "out.zarr", whole[:0], plan=PLAN) as writer:
        for start in range(0, 300, 100):
            block[:] = whole.values[start : start + 100]
            writer.write(block, whole.stimulus.values[start : start + 100], start + 100)
        assert np.array_equal(writer.commit(), whole)


def test_two_processes_cannot_write_one_file(whole, tmp_path):
    pytest.importorskip("fcntl")
    path = tmp_path / "out.zarr"
    with ResponseWriter(path, whole[:0], plan=PLAN) as writer:
        with pytest.raises(OutputError, match="another process"), ResponseWriter(path, whole[:0], plan=PLAN):
            pass
        put(writer, whole, 0, 300)
        assert writer.commit().sizes["stimulus"] == 300


def test_sensor_responses_stream_too(sensor, tmp_path):
    with ResponseWriter(tmp_path / "out.zarr", sensor[:0], plan=PLAN) as writer:
        for number in range(2):
            writer.write(sensor.values[number : number + 1], [sensor.stimulus.values[number]], number + 1)
        xr.testing.assert_identical(writer.commit().load(), sensor)


def test_damaged_state_means_a_fresh_start(whole, tmp_path):
    path = tmp_path / "out.zarr"
    with ResponseWriter(path, whole[:0], plan=PLAN) as writer:
        put(writer, whole, 0, 5)
    (tmp_path / ".out.zarr.partial" / "state.json").write_text("{")
    with ResponseWriter(path, whole[:0], plan=PLAN) as writer:
        assert writer.rows == 0
        put(writer, whole, 0, 300)
        xr.testing.assert_identical(writer.commit().load(), whole)


def test_rows_may_hold_nan(tmp_path):
    values = np.full((2, 3), np.nan, np.float32)
    template = build_responses(values[:0], [])
    with ResponseWriter(tmp_path / "out.zarr", template, plan=PLAN) as writer:
        writer.write(values, ["a", "b"], 2)
        assert np.isnan(writer.commit().values).all()
