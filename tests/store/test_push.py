"""Models pushed to folders, to memory and to a bucket."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap

import fsspec
import numpy as np
import pytest

from braincodec import Encoder, open_store
from braincodec.artefact import CHECKSUMS, FILES, verify_checksums
from braincodec.errors import (
    DamagedFileError,
    InputTypeError,
    InputValueError,
    MissingFileError,
    OutputError,
    UnknownNameError,
    UnreachableError,
)
from braincodec.store import push_artefact
from braincodec.transfer import fetch
from braincodec.transfer.destination import UNFINISHED, FileDestination

from ..legacy.layouts import write_fwrf
from ..small_models import gabor_linear, images

IMAGES = images(2)
NAMES = {*FILES, CHECKSUMS}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("pushed")
    for model, units in (("one", 4), ("two", 6)):
        gabor_linear(units, model=model).save(root / model / "subject-01")
    gabor_linear(3, model="two", subject=2).save(root / "two" / "subject-02")
    return root


@pytest.fixture
def store(root):
    return open_store(root)


@pytest.fixture(params=["path", "file", "memory", "s3"])
def place(request, tmp_path):
    """An empty place of each kind, and the options that reach it."""
    if request.param == "path":
        return str(tmp_path / "target"), {}
    if request.param == "file":
        return f"file://{tmp_path / 'target'}", {}
    if request.param == "memory":
        return f"memory://{tmp_path.name}", {"cache": tmp_path / "cache"}
    bucket = request.getfixturevalue("bucket")
    options = {"anon": True, "client_kwargs": {"endpoint_url": bucket.url}, "cache": tmp_path / "cache"}
    return f"s3://ours/{tmp_path.name}", options


def without_cache(options):
    return {name: value for name, value in options.items() if name != "cache"}


def test_what_was_pushed_is_a_store_with_the_same_models(store, place):
    address, options = place
    done = store.push(address, progress=False, **without_cache(options))
    assert len(done.missing) == 3 * len(NAMES)
    assert done.size == sum(path.stat().st_size for path in store.folder._path.rglob("*") if path.is_file())
    pushed = open_store(address, **options)
    assert pushed.models().subjects.tolist() == [[1], [1, 2]]
    for model, subject in (("one", 1), ("two", 2)):
        found, expected = (one.encoder(model, subject).encode(IMAGES, device="cpu") for one in (pushed, store))
        np.testing.assert_array_equal(found, expected)


def test_pushing_again_copies_nothing(store, place):
    address, options = place
    store.push(address, progress=False, **without_cache(options))
    again = store.push(address, progress=False, **without_cache(options))
    assert again.missing == () and again.size > again.missing_size == 0
    assert "nothing to copy" in str(again)


def test_a_dry_run_writes_nothing(store, place):
    address, options = place
    plan = store.push(address, models=["one"], dry_run=True, **without_cache(options))
    assert {file.name for file in plan.missing} == {f"one/subject-01/{name}" for name in NAMES}
    with pytest.raises(MissingFileError):
        open_store(address, **options)


def test_broken_off_push_is_never_taken_for_whole_and_goes_on(store, place, monkeypatch):
    address, options = place
    write, written = FileDestination._write, []

    def breaking(self, source, name, advance):
        if len(written) == 2:
            raise UnreachableError("the line is dead")
        written.append(name)
        write(self, source, name, advance)

    with monkeypatch.context() as patch:
        patch.setattr(FileDestination, "_write", breaking)
        with pytest.raises(UnreachableError, match="dead"):
            store.push(address, models=["one"], progress=False, **without_cache(options))
    with pytest.raises(MissingFileError, match="file of an artefact not found"):
        open_store(address, **options).encoder("one")
    written.clear()

    def noting(self, source, name, advance):
        written.append(name)
        write(self, source, name, advance)

    monkeypatch.setattr(FileDestination, "_write", noting)
    done = store.push(address, models=["one"], progress=False, **without_cache(options))
    assert sorted(written) == sorted(f"one/subject-01/{name}" for name in FILES[2:])
    assert len(done.missing) == 3
    assert open_store(address, **options).encoder("one").response_shape == (4,)
    files, at = fsspec.url_to_fs(address, **without_cache(options))
    assert not any(UNFINISHED in name for name in files.find(at))


def test_another_model_is_replaced_only_on_request(store, place, tmp_path):
    address, options = place
    store.push(address, models=["one"], progress=False, **without_cache(options))
    other = gabor_linear(9, model="one")
    other.save(tmp_path / "other" / "one" / "subject-01")
    others = open_store(tmp_path / "other")
    with pytest.raises(OutputError, match=r"another model lies at .* \(one/subject-01\)"):
        others.push(address, progress=False, **without_cache(options))
    assert open_store(address, **options).encoder("one").response_shape == (4,)
    others.push(address, overwrite=True, progress=False, **without_cache(options))
    assert open_store(address, **options).encoder("one").response_shape == (9,)


def test_one_artefact_becomes_the_address_itself(root, place, tmp_path):
    address, options = place
    push_artefact(root / "one" / "subject-01", address, progress=False, **without_cache(options))
    fetch(address, tmp_path / "here", progress=False, **options)
    assert Encoder.load(tmp_path / "here").response_shape == (4,)
    with pytest.raises(InputValueError, match="is one artefact"):
        open_store(address, **options)


KILLED = """
    import os, signal, sys
    from braincodec import open_store
    from braincodec.transfer.destination import FileDestination
    write = FileDestination._write
    def killing(self, source, name, advance):
        if name.endswith("units.nc"):
            os.kill(os.getpid(), signal.SIGKILL)
        write(self, source, name, advance)
    FileDestination._write = killing
    open_store(sys.argv[1]).push(sys.argv[2], models=["one"], progress=False)
"""


def test_killed_push_goes_on(store, root, tmp_path):
    target = tmp_path / "target"
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(KILLED), root, target], check=False)
    assert killed.returncode == -signal.SIGKILL
    place = target / "one" / "subject-01"
    assert sorted(path.name for path in place.iterdir()) == sorted([UNFINISHED, *FILES[:2]])
    done = store.push(target, models=["one"], progress=False)
    assert sum(file.there for file in done.files) == 2
    assert sorted(path.name for path in place.iterdir()) == sorted(NAMES)


def test_file_of_another_size_is_sent_again(store, tmp_path):
    store.push(tmp_path / "target", models=["one"], progress=False)
    weights = tmp_path / "target/one/subject-01/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    done = store.push(tmp_path / "target", models=["one"], progress=False)
    assert {file.name for file in done.missing} == {
        f"one/subject-01/{name}" for name in ("model.safetensors", CHECKSUMS)
    }
    assert open_store(tmp_path / "target").encoder("one").response_shape == (4,)


def test_damaged_artefact_is_not_published(root, tmp_path):
    artefact = gabor_linear(4).save(tmp_path / "model")
    (artefact / "README.md").write_text("changed by hand")
    with pytest.raises(DamagedFileError, match=r"README\.md differs from its checksum"):
        push_artefact(artefact, tmp_path / "target")
    assert not (tmp_path / "target").exists()
    (artefact / CHECKSUMS).unlink()
    with pytest.raises(MissingFileError, match=CHECKSUMS):
        push_artefact(artefact, tmp_path / "target")


def test_size_is_said_before_the_bar(store, tmp_path, capsys):
    store.push(tmp_path / "target", progress=True)
    first = capsys.readouterr().err.splitlines()[0]
    assert first.startswith(f"{store.address} to {tmp_path / 'target'}: 15 files, ") and "MB" in first


@pytest.mark.parametrize(
    ("address", "options", "error", "says"),
    [
        (3, {}, InputTypeError, "path or address, got int"),
        ("https://example.org/models", {}, InputValueError, "can be read, not written to"),
        ("nonsense://place", {}, InputValueError, "Protocol not known"),
        ("here", {"anon": True}, InputValueError, "are for remote addresses"),
        ("memory://x", {"private": True}, InputValueError, "is for model hubs"),
        ("memory://x", {"models": ["onne"]}, UnknownNameError, "did you mean 'one'"),
    ],
)
def test_wrong_words_are_refused(store, address, options, error, says):
    with pytest.raises(error, match=says):
        store.push(address, progress=False, **options)


def test_published_folder_holds_no_artefacts(tmp_path):
    with pytest.raises(InputValueError, match="'braincodec convert' makes them"):
        open_store(write_fwrf(tmp_path)).push("memory://x")


def test_bucket_without_credentials_is_refused_clearly(store, bucket, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(UnreachableError, match="credentials"):
        store.push("s3://ours/private", progress=False, client_kwargs={"endpoint_url": bucket.url})


def test_full_disk_is_an_output_error_and_leaves_no_whole_model(store, small_disk):
    (small_disk / "filler").write_bytes(b"0" * (3_000_000 - 60_000))
    with pytest.raises(OutputError, match="MB free"):
        store.push(small_disk / "target", progress=False)
    whole = [path.parent for path in small_disk.rglob(CHECKSUMS)]
    assert len(whole) < 3
    for folder in whole:
        verify_checksums(folder)


def test_table_of_what_is_whole_names_every_file(store, tmp_path):
    store.push(tmp_path / "target", models=["one"], progress=False)
    sums = json.loads((tmp_path / "target/one/subject-01" / CHECKSUMS).read_text())
    assert set(sums) == set(FILES)
