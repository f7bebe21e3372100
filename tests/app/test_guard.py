"""What the page's server answers, refuses, and allows the browser."""

from __future__ import annotations

import asyncio
import json
import re

import pytest

from braincodec.app.guard import Guard, policy
from braincodec.app.presence import Presence

PAGE = (
    b'<html><head><meta property="og:image" content="https://elsewhere.example/a.jpg" />'
    b'<meta name="twitter:title" content="x" /><script>let a</script></head>'
    b"<body><gradio-app></gradio-app></body></html>"
)


async def application(scope, receive, send):
    if scope["path"] == "/assets/broken.js":
        raise ValueError("internal words")
    headers = [(b"content-type", b"text/html"), (b"content-length", str(len(PAGE)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": PAGE[:40], "more_body": True})
    await send({"type": "http.response.body", "body": PAGE[40:]})


def ask(path="/", method="GET", *, host="127.0.0.1:7860", length=None, local=True, body=b"{}", uploads=None):
    """Status, headers and body of an answer."""
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request", "body": body}

    length = len(body) if length is None and method == "POST" else length
    headers = [(b"host", host.encode())]
    headers += [] if length is None else [(b"content-length", str(length).encode())]
    scope = {"type": "http", "path": path, "method": method, "headers": headers}
    guard = Guard(application, head='<script src="own.js"></script>', local=local, uploads=uploads)
    try:
        asyncio.run(guard(scope, receive, send))
    except ValueError as error:
        assert str(error) == "internal words"
    found = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], found, b"".join(message.get("body", b"") for message in sent[1:])


def test_page_names_no_other_server_and_runs_only_scripts_that_it_was_made_with():
    status, headers, body = ask()
    assert status == 200
    assert b"elsewhere.example" not in body and b"twitter" not in body
    nonce = re.search(r"'nonce-([^']+)'", headers["content-security-policy"])[1]
    assert body.count(b"<script") == body.count(f'<script nonce="{nonce}"'.encode()) == 2
    assert int(headers["content-length"]) == len(body)


def test_policy_allows_this_server_only():
    rules = dict(rule.split(" ", 1) for rule in policy("abc").split("; "))
    assert rules["default-src"] == "'none'"
    assert not re.search(r"https?:|\*|unsafe-inline", " ".join(v for k, v in rules.items() if k != "style-src"))


def test_two_pages_have_different_nonces():
    assert ask()[1]["content-security-policy"] != ask()[1]["content-security-policy"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/gradio_api/file=/etc/passwd"),
        ("GET", "/gradio_api/proxy=https://elsewhere.example/"),
        ("GET", "/gradio_api/info"),
        ("GET", "/gradio_api/openapi.json"),
        ("GET", "/monitoring"),
        ("GET", "/docs"),
        ("POST", "/gradio_api/call/predict"),
        ("POST", "/gradio_api/run/predict"),
        ("POST", "/"),
        ("DELETE", "/config"),
    ],
)
def test_what_the_page_does_not_need_is_not_there(method, path):
    assert ask(path, method)[0] == 404


@pytest.mark.parametrize("path", ["/config", "/theme.css", "/assets/a.js", "/gradio_api/queue/data"])
def test_what_the_page_needs_is_there(path):
    assert ask(path)[0] == 200


@pytest.mark.parametrize("host", ["localhost:9000", "127.0.0.1", "[::1]:7860"])
def test_names_of_this_computer_are_served_on_any_port(host):
    assert ask(host=host)[0] == 200


def test_another_name_that_leads_here_is_refused_unless_others_are_served():
    status, _, body = ask(host="rebound.example")
    assert status == 421
    assert b"rebound.example" in body
    assert ask(host="rebound.example", local=False)[0] == 200


def test_large_requests_are_refused_before_they_are_read():
    assert ask("/gradio_api/upload", "POST", length=22_000_000)[0] == 413
    assert ask("/gradio_api/queue/join", "POST", length=2_000_000)[0] == 413
    assert ask("/gradio_api/upload", "POST", length=2_000_000)[0] == 200


@pytest.mark.parametrize(
    ("length", "more", "status"),
    [
        (b"", [], 413),
        (b"-1", [], 413),
        (b"2", [(b"transfer-encoding", b"chunked")], 411),
        (None, [(b"transfer-encoding", b"chunked")], 411),
        (b"2", [(b"sec-fetch-site", b"cross-site")], 403),
        (b"2", [(b"sec-fetch-site", b"same-origin")], 200),
    ],
)
def test_requests_of_unknown_length_and_of_other_pages_are_refused(length, more, status):
    headers = more if length is None else [*more, (b"content-length", length)]
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request", "body": b"{}"}

    scope = {"type": "http", "path": "/gradio_api/queue/join", "method": "POST"}
    scope["headers"] = [(b"host", b"localhost"), *headers]
    asyncio.run(Guard(application)(scope, receive, send))
    assert sent[0]["status"] == status


def test_requests_name_no_file_but_an_upload(tmp_path):
    upload = str(tmp_path / ("0" * 64) / "dog.png")
    for path, status in [("http://localhost:1/a.png", 422), ("/etc/passwd", 422), (upload, 200)]:
        body = json.dumps({"data": [None, {"path": path, "meta": {"_type": "gradio.FileData"}}]}).encode()
        got, _, said = ask("/gradio_api/queue/join", "POST", body=body, uploads=tmp_path)
        assert got == status
        assert status == 200 or said == b"A request may name only files that were uploaded to this page."


def test_what_was_checked_is_what_is_served():
    """Of a key that stands twice, readers differ in which they take."""
    heard = []

    async def listener(scope, receive, send):
        heard.append((await receive())["body"])
        assert dict(scope["headers"])[b"content-length"] == str(len(heard[0])).encode()
        await application(scope, receive, send)

    async def receive():
        return {"type": "http.request", "body": b'{"data": [{"path": "/etc/passwd", "path": null}]}'}

    async def send(_):
        pass

    scope = {"type": "http", "path": "/gradio_api/queue/join", "method": "POST"}
    scope["headers"] = [(b"host", b"localhost"), (b"content-length", b"50")]
    asyncio.run(Guard(listener)(scope, receive, send))
    assert json.loads(heard[0]) == {"data": [{"path": None}]} and b"passwd" not in heard[0]


@pytest.mark.parametrize(
    ("path", "query"), [("/gradio_api/heartbeat/visitor", b""), ("/gradio_api/queue/data", b"session_hash=visitor")]
)
def test_who_listens_is_known_until_the_stream_ends(path, query):
    presence, seen = Presence(patience=0), []

    async def listener(scope, receive, send):
        seen.append(presence.left("visitor"))
        await application(scope, receive, send)

    async def send(_):
        pass

    scope = {"type": "http", "path": path, "method": "GET", "headers": [(b"host", b"localhost")], "query_string": query}
    assert not presence.left("visitor")
    asyncio.run(Guard(listener, presence=presence)(scope, None, send))
    assert seen == [False] and presence.left("visitor")


def test_an_error_inside_becomes_one_sentence():
    status, _, body = ask("/assets/broken.js")
    assert status == 500
    assert b"internal words" not in body and body.count(b".") == 1


def test_every_answer_says_what_it_is_and_stays_here():
    _, headers, _ = ask("/theme.css")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "camera=()" in headers["permissions-policy"]


def test_what_listens_is_told_to_leave_when_the_server_ends():
    heard = []

    async def listener(scope, receive, send):
        heard.append((await receive())["type"])
        await application(scope, receive, send)

    async def never():
        await asyncio.sleep(60)

    async def send(_):
        pass

    async def serve():
        guard = Guard(listener)
        scope = {"type": "http", "path": "/config", "method": "GET", "headers": [(b"host", b"localhost")]}
        listening = asyncio.create_task(guard(scope, never, send))
        await asyncio.sleep(0)
        guard.end()
        await asyncio.wait_for(listening, 10)

    asyncio.run(serve())
    assert heard == ["http.disconnect"]
