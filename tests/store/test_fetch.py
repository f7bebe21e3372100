"""Models, stores and other folders fetched from paths, from memory, from a bucket and from the web."""

from __future__ import annotations

import contextlib
import functools
import http.server
import threading

import fsspec
import numpy as np
import pytest

from braincodec import open_store
from braincodec.artefact import CHECKSUMS, FILES
from braincodec.errors import DamagedFileError, MissingFileError, OutputError, UnreachableError
from braincodec.remote import RemoteFolder
from braincodec.transfer import fetch

from ..small_models import gabor_linear, images
from .bucket import BUCKET, METADATA, WEIGHTS, berg_folder

IMAGES = images(2)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A store with two models, generated responses, and a note beside them."""
    root = tmp_path_factory.mktemp("source")
    for model, units in (("one", 4), ("two", 6)):
        gabor_linear(units, model=model).save(root / model / "subject-01")
    place = root / "generated_responses" / "one" / "stimuli-test"
    gabor_linear(4, model="one").encode_to(place / "subject-01.zarr", IMAGES, device="cpu")
    (root / "notes.txt").write_text("read me")
    return root


@pytest.fixture
def web(root):
    """The folder served as plain web pages."""
    pytest.importorskip("aiohttp", reason="fsspec reads http with aiohttp")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(root))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(params=["path", "memory", "s3", "http"])
def source(request, root, tmp_path):
    """The same folder at each kind of address, and the options that reach it."""
    options = {"cache": tmp_path / "cache"}
    if request.param == "path":
        return str(root), {}
    if request.param == "http":
        return request.getfixturevalue("web"), options
    if request.param == "memory":
        files, address = fsspec.filesystem("memory"), "memory://source"
        files.store.clear()
    else:
        options |= {"anon": True, "client_kwargs": {"endpoint_url": request.getfixturevalue("bucket").url}}
        address = f"s3://ours/{tmp_path.name}"
        files = fsspec.filesystem("s3", anon=True, client_kwargs=options["client_kwargs"])
    place = files._strip_protocol(address)
    for path in root.rglob("*"):
        if path.is_file():
            files.pipe_file(f"{place}/{path.relative_to(root).as_posix()}", path.read_bytes())
    return address, options


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_everything_below_the_address_comes_here(root, source, tmp_path):
    address, options = source
    done = fetch(address, tmp_path / "here", progress=False, **options)
    assert contents(tmp_path / "here") == contents(root)
    assert len(done.files) == len(done.missing) == len(contents(root))
    here, there = open_store(tmp_path / "here"), open_store(root)
    np.testing.assert_array_equal(here.responses("one", stimuli="test"), there.responses("one", stimuli="test"))
    again = fetch(address, tmp_path / "here", progress=False, **options)
    assert again.missing == ()


def test_a_dry_run_says_the_size_and_writes_nothing(root, source, tmp_path):
    address, options = source
    plan = fetch(address, tmp_path / "here", dry_run=True, **options)
    assert plan.size == sum(map(len, contents(root).values()))
    assert not (tmp_path / "here").exists()


def test_interrupted_fetch_goes_on(root, tmp_path, monkeypatch):
    files = fsspec.filesystem("memory")
    files.store.clear()
    copy(root, files, "broken", "one", "two")
    blocks, fetched = RemoteFolder._blocks, []

    def breaking(self, name, entry, begin):
        if name.startswith("two") and name.endswith("units.nc"):
            raise UnreachableError("the line is dead")
        fetched.append(name)
        yield from blocks(self, name, entry, begin)

    with monkeypatch.context() as patch:
        patch.setattr(RemoteFolder, "_blocks", breaking)
        with pytest.raises(UnreachableError, match="dead"):
            fetch("memory://broken", tmp_path / "here", cache=tmp_path / "cache", progress=False)
    assert {path.split("/")[0] for path in contents(tmp_path / "here")} == {"one"}  # the other is not there by half
    assert not list((tmp_path / "here").rglob(".*"))
    before = set(fetched)
    fetched.clear()
    breaking_no_more = functools.partialmethod(lambda self, *a: fetched.append(a[0]) or blocks(self, *a))
    monkeypatch.setattr(RemoteFolder, "_blocks", breaking_no_more)
    fetch("memory://broken", tmp_path / "here", cache=tmp_path / "cache", progress=False)
    assert "two/subject-01/units.nc" in fetched and not before & set(fetched)
    assert open_store(tmp_path / "here").encoder("two").response_shape == (6,)


def in_memory(root, place="source"):
    files = fsspec.filesystem("memory")
    files.store.clear()
    copy(root, files, place, "one")
    return files


def copy(root, files, place, *models):
    for path in (path for model in models for path in (root / model).rglob("*") if path.is_file()):
        files.pipe_file(f"/{place}/{path.relative_to(root).as_posix()}", path.read_bytes())


def test_corrupted_file_is_refused_and_not_kept(root, tmp_path):
    files = in_memory(root)
    good = files.cat("/source/one/subject-01/model.safetensors")
    files.pipe_file("/source/one/subject-01/model.safetensors", good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(DamagedFileError, match=r"one/subject-01/model\.safetensors differs from its checksum"):
        fetch("memory://source", tmp_path / "here", cache=tmp_path / "cache", progress=False)
    assert not (tmp_path / "here").exists()
    files.pipe_file("/source/one/subject-01/model.safetensors", good)
    fetch("memory://source", tmp_path / "here", cache=tmp_path / "cache", progress=False)
    assert (tmp_path / "here/one/subject-01/model.safetensors").read_bytes() == good


@pytest.mark.parametrize(
    ("name", "says"), [(CHECKSUMS, "lacks checksums.json: it was not pushed whole"), ("units.nc", "lacks units.nc")]
)
def test_half_a_model_is_refused(root, tmp_path, name, says):
    in_memory(root).rm(f"/source/one/subject-01/{name}")
    with pytest.raises(DamagedFileError, match=says):
        fetch("memory://source", tmp_path / "here", cache=tmp_path / "cache", progress=False)
    assert not (tmp_path / "here").exists()


def test_checksums_that_name_a_place_outside_are_refused(root, tmp_path):
    files = in_memory(root)
    files.pipe_file("/source/one/subject-01/checksums.json", b'{"../../../x": "0"}')
    with pytest.raises(DamagedFileError, match="lacks"):
        fetch("memory://source", tmp_path / "here", cache=tmp_path / "cache", progress=False)


def test_what_lies_here_is_replaced_only_on_request(root, tmp_path):
    here = tmp_path / "here"
    gabor_linear(9, model="one").save(here / "one" / "subject-01")
    (here / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"exists; choose another name"):
        fetch(root, here, progress=False)
    assert open_store(here).encoder("one").response_shape == (9,)
    fetch(root, here, overwrite=True, progress=False)
    assert open_store(here).encoder("one").response_shape == (4,)
    assert (here / "mine.txt").read_text() == "mine"  # what is not there is left alone


def test_one_model_comes_into_a_folder_that_holds_other_things(root, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    fetch(root / "one" / "subject-01", tmp_path, progress=False)
    assert {path for path in contents(tmp_path) if "/" not in path} == {"mine.txt", CHECKSUMS, *FILES}


def test_published_folder_comes_as_it_is(bucket, tmp_path):
    options = {"anon": True, "client_kwargs": {"endpoint_url": bucket.url}, "cache": tmp_path / "cache"}
    fetch(f"s3://{BUCKET}", tmp_path / "here", progress=False, **options)
    files = berg_folder()
    assert contents(tmp_path / "here") == {name: one for name, one in files.items() if "/." not in name}
    assert sorted(bucket.fetched).count(WEIGHTS) == 1
    bucket.fetched.clear()
    fetch(f"s3://{BUCKET}", tmp_path / "elsewhere", progress=False, **options)
    assert bucket.fetched == []  # from the cache


def test_changing_what_was_fetched_does_not_change_the_cache(bucket, tmp_path):
    options = {"anon": True, "client_kwargs": {"endpoint_url": bucket.url}, "cache": tmp_path / "cache"}
    fetch(f"s3://{BUCKET}", tmp_path / "here", progress=False, **options)
    with (tmp_path / "here" / METADATA).open("r+b") as file:
        file.write(b"changed")
    fetch(f"s3://{BUCKET}", tmp_path / "elsewhere", progress=False, **options)
    assert (tmp_path / "elsewhere" / METADATA).read_bytes() == berg_folder()[METADATA]


def test_offline_takes_only_what_was_fetched(root, source, tmp_path, monkeypatch):
    address, options = source
    if not options:
        pytest.skip("a path needs no line")
    with pytest.raises(MissingFileError, match=r"offline copy not found.*fetch it once while online"):
        fetch(address, tmp_path / "here", offline=True, progress=False, **options)
    fetch(address, tmp_path / "here", progress=False, **options)
    monkeypatch.setattr(RemoteFolder, "__init__", lambda *args, **kwargs: pytest.fail("asked the address"))
    fetch(address, tmp_path / "again", offline=True, progress=False, **options)
    assert contents(tmp_path / "again") == contents(root)


def test_nothing_at_the_place_is_said(tmp_path):
    fsspec.filesystem("memory").store.clear()
    with pytest.raises(MissingFileError, match="nothing at this place"):
        fetch("memory://empty", tmp_path / "here", cache=tmp_path / "cache")


def test_small_disk_is_refused_before_anything_comes(root, small_disk):
    with pytest.raises(OutputError, match="GB are to come and"):
        fetch(root, small_disk / "here", progress=False)
    assert not (small_disk / "here").exists()


def test_what_is_here_is_not_fetched_again_when_the_cache_is_gone(bucket, tmp_path):
    options = {"anon": True, "client_kwargs": {"endpoint_url": bucket.url}}
    fetch(f"s3://{BUCKET}", tmp_path / "here", progress=False, cache=tmp_path / "cache", **options)
    bucket.fetched.clear()
    done = fetch(f"s3://{BUCKET}", tmp_path / "here", progress=False, cache=tmp_path / "other-cache", **options)
    assert done.missing == () and bucket.fetched == []


def test_progress_counts_every_byte_once(root, tmp_path, monkeypatch):
    told = []

    @contextlib.contextmanager
    def bar(description, total, **_):
        told.append(-total)
        yield told.append

    monkeypatch.setattr("braincodec.transfer.plan.progress_bar", bar)
    monkeypatch.setattr("braincodec.transfer.plan.KILOBYTE", 1)
    in_memory(root)
    fetch("memory://source", tmp_path / "here", cache=tmp_path / "cache", progress=False)
    assert told[0] < 0 and sum(told) == 0
    told.clear()
    fetch("memory://source", tmp_path / "again", cache=tmp_path / "cache", progress=False)  # from the cache
    assert told[0] < 0 and sum(told) == 0
