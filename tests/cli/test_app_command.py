"""``braincodec app``: its help, and what it says before any page is served."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return trial.getsockname()[1]


def test_help_names_what_can_be_chosen_and_says_that_nothing_leaves(run):
    outcome = run("app", "--help")
    assert outcome.code == 0
    assert all(option in outcome.out for option in ("--store", "--gallery", "--port", "--host", "--no-open"))
    assert "Nothing leaves this computer" in outcome.out


def test_store_that_is_not_there_is_one_line(run):
    pytest.importorskip("gradio")
    outcome = run("app", "--store", "no/such/folder", "--port", free_port())
    assert outcome.code == 1
    assert outcome.err.startswith("error: store folder not found: no/such/folder")
    assert outcome.err.count("\n") == 1


def test_port_that_is_taken_is_one_line_that_names_a_free_one(run, small_store):
    pytest.importorskip("gradio")
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        outcome = run("app", "--store", small_store, "--port", port)
    assert outcome.code == 1
    assert (
        outcome.err.startswith(f"error: port {port} of 127.0.0.1 cannot be used") and "is free: --port" in outcome.err
    )
    assert outcome.err.count("\n") == 1


def test_without_gradio_the_extra_is_named(run, small_store, monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    outcome = run("app", "--store", small_store)
    assert outcome.code == 1
    assert "pip install 'braincodec[app]'" in outcome.err


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of another kind")
@pytest.mark.parametrize("endings", [[signal.SIGINT], [signal.SIGTERM], [signal.SIGINT, signal.SIGINT]])
def test_page_is_served_until_it_is_told_to_end_and_leaves_nothing_behind(small_store, tmp_path, endings):
    pytest.importorskip("gradio")
    port = free_port()
    words = f"from braincodec.cli.app import main; main(['app', '--store', {str(small_store)!r}, '--port', '{port}'])"
    environment = {**os.environ, "TMPDIR": str(tmp_path), "BRAINCODEC_CACHE": str(tmp_path / "cache")}
    server = subprocess.Popen([sys.executable, "-c", words], env=environment, stderr=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + 300
        while True:
            assert server.poll() is None and time.monotonic() < until
            try:
                page = urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60).read()
                break
            except (urllib.error.URLError, TimeoutError):
                time.sleep(0.2)
        assert b"braincodec explorer" in page
        assert list(tmp_path.glob("braincodec-app-*")) != []
        for ending in endings:
            server.send_signal(ending)
            time.sleep(0.05)
        _, said = server.communicate(timeout=60)
    finally:
        server.kill()
    assert server.returncode == 0
    assert said.splitlines()[-1] == "the explorer has ended" and "Traceback" not in said
    assert list(tmp_path.glob("braincodec-app-*")) == []
