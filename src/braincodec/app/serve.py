"""The explorer's server: bound to this computer unless told otherwise, quiet, without accounts and without sharing."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import webbrowser
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from braincodec.app.explorer import Explorer
from braincodec.app.guard import Guard
from braincodec.app.page import build_page, theme
from braincodec.app.presence import Presence
from braincodec.app.sent import private_uploads
from braincodec.app.state import state_from_query
from braincodec.app.static import FOLDER, LONG, StaticFiles
from braincodec.app.uploads import MOST_BYTES
from braincodec.errors import BraincodecError, InputValueError
from braincodec.extras import import_optional, require_optional

if TYPE_CHECKING:
    from braincodec.stimuli import StimulusSet
    from braincodec.store import Store

HOST, PORT = "127.0.0.1", 7860
LOOPBACK = ("127.0.0.1", "localhost", "::1")
# ports that are tried when one is taken, to name a free one
NEXT_PORTS = 50
# s; open streams of visitors are cut after this when the server ends
ENDING = 2


def launch(
    store: Store | str | Path,
    *,
    gallery: StimulusSet | str | Path | None = None,
    host: str = HOST,
    port: int = PORT,
    open_browser: bool = False,
    device: str = "auto",
    say: Callable[[str], None] | None = None,
) -> None:
    """Serve the explorer page until it is interrupted.

    Parameters
    ----------
    store : Store, str or Path
        A store, or the address of one.
    gallery : StimulusSet, str or Path, optional
        Images to compare with and to search: a folder of photographs, say.
    host : str
        Address to listen at; default: this computer only.
    port : int
    open_browser : bool
        Show the page in a browser.
    device : str
    say : callable, optional
        Told what happens, a line at a time; default: `print`.

    Raises
    ------
    InputValueError
        When the port is taken, or the store has no models.
    MissingExtraError
        Without Gradio.
    """
    say = say or _printed
    require_optional("gradio", "the explorer page")
    check_port(host, port)
    local = host in LOOPBACK
    if not local:
        say(
            f"careful: {host} may be reached by others, who can then use this computer to predict; there is no "
            "password. For one colleague an ssh tunnel is safer: ssh -L 7860:localhost:7860 this-computer"
        )
    with contextlib.ExitStack() as stack:
        stack.enter_context(_ended_by_any_signal())
        stack.enter_context(private_uploads())
        say("getting the page ready; this takes some seconds")
        explorer = stack.enter_context(_explorer(store, gallery, device))
        _prepare(explorer)
        app = build_app(explorer, local=local)
        address = f"http://{'localhost' if local else host}:{port}"
        say(f"the explorer is at {address}   (Ctrl-C ends it)")
        if open_browser:
            threading.Timer(1.0, webbrowser.open, [address]).start()
        run(app, host, port)
    say("the explorer has ended")


def build_app(explorer: Explorer, *, local: bool = True) -> Guard:
    """The page as an ASGI application.

    Parameters
    ----------
    explorer : Explorer
    local : bool
        Whether only this computer is served.

    Returns
    -------
    Guard
        An ASGI application.
    """
    quiet_gradio()
    gr = import_optional("gradio", "the explorer page")
    fastapi = import_optional("fastapi", "the explorer page")
    files = StaticFiles(explorer)
    app = fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get(f"/{FOLDER}/{{path:path}}")
    def own_file(path: str) -> Any:
        found = files.find(path)
        if found is None:
            return fastapi.Response("There is nothing here.", 404, media_type="text/plain")
        content, kind = found
        return fastapi.Response(content, headers={"cache-control": f"max-age={LONG}, immutable"}, media_type=kind)

    presence = Presence()
    page = build_page(explorer, static=files.folder, local=local, presence=presence)
    gr.mount_gradio_app(
        app,
        page,
        path="/",
        footer_links=[],
        run_history=False,
        allowed_paths=[],
        show_error=False,
        max_file_size=MOST_BYTES,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        theme=theme(),
    )
    uploads = Path(import_optional("gradio.utils", "the explorer page").get_upload_folder())
    return Guard(app, head=files.head(), local=local, uploads=uploads, presence=presence)


def run(app: Guard, host: str, port: int) -> None:
    """Serve until interrupted; Ctrl-C ends it without further words."""
    uvicorn = import_optional("uvicorn", "the explorer page")

    class EndingServer(uvicorn.Server):  # type: ignore[name-defined]
        def handle_exit(self, sig: int, frame: Any) -> None:
            if self.should_exit:  # it ends in a moment; asked again, it would only break off with a traceback
                return
            app.end()  # streams of visitors would be waited for
            super().handle_exit(sig, frame)

    settings = uvicorn.Config(
        app, host=host, port=port, log_level="warning", timeout_graceful_shutdown=ENDING, server_header=False
    )
    # the server has ended by itself when the interrupt arrives here
    with contextlib.suppress(KeyboardInterrupt):
        EndingServer(settings).run()


@contextlib.contextmanager
def _ended_by_any_signal() -> Iterator[None]:
    """A request to end is as good as Ctrl-C: what visitors have sent must not stay behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def check_port(host: str, port: int) -> None:
    """Refuse a port that is taken, and name the next free one.

    Raises
    ------
    InputValueError
    """
    if not 0 < port < 65_536:
        raise InputValueError(f"port {port} does not exist; ports are 1 to 65535")
    try:
        reason = _taken(host, port)
    except socket.gaierror:
        raise InputValueError(f"host {host!r} is not known; the usual one is {HOST}, this computer only") from None
    if not reason:
        return
    free = next((other for other in range(port + 1, min(port + NEXT_PORTS, 65_536)) if not _taken(host, other)), None)
    hint = f"; port {free} is free: --port {free}" if free else ""
    raise InputValueError(f"port {port} of {host} cannot be used ({reason}){hint}")


def _taken(host: str, port: int) -> str:
    """Why a port cannot be listened at; empty where it can."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as trial:
        # as the server does: a port that was closed a moment ago is free
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(address)
        except OSError as error:
            return (error.strerror or str(error)).lower()
    return ""


def quiet_gradio() -> None:
    """Before Gradio is imported: it tells nobody that it runs, and asks nobody for a newer version."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")


def _explorer(store: Store | str | Path, gallery: StimulusSet | str | Path | None, device: str) -> Explorer:
    from braincodec.stimuli import StimulusSet
    from braincodec.store import open_store

    opened = open_store(str(store)) if isinstance(store, str | Path) else store
    images = StimulusSet.open(gallery) if isinstance(gallery, str | Path) else gallery
    return Explorer(opened, gallery=images, device=device)


def _prepare(explorer: Explorer) -> None:
    """Load the model that is shown first while the page is being made."""
    first, _ = state_from_query({}, explorer.models)
    with contextlib.suppress(BraincodecError):  # the page says what is in the way when somebody asks
        explorer.prepare(first.model, first.subject)


def _printed(line: str) -> None:
    print(line, flush=True)  # noqa: T201  a server that is started from Python says where it is
