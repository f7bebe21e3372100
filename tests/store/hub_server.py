"""As much of the Hugging Face hub as its client uses to make a repository, commit files, list and download them."""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import re
import threading
from collections.abc import Iterator
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

TOKEN = "hf_writer"
LARGE = (".safetensors", ".nc")  # go the way of large files


def git_name(content: bytes) -> str:
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()


class Hub(http.server.ThreadingHTTPServer):
    """Repositories in memory; `asked` notes what was asked for, and `refuse` (a pattern of it) breaks answers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}
        self.large: dict[str, bytes] = {}
        self.commits: list[str] = []
        self.asked: list[str] = []
        self.refuse = ""
        self.spoil: dict[str, bytes] = {}

    def info(self, repository: str, path: str) -> dict[str, object]:
        content = self.repositories[repository][path]
        found = {"type": "file", "path": path, "size": len(content), "oid": git_name(content)}
        if path.endswith(LARGE):
            found["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
        return found

    def count(self, what: str) -> int:
        """How many requests of a kind there were."""
        return sum(bool(re.search(what, line)) for line in self.asked)


class Answer(http.server.BaseHTTPRequestHandler):
    """One request."""

    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def answer(self, status: int, content: object, **headers: str) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        kind = "application/octet-stream" if isinstance(content, bytes) else "application/json"
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def handle_request(self) -> None:
        hub, parts = self.server, urlsplit(self.path)
        path, query, content = unquote(parts.path).strip("/"), parse_qs(parts.query), self.body()
        hub.asked.append(f"{self.command} {path}")
        if hub.refuse and re.search(hub.refuse, hub.asked[-1]):
            self.answer(500, {"error": "out of order"})
            return
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if self.command == "POST" and not re.search("validate-yaml|/paths-info/", path) and token != TOKEN:
            self.answer(401 if not token else 403, {"error": "forbidden"})
            return
        if self.command == "PUT":
            hub.large[path.removeprefix("lfs/")] = content
            self.answer(200, {})
        elif path.endswith("validate-yaml"):
            self.answer(200, {})
        elif path == "api/repos/create":
            self.create(json.loads(content))
        elif match := re.fullmatch(r"(.+?/.+?)\.git/info/lfs/objects/batch", path):
            self.large_files(json.loads(content))
        elif match := re.fullmatch(r"api/models/([^/]+/[^/]+)(?:/([a-z-]+)/([^/]+)(?:/(.*))?)?", path):
            self.repository(*match.groups(), query=query, content=content)
        elif match := re.fullmatch(r"([^/]+/[^/]+)/resolve/[^/]+/(.+)", path):
            self.download(*match.groups())
        else:
            self.answer(404, {"error": f"nothing at {path}"})

    do_GET = do_POST = do_PUT = do_HEAD = handle_request  # noqa: N815

    def create(self, wanted: dict[str, object]) -> None:
        name = f"{wanted['organization']}/{wanted['name']}"
        status = 409 if name in self.server.repositories else 200
        if status == 200:
            self.server.repositories[name] = {".gitattributes": b"*.safetensors filter=lfs"}
            self.server.private[name] = wanted.get("visibility") == "private"
        self.answer(status, {"url": f"{self.server.url}/{name}", "name": name, "error": "exists already"})

    def large_files(self, wanted: dict[str, object]) -> None:
        objects = []
        for one in wanted["objects"]:
            actions = {"upload": {"href": f"{self.server.url}/lfs/{one['oid']}", "header": {}}}
            objects.append(one | ({} if one["oid"] in self.server.large else {"actions": actions}))
        self.answer(200, {"transfer": "basic", "objects": objects})

    def repository(self, name: str, verb: str | None, revision: str, path: str | None, query, content: bytes) -> None:
        hub = self.server
        if name not in hub.repositories:
            self.answer(404, {"error": "Repository not found"}, X_Error_Code="RepoNotFound")
            return
        files = hub.repositories[name]
        if verb in (None, "revision"):
            self.answer(200, {"id": name, "sha": "a" * 40, "siblings": [{"rfilename": file} for file in files]})
        elif verb == "preupload":
            known = [
                {
                    "path": one["path"],
                    "uploadMode": "lfs" if one["path"].endswith(LARGE) else "regular",
                    "shouldIgnore": False,
                    "oid": git_name(files[one["path"]]) if one["path"] in files else None,
                }
                for one in json.loads(content)["files"]
            ]
            self.answer(200, {"files": known})
        elif verb == "commit":
            self.commit(name, [json.loads(line) for line in content.splitlines()])
        elif verb == "paths-info":
            paths = parse_qs(content.decode())["paths"]
            self.answer(200, [hub.info(name, one) for one in paths if one in files])
        else:
            self.tree(name, path or "", recursive=query.get("recursive", ["false"])[0].lower() == "true")

    def tree(self, name: str, path: str, recursive: bool) -> None:
        prefix = f"{path}/" if path else ""
        below = [file for file in self.server.repositories[name] if file.startswith(prefix)]
        folders = {prefix + file.removeprefix(prefix).split("/")[0] for file in below if "/" in file[len(prefix) :]}
        found = [self.server.info(name, file) for file in below if recursive or "/" not in file[len(prefix) :]]
        found += [{"type": "directory", "path": one, "size": 0, "oid": "0" * 40} for one in sorted(folders)]
        if not found:
            self.answer(404, {"error": "Entry not found"}, X_Error_Code="EntryNotFound")
            return
        self.answer(200, found)

    def commit(self, name: str, lines: list[dict[str, dict[str, str]]]) -> None:
        files = dict(self.server.repositories[name])
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.server.large[value["oid"]]
            else:
                self.server.commits.append(value["summary"])
        self.server.repositories[name] = files
        self.answer(200, {"commitUrl": f"{self.server.url}/{name}/commit/{'b' * 40}", "commitOid": "b" * 40})

    def download(self, name: str, path: str) -> None:
        content = self.server.repositories.get(name, {}).get(path)
        if content is None:
            self.answer(404, {"error": "Entry not found"}, X_Error_Code="EntryNotFound")
            return
        content = self.server.spoil.get(path, content)
        headers = {"ETag": f'"{git_name(content)}"', "X_Repo_Commit": "a" * 40, "Accept_Ranges": "bytes"}
        bounds = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if bounds:
            first, last = int(bounds[1]), min(int(bounds[2] or len(content)), len(content) - 1)
            headers["Content_Range"] = f"bytes {first}-{last}/{len(content)}"
            self.answer(206, content[first : last + 1], **headers)
            return
        self.answer(200, content, **headers)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub on loopback, that large files are sent to over plain HTTP."""
    constants = pytest.importorskip("huggingface_hub.constants", reason="needs the extra 'remote'")
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True, raising=False)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", "/nonexistent/token")
    with Hub() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
