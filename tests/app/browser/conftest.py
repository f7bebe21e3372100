"""A served page of small models, and a browser that may reach nothing else."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from braincodec.app.explorer import Explorer
from braincodec.store import open_store

PATIENCE = 60_000  # ms, on a busy machine without a graphics card


@contextlib.contextmanager
def serving(explorer: Explorer) -> Iterator[str]:
    """Address of a page."""
    import uvicorn

    from braincodec.app.sent import private_uploads
    from braincodec.app.serve import build_app

    with private_uploads(), explorer:
        with socket.socket() as trial:
            trial.bind(("127.0.0.1", 0))
            port = trial.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(build_app(explorer), port=port, log_level="warning"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/"
        server.should_exit = server.force_exit = True
        thread.join(10)


@pytest.fixture(scope="package")
def served(small_store: Path, gallery: Any, own_cache: Path) -> Iterator[str]:
    """Address of a page of small models."""
    pytest.importorskip("gradio")
    with serving(Explorer(open_store(small_store), gallery=gallery, device="cpu")) as address:
        yield address


@pytest.fixture(scope="package")
def served_trial(trial: Any, gallery: Any, own_cache: Path) -> Iterator[str]:
    """Address of a page of simulated subjects, one of them with a decoder."""
    pytest.importorskip("gradio")
    with serving(Explorer(open_store(trial[0]), gallery=gallery, device="cpu")) as address:
        yield address


@contextlib.contextmanager
def visiting(browser: Any, address: str) -> Iterator[Callable[..., Any]]:
    """Open a page; at the end there was no error in it, and no request but to the server that it came from."""
    contexts: list[Any] = []
    seen = SimpleNamespace(complaints=[], elsewhere=[])

    def open_page(query: str = "", *, width: int = 1280, height: int = 900, **options: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda m: seen.complaints.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: seen.complaints.append(str(error)))

        def only_here(route: Any) -> None:
            if route.request.url.startswith(address):
                route.continue_()
            else:
                seen.elsewhere.append(route.request.url)
                route.abort()

        page.route("**/*", only_here)
        page.goto(address + query)
        page.locator("#bc-headline").wait_for()
        # everything has come, the comparison included, so that nothing moves any more
        page.locator("#nearest img").first.wait_for()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert seen.complaints == []
    assert [url for url in seen.elsewhere if not url.startswith(("data:", "blob:", "about:"))] == []


@pytest.fixture
def visit(browser: Any, served: str) -> Iterator[Callable[..., Any]]:
    """Open a page of small models."""
    with visiting(browser, served) as open_page:
        yield open_page


@pytest.fixture
def visit_trial(browser: Any, served_trial: str) -> Iterator[Callable[..., Any]]:
    """Open a page of simulated subjects."""
    with visiting(browser, served_trial) as open_page:
        yield open_page
