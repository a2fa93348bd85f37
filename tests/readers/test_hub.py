"""The Hub reader against a server on this machine: ids, config.json, ranges, and every refusal."""

import gzip
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from gguf import GGUFWriter

import kvcalc
from kvcalc.errors import KvcalcError, MissingExtraError
from kvcalc.layers.attention import FullAttention
from kvcalc.readers import hub, read
from kvcalc.readers.hub import HubId, answers, fetch_config, list_files, open_gguf, parse, ranges
from kvcalc.readers.hub.errors import hub_errors
from tests.each import each
from tests.readers import hub_server
from tests.readers.hub_server import COMMIT, HubServer, Repository

CONFIG = json.dumps({"model_type": "llama"}).encode()
GGUF = bytes(range(256)) * 4096 * 3  # 3 MiB
Headers = dict[str, str]


@pytest.fixture(scope="module")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubServer]:
    """The server, and huggingface_hub imported anew: it reads its environment at import."""
    with HubServer() as server, pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("HF_", "HUGGING"))]:
            patch.delenv(name)
        patch.setenv("HF_ENDPOINT", server.url)
        patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("hub")))
        patch.setenv("NO_PROXY", "127.0.0.1")
        patch.setenv("no_proxy", "127.0.0.1")
        for name in [name for name in sys.modules if name.partition(".")[0] == "huggingface_hub"]:
            patch.delitem(sys.modules, name)
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        for name in [name for name in sys.modules if name.partition(".")[0] == "huggingface_hub"]:
            del sys.modules[name]
        server.shutdown()


@pytest.fixture
def server(_server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HubServer:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    _server.repositories.clear()
    _server.requests.clear()
    return _server


@pytest.fixture
def offline(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


ID = HubId("org/name")


@each(
    ("text", "expected"),
    [
        ("org/name", ID),
        ("org/name/", ID),
        ("LGAI-EXAONE/K-EXAONE-236B-A23B", HubId("LGAI-EXAONE/K-EXAONE-236B-A23B")),
        ("org/name@v1.0", HubId("org/name", "v1.0")),
        ("org/name@refs/pr/3", HubId("org/name", "refs/pr/3")),
        ("org/name:Q4_K_M", HubId("org/name", None, "Q4_K_M")),
        ("org/name@v1:q8_0", HubId("org/name", "v1", "q8_0")),
        ("hf.co/org/name", ID),
        ("hf.co/org/name:Q4_K_M", HubId("org/name", None, "Q4_K_M")),
        ("https://hf.co/org/name", ID),
        ("https://hf.co/org/name/tree/v1", HubId("org/name", "v1")),
        ("https://huggingface.co/org/name?library=vllm#use", ID),
        ("https://huggingface.co/org/name/tree/main/sub/folder", HubId("org/name", "main")),
        ("https://huggingface.co/org/name/tree/refs%2Fpr%2F1", HubId("org/name", "refs/pr/1")),
        ("https://huggingface.co/org/name/blob/refs/pr/1/a", HubId("org/name", "refs/pr/1")),
        ("https://huggingface.co/org/name/blob/main/config.json", HubId("org/name", "main")),
        (
            "https://huggingface.co/org/name/resolve/main/Q8_0/m-Q8_0-00002-of-00003.gguf?x=1",
            HubId("org/name", "main", "m-Q8_0"),
        ),
    ],
)
def test_an_id_is_read_however_it_is_spelled(text: str, expected: HubId) -> None:
    assert parse(text) == expected


@each(
    "text",
    [
        "",
        "gpt2",
        "a/b/c",
        "./a/b",
        "../name",
        "/org/name",
        "org/na me",
        "org/name\n",
        "org/na--me",
        "org/na..me",
        "org/name@",
        "org/name@../x",
        "org/name@a/../x",
        "org/name:",
        "org/name?x",
        "org/name/tree/main",
        "folder/config.json",
        "folder/model.gguf",
        *(f"folder/model{form}" for form in (".toml", ".yaml", ".yml")),
        *(
            f"{page}/name"
            for page in ("api", "blog", "collections", "datasets", "docs", "papers", "spaces")
        ),
        "https://example.com/org/name",
        "https://huggingface.co/datasets/org/name",
        "https://huggingface.co/docs/hub",
        "https://huggingface.co/org/name/discussions/3",
        "https://huggingface.co/org/name/tree/..%2Fx",
        "ör/name",
        "a" * 200 + "/b",
        "o/" + "n" * 10**6,
    ],
)
def test_what_is_no_id_is_left_to_others(text: str) -> None:
    assert parse(text) is None


def test_config_json_alone_is_downloaded_once(
    server: HubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.repositories["org/name"] = Repository({"config.json": CONFIG, "model.py": b"1/0"})
    path = fetch_config(ID)
    assert path.read_bytes() == CONFIG
    assert fetch_config(ID) == path
    assert [request.method for request in server.requests].count("GET") == 1
    assert {request.path for request in server.requests} == {"/org/name/resolve/main/config.json"}
    assert capsys.readouterr() == ("", "")


def test_config_json_is_read_of_a_revision_and_through_a_redirect(server: HubServer) -> None:
    server.repositories["org/name"] = Repository(
        {"config.json": CONFIG}, revisions=("v1",), stored=("config.json",)
    )
    assert fetch_config(HubId("org/name", "v1")).read_bytes() == CONFIG
    assert "/stored/org/name/config.json" in {request.path for request in server.requests}


def test_the_cache_answers_offline_and_when_the_hub_is_away(
    server: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    server.repositories["org/name"] = repository = Repository({"config.json": CONFIG})
    path = fetch_config(ID)
    repository.status = 503
    assert fetch_config(ID) == path
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    server.requests.clear()
    assert fetch_config(ID) == path
    assert not server.requests


def test_a_token_opens_a_gated_repository(
    server: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"config.json": CONFIG, "m.gguf": GGUF}
    server.repositories["org/name"] = Repository(files, token="hf_secret")
    for ask in (fetch_config, open_gguf):
        with pytest.raises(KvcalcError, match=r"^'org/name' is gated: ask for access .*HF_TOKEN"):
            ask(ID)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert fetch_config(ID).read_bytes() == CONFIG
    assert open_gguf(ID).read(4) == GGUF[:4]


REFUSALS = [
    (Repository(error="RepoNotFound"), r"is not a repository on the Hub, or is private; check "),
    (Repository(error="GatedRepo"), r"is gated: ask for access "),
    (Repository(revisions=("v1",)), r"has no revision 'main'; name one of "),
    (Repository(status=401), r"cannot be read, the Hub answered HTTP 401; check HF_TOKEN"),
    (Repository(status=500), r"cannot be read, the Hub answered HTTP 500; "),
]


@pytest.mark.parametrize("ask", [fetch_config, open_gguf])
@pytest.mark.parametrize(("repository", "sentence"), REFUSALS)
def test_a_repository_that_cannot_be_read_is_refused(
    server: HubServer, repository: Repository, sentence: str, ask: Any
) -> None:
    server.repositories["org/name"] = repository
    with pytest.raises(KvcalcError, match=f"^'org/name' {sentence}"):
        ask(ID)


RAISED = {
    "GatedRepoError": "is gated: ask for access on its page",
    "DisabledRepoError": "has been disabled on the Hub; use another",
    "RevisionNotFoundError": "has no revision 'main'; name one of",
    "RepositoryNotFoundError": "is not a repository on the Hub, or is private",
    "OfflineModeIsEnabled": "is not in the cache and offline mode is on",
    "HfHubHTTPError": "cannot be read, the Hub answered HTTP None; check",
    "TooLongError": "cannot be fetched, the Hub's answer was 'cut'; check the network and HF_ENDP",
    "TransportError": r"cannot be fetched, the Hub gave no complete answer \('cut'\)",
    "Exception": r"cannot be read from the Hub \('cut'\); check HF_ENDPOINT",
}


@each(("name", "sentence"), RAISED.items())
def test_each_class_of_error_has_its_sentence(name: str, sentence: str) -> None:
    error = type(name, (Exception,), {})("cut")
    derived = type("Derived", (type(error),), {})("cut")
    for one in (error, derived):
        with pytest.raises(KvcalcError, match=f"^'org/name' {sentence}"), hub_errors(ID):
            raise one


@pytest.mark.parametrize("ask", [fetch_config, open_gguf])
@pytest.mark.usefixtures("offline")
def test_offline_without_a_cache_is_refused(ask: Any) -> None:
    with pytest.raises(KvcalcError, match=r"^'org/name' is not in the cache and offline mode is o"):
        ask(ID)


@pytest.mark.parametrize("ask", [fetch_config, open_gguf])
def test_no_network_is_refused(
    server: HubServer, monkeypatch: pytest.MonkeyPatch, ask: Any
) -> None:
    from huggingface_hub import constants

    with socket.socket() as closed:  # bound, so nobody else is, and not listening
        closed.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{closed.getsockname()[1]}"
        template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(server.url, nobody)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "ENDPOINT", nobody)
        with pytest.raises(KvcalcError, match=r"^'org/name' cannot be fetched, the Hub gave no "):
            ask(ID)


@pytest.mark.parametrize("ask", [fetch_config, open_gguf])
def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch, ask: Any) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"needs the extra kvcalc\[hub\]: pip install"):
        ask(ID)


def test_a_repository_without_config_json_says_so(server: HubServer) -> None:
    server.repositories["org/name"] = Repository({"m.gguf": GGUF})
    with pytest.raises(hub.NoConfigError, match=r"^'org/name' holds no config\.json$"):
        fetch_config(ID)


@pytest.mark.parametrize("length", ["999999999999", ""], ids=["huge", "unsaid"])
def test_a_config_json_of_no_known_or_bounded_size_is_not_downloaded(
    server: HubServer, length: str
) -> None:
    server.repositories["org/name"] = Repository(
        {"config.json": CONFIG},
        distort=lambda status, headers, body: (status, headers | {"Content-Length": length}, body),
        distort_head=True,
    )
    with pytest.raises(KvcalcError, match=r"^'org/name': found config\.json .*at most 4,194,304 "):
        fetch_config(ID)
    assert {request.method for request in server.requests} == {"HEAD"}


def test_a_config_json_longer_than_announced_is_cut_off(server: HubServer) -> None:
    def endless(status: int, headers: Headers, body: bytes) -> tuple[int, Headers, bytes]:
        return status, headers | {"Content-Length": ""}, bytes(2**26)

    server.repositories["org/name"] = Repository({"config.json": CONFIG}, distort=endless)
    with pytest.raises(KvcalcError, match=r"^'org/name': config\.json is longer than the 23 bytes"):
        fetch_config(ID)


def test_a_config_json_that_is_cut_off_is_refused(server: HubServer) -> None:
    def cut(status: int, headers: Headers, body: bytes) -> tuple[int, Headers, bytes]:
        return status, headers | {"Content-Length": ""}, body[:4]

    server.repositories["org/name"] = Repository({"config.json": CONFIG}, distort=cut)
    with pytest.raises(KvcalcError, match=r"^'org/name' cannot be read from the Hub \('Consist"):
        fetch_config(ID)


MANY = {
    "README.md": b"",
    "imatrix.gguf": b"",
    "mmproj-model-f16.gguf": b"",
    "mtp-model-Q4_K_M.gguf": b"",
    "BF16/model-BF16-00001-of-00002.gguf": GGUF,
    "BF16/model-BF16-00002-of-00002.gguf": GGUF,
    "model-F16.gguf": GGUF,
    "model-IQ4_NL.gguf": GGUF,
    "model-Q4_K_M.gguf": GGUF,
    "modelQ6_K.gguf": GGUF,
}


@pytest.mark.parametrize(
    ("quantisation", "without", "expected"),
    [
        (None, (), "model-Q4_K_M.gguf"),
        (None, ("model-Q4_K_M.gguf",), "BF16/model-BF16-00001-of-00002.gguf"),
        ("q4_k_m", (), "model-Q4_K_M.gguf"),
        ("F16", (), "model-F16.gguf"),
        ("F16", ("model-F16.gguf",), "BF16/model-BF16-00001-of-00002.gguf"),
        ("bf16", (), "BF16/model-BF16-00001-of-00002.gguf"),
        ("Q6_K", (), "modelQ6_K.gguf"),
        ("model-BF16", (), "BF16/model-BF16-00001-of-00002.gguf"),
    ],
)
def test_the_file_is_chosen_as_llama_cpp_does(
    server: HubServer, quantisation: str | None, without: tuple[str, ...], expected: str
) -> None:
    files = {name: content for name, content in MANY.items() if name not in without}
    server.repositories["org/name"] = Repository(files)
    assert open_gguf(HubId("org/name", None, quantisation)).name == expected


def test_without_a_file_of_the_quantisation_those_there_are_named(server: HubServer) -> None:
    files = {"\x1b[31m-F16.gguf": GGUF} | {f"m-Q{number}.gguf": GGUF for number in range(9)}
    server.repositories["org/name"] = Repository(files)
    with pytest.raises(
        KvcalcError, match=r"holds no \.gguf of 'Q9_0'; it holds .*, \.\.\."
    ) as error:
        open_gguf(HubId("org/name", None, "Q9_0"))
    assert str(error.value).isprintable()


def test_without_any_file_it_is_refused(server: HubServer) -> None:
    server.repositories["org/name"] = Repository({"mmproj-F16.gguf": GGUF})
    with pytest.raises(KvcalcError, match=r"^'org/name' holds no \.gguf model; name a "):
        open_gguf(HubId("org/name", None, "F16"))


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


Distorted = tuple[int, Headers, bytes]


def _ignores(status: int, headers: Headers, body: bytes) -> Distorted:
    return 200, headers | {"Content-Range": ""}, body


def _shifts(status: int, headers: Headers, body: bytes) -> Distorted:
    return status, headers | {"Content-Range": "bytes 5-9/10"}, body


def _unsized(status: int, headers: Headers, body: bytes) -> Distorted:
    return status, headers | {"Content-Range": "bytes 0-1048575/*"}, body


def _cuts(status: int, headers: Headers, body: bytes) -> Distorted:
    return status, headers | {"Content-Length": ""}, body[:100]


def _breaks(status: int, headers: Headers, body: bytes) -> Distorted:
    return status, headers, body[:100]


def _floods(status: int, headers: Headers, body: bytes) -> Distorted:
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

        def moved(status: int, headers: Headers, body: bytes) -> tuple[int, Headers, bytes]:
            return 302, {"Location": there}, b""

        server.repositories["org/name"] = Repository({"m.gguf": GGUF}, distort=moved)
        with pytest.raises(KvcalcError, match=r"^'org/name' "):
            open_gguf(ID)
        other.shutdown()
    assert told == [None]


def test_redirects_that_do_not_end_are_refused(server: HubServer) -> None:
    def again(status: int, headers: Headers, body: bytes) -> tuple[int, Headers, bytes]:
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

    def packed(status: int, headers: Headers, body: bytes) -> tuple[int, Headers, bytes]:
        about = {"Content-Encoding": "gzip", "Content-Length": str(len(zeros))}
        return status, headers | about, zeros

    files = {"config.json": CONFIG, "m.gguf": GGUF}
    server.repositories["org/name"] = Repository(files, distort=packed)
    with pytest.raises(KvcalcError, match=sentence):
        ask(ID)


@pytest.mark.parametrize(
    "answer",
    [
        *(b"", b"[", b"[]", b"null", b'{"sha": 1, "siblings": []}', b'{"sha": "x"}'),
        *(b'{"siblings": [], "sha": null}', b'{"sha": null, "siblings": [1]}', b"[" * 10**5),
        *(b'{"sha": null, "siblings": [{"rfilename": 1}]}', b'{"sha":"x","siblings":{}}', b"\xff"),
    ],
)
def test_a_listing_of_the_wrong_shape_is_one_sentence(
    server: HubServer, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    server.repositories["org/name"] = Repository({"m.gguf": GGUF})
    monkeypatch.setattr(hub_server, "_info", lambda *_: answer)
    with pytest.raises(KvcalcError, match=r"^'org/name'") as caught:
        open_gguf(ID)
    assert str(caught.value).isprintable()


def test_a_listing_is_bounded(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.repositories["org/name"] = Repository({"m.gguf": GGUF})
    for bound, most, sentence in (
        ("MAX_LISTED", 2, "the Hub lists more than 2 files"),
        ("MAX_LISTING_BYTES", 20, "the Hub's list of files is more than 20 bytes"),
    ):
        assert list_files(ID) == ["m.gguf"]
        monkeypatch.setattr(hub, bound, most)
        with pytest.raises(KvcalcError, match=sentence):
            list_files(ID)
        monkeypatch.undo()


def test_an_empty_file_is_refused(server: HubServer) -> None:
    server.repositories["org/name"] = Repository({"m.gguf": b""})
    with pytest.raises(KvcalcError, match=r"the server answered another range, "):
        open_gguf(ID)


def test_the_environment_of_huggingface_hub_holds(server: HubServer, tmp_path: Path) -> None:
    server.repositories["org/name"] = Repository({"config.json": CONFIG}, token="hf_secret")
    code = "from kvcalc.readers.hub import *; print(fetch_config(parse('org/name')))"
    environment = {"HF_ENDPOINT": server.url, "HF_HOME": str(tmp_path), "HF_TOKEN": "hf_secret"}
    for variables in ({}, {"HF_HUB_OFFLINE": "1"}):
        run = subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | environment | variables,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert run.stderr == ""
        assert re.fullmatch(rf"{re.escape(str(tmp_path))}/hub/.*config\.json\n", run.stdout)


def test_the_library_is_not_imported_before_it_is_needed() -> None:
    code = "import sys, kvcalc.readers.hub as hub; hub.parse('a/b'); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert run.stdout
    assert "huggingface_hub" not in run.stdout


LLAMA = {
    "model_type": "llama",
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "hidden_size": 32,
}


def test_a_repository_loads_by_its_config_json(server: HubServer) -> None:
    server.repositories["org/name"] = Repository({"config.json": json.dumps(LLAMA).encode()})
    model = kvcalc.load("org/name")
    assert (model.name, model.hub_id) == ("org/name", "org/name")
    assert model.layers == (FullAttention(query_heads=4, kv_heads=2, head_dim=8),) * 2


def test_a_models_hub_id_says_the_revision_that_was_asked_for(server: HubServer) -> None:
    server.repositories["org/name"] = Repository({"config.json": json.dumps(LLAMA).encode()})
    assert kvcalc.load("org/name@main").hub_id == "org/name@main"


def test_a_repositorys_quantisation_stands_beside_its_config_json(server: HubServer) -> None:
    quantized = {
        "producer": {"name": "modelopt"},
        "quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8"},
    }
    files = {
        "config.json": json.dumps(LLAMA).encode(),
        "hf_quant_config.json": json.dumps(quantized).encode(),
    }
    server.repositories["org/name"] = Repository(files)
    scheme = kvcalc.load("org/name").cache_scheme
    assert scheme is not None
    assert scheme.origin == "hf_quant_config.json, quantization.kv_cache_quant_algo"
    server.requests.clear()
    own = LLAMA | {"quantization_config": {"quant_method": "fp8"}}
    server.repositories["org/other"] = Repository(files | {"config.json": json.dumps(own).encode()})
    assert kvcalc.load("org/other").cache_scheme is None
    assert not [request for request in server.requests if "hf_quant" in request.path]


def test_offline_it_is_said_that_the_file_beside_is_not_known(
    server: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    server.repositories["org/name"] = Repository({"config.json": json.dumps(LLAMA).encode()})
    fetch_config(ID)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    (note,) = read("org/name").notes
    assert note.startswith("whether hf_quant_config.json stands beside config.json is not known: ")


def test_a_repository_loads_by_the_metadata_of_its_gguf(server: HubServer, tmp_path: Path) -> None:
    writer = GGUFWriter(tmp_path / "m.gguf", "llama")
    for key, value in {
        "block_count": 2,
        "embedding_length": 32,
        "attention.head_count": 4,
        "attention.head_count_kv": 2,
    }.items():
        writer.add_uint32(f"llama.{key}", value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    content = (tmp_path / "m.gguf").read_bytes()
    server.repositories["org/name"] = Repository({"m-Q4_K_M.gguf": content})
    expected = (FullAttention(query_heads=4, kv_heads=2, head_dim=8),) * 2
    assert kvcalc.load("org/name").layers == expected
    quantised = kvcalc.load("org/name:Q4_K_M")
    assert (quantised.layers, quantised.hub_id) == (expected, "org/name:Q4_K_M")


def test_a_preset_comes_before_the_hub_and_says_so() -> None:
    reading = read("meta-llama/Llama-3.1-8B")
    assert reading.source == "the preset llama-3.1-8b"
    assert reading.notes == ("'meta-llama/Llama-3.1-8B' is a preset of kvcalc, and was used",)
