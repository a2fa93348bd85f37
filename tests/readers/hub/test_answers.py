"""Files of the Hub read by ranges, and answers that are cut, too long, too slow or another's."""

import gzip
from contextlib import suppress
from functools import cache
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Event, Thread
from typing import Any

import pytest

from kvcalc.errors import KvcalcError
from kvcalc.readers.hub import answers, fetch_config, list_files, open_gguf, ranges
from tests.readers.hub import hub_server
from tests.readers.hub.hub_server import (
    COMMIT,
    CONFIG,
    GGUF,
    ID,
    Answer,
    Headers,
    HubServer,
    Repository,
)


def test_a_file_is_read_by_pieces_and_what_is_skipped_is_not_fetched(server: HubServer) -> None:
    server.repositories["org/name"] = Repository({"m.gguf": GGUF}, stored=("m.gguf",))
    with open_gguf(ID) as stream:
        assert (stream.size, stream.fetched) == (len(GGUF), 2**20)
        assert stream.read(4) == GGUF[:4]
        assert stream.seek(2**20 - 2) == 2**20 - 2
        assert stream.read(5) == GGUF[2**20 - 2 : 2**20 + 3]
        assert stream.seek(-4, 2) == stream.tell() == len(GGUF) - 4
        assert stream.read() == GGUF[-4:]
        assert stream.read(2**63) == b""
        assert stream.seek(-8, 1) == len(GGUF) - 8
        assert stream.read(2**63) == GGUF[-8:]
        assert stream.seek(-1) == 0
        assert stream.read(2**63) == GGUF
    ranges = [request.range for request in server.requests if request.path.startswith("/org")]
    assert ranges[:3] == ["bytes=0-1048575", "bytes=1048576-2097151", "bytes=3145724-3145727"]
    assert f"/org/name/resolve/{COMMIT}/m.gguf" in {request.path for request in server.requests}


def test_what_is_read_of_a_file_is_bounded(
    server: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranges, "MAX_RANGE_BYTES", 2**21)
    server.repositories["org/name"] = Repository({"m.gguf": GGUF})
    stream = open_gguf(ID)
    with pytest.raises(KvcalcError, match=r"'m\.gguf' .*its head is larger than 2,097,152 bytes; "):
        stream.read()
    assert stream.fetched == 2**20
    stream.seek(2**21)
    assert stream.read(4) == GGUF[:4]
    stream.seek(0)
    with pytest.raises(KvcalcError, match=r"its head is larger than 2,097,152 bytes; "):
        stream.read(4)


def _ignores(status: int, headers: Headers, body: bytes) -> Answer:
    return 200, headers | {"Content-Range": ""}, body


def _shifts(status: int, headers: Headers, body: bytes) -> Answer:
    return status, headers | {"Content-Range": "bytes 5-9/10"}, body


def _unsized(status: int, headers: Headers, body: bytes) -> Answer:
    return status, headers | {"Content-Range": "bytes 0-1048575/*"}, body


def _cuts(status: int, headers: Headers, body: bytes) -> Answer:
    return status, headers | {"Content-Length": ""}, body[:100]


def _breaks(status: int, headers: Headers, body: bytes) -> Answer:
    return status, headers, body[:100]


def _floods(status: int, headers: Headers, body: bytes) -> Answer:
    return status, headers | {"Content-Length": ""}, bytes(2**26)


@pytest.mark.parametrize(
    ("distort", "sentence"),
    [
        (_ignores, r"^'org/name': 'm\.gguf' .*the server ignores HTTP ranges; download it and "),
        (_shifts, r"the server answered another range, 'bytes 5-9/10'; "),
        (_unsized, r"the server answered another range, 'bytes 0-1048575/\*'; "),
        (_cuts, r"the answer was cut, at byte 100; "),
        (_floods, r"an answer was more than 1,048,576 bytes, at byte 0; "),
        (_breaks, r"^'org/name' cannot be fetched, the Hub gave no complete answer "),
    ],
)
def test_an_answer_that_is_not_the_piece_is_refused(
    server: HubServer, distort: Any, sentence: str
) -> None:
    server.repositories["org/name"] = Repository({"m.gguf": GGUF}, distort=distort)
    with pytest.raises(KvcalcError, match=sentence):
        open_gguf(ID)


def test_a_file_that_changes_while_it_is_read_is_refused(server: HubServer) -> None:
    server.repositories["org/name"] = repository = Repository({"m.gguf": GGUF})
    stream = open_gguf(ID)
    repository.files["m.gguf"] = GGUF + b"x"
    stream.seek(2**20)
    with pytest.raises(KvcalcError, match=r"the server answered another range, "):
        stream.read(4)


FLOOD = bytes(2**26)


@pytest.mark.parametrize("ask", [fetch_config, open_gguf])
def test_the_content_of_a_redirect_is_not_read(server: HubServer, ask: Any) -> None:
    files = {"config.json": CONFIG, "m.gguf": GGUF}
    server.repositories["org/name"] = Repository(files, stored=tuple(files), beside=FLOOD)
    before = server.sent
    ask(ID)
    assert server.sent - before < len(FLOOD) // 2


def test_a_token_is_not_said_to_another_host(
    server: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    told: list[str | None] = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.append(self.headers["Authorization"])
            self.send_error(404)

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Elsewhere) as other:
        Thread(target=other.serve_forever, args=(0.01,), daemon=True).start()
        there = f"http://127.0.0.1:{other.server_port}/x"

        def moved(status: int, headers: Headers, body: bytes) -> Answer:
            return 302, {"Location": there}, b""

        server.repositories["org/name"] = Repository({"m.gguf": GGUF}, distort=moved)
        with pytest.raises(KvcalcError, match=r"^'org/name' "):
            open_gguf(ID)
        other.shutdown()
    assert told == [None]


def test_redirects_that_do_not_end_are_refused(server: HubServer) -> None:
    def again(status: int, headers: Headers, body: bytes) -> Answer:
        return 302, {"Location": "/org/name/resolve/main/m.gguf"}, b""

    server.repositories["org/name"] = Repository({"m.gguf": GGUF}, distort=again)
    with pytest.raises(KvcalcError, match="the Hub's answer was 'more than 5 redirects'"):
        open_gguf(ID)


@pytest.mark.parametrize("ask", [fetch_config, open_gguf, list_files])
def test_an_answer_that_does_not_come_is_refused_in_time(
    server: HubServer, monkeypatch: pytest.MonkeyPatch, ask: Any
) -> None:
    """A byte of a header every so often, which no time between two bytes is too long for."""
    monkeypatch.setattr(answers, "SECONDS", 0.3)
    ended = Event()

    def dripping(handler: Any, *_: object) -> None:
        with suppress(OSError):
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not ended.wait(0.02):
                handler.wfile.write(b"x")
                handler.wfile.flush()

    monkeypatch.setattr(hub_server._Handler, "_send", dripping)
    server.repositories["org/name"] = Repository({"config.json": CONFIG, "m.gguf": GGUF})
    try:
        with pytest.raises(KvcalcError, match=r"the Hub's answer was 'not complete after 0\.3 sec"):
            ask(ID)
    finally:
        ended.set()


def test_a_file_whose_pieces_take_too_long_together_is_refused(
    server: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.repositories["org/name"] = Repository({"m.gguf": GGUF})
    monkeypatch.setattr(ranges, "FILE_SECONDS", -1.0)
    with pytest.raises(KvcalcError, match="it was not complete after -1 seconds; download it"):
        open_gguf(ID)


@cache
def packed_zeros() -> bytes:
    """64 MiB in 64 KiB."""
    return gzip.compress(bytes(2**26))


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (open_gguf, r"the answer was cut, at byte 65,"),
        (fetch_config, r"config\.json is longer than the 23 bytes"),
    ],
)
def test_an_answer_that_unpacks_to_more_is_refused(
    server: HubServer, ask: Any, sentence: str
) -> None:
    """Though it was asked for as it is."""
    zeros = packed_zeros()

    def packed(status: int, headers: Headers, body: bytes) -> Answer:
        about = {"Content-Encoding": "gzip", "Content-Length": str(len(zeros))}
        return status, headers | about, zeros

    files = {"config.json": CONFIG, "m.gguf": GGUF}
    server.repositories["org/name"] = Repository(files, distort=packed)
    with pytest.raises(KvcalcError, match=sentence):
        ask(ID)


def test_an_empty_file_is_refused(server: HubServer) -> None:
    server.repositories["org/name"] = Repository({"m.gguf": b""})
    with pytest.raises(KvcalcError, match=r"the server answered another range, "):
        open_gguf(ID)
