"""What the server answers at all, and what the browser may do with the answer.

Gradio serves more than this page needs: descriptions of its interface, files it has cached, a proxy, a monitor. Only
what the page itself asks for is let through, with no file named but an upload, and the page is told, by a
Content-Security-Policy, to reach nothing but the server it came from.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from braincodec.app.presence import Presence
from braincodec.app.sent import RefusedError, checked_request

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

# what the page's own scripts ask for; everything else is not found
READ = re.compile(
    r"/|/config|/theme\.css|/manifest\.json|/favicon\.ico|/(assets|static|braincodec)/.+"
    r"|/gradio_api/(queue/data|heartbeat/[^/]+|startup-events|upload_progress)"
)
WRITTEN = re.compile(r"/gradio_api/(queue/join|upload|cancel|reset)")
UPLOAD = "/gradio_api/upload"
# what a page listens to while it is open; each names the page
HEARTBEAT, ANSWERS = re.compile(r"/gradio_api/heartbeat/([^/]+)"), "/gradio_api/queue/data"
# bytes of a request: the largest photograph with what surrounds it, or a choice
MOST_UPLOADED, MOST_ASKED = 21 * 10**6, 10**6
# names that a browser on this computer gives it; another name that leads here is an attack by a web page
LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]", "testserver")

REMOTE = re.compile(rb'\s*<meta\s+(?:property="og:|name="twitter:)[^>]*>')
TITLE = b"<title>braincodec explorer</title>"
NO_SCRIPTS = b"<noscript>This page draws with scripts, which are switched off in this browser.</noscript>"


class Guard:
    """Around the page's application: an ASGI middleware.

    Parameters
    ----------
    app : ASGI application
    head : str
        Put into the page's head: its style sheets and scripts, without their permission to run.
    local : bool
        Whether only this computer is served: then by the names that it has for itself.
    uploads : Path, optional
        The folder whose files requests may name; default: none may be named.
    presence : Presence, optional
        Is told who listens.
    """

    def __init__(
        self,
        app: Application,
        *,
        head: str = "",
        local: bool = True,
        uploads: Path | None = None,
        presence: Presence | None = None,
    ) -> None:
        self.app = app
        self.head = head
        self.local = local
        self.uploads = uploads or Path()
        self.presence = presence or Presence()
        self._ended = asyncio.Event()

    def end(self) -> None:
        """Tell everything that still listens that its visitor has left, so that the server can end at once."""
        self._ended.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, refuse, or serve with headers and a page that reaches nothing else."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        refused = self._refused(scope)
        if refused is not None:
            await _answer(send, *refused)
            return
        if scope["method"] == "POST" and scope["path"] != UPLOAD:
            try:
                request = await self._request(receive)
            except RefusedError as error:
                await _answer(send, 422, str(error))
                return
            scope, receive = _with_body(scope, receive, json.dumps(request).encode())
        nonce = secrets.token_urlsafe(16)
        is_page = scope["path"] == "/" and scope["method"] == "GET"
        sender = _PageSender(send, self._rewritten, nonce) if is_page else send
        visitor = _listener(scope)
        try:
            with self.presence.listening(visitor) if visitor else contextlib.nullcontext():
                await self.app(scope, self._until_ended(receive), _with_headers(sender, policy(nonce)))
        except Exception:
            # whoever serves logs it; the visitor gets a sentence where nothing has been sent yet
            await _answer(send, 500, "Something went wrong on the server; please try again.")
            raise

    async def _request(self, receive: Receive) -> dict[str, Any]:
        """What a page asks for, once all of it has come."""
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise RefusedError("The request broke off.")
            body += message.get("body", b"")
            more = message.get("more_body", False)
        request = checked_request(body, self.uploads)
        self.presence.asked(str(request.get("session_hash")))
        return request

    def _until_ended(self, receive: Receive) -> Receive:
        async def receiving() -> Message:
            message = asyncio.ensure_future(receive())
            ended = asyncio.ensure_future(self._ended.wait())
            try:
                await asyncio.wait({message, ended}, return_when=asyncio.FIRST_COMPLETED)
                return message.result() if message.done() else {"type": "http.disconnect"}
            finally:
                message.cancel()
                ended.cancel()

        return receiving

    def _refused(self, scope: Scope) -> tuple[int, str] | None:
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        name = re.sub(r":\d+$", "", headers.get(b"host", ""))
        if self.local and name not in LOCAL_NAMES:
            return 421, f"This page is served to this computer only, not as {name[:100]!r}."
        path, method = scope["path"], scope["method"]
        known = READ if method in ("GET", "HEAD") else WRITTEN if method == "POST" else None
        if known is None or not known.fullmatch(path):
            return 404, "There is nothing here."
        if method == "POST" and headers.get(b"sec-fetch-site") == "cross-site":
            return 403, "Another web page may not ask this one for anything."
        # how much will come must be known before any of it is read
        if method == "POST" and (b"content-length" not in headers or b"transfer-encoding" in headers):
            return 411, "The request does not say how long it is."
        length = headers.get(b"content-length", "0")
        most = MOST_UPLOADED if path == UPLOAD else MOST_ASKED
        if not length.isdigit() or int(length) > most:
            return 413, f"The request is too large; at most {most / 1e6:.0f} MB are accepted."
        return None

    def _rewritten(self, page: bytes, nonce: str) -> bytes:
        """Without links to other servers, with the page's own files, and its scripts allowed to run."""
        page = REMOTE.sub(b"", page)
        page = page.replace(b"</head>", TITLE + self.head.encode() + b"</head>", 1)
        page = page.replace(b"<gradio-app", NO_SCRIPTS + b"<gradio-app", 1)
        return page.replace(b"<script", f'<script nonce="{nonce}"'.encode())


def policy(nonce: str) -> str:
    """The Content-Security-Policy: scripts, styles, pictures and requests of this server only.

    Gradio fills its pieces of HTML by functions that it makes from text, hence ``unsafe-eval``; no script of another
    origin, and none that stands in a piece of HTML, runs.
    """
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src 'self' 'nonce-{nonce}' 'unsafe-eval'",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "manifest-src 'self'",
            "base-uri 'self'",
            "form-action 'none'",
            "frame-ancestors 'self'",
        ]
    )


def _listener(scope: Scope) -> str:
    """The name of the page that a request listens for; empty where it is another request."""
    found = HEARTBEAT.fullmatch(scope["path"])
    if found is not None:
        return found[1]
    if scope["path"] != ANSWERS:
        return ""
    return parse_qs(scope.get("query_string", b"").decode("latin-1")).get("session_hash", [""])[0]


def _with_body(scope: Scope, receive: Receive, body: bytes) -> tuple[Scope, Receive]:
    """The same request with another body; afterwards the visitor is listened to as before."""
    left = [{"type": "http.request", "body": body, "more_body": False}]

    async def receiving() -> Message:
        return left.pop() if left else await receive()

    kept = [pair for pair in scope["headers"] if pair[0].lower() != b"content-length"]
    headers = [*kept, (b"content-length", str(len(body)).encode())]
    return {**scope, "headers": headers}, receiving


def _with_headers(send: Send, rules: str) -> Send:
    added = {
        "content-security-policy": rules,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-resource-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "permissions-policy": "camera=(), microphone=(), geolocation=()",
    }

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [pair for pair in message["headers"] if pair[0].decode().lower() not in added]
            headers += [(name.encode(), value.encode()) for name, value in added.items()]
            message = {**message, "headers": headers}
        await send(message)

    return sending


class _PageSender:
    """Holds the page back until it is whole, to change it."""

    def __init__(self, send: Send, change: Callable[[bytes, str], bytes], nonce: str) -> None:
        self.send, self.change, self.nonce = send, change, nonce
        self.start: Message = {}
        self.body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.start = message
            return
        self.body += message.get("body", b"")
        if message.get("more_body"):
            return
        body = self.change(self.body, self.nonce)
        kept = [pair for pair in self.start["headers"] if pair[0].lower() != b"content-length"]
        length = (b"content-length", str(len(body)).encode())
        await self.send({**self.start, "headers": [*kept, length, (b"cache-control", b"no-store")]})
        await self.send({"type": "http.response.body", "body": body})


async def _answer(send: Send, status: int, words: str) -> None:
    body = words.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
