"""Places that responses are written to."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from braincodec.errors import InputTypeError, InputValueError, OutputError, UnreachableError
from braincodec.synthesis.storage.place import open_place

from .object_store import bucket, s3_server

__all__ = ["bucket", "s3_server"]


@pytest.fixture(params=["folder", "memory", "bucket"])
def place(request, tmp_path):
    if request.param == "folder":
        return open_place(tmp_path / "not" / "there" / "yet")
    if request.param == "memory":
        return open_place(f"memory://{tmp_path.name}")
    there = request.getfixturevalue("bucket")
    return open_place(there.address, there.options)


def test_what_was_written_is_read_listed_and_removed(place):
    assert place.read("a/b/file.bin") is None
    assert place.names() == [] and list(place.walk()) == []
    place.write("a/b/file.bin", b"first")
    place.write_many({"a/b/other.bin": b"2", "a/c/third.bin": b"33"})
    place.write("a/b/file.bin", b"again")
    assert place.read("a/b/file.bin") == b"again"
    assert place.read("a") is None and place.read("a/b/file.bin/below") is None
    assert (place.names("a"), place.names("a/b")) == (["b", "c"], ["file.bin", "other.bin"])
    assert list(place.read_many(["a/c/third.bin", "a/none", "a/b/other.bin"])) == [b"33", None, b"2"]
    found = {file.name: file.size for file in place.walk("a")}
    assert found == {"a/b/file.bin": 5, "a/b/other.bin": 1, "a/c/third.bin": 2}
    place.remove("a/b/file.bin")
    place.remove("a/b/file.bin")
    assert place.names("a/b") == ["other.bin"]
    place.remove("a")
    assert list(place.walk()) == []


def test_a_store_beside_one_of_a_longer_name_is_not_touched(bucket):
    one, other = (open_place(f"{bucket.address}{end}", bucket.options) for end in ("", "-2"))
    one.write("x/file", b"1")
    other.write("x/file", b"2")
    one.remove("x")
    assert other.read("x/file") == b"2" and one.names() == []


@pytest.mark.parametrize("name", ["../out", "/etc/passwd", "a/../../out", "a//b", ".", "a\\b"])
def test_names_that_lead_elsewhere_are_refused(tmp_path, name):
    place = open_place(tmp_path / "store")
    for act in (place.read, place.remove, place.names, lambda name: place.write(name, b"")):
        with pytest.raises(InputValueError, match="no name of a file below a store"):
            act(name)
    assert not (tmp_path / "out").exists()


def test_a_whole_store_is_never_removed(tmp_path):
    place = open_place(tmp_path)
    place.write("file", b"")
    with pytest.raises(InputValueError, match="whole store"):
        place.remove("")
    assert place.names() == ["file"]


def test_a_file_is_on_the_disk_before_it_gets_its_name_and_the_name_before_the_call_returns(tmp_path, monkeypatch):
    acts = []
    fsync, replace = os.fsync, Path.replace

    def noted_fsync(number):
        acts.append("folder" if stat.S_ISDIR(os.fstat(number).st_mode) else "file")
        fsync(number)

    def noted_replace(self, target):
        acts.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    open_place(tmp_path).write("a/b/file", b"content")
    assert acts[:2] == ["file", "rename"]
    assert acts[2:] == ["folder"] * 3  # a/b, a, and the place itself


def test_a_write_that_fails_leaves_the_file_as_it_was_and_nothing_beside_it(tmp_path, monkeypatch):
    place = open_place(tmp_path)
    place.write("a/file", b"before")

    def full(number):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"cannot write .*a/file: No space left on device \(.* MB free"):
        place.write("a/file", b"after")
    assert place.read("a/file") == b"before"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["file"]


def test_a_full_disk_is_an_error_that_tells_the_free_space(small_disk):
    place = open_place(small_disk)
    place.write("kept", b"x" * 10**6)
    with pytest.raises(OutputError, match="No space left"):
        place.write("too/large", b"x" * 4 * 10**6)
    assert [file.name for file in place.walk()] == ["kept"]
    assert not list(small_disk.rglob(".unfinished-*"))


def test_what_a_killed_process_left_is_hidden_and_swept(tmp_path):
    place = open_place(tmp_path)
    place.write("a/b/file", b"")
    left = tmp_path / "a" / "b" / ".unfinished-0123456789ab"
    left.write_bytes(b"half")
    assert place.names("a/b") == ["file"]
    place.sweep("a")
    assert not left.exists() and place.read("a/b/file") == b""


def test_only_one_run_writes_to_a_folder(tmp_path):
    one, other = open_place(tmp_path), open_place(tmp_path)
    with one.exclusive(), pytest.raises(OutputError, match="being written by another process"), other.exclusive():
        pass
    with other.exclusive():
        assert other.names() == []


def test_addresses_that_cannot_be_written_are_refused(tmp_path):
    with pytest.raises(InputValueError, match="can be read, not written to"):
        open_place("https://example.org/store")
    with pytest.raises(InputValueError, match="for remote addresses"):
        open_place(tmp_path, {"anon": True})
    with pytest.raises(InputTypeError, match="got int"):
        open_place(3)
    (tmp_path / "file").write_bytes(b"")
    for below in ("", "below", "below/that"):
        with pytest.raises(InputValueError, match="file is a file; give the folder of a store"):
            open_place(tmp_path / "file" / below)


def test_a_bucket_that_is_not_there_is_named(bucket):
    place = open_place("s3://no-such-bucket-here/store", bucket.options)
    with pytest.raises(UnreachableError, match=r"cannot write s3://no-such-bucket-here/store/a"):
        place.write("a", b"")
    with pytest.raises(UnreachableError, match=r"write s3://no-such-bucket-here/store: there is no bucket 'no-such-"):
        place.refuse_unwritable()


def test_a_place_that_can_be_written_is_not_refused(place):
    place.refuse_unwritable()
    assert place.names() == []


def test_a_folder_that_may_only_be_read_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda folder, _: folder != tmp_path)
    with pytest.raises(OutputError, match=rf"^cannot write {tmp_path}/a/b: {tmp_path} may only be read$"):
        open_place(tmp_path / "a" / "b").refuse_unwritable()
