"""A server on this machine that answers as the Hub does, and misbehaves where it is asked to."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import Any
from urllib.parse import unquote, urlsplit

from kvcalc.readers.hub import HubId

ID = HubId("org/name")
CONFIG = json.dumps({"model_type": "llama"}).encode()
GGUF = bytes(range(256)) * 4096 * 3  # 3 MiB
COMMIT = "0123456789abcdef0123456789abcdef01234567"
ERRORS = {"GatedRepo": 403, "RepoNotFound": 401, "RevisionNotFound": 404, "EntryNotFound": 404}

Headers = dict[str, str]
Answer = tuple[int, Headers, bytes]
"""A status, headers and a body."""


@dataclass
class Repository:
    """Files, and how they are served.

    `error` is an X-Error-Code that every request gets, `status` a bare HTTP status; `stored` are
    files that redirect to another path, with `beside` as the content of that answer; `distort`
    changes a file's status, headers and body.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    revisions: tuple[str, ...] = ("main",)
    error: str | None = None
    status: int | None = None
    stored: tuple[str, ...] = ()
    beside: bytes = b""
    token: str | None = None
    distort: Callable[[int, Headers, bytes], Answer] | None = None
    distort_head: bool = False


@dataclass(frozen=True)
class Request:
    """What the server was asked for."""

    method: str
    path: str
    range: str | None


class HubServer(ThreadingHTTPServer):
    """The server; `repositories` are by their ids, `requests` in the order they came."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories: dict[str, Repository] = {}
        self.requests: list[Request] = []
        self.sent = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: HubServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = urlsplit(self.path).path
        segments = [unquote(segment) for segment in path.strip("/").split("/")]
        if len(segments) < 4:  # the library asks the Hub about itself: about no repository
            return self._send(404, {}, b"")
        self.server.requests.append(Request(self.command, path, self.headers["Range"]))
        if segments[:2] == ["api", "models"]:
            name, revision = "/".join(segments[2:4]), (segments[5:] or ["main"])[0]
        elif segments[0] == "stored":
            name, revision = "/".join(segments[1:3]), COMMIT
        else:
            name, revision = "/".join(segments[:2]), segments[3]
        repository = self.server.repositories.get(name, Repository(error="RepoNotFound"))
        error = self._error(repository, revision)
        if error is not None:
            return self._send(ERRORS[error], {"X-Error-Code": error}, b"")
        if repository.status is not None:
            return self._send(repository.status, {}, b"")
        if segments[0] == "api":
            return self._send(200, {"Content-Type": "application/json"}, _info(name, repository))
        file = "/".join(segments[3 if segments[0] == "stored" else 4 :])
        if file not in repository.files:
            return self._send(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT}, b"")
        if segments[0] != "stored" and file in repository.stored:
            return self._send(
                302, self._about(repository, file, f"/stored/{name}/{file}"), repository.beside
            )
        return self._file(repository, file)

    def _error(self, repository: Repository, revision: str) -> str | None:
        if repository.error is None and revision not in (*repository.revisions, COMMIT):
            return "RevisionNotFound"
        if repository.token and self.headers["Authorization"] != f"Bearer {repository.token}":
            return "GatedRepo"
        return repository.error

    def _about(self, repository: Repository, file: str, location: str = "") -> dict[str, str]:
        content = repository.files[file]
        etag = f'"{hashlib.sha1(content).hexdigest()}"'
        about = {"X-Repo-Commit": COMMIT, "ETag": etag, "Accept-Ranges": "bytes"}
        if location:
            about |= {"Location": location, "X-Linked-Size": str(len(content))}
        return about

    def _file(self, repository: Repository, file: str) -> None:
        status, headers, body = 200, self._about(repository, file), repository.files[file]
        if self.headers["Range"]:
            first, last = self.headers["Range"].removeprefix("bytes=").split("-")
            start, end = int(first), min(int(last) + 1 if last else len(body), len(body))
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(body)}"
            status, body = 206, body[start:end]
        headers["Content-Length"] = str(len(body))
        if repository.distort and (repository.distort_head or self.command == "GET"):
            status, headers, body = repository.distort(status, headers, body)
        self._send(status, headers, body)

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        headers = {"Content-Length": str(len(body)), "Connection": "close"} | headers
        self.close_connection = True
        self.send_response(status)
        for name, value in headers.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            cuts = [*range(0, len(body), 2**16), len(body)]
            try:
                for start, end in pairwise(cuts):
                    self.wfile.write(body[start:end])
                    self.server.sent += end - start
            except OSError:  # the reader has had enough
                pass


def _info(name: str, repository: Repository) -> bytes:
    files: list[dict[str, Any]] = [{"rfilename": file} for file in sorted(repository.files)]
    return json.dumps({"id": name, "sha": COMMIT, "siblings": files}).encode()
