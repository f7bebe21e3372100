"""Files of open data sets are fetched whole, checked, and never twice."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import braincodec.datasets
from braincodec.datasets import DATASETS, Dataset, Download, fetch, load_dataset
from braincodec.datasets import transfer as transfer_module
from braincodec.errors import (
    DamagedFileError,
    InputValueError,
    MissingFileError,
    OutputError,
    UnknownNameError,
    UnreachableError,
    UnsafeFileError,
)

from .http_server import FileServer, running

CONTENT = np.random.default_rng(0).bytes(300_000)
SHA256 = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
MD5 = f"md5:{hashlib.md5(CONTENT).hexdigest()}"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setattr(transfer_module, "PAUSES", (0.0, 0.0, 0.0))
    monkeypatch.setattr(transfer_module, "BLOCK", 10_000)
    with running() as started:
        started.content["/betas.npy"] = CONTENT
        yield started


@pytest.fixture
def declare(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make a data set called `open` of some downloads; `/name` stands for an address of the server."""

    def make(*downloads: Download) -> None:
        class Open(Dataset):
            name, modality, species, licence, citation, expected = "open", "fmri", "human", "CC0", "nobody", {}
            how_to_get = "ask nobody"

            def __init__(self, root: str) -> None: ...

            def subjects(self) -> list[str]:
                return []

            def subject(self, name: str) -> None:  # type: ignore[override]
                raise NotImplementedError

        Open.downloads = downloads
        monkeypatch.setitem(DATASETS._objects, "open", Open)

    return make


def betas(server: FileServer, **facts: object) -> Download:
    return Download(f"{server.address}/betas.npy", "betas/sub-01.npy", **facts)  # type: ignore[arg-type]


def whole_gets(server: FileServer) -> list[str | None]:
    """Ranges of the requests for content, without those that only ask for the size."""
    return [asked for method, _, asked in server.asked if method == "GET" and asked != "bytes=0-0"]


def left_behind(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


@pytest.mark.parametrize("checksum", [None, SHA256, MD5])
def test_file_arrives_whole_with_a_record_beside_the_data(server, declare, tmp_path, checksum):
    declare(betas(server, checksum=checksum, size=len(CONTENT)))
    done = fetch("open", tmp_path)
    assert done.complete
    assert (tmp_path / "betas" / "sub-01.npy").read_bytes() == CONTENT
    record = json.loads((tmp_path / "fetched.json").read_text())["files"]["betas/sub-01.npy"]
    assert (record["sha256"], record["size"]) == (SHA256.removeprefix("sha256:"), len(CONTENT))
    assert left_behind(tmp_path) == ["betas/sub-01.npy", "fetched.json"]


def test_size_is_asked_for_first_and_a_dry_run_writes_nothing(server, declare, tmp_path):
    declare(betas(server))
    plan = fetch("open", tmp_path / "new", dry_run=True)
    assert (plan.missing_bytes, plan.complete) == (len(CONTENT), False)
    assert "1 of 1 files to fetch" in str(plan)
    assert "300.0 kB  betas/sub-01.npy" in str(plan)
    assert [method for method, *_ in server.asked] == ["HEAD"]
    assert not (tmp_path / "new").exists()


def test_size_is_found_where_head_is_refused(server, declare, tmp_path):
    server.head = False
    declare(betas(server))
    assert fetch("open", tmp_path, dry_run=True).missing_bytes == len(CONTENT)


def test_second_run_fetches_nothing(server, declare, tmp_path):
    declare(betas(server))
    fetch("open", tmp_path)
    server.asked.clear()
    assert fetch("open", tmp_path).complete
    assert server.asked == []


def test_cut_connection_is_taken_up_where_it_ended(server, declare, tmp_path):
    declare(betas(server, checksum=SHA256))
    server.cut = [100_000, 50_000]
    assert fetch("open", tmp_path).complete
    assert whole_gets(server) == [None, "bytes=100000-", "bytes=150000-"]


def test_interrupted_run_goes_on_in_another(server, declare, tmp_path):
    declare(betas(server, checksum=SHA256))
    server.cut = [120_000, 0, 0, 0, 0, 0, 0, 0, 0]
    with pytest.raises(UnreachableError, match=r"does not answer.*fetch again to go on"):
        fetch("open", tmp_path)
    assert not (tmp_path / "betas").exists()
    server.cut = []
    server.asked.clear()
    plan = fetch("open", tmp_path, dry_run=True)
    assert (plan.files[0].state, plan.missing_bytes) == ("begun", 180_000)
    assert fetch("open", tmp_path).complete
    assert whole_gets(server) == ["bytes=120000-"]
    assert left_behind(tmp_path) == ["betas/sub-01.npy", "fetched.json"]


def test_server_without_ranges_is_asked_for_all_again(server, declare, tmp_path):
    server.ranges = False
    declare(betas(server, checksum=SHA256))
    server.cut = [120_000]
    assert fetch("open", tmp_path).complete
    assert (tmp_path / "betas" / "sub-01.npy").read_bytes() == CONTENT


def test_part_of_another_version_is_not_gone_on_with(server, declare, tmp_path):
    declare(betas(server))
    server.cut = [120_000, 0, 0, 0, 0, 0, 0, 0, 0]
    with pytest.raises(UnreachableError):
        fetch("open", tmp_path)
    server.cut, server.content["/betas.npy"] = [], CONTENT[::-1]
    fetch("open", tmp_path)
    assert (tmp_path / "betas" / "sub-01.npy").read_bytes() == CONTENT[::-1]


def test_part_is_not_gone_on_with_where_nothing_could_tell_versions_apart(server, declare, tmp_path):
    server.tagged = False
    declare(betas(server))
    server.cut = [120_000, 0, 0, 0, 0, 0, 0, 0, 0]
    with pytest.raises(UnreachableError):
        fetch("open", tmp_path)
    assert fetch("open", tmp_path, dry_run=True).files[0].state == "to fetch"


def test_file_that_grew_shorter_at_the_address_is_begun_again(server, declare, tmp_path, monkeypatch):
    declare(betas(server, checksum=f"sha256:{hashlib.sha256(CONTENT[:50_000]).hexdigest()}"))
    monkeypatch.setattr(transfer_module.HttpFile, "facts", lambda self: transfer_module.Facts(self.address, None, ""))
    server.cut = [120_000, 0, 0, 0, 0, 0, 0, 0, 0]
    with pytest.raises(UnreachableError):
        fetch("open", tmp_path)
    server.cut, server.content["/betas.npy"] = [], CONTENT[:50_000]
    assert fetch("open", tmp_path).complete
    assert (tmp_path / "betas" / "sub-01.npy").read_bytes() == CONTENT[:50_000]


@pytest.mark.parametrize("checksum", ["sha256:" + "0" * 64, "md5:" + "0" * 32])
def test_wrong_checksum_is_refused_and_what_came_is_removed(server, declare, tmp_path, checksum):
    declare(betas(server, checksum=checksum))
    with pytest.raises(DamagedFileError, match=f"{checksum} was published; it was removed"):
        fetch("open", tmp_path)
    assert left_behind(tmp_path) == []


def test_another_size_than_published_is_refused_before_anything_is_fetched(server, declare, tmp_path):
    declare(betas(server, size=17))
    with pytest.raises(DamagedFileError, match=r"has 300,000 bytes, but 17 were published"):
        fetch("open", tmp_path)
    assert whole_gets(server) == []


def test_file_that_changed_here_is_named_and_kept(server, declare, tmp_path):
    declare(betas(server))
    fetch("open", tmp_path)
    target = tmp_path / "betas" / "sub-01.npy"
    target.write_bytes(b"edited")
    with pytest.raises(DamagedFileError, match=r"sub-01\.npy is not what was fetched"):
        fetch("open", tmp_path)
    assert target.read_bytes() == b"edited"


def test_copied_file_is_recognised_by_its_checksum(server, declare, tmp_path):
    declare(betas(server))
    fetch("open", tmp_path)
    (tmp_path / "betas" / "sub-01.npy").touch()
    server.asked.clear()
    assert fetch("open", tmp_path).complete
    assert server.asked == []


def test_file_that_was_there_before_is_used_or_left_alone(server, declare, tmp_path):
    declare(betas(server, checksum=MD5))
    target = tmp_path / "betas" / "sub-01.npy"
    target.parent.mkdir()
    target.write_bytes(CONTENT)
    assert fetch("open", tmp_path).complete
    assert whole_gets(server) == []
    target.write_bytes(CONTENT[:-1] + b"x")
    with pytest.raises(OutputError, match="exists and is another file"):
        fetch("open", tmp_path)


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (404, MissingFileError, "not found.*the server answers 404"),
        (403, UnreachableError, "refuses.*403.*agreement or login"),
        (418, UnreachableError, "the server answers 418"),
        (503, UnreachableError, "does not answer: the server answers 503"),
    ],
)
def test_what_the_server_answers_is_said(server, declare, tmp_path, status, kind, words):
    declare(betas(server))
    server.statuses = [status] * 20
    with pytest.raises(kind, match=words):
        fetch("open", tmp_path)


def test_server_that_is_busy_for_a_moment_is_asked_again(server, declare, tmp_path):
    declare(betas(server))
    server.statuses = [503, 503]
    assert fetch("open", tmp_path).complete


def test_login_page_does_not_pass_for_a_file(server, declare, tmp_path):
    server.kind = "text/html; charset=utf-8"
    declare(betas(server))
    with pytest.raises(UnreachableError, match="web page instead of a file"):
        fetch("open", tmp_path)


def test_offline_is_said_in_one_sentence(server, declare, tmp_path):
    declare(Download("http://127.0.0.1:9/betas.npy", "betas.npy"))
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1:9/betas\.npy does not answer"):
        fetch("open", tmp_path)
    assert left_behind(tmp_path) == []


def test_other_addresses_are_read_by_fsspec_and_resumed(declare, tmp_path, monkeypatch):
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe("/bucket/a.npy", CONTENT)
    declare(Download("memory://bucket/a.npy", "a.npy", checksum=SHA256))
    part = tmp_path / ".fetching" / f"{hashlib.sha256(b'memory://bucket/a.npy').hexdigest()[:8]}-a.npy"
    facts = transfer_module.read_facts("memory://bucket/a.npy")
    part.parent.mkdir()
    part.write_bytes(CONTENT[:1000])
    part.with_name(f"{part.name}.json").write_text(json.dumps(facts.__dict__))
    assert fetch("open", tmp_path, dry_run=True).files[0].have == 1000
    assert fetch("open", tmp_path).complete
    assert (tmp_path / "a.npy").read_bytes() == CONTENT
    memory.rm("/bucket", recursive=True)
    with pytest.raises(MissingFileError, match=r"memory://bucket/a\.npy"):
        fetch("open", tmp_path / "elsewhere")


def test_doi_is_resolved_by_the_repository(server, declare, tmp_path, monkeypatch):
    class Repository:
        def download_url(self, file: str) -> str:
            return f"{server.address}/{file}"

    asked = []
    monkeypatch.setattr("pooch.downloaders.doi_to_repository", lambda doi: asked.append(doi) or Repository())
    declare(Download("doi:10.5281/zenodo.1/betas.npy", "betas.npy", checksum=MD5))
    assert fetch("open", tmp_path).complete
    assert asked == ["10.5281/zenodo.1"]


def test_only_the_files_of_chosen_subjects_are_fetched(server, declare, tmp_path):
    for name in "abc":
        server.content[f"/{name}"] = name.encode()
    files = [
        Download(f"{server.address}/{name}", name, subject=who)
        for name, who in zip("abc", ("1", "2", None), strict=True)
    ]
    declare(*files)
    assert [file.download.file for file in fetch("open", tmp_path, subjects="2").files] == ["b", "c"]
    with pytest.raises(UnknownNameError, match="unknown subject '3' among what is fetched of open; available: 1, 2"):
        fetch("open", tmp_path, subjects=["3"])


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(*members: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(b"x" * member.size))
    return buffer.getvalue()


def entry(name: str, **fields: object) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    for field, value in fields.items():
        setattr(made, field, value)
    return made


@pytest.mark.parametrize("name", ["/a.zip", "/a.tar.gz"])
def test_archive_is_unpacked_and_not_kept(server, declare, tmp_path, name):
    packed = {"/a.zip": zipped({"images/1.png": b"xxx"}), "/a.tar.gz": tarred(entry("images/1.png", size=3))}
    server.content[name] = packed[name]
    declare(Download(f"{server.address}{name}", name[1:], unpack_to="study"))
    assert fetch("open", tmp_path).complete
    assert left_behind(tmp_path) == ["fetched.json", "study/images/1.png"]
    server.asked.clear()
    assert fetch("open", tmp_path).complete
    assert server.asked == []


@pytest.mark.parametrize(
    "content",
    [
        zipped({"../outside.txt": b"x"}),
        zipped({"/etc/outside.txt": b"x"}),
        zipped({"C:\\outside.txt": b"x"}),
        tarred(entry("../outside.txt", size=1)),
        tarred(entry("link", type=tarfile.SYMTYPE, linkname="/etc")),
        tarred(entry("link", type=tarfile.LNKTYPE, linkname="other")),
        tarred(entry("device", type=tarfile.CHRTYPE)),
    ],
    ids=["zip above", "zip absolute", "zip drive", "tar above", "tar link", "tar hard link", "tar device"],
)
def test_archive_that_reaches_outside_is_refused_whole(server, declare, tmp_path, content):
    server.content["/a"] = content
    declare(Download(f"{server.address}/a", "a", unpack_to="study"))
    with pytest.raises(UnsafeFileError, match="nothing was unpacked"):
        fetch("open", tmp_path)
    assert left_behind(tmp_path) == []


def test_zip_with_a_link_is_refused(server, declare, tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    server.content["/a.zip"] = buffer.getvalue()
    declare(Download(f"{server.address}/a.zip", "a.zip", unpack_to="study"))
    with pytest.raises(UnsafeFileError, match="is a link or a device"):
        fetch("open", tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"no archive", zipped({"a": b"x" * 500})[:-30], tarred(entry("a", size=9))[:40]],
    ids=["none", "zip", "tar"],
)
def test_damaged_archive_is_refused_and_removed(server, declare, tmp_path, content):
    server.content["/a.zip"] = content
    declare(Download(f"{server.address}/a.zip", "a.zip", unpack_to="."))
    with pytest.raises(DamagedFileError):
        fetch("open", tmp_path)
    assert left_behind(tmp_path) == []


def test_full_disk_is_said_before_anything_is_fetched(server, declare, tmp_path, monkeypatch):
    declare(betas(server))
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=5))
    with pytest.raises(OutputError, match=r"open needs 300\.0 kB, but 5 B are free"):
        fetch("open", tmp_path)
    assert whole_gets(server) == []


def test_damaged_record_is_named(server, declare, tmp_path):
    declare(betas(server))
    (tmp_path / "fetched.json").write_text("{")
    with pytest.raises(DamagedFileError, match=r"fetched\.json cannot be read.*remove it"):
        fetch("open", tmp_path)


@pytest.mark.parametrize("name", ["nsd", "nsd_prepared", "algonauts2023", "bold5000", "digit69", "simulated"])
def test_data_behind_an_agreement_or_without_files_say_how_to_get_them(name, tmp_path):
    with pytest.raises(InputValueError, match=f"'{name}' is not fetched automatically; ") as caught:
        fetch(name, tmp_path)
    assert DATASETS.get(name).how_to_get in str(caught.value)
    with pytest.raises(UnknownNameError, match="unknown data set"):
        fetch(f"{name}s", tmp_path)


def test_declared_downloads_have_their_place_in_the_folder_that_the_reader_looks_into(v4_folder):
    for name in DATASETS.names():
        files = [item.file for item in DATASETS.get(name).downloads]
        assert len(files) == len(set(files))
    data = load_dataset("macaque_v4", v4_folder)
    sessions = data.subjects()
    declared = {item.file for item in data.downloads if item.subject in sessions}
    read = {str(path.relative_to(v4_folder)) for session in sessions for path in data.files(session)}
    assert {name.replace("responses/", "responses_repeat_averaged/") for name in read} == declared
    assert "braincodec.datasets.fetch('macaque_v4', root)" in data.info()


def test_wrong_declarations_are_refused():
    for wrong in ({"checksum": "sha256:12"}, {"checksum": "crc:12"}, {"size": -1}, {"file": "a/../../b"}):
        with pytest.raises(InputValueError):
            Download(**{"address": "https://example.org/a", "file": "a", **wrong})
    with pytest.raises(InputValueError, match="no address"):
        Download("a.npy", "a.npy")


def test_public_names():
    assert {"fetch", "Download", "Fetched"} <= set(braincodec.datasets.__all__)


def test_sizes_and_progress_are_shown_where_asked_for(server, declare, tmp_path, capsys):
    declare(betas(server))
    fetch("open", tmp_path, progress=True)
    shown = capsys.readouterr().err
    assert "open: 1 of 1 files to fetch" in shown
    assert shown.index("300.0 kB") < shown.index("fetch open (kB)")
    fetch("open", tmp_path, progress=False)
    assert capsys.readouterr().err == ""


def test_two_processes_do_not_fetch_into_one_folder(server, declare, tmp_path):
    from braincodec.atomic import exclusive_lock

    declare(betas(server))
    (tmp_path / ".fetching").mkdir()
    lock = exclusive_lock(tmp_path / ".fetching" / "lock")
    with pytest.raises(OutputError, match="written by another process"):
        fetch("open", tmp_path)
    lock.close()
    assert fetch("open", tmp_path).complete


@pytest.mark.slow
def test_killed_run_goes_on(server, declare, tmp_path):
    declare(betas(server, checksum=SHA256))
    server.pause = 30.0  # seconds after half of the file
    code = (
        "from braincodec.datasets import DATASETS, Dataset, Download, fetch\n"
        "class Open(Dataset):\n"
        "    modality = species = licence = citation = 'none'; expected = {}\n"
        f"    downloads = (Download('{server.address}/betas.npy', 'betas/sub-01.npy', checksum='{SHA256}'),)\n"
        "    subjects = subject = None\n"
        "DATASETS._objects['open'] = Open\n"
        "from braincodec.datasets import transfer\n"
        "transfer.BLOCK = 10_000\n"
        f"fetch('open', {str(tmp_path)!r})\n"
    )
    run = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size >= 100_000 for path in tmp_path.glob(".fetching/*.npy")):
        assert time.monotonic() < deadline
        assert run.poll() is None
        time.sleep(0.05)
    run.kill()
    run.wait()
    server.pause = 0.0
    assert left_behind(tmp_path / ".fetching")
    assert not (tmp_path / "betas").exists()
    server.asked.clear()
    assert fetch("open", tmp_path).complete
    assert all(asked is not None for asked in whole_gets(server))
    assert (tmp_path / "betas" / "sub-01.npy").read_bytes() == CONTENT
