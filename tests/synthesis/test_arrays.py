"""Blocks of responses as files, and the groups they belong to."""

from __future__ import annotations

import json

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from braincodec import open_store
from braincodec.errors import DamagedFileError, InputTypeError, InputValueError
from braincodec.synthesis.plan import Block
from braincodec.synthesis.storage.arrays import create_groups, read_groups
from braincodec.synthesis.storage.place import open_place
from braincodec.synthesis.storage.shards import block_files, decode_block, encode_block
from braincodec.synthesis.storage.stored_plan import write_plan

from .small_synthesis import computed, go_on, small_plan, templates, values_of

LAYOUTS = ("default", "fast")


@settings(max_examples=30, deadline=None)
@given(
    count=st.integers(1, 40),
    tiles=st.integers(1, 4),
    voxels=st.integers(1, 700),
    dtype=st.sampled_from(["float32", "float16"]),
    layout=st.sampled_from(LAYOUTS),
)
def test_values_come_back_bit_for_bit_from_exactly_the_files_of_their_block(count, tiles, voxels, dtype, layout):
    plan = small_plan(count, block=4 * tiles, voxels=voxels, stored_dtype=dtype, layout=layout)
    seen = set()
    for block in plan.blocks():
        one = plan.passes[block.pass_number]
        for output in one.outputs:
            values = np.random.default_rng(count).standard_normal((len(block), *output.shape)).astype(dtype)
            values[0] = np.nan
            files = encode_block(output, plan, one, block, values)
            names = block_files(output, plan, one, block)
            assert list(files) == names
            assert not seen & {(output.place, name) for name in names}  # no file belongs to two blocks
            seen |= {(output.place, name) for name in names}
            if layout == "default":
                assert len(names) == 1
            back = decode_block(output, plan, one, block, files)
            assert back.dtype == dtype and back.tobytes() == values.tobytes()
            assert encode_block(output, plan, one, block, values) == files


def test_the_beginning_of_a_block_is_encoded_too():
    plan = small_plan(20, block=8)
    output, part = plan.outputs[0], Block(0, 0, 0, 4)
    values = values_of(plan, output, 0, 4)
    files = encode_block(output, plan, plan.passes[0], part, values)
    np.testing.assert_array_equal(decode_block(output, plan, plan.passes[0], part, files), values)


def test_values_of_another_shape_or_dtype_are_refused():
    plan = small_plan(20, block=8)
    output, one, block = plan.outputs[0], plan.passes[0], plan.block(0, 0)
    with pytest.raises(InputTypeError, match="holds float32, the values are float64"):
        encode_block(output, plan, one, block, np.zeros((8, 5)))
    with pytest.raises(InputValueError, match=r"has shape \(8, 5\), the values have \(8, 6\)"):
        encode_block(output, plan, one, block, np.zeros((8, 6), np.float32))


@settings(max_examples=50, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), cut=st.booleans())
def test_damaged_bytes_never_come_back_as_an_error_that_is_not_ours(place, cut):
    plan = small_plan(8, block=8)
    output, one, block = plan.outputs[0], plan.passes[0], plan.block(0, 0)
    ((name, content),) = encode_block(output, plan, one, block, values_of(plan, output, 0, 8)).items()
    at = int(place * len(content))
    damaged = content[:at] if cut else content[:at] + bytes([content[at] ^ 255]) + content[at + 1 :]
    try:
        decode_block(output, plan, one, block, {name: damaged})
    except DamagedFileError as error:
        assert "stimuli 0 to 7 of generated_responses/fmri" in str(error)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_nothing_is_listed_before_the_end_and_everything_after_it(tmp_path, layout):
    plan = small_plan(layout=layout)
    place = open_place(tmp_path)
    write_plan(place, plan)
    create_groups(place, plan, templates(plan))
    assert not list(tmp_path.rglob("subject-*.zarr/zarr.json"))
    assert go_on(place, plan) == list(plan.blocks())
    for output in plan.outputs:
        stored = open_store(tmp_path).responses(
            output.model, stimuli="pictures", subject=output.subject, roi=output.roi
        )
        np.testing.assert_array_equal(stored.values, values_of(plan, output, 0, 20))
        labels = templates(plan)[output.place]
        assert stored.dims == labels.dims and stored.attrs == labels.attrs
        for name in set(labels.coords) - {"stimulus"}:
            np.testing.assert_array_equal(stored[name].values, labels[name].values)
    group = zarr.open_group(tmp_path / plan.outputs[0].place, mode="r")
    assert group.metadata.consolidated_metadata is not None


def test_labels_are_written_once_and_again_where_one_is_damaged(tmp_path):
    plan = small_plan()
    place = open_place(tmp_path)
    create_groups(place, plan, templates(plan))
    before = {file.name: place.read(file.name) for file in place.walk()}
    create_groups(place, plan, {})  # whole: no labels are asked for
    damaged = f"{plan.outputs[0].place}/k/c/0"
    place.write(damaged, b"not labels")
    assert read_groups(place, plan) is None
    create_groups(place, plan, templates(plan))
    assert {file.name: place.read(file.name) for file in place.walk()} == before


def test_arrays_that_were_cut_in_another_way_are_not_gone_on_with(tmp_path):
    plan = small_plan()
    place = open_place(tmp_path)
    create_groups(place, plan, templates(plan))
    name = f"{plan.outputs[1].place}/responses/zarr.json"
    metadata = json.loads(place.read(name))
    metadata["chunk_grid"]["configuration"]["chunk_shape"][0] *= 2
    place.write(name, json.dumps(metadata).encode())
    with pytest.raises(InputValueError, match=r"laid out in another way, by braincodec 0\.1: .*--overwrite"):
        create_groups(place, plan, templates(plan))


def test_labels_of_other_units_are_refused(tmp_path):
    plan = small_plan()
    wrong = templates(small_plan(voxels=9))
    with pytest.raises(InputValueError, match=r"planned as \{'unit': 5\}, its labels are for \{'unit': 9\}"):
        create_groups(open_place(tmp_path), plan, wrong)


def test_float16_says_what_rounding_changed(tmp_path):
    plan = small_plan(stored_dtype="float16")
    go_on(open_place(tmp_path), plan)
    stored = open_store(tmp_path).responses("fmri", stimuli="pictures", subject=1, roi="V1")
    exact = values_of(plan, plan.outputs[0], 0, 20)
    error = stored.values.astype(np.float64) - exact
    assert stored.attrs["float16_largest_error"] == pytest.approx(np.abs(error).max())
    assert stored.attrs["float16_relative_error"] == pytest.approx(np.sqrt((error**2).mean()) / exact.std(), rel=1e-5)
    assert 0 < stored.attrs["float16_relative_error"] < 1e-3


def test_stimuli_that_could_not_be_read_are_rows_of_nan_with_their_reason(tmp_path):
    plan = small_plan()
    go_on(open_place(tmp_path), plan, bad=(3, 19))
    stored = open_store(tmp_path).responses("eeg", stimuli="pictures", subject=2)
    assert np.isnan(stored.values).all(axis=(1, 2, 3)).nonzero()[0].tolist() == [3, 19]
    assert json.loads(stored.attrs["skipped"]) == dict.fromkeys(["picture 0003", "picture 0019"], "not an image")
    assert stored.attrs["skipped_count"] == 2
    assert computed(plan, plan.block(0, 0), (3,)).bad[0].position == 3
