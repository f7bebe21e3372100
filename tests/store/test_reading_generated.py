"""Reading generated responses of a native store: quickly, lazily, never unfinished ones."""

from __future__ import annotations

import shutil
import warnings

import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from braincodec import open_store
from braincodec.errors import MissingFileError, UnknownNameError
from braincodec.responses import build_responses, build_units, empty_responses, open_responses
from braincodec.responses.formats import zarr_store
from braincodec.responses.formats.zarr_reading import ZarrValues

MODEL, STIMULI, UNITS = "fmri-nsd-fwrf", 300, 40
PLACE = f"generated_responses/{MODEL}/stimuli-pictures"
VALUES = np.random.default_rng(0).standard_normal((STIMULI, UNITS)).astype(np.float32)


def units() -> xr.Dataset:
    inside = np.arange(UNITS)
    return build_units(
        ijk=np.stack([inside, inside, inside], 1),
        rois={"V1": inside < 25, "odd": inside % 2 == 1},
        subject=1,
        scores={"ncsnr": np.ones(UNITS, np.float32)},
    )


def write(folder, layout="default", dtype="float32", ids=None):
    """Blocks of 64 stimuli, as a synthesis writes them; the group."""
    group, template = folder / PLACE / "subject-01.zarr", empty_responses(units(), dtype)
    zarr_store.create(group, template, layout=layout, block=64)
    array = zarr_store.open_array(group)
    for start in range(0, STIMULI, 64):
        block = VALUES[start : start + 64].astype(dtype)
        array[start : start + len(block)] = block
    zarr_store.finish(group, template, ids or [f"picture {number}" for number in range(STIMULI)])
    return group


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("generated")
    write(root)
    return root


@pytest.fixture
def copy(root, tmp_path):
    return shutil.copytree(root, tmp_path / "copy")


def ask(store, **options):
    return store.responses(MODEL, stimuli="pictures", **options)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("layout", ["default", "fast"])
def test_whatever_is_asked_for_is_what_was_written(tmp_path, layout, dtype):
    write(tmp_path, layout, dtype)
    responses, expected = ask(open_store(tmp_path)), VALUES.astype(dtype)
    scattered = [200, 3, 65, 64]
    assert np.array_equal(responses[60:70], expected[60:70])
    assert np.array_equal(responses[scattered], expected[scattered])
    assert np.array_equal(responses[:, 10:30], expected[:, 10:30])
    assert np.array_equal(responses[:, [1, 30, 2]], expected[:, [1, 30, 2]])
    assert np.array_equal(responses[scattered, [1, 5, 9]], expected[scattered][:, [1, 5, 9]])
    assert np.array_equal(responses[::-7], expected[::-7])
    points = responses.isel(stimulus=xr.DataArray([0, 299], dims="z"), unit=xr.DataArray([3, 4], dims="z"))
    assert np.array_equal(points, expected[[0, 299], [3, 4]])
    assert np.array_equal(responses.sel(stimulus="picture 77"), expected[77])
    assert responses.dtype == dtype


def test_a_region_of_the_whole_array_is_its_units(root):
    store = open_store(root)
    assert np.array_equal(ask(store, roi="V1"), VALUES[:, :25])
    assert np.array_equal(ask(store, roi="odd"), VALUES[:, 1::2])
    with pytest.raises(UnknownNameError, match="available: V1, odd"):
        ask(store, roi="V7")


def test_neighbouring_units_of_a_region_are_read_as_one_piece(root, monkeypatch):
    pieces = []
    read = ZarrValues._box
    monkeypatch.setattr(ZarrValues, "_box", lambda self, key: pieces.append(key) or read(self, key))
    assert ask(open_store(root), roi="V1")[:3].values.shape == (3, 25)
    assert [(one.start, one.stop) for one in pieces[0]] == [(0, 3), (0, 25)]


def test_a_set_is_opened_once_and_again_when_it_was_written_anew(copy, monkeypatch):
    opened = []
    monkeypatch.setattr(
        "braincodec.responses.open_responses", lambda *a, **k: opened.append(a) or open_responses(*a, **k)
    )
    store = open_store(copy)
    ask(store), ask(store, roi="V1"), ask(store, roi="V1")
    assert len(opened) == 1
    shutil.rmtree(copy / PLACE)
    write(copy, ids=[f"new {number}" for number in range(STIMULI)])
    assert ask(store).stimulus.values[0] == "new 0"
    assert len(opened) == 2


def test_what_one_caller_does_does_not_show_to_the_next(root):
    store = open_store(root)
    first = ask(store)
    first.load()
    first.values[:] = 0
    first.attrs["mine"] = 1
    second = ask(store)
    assert not second.variable._in_memory
    assert "mine" not in second.attrs
    assert np.array_equal(second, VALUES)


def test_unfinished_responses_are_not_listed_and_say_how_far_they_are(copy):
    group = copy / PLACE / "subject-01.zarr"
    (group / "zarr.json").unlink()
    shutil.rmtree(group / "responses" / "c" / "4")
    store = open_store(copy)
    assert store.response_sets().empty
    for options in ({}, {"roi": "V1"}):
        with pytest.raises(MissingFileError, match=r"unfinished, 4 of 5 blocks of 64 stimuli .*--resume"):
            ask(store, **options)
    shutil.rmtree(group / "responses")
    with pytest.raises(MissingFileError, match="the synthesis is unfinished: "):
        ask(store)


def test_absent_responses_are_told_from_unfinished_ones(root):
    store = open_store(root)
    with pytest.raises(UnknownNameError, match=r"stimulus set 'photos'.*available: pictures"):
        store.responses(MODEL, stimuli="photos")
    with pytest.raises(MissingFileError, match=r"subject 2.*here are \['subject-01.zarr'\]"):
        ask(store, subject=2)


def test_groups_of_earlier_versions_are_read(tmp_path):
    group = tmp_path / PLACE / "subject-01.zarr"
    responses = build_responses(VALUES, [f"picture {number}" for number in range(STIMULI)], units())
    plain = responses.drop_vars([name for name in responses.coords if str(name).startswith("roi_")])
    for name in list(plain.coords):
        if plain[name].dtype.kind == "U":
            plain[name] = plain[name].astype(object)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*[Cc]onsolidated metadata.*")
        plain.to_dataset().to_zarr(group, zarr_format=3)  # ids of any length, no shards
    read = ask(open_store(tmp_path))
    assert np.array_equal(read, VALUES)
    assert read.stimulus.values.tolist() == responses.stimulus.values.tolist()
    assert read.stimulus.dtype.kind == "U"


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=9), unique=True, max_size=20))
def test_stimulus_ids_are_stored_as_they_are(ids):
    store = zarr.storage.MemoryStore()
    zarr_store.write_stimulus_ids(store, ids)
    assert zarr.open_group(store, mode="r")["stimulus"][:].tolist() == ids


def test_plain_xarray_opens_a_set_without_a_warning(root):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with xr.open_zarr(root / PLACE / "subject-01.zarr") as dataset:
            assert dataset.stimulus.values[3] == "picture 3"
            assert np.array_equal(dataset.responses[5], VALUES[5])


def test_a_bucket_is_asked_for_little_and_only_when_used(server, root, tmp_path):
    for path in sorted(root.rglob("*")):
        if path.is_file():
            key = f"generated/{path.relative_to(root).as_posix()}"
            server.client.put_object(Bucket="ours", Key=key, Body=path.read_bytes(), ACL="public-read")
    options = {"anon": True, "client_kwargs": {"endpoint_url": server.url}, "cache": tmp_path / "cache"}
    store = open_store("s3://ours/generated", **options)
    server.fetched.clear()
    server.listed = 0
    ask(store)
    labels = {path.name for path in (root / PLACE / "subject-01.zarr").iterdir() if path.is_dir()} - {"responses"}
    # the metadata of all arrays at once, one file for each label; no values
    assert len(server.fetched) <= 2 + len(labels)
    assert not any("/responses/c/" in name for name in server.fetched)
    assert server.listed <= 4
    server.fetched.clear()
    assert np.array_equal(ask(store)[65:75], VALUES[65:75])
    assert set(server.fetched) == {f"/ours/generated/{PLACE}/subject-01.zarr/responses/c/1/0"}
    assert len(server.fetched) <= 2
