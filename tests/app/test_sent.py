"""Which files a request may name, and how long they lie on this computer."""

from __future__ import annotations

import http.server
import json
import os
import threading
import time

import pytest

from braincodec.app.sent import RefusedError, checked_request, private_uploads, remove_old

HASH = "0123456789abcdef" * 4


def request(**file) -> bytes:
    return json.dumps({"data": [None, {**file, "meta": {"_type": "gradio.FileData"}}], "session_hash": "s"}).encode()


@pytest.mark.parametrize(
    "path",
    [
        "https://elsewhere.example/a.png",
        "HTTP://elsewhere.example/a.png",
        "ftp://elsewhere.example/a.png",
        "file:///etc/passwd",
        "/etc/passwd",
        "relative.png",
        "{folder}",
        "{folder}/dog.png",
        "{folder}/{hash}",
        "{folder}/{hash}/..",
        "{folder}/{hash}/deeper/dog.png",
        "{folder}/../{hash}/dog.png",
        "{folder}/{hash}/../../secret/dog.png",
        "{folder}/not-a-hash/dog.png",
        "{folder}/{hash}/do\0g.png",
        "{folder}/{hash}/link.png",
        7,
        ["/etc/passwd"],
    ],
)
def test_file_that_was_not_uploaded_is_refused(tmp_path, path):
    (tmp_path / HASH).mkdir()
    (tmp_path / HASH / "link.png").symlink_to("/etc/passwd")
    named = path.format(folder=tmp_path, hash=HASH) if isinstance(path, str) else path
    with pytest.raises(RefusedError, match="only files that were uploaded"):
        checked_request(request(path=named), tmp_path)


def test_upload_is_let_through_without_its_address(tmp_path):
    path = f"{tmp_path}/{HASH}/my dog.png"
    address = f"http://localhost:7860/gradio_api/file={path}"
    assert checked_request(request(path=path), tmp_path)["data"][1]["path"] == path
    assert "url" not in checked_request(request(path=path, url=address), tmp_path)["data"][1]
    with pytest.raises(RefusedError):
        checked_request(request(path=path, url="http://elsewhere.example/a.png"), tmp_path)


@pytest.mark.parametrize(
    "hidden",
    [
        {"data": [[{"path": "/etc/passwd"}]]},
        {"event_data": {"deep": [{"er": {"url": "http://elsewhere.example"}}]}},
        {"data": [{"path": None, "url": "http://elsewhere.example"}]},
    ],
)
def test_files_are_found_wherever_they_stand(tmp_path, hidden):
    with pytest.raises(RefusedError):
        checked_request(json.dumps(hidden).encode(), tmp_path)


@pytest.mark.parametrize("body", [b"", b"no json", b"[]", b"\xff\xfe", b"[" * 200_000])
def test_what_is_no_request_is_refused_in_a_sentence(tmp_path, body):
    with pytest.raises(RefusedError, match="not in the form"):
        checked_request(body, tmp_path)


def test_old_files_are_removed_and_new_ones_stay(tmp_path):
    old, new = tmp_path / "a" / "old.png", tmp_path / "b" / "new.png"
    for path in (old, new):
        path.parent.mkdir()
        path.write_bytes(b"x")
    an_hour_ago = time.time() - 3600
    os.utime(old, (an_hour_ago, an_hour_ago))
    os.utime(old.parent, (an_hour_ago, an_hour_ago))
    remove_old(tmp_path, kept=1800)
    remove_old(tmp_path, kept=1800)  # nothing is left to be done
    assert new.is_file() and not old.exists()


def test_uploads_are_removed_while_the_page_runs_and_all_of_them_at_its_end(monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", "what was there")
    with private_uploads(every=0.01, kept=0) as folder:
        assert os.environ["GRADIO_TEMP_DIR"] == str(folder)
        (folder / HASH).mkdir()
        (folder / HASH / "dog.png").write_bytes(b"x")
        until = time.monotonic() + 30
        while any(folder.iterdir()) and time.monotonic() < until:
            time.sleep(0.01)
        assert list(folder.iterdir()) == []
    with private_uploads() as folder:
        (folder / "dog.png").write_bytes(b"x")
    assert not folder.exists()
    assert os.environ["GRADIO_TEMP_DIR"] == "what was there"


@pytest.fixture
def other_server(monkeypatch):
    """A server that a page must not ask, though Gradio would be allowed to; the paths that it was asked for."""
    processing = pytest.importorskip("gradio.processing_utils")
    asked: list[str] = []

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
    monkeypatch.setattr(processing, "PUBLIC_HOSTNAME_WHITELIST", ["127.0.0.1"])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/a.png", asked
    server.shutdown()
    server.server_close()


@pytest.mark.slow
def test_page_fetches_nothing_and_reads_no_file_of_this_computer(explorer, other_server, tmp_path):
    from fastapi.testclient import TestClient
    from PIL import Image

    from braincodec.app.serve import build_app

    address, asked = other_server
    secret = tmp_path / "secret.png"
    Image.new("RGB", (40, 40)).save(secret)
    with private_uploads() as folder, TestClient(build_app(explorer)) as client:
        config = client.get("/config").json()
        upload = next(one["id"] for one in config["components"] if one["props"].get("label") == "Choose a photograph")
        action = next(one["id"] for one in config["dependencies"] if one["targets"] == [[upload, "upload"]])

        def send(path):
            answer = client.post(
                "/gradio_api/queue/join",
                json={
                    "data": [None, {"path": path, "meta": {"_type": "gradio.FileData"}}],
                    "fn_index": action,
                    "session_hash": "visitor",
                },
            )
            if answer.status_code != 200:
                return answer.status_code, answer.text
            with client.stream("GET", "/gradio_api/queue/data?session_hash=visitor") as lines:
                return 200, next(line for line in lines.iter_lines() if "process_completed" in line)

        for path in (address, str(secret), secret.as_uri()):
            assert send(path) == (422, "A request may name only files that were uploaded to this page.")
        assert asked == [] and list(folder.iterdir()) == []
        (own,) = client.post("/gradio_api/upload", files={"files": ("own.png", secret.read_bytes())}).json()
        status, said = send(own)
        assert status == 200 and "predicted to answer" in said
