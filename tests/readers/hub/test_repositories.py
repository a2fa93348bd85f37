"""Repositories of the Hub: config.json, GGUF files, and each reason why one cannot be read."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from gguf import GGUFWriter

import kvcalc
from kvcalc.errors import KvcalcError, MissingExtraError
from kvcalc.layers.attention import FullAttention
from kvcalc.readers import hub, read
from kvcalc.readers.hub import HubId, fetch_config, list_files, open_gguf
from kvcalc.readers.hub.errors import hub_errors
from tests.each import each
from tests.readers.hub import hub_server
from tests.readers.hub.hub_server import CONFIG, GGUF, ID, Answer, Headers, HubServer, Repository


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
    def endless(status: int, headers: Headers, body: bytes) -> Answer:
        return status, headers | {"Content-Length": ""}, bytes(2**26)

    server.repositories["org/name"] = Repository({"config.json": CONFIG}, distort=endless)
    with pytest.raises(KvcalcError, match=r"^'org/name': config\.json is longer than the 23 bytes"):
        fetch_config(ID)


def test_a_config_json_that_is_cut_off_is_refused(server: HubServer) -> None:
    def cut(status: int, headers: Headers, body: bytes) -> Answer:
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
