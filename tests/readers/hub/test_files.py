"""Weights and tokenizers on the Hub, read by ranges from a server on this machine."""

import json
from pathlib import Path

import pytest

from kvcalc.errors import KvcalcError
from kvcalc.readers import load
from kvcalc.readers.safetensors import INDEX
from kvcalc.readers.tokens import count_tokens
from kvcalc.readers.weights import read_weights
from tests import shapes
from tests.readers.hub.hub_server import HubServer, Repository
from tests.readers.test_tokens import WORDS
from tests.readers.test_weights import SHARD, write_gguf

K_EXAONE = load("k-exaone-236b-a23b")
MODEL = shapes.model()


def test_a_repositorys_index_header_or_tensor_table_says_its_size(
    server: HubServer, tmp_path: Path
) -> None:
    write_gguf(tmp_path / "m-Q8_0.gguf", ["a"])
    index = json.dumps({"metadata": {"total_size": 999}}).encode()
    server.repositories |= {
        "org/sharded": Repository({INDEX: index, "model-00001-of-00001.safetensors": b"x"}),
        "org/single": Repository({"model.safetensors": SHARD + bytes(5 * 2**20)}),
        "org/gguf": Repository({"m-Q8_0.gguf": (tmp_path / "m-Q8_0.gguf").read_bytes()}),
        "org/none": Repository({"config.json": b"{}"}),
    }
    assert read_weights("org/sharded", MODEL).bytes == 999
    assert read_weights("org/single", MODEL).bytes == 64
    assert read_weights("org/gguf", MODEL).bytes == 64 + 68
    assert read_weights("org/none", K_EXAONE).bytes == 473_066_827_264
    assert all(r.range for r in server.requests if "resolve" in r.path and r.method == "GET")


def test_a_split_gguf_of_the_hub_is_refused(server: HubServer) -> None:
    parts = {f"m-0000{part}-of-00002.gguf": b"GGUF" for part in (1, 2)}
    server.repositories["org/split"] = Repository(parts)
    with pytest.raises(KvcalcError, match="is split; give --weights"):
        read_weights("org/split", MODEL)


def test_a_text_is_counted_by_a_repositorys_tokenizer(server: HubServer, tmp_path: Path) -> None:
    server.repositories["org/words"] = Repository({"tokenizer.json": WORDS.encode()})
    server.repositories["org/none"] = Repository({"config.json": b"{}"})
    text = tmp_path / "report.txt"
    text.write_text("one two two")
    assert count_tokens(text, "org/words") == 3
    with pytest.raises(KvcalcError, match=r"tokenizer\.json: 'org/none' holds none"):
        count_tokens(text, "org/none")
