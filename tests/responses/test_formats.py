"""Every file that is written is read back the same."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import xarray as xr
import zarr

from braincodec.errors import DamagedFileError, InputValueError, MissingFileError, OutputError, UnknownNameError
from braincodec.responses import build_responses, open_responses
from braincodec.responses.formats import format_of, labels, row_blocks, suffix_of
from braincodec.responses.formats.layout import array_options, chunk_shape, shard_shape, zarr_chunk_shape

LABELLED = [".zarr", ".nc", ".h5", ".npz"]


@pytest.mark.parametrize("suffix", LABELLED)
@pytest.mark.parametrize("kind", ["volume", "surface", "sensor"])
def test_labelled_file_reads_back_identical(kind, suffix, request, tmp_path):
    responses = request.getfixturevalue(kind)
    again = open_responses(responses.bc.save(tmp_path / f"out{suffix}"))
    xr.testing.assert_identical(again.load(), responses)
    assert again.dtype == np.float32
    assert [p.name for p in tmp_path.iterdir()] == [f"out{suffix}"]


@pytest.mark.parametrize("suffix", [".zarr", ".nc"])
def test_file_written_from_a_lazy_file_is_the_same(suffix, volume, tmp_path):
    lazy = open_responses(volume.bc.to_zarr(tmp_path / "first.zarr"))
    part = lazy.bc.select(roi="V1")
    again = open_responses(part.bc.save(tmp_path / f"second{suffix}"))
    xr.testing.assert_identical(again.load(), volume.bc.select(roi="V1"))


@pytest.mark.parametrize(("suffix", "engine"), [(".zarr", "zarr"), (".nc", "h5netcdf")])
def test_plain_xarray_opens_the_file_with_its_labels(suffix, engine, volume, tmp_path):
    path = volume.bc.save(tmp_path / f"out{suffix}")
    with xr.open_dataset(path, engine=engine) as dataset:
        assert {"i", "j", "k", "ncsnr", "model_roi", "subject"} <= set(dataset.responses.coords)
        assert dataset.roi_membership.dims == ("unit", "roi")
        assert dataset.roi_membership.dtype == bool
        assert dataset.responses.sel(stimulus="c").values.tolist() == volume.sel(stimulus="c").values.tolist()


def test_h5_is_plain_hdf5(volume, tmp_path):
    with h5py.File(volume.bc.save(tmp_path / "out.h5")) as file:
        assert np.array_equal(file["responses"][:], volume.values)
        assert [name.decode() for name in file["stimulus"][:]] == ["a", "ü b", "c"]
        assert np.array_equal(file["roi_membership"][:].astype(bool), volume.bc.roi_membership.values)


def test_npy_holds_the_bare_values_and_is_mapped(sensor, volume, tmp_path):
    path = sensor.bc.save(tmp_path / "out.npy")
    assert np.array_equal(np.load(path), sensor.values)
    again = open_responses(path)
    assert again.dims == ("stimulus", "repetition", "channel", "time")
    assert again.stimulus.values.tolist() == ["0", "1"]
    assert open_responses(volume.bc.save(tmp_path / "v.npy")).dims == ("stimulus", "unit")
    assert not again.values.flags.owndata


def test_npz_is_read_by_numpy_without_pickle(volume, tmp_path):
    with np.load(volume.bc.save(tmp_path / "out.npz"), allow_pickle=False) as archive:
        assert np.array_equal(archive["responses"], volume.values)
        assert archive["stimulus"].tolist() == ["a", "ü b", "c"]
        assert np.array_equal(archive["i"], volume.i)


@pytest.mark.parametrize("suffix", [".zarr", ".nc"])
def test_values_are_read_only_when_used(suffix, volume, tmp_path, monkeypatch):
    wide = xr.concat([volume] * 1, "stimulus")
    again = open_responses(wide.bc.save(tmp_path / f"out{suffix}"))
    assert not again._in_memory
    assert not again[:, 2:4]._in_memory
    assert np.array_equal(again[1:, 2:4], volume[1:, 2:4])
    assert not again._in_memory


@pytest.mark.parametrize("suffix", LABELLED)
def test_no_stimuli_and_no_labels_survive(suffix, volume, tmp_path):
    assert open_responses(volume[:0].bc.save(tmp_path / f"none{suffix}")).shape == (0, 12)
    bare = build_responses(np.arange(6.0).reshape(2, 3), ["a", "b"])
    xr.testing.assert_identical(open_responses(bare.bc.save(tmp_path / f"bare{suffix}")).load(), bare)


def test_many_shards_hold_every_row(tmp_path, monkeypatch):
    monkeypatch.setattr("braincodec.responses.formats.layout.SHARD_BYTES", 2**13)
    monkeypatch.setattr("braincodec.responses.formats.BLOCK_BYTES", 2**13)
    values = np.random.default_rng(0).standard_normal((301, 9)).astype(np.float32)
    responses = build_responses(values, range(301))
    path = responses.bc.to_zarr(tmp_path / "out.zarr")
    assert len(list((path / "responses" / "c").iterdir())) == 3
    lazy = open_responses(path)
    assert np.array_equal(lazy, values)
    assert np.array_equal(open_responses(lazy.bc.save(tmp_path / "out.npz")), values)
    assert np.array_equal(open_responses(lazy.bc.save(tmp_path / "out.nc")), values)
    assert [len(block) for block in row_blocks(lazy)] == [128, 128, 45]


def test_zarr_is_read_from_an_address(volume, tmp_path):
    path = volume.bc.to_zarr(tmp_path / "out.zarr")
    xr.testing.assert_identical(open_responses(f"file://{path}").load(), volume)


def test_existing_file_is_kept_unless_asked(volume, tmp_path):
    path = volume.bc.to_netcdf(tmp_path / "out.nc")
    with pytest.raises(OutputError, match="exists"):
        volume[:1].bc.to_netcdf(path)
    assert open_responses(path).sizes["stimulus"] == 3
    volume[:1].bc.to_netcdf(path, overwrite=True)
    assert open_responses(path).sizes["stimulus"] == 1


def test_unknown_suffix_names_the_valid_ones(volume, tmp_path):
    with pytest.raises(
        UnknownNameError, match=r"'.zar'.*did you mean '.zarr'.*available: .h5, .nc, .nii.gz, .npy, .npz, .zarr"
    ):
        volume.bc.save(tmp_path / "out.zar")
    with pytest.raises(UnknownNameError):
        suffix_of(".zarr")


def test_missing_foreign_and_damaged_files_are_told_apart(volume, tmp_path):
    with pytest.raises(MissingFileError, match="not found"):
        open_responses(tmp_path / "none.zarr")
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["other"] = np.zeros(3)
    with pytest.raises(DamagedFileError, match=r"no variable 'responses' \(it holds other\)"):
        open_responses(tmp_path / "foreign.h5")
    np.savez(tmp_path / "foreign.npz", other=np.zeros(3))
    with pytest.raises(DamagedFileError, match=r"not an \.npz file of responses"):
        open_responses(tmp_path / "foreign.npz")
    with pytest.raises(UnknownNameError):
        (tmp_path / "text.txt").write_text("text")
        open_responses(tmp_path / "text.txt")
    for suffix in [*LABELLED, ".npy"]:
        path = volume.bc.save(tmp_path / f"whole{suffix}")
        damaged = tmp_path / f"damaged{suffix}"
        if path.is_dir():
            damaged.mkdir()
            (damaged / "zarr.json").write_text("{")
        else:
            damaged.write_bytes(path.read_bytes()[:100])
        with pytest.raises(DamagedFileError):
            open_responses(damaged).load()


def test_pickled_values_are_refused(tmp_path):
    np.save(tmp_path / "objects.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DamagedFileError):
        open_responses(tmp_path / "objects.npy")
    np.savez(tmp_path / "objects.npz", responses=np.array([{"a": 1}], dtype=object))
    with pytest.raises(DamagedFileError):
        open_responses(tmp_path / "objects.npz")


def test_responses_must_begin_with_stimuli(volume, tmp_path):
    with pytest.raises(InputValueError, match="first dimension"):
        volume.T.bc.to_zarr(tmp_path / "out.zarr")
    assert not list(tmp_path.iterdir())


def test_failed_writing_leaves_nothing(volume, tmp_path, monkeypatch):
    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("braincodec.responses.formats.hdf5.row_blocks", fail)
    with pytest.raises(OutputError, match="No space left"):
        volume.bc.to_netcdf(tmp_path / "out.nc")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("block", [None, 1024, 1000, 64, 1])
@pytest.mark.parametrize("row_shape", [(1,), (7600,), (327_684,), (4, 17, 100), (2, 300_000), (0,), (20_000_000,)])
def test_chunks_divide_shards_and_both_stay_small(row_shape, block):
    shard = shard_shape(row_shape, 4, block)
    chunk = zarr_chunk_shape(row_shape, 4, shard[0])
    assert all(outer % inner == 0 for outer, inner in zip(shard, chunk, strict=True))
    assert np.prod(chunk) * 4 <= 800 * 2**10
    if block is None:
        assert np.prod(shard) * 4 <= max(34 * 2**20, 1.1 * np.prod(row_shape) * 4)
    else:
        assert shard[0] == block
    assert all(part <= 1.1 * size + 1 for part, size in zip(shard[1:], row_shape, strict=True))
    assert np.prod(chunk_shape(row_shape, 4)) * 4 <= 2**18


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("layout", ["default", "fast"])
def test_a_block_of_stimuli_is_whole_files_of_the_array(layout, dtype):
    options = array_options((1350,), dtype, ("stimulus", "unit"), layout=layout, block=1024)
    array = zarr.create_array(zarr.storage.MemoryStore(), shape=(3000, 1350), **options)
    assert 1024 % array.chunks[0] == 0
    assert (array.shards or (None,))[0] == (1024 if layout == "default" else None)
    assert bool(array.compressors) == (layout == "default")
    assert array.metadata.dimension_names == ("stimulus", "unit")
    assert np.isnan(array.fill_value)


def test_unknown_layout_names_those_that_are_known():
    with pytest.raises(UnknownNameError, match="available: default, fast"):
        array_options((3,), "float32", ("stimulus", "unit"), layout="quick")


def test_label_lookup_is_what_the_suffix_says():
    assert format_of("a.nc") is format_of("b.h5")
    assert labels.VARIABLE == "responses"
