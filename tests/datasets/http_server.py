"""A server on this machine that behaves as servers do, well or badly."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FileServer(ThreadingHTTPServer):
    """Serves `content` by path, and remembers what it was asked for.

    `ranges`: whether it knows them. `cut`: how many bytes of a response it sends before it hangs up; one number for
    each request with content, then whole ones. `head`: whether it answers HEAD. `statuses`: for the next requests.
    `pause`: seconds in the middle of a response.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content: dict[str, bytes] = {}
        self.asked: list[tuple[str, str, str | None]] = []  # method, path, range
        self.ranges, self.head, self.tagged = True, True, True
        self.cut: list[int] = []
        self.statuses: list[int] = []
        self.kind = "application/octet-stream"
        self.pause = 0.0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FileServer

    def do_HEAD(self) -> None:
        self.answer(with_body=False)

    def do_GET(self) -> None:
        self.answer(with_body=True)

    def answer(self, *, with_body: bool) -> None:
        server, asked = self.server, self.headers.get("Range")
        server.asked.append((self.command, self.path, asked))
        whole = server.content.get(self.path)
        status = server.statuses.pop(0) if server.statuses else 404 if whole is None else 200
        if not server.head and not with_body:
            status = 403
        if status != 200:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        assert whole is not None
        tag = f'"{hashlib.md5(whole).hexdigest()}"'
        body, start = whole, 0
        if asked and server.ranges and self.headers.get("If-Range", tag) == tag:
            first, _, last = asked.removeprefix("bytes=").partition("-")
            start, stop = int(first), int(last) + 1 if last else len(whole)
            if start >= len(whole):
                self.send_response(416)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            status, body = 206, whole[start:stop]
        self.send_response(status)
        self.send_header("Content-Type", server.kind)
        self.send_header("Content-Length", str(len(body)))
        if server.tagged:
            self.send_header("ETag", tag)
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{start + len(body) - 1}/{len(whole)}")
        self.end_headers()
        if with_body:
            one_byte = asked == "bytes=0-0"
            if server.cut and not one_byte:
                self.wfile.write(body[: server.cut.pop(0)])
                self.close_connection = True
            else:
                half = len(body) // 2 if server.pause else 0
                self.wfile.write(body[:half])
                time.sleep(server.pause)
                with suppress(ConnectionError):  # the client may have been killed
                    self.wfile.write(body[half:])

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def running() -> Iterator[FileServer]:
    with FileServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
