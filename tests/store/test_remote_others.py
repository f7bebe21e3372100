"""A store at other addresses, and folders on this machine."""

from __future__ import annotations

import functools
import http.server
import importlib
import sys
import threading

import pytest

from braincodec import open_store
from braincodec.errors import InputValueError, MissingExtraError, MissingFileError, UnreachableError
from braincodec.folder import open_folder


def test_what_reads_a_scheme_is_named(monkeypatch):
    for package in ("s3fs", "gcsfs"):
        monkeypatch.setitem(sys.modules, package, None)
    known = importlib.import_module("fsspec.registry")._registry
    for scheme in ("s3", "gs"):
        monkeypatch.delitem(known, scheme, raising=False)
    with pytest.raises(MissingExtraError, match=r"reading s3:// addresses needs.*'s3fs'.*braincodec\[remote\]"):
        open_store("s3://bucket", anon=True)
    with pytest.raises(InputValueError, match=r"gs://bucket: .*gcsfs"):
        open_store("gs://bucket")


def test_an_unknown_scheme_and_a_wrong_option_are_refused():
    with pytest.raises(InputValueError, match="cannot read nonsense://bucket: Protocol not known: nonsense"):
        open_store("nonsense://bucket")


@pytest.mark.parametrize("address", ["memory://store", "memory://"])
def test_fsspec_memory(native, tmp_path, address):
    import fsspec

    files = fsspec.filesystem("memory")
    files.store.clear()
    prefix = "/store" if address.endswith("store") else ""
    for path in native.rglob("*"):
        if path.is_file():
            files.pipe_file(f"{prefix}/{path.relative_to(native).as_posix()}", path.read_bytes())
    store = open_store(address, cache=tmp_path / "cache")
    assert store.encoder("whole").response_shape == (6,)
    assert store.response_sets().shape == (1, 4)
    files.store.clear()


@pytest.fixture
def web(native):
    """The store served as plain web pages."""
    pytest.importorskip("aiohttp", reason="fsspec reads http with aiohttp")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            served.append(self.command + " " + self.path)

    served: list[str] = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(native))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", served
        server.shutdown()


def test_plain_http(web, tmp_path):
    address, served = web
    store = open_store(address, cache=tmp_path / "cache")
    assert store.models().id.tolist() == ["whole"]
    assert store.encoder("whole").response_shape == (6,)
    assert any(line.startswith("GET") and line.endswith("model.safetensors") for line in served)
    assert store.response_sets().stimuli.tolist() == ["test"]
    with pytest.raises(MissingFileError, match=f"not found: {address}/whole/absent"):
        store.folder.local("whole/absent")


def test_http_with_nobody_there(tmp_path):
    pytest.importorskip("aiohttp", reason="fsspec reads http with aiohttp")
    with pytest.raises(UnreachableError, match=r"cannot read http://127\.0\.0\.1:9"):
        open_store("http://127.0.0.1:9/store", cache=tmp_path)


def test_local_folder_lists_what_is_not_hidden(tmp_path):
    (tmp_path / "a").write_text("x")
    (tmp_path / ".b").write_text("x")
    folder = open_folder(tmp_path)
    assert folder.names() == ["a"]
    assert folder.names("absent") == []
    assert folder.local("a").read_text() == "x"
    assert folder.lazy("a") == (str(tmp_path / "a"), None)
    with pytest.raises(MissingFileError, match=r"weights of subject 1 not found: .*/b; copy it"):
        folder.local("b", "weights of subject 1", "copy it")
    with pytest.raises(MissingFileError, match="images of nsd not found"):
        folder.local_folder("b", "images of nsd")
