"""GGUF files, written by the `gguf` package and read by ours; and hostile ones."""

import json
import os
import struct
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from gguf import GGUFWriter, LlamaFileType

import kvcalc
from kvcalc.catalogue.gguf import DTYPES
from kvcalc.errors import KvcalcError
from kvcalc.layers.layer import Layer
from kvcalc.layers.recurrent import Recurrent
from kvcalc.readers.gguf import metadata, model_of, read, read_metadata
from kvcalc.readers.gguf.model import reading_of
from tests.each import each

ORACLE = json.loads((Path(__file__).parents[1] / "oracles" / "gguf_shapes.json").read_text())
FLAGS = {"attention.sliding_window_pattern", "attention.recurrent_layers"}


def write(path: Path, architecture: str, keys: dict[str, Any], tokens: int = 0) -> Path:
    writer = GGUFWriter(path, architecture)
    for key, value in keys.items():
        key = f"{architecture}.{key}"
        if isinstance(value, list):
            flags = key.partition(".")[2] in FLAGS
            writer.add_array(key, [bool(item) for item in value] if flags else value)
        elif isinstance(value, str):
            writer.add_string(key, value)
        elif isinstance(value, float):
            writer.add_float32(key, value)
        else:
            writer.add_uint32(key, value)
    if tokens:
        writer.add_token_list([f"token {at}" for at in range(tokens)])
        writer.add_token_scores([0.0] * tokens)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return path


def parts(layer: Layer) -> tuple[Layer, ...]:
    """A layer's caches but its cross-attention, which llama.cpp recomputes."""
    found: tuple[Layer, ...] = getattr(layer, "parts", (layer,))
    return tuple(part for part in found if part.kind != "cross_attention")


def row(layer: Layer) -> tuple[int, int, int] | None:
    """KV heads, key and value size of a layer, as llama.cpp counts them."""
    for part in parts(layer):
        if part.kind == "latent_attention":
            return (1, part.row_elements, part.kv_lora_rank)  # type: ignore[attr-defined]
        if part.kind == "compressed_attention":
            return (1, part.head_dim, part.head_dim)  # type: ignore[attr-defined]
        if hasattr(part, "kv_heads"):
            return (part.kv_heads, part.head_dim, part.value_dim)  # type: ignore[attr-defined]
    return None


@pytest.mark.parametrize("case", ORACLE["models"], ids=lambda case: case["name"])
def test_layers_are_those_that_llama_cpp_reads(case: dict[str, Any], tmp_path: Path) -> None:
    model = read(write(tmp_path / "model.gguf", case["arch"], case["gguf"])).model
    engine = list(chain.from_iterable([entry[1:]] * entry[0] for entry in case["engine_layers"]))
    engine = [entry for entry in engine if entry[0] != "nextn"]
    assert len(model.layers) == len(engine)
    for layer, (kind, heads, key, value) in zip(model.layers, engine, strict=True):
        if layer.kind == "shared_cache":
            continue
        slides = bool(layer.windows) or layer.kind == "chunked_attention"
        assert slides == (kind == "sliding")
        states = [part for part in parts(layer) if isinstance(part, Recurrent)]
        assert bool(states) == (kind == "recurrent")
        for state in states:
            shift = state.shift_elements or (max(state.taps, 1) - 1) * state.channels
            assert [shift, state.state_elements] == case["state_elements"]
        if (found := row(layer)) is None:
            assert kind == "recurrent" or heads == 0
        else:
            assert found == (heads, key, value)


def flat(keys: dict[str, Any], architecture: str) -> dict[str, Any]:
    named = {f"{architecture}.{key}": value for key, value in keys.items()}
    return {"general.architecture": architecture} | named


def shape(**more: Any) -> dict[str, Any]:
    """Metadata of a small model; `__` stands for a dot."""
    keys = {"block_count": 8, "embedding_length": 256, "attention.head_count": 4}
    return keys | {key.replace("__", "."): value for key, value in more.items()}


def pattern(architecture: str, keys: dict[str, Any]) -> str:
    model = model_of(flat(keys, architecture), "x")
    return "".join("F" if layer.kind == "full_attention" else "S" for layer in model.layers)


RULES = [
    (name, rule, figure)
    for name, rules in ORACLE["pattern_rules"].items()
    if name not in ("modern-bert", "gemma-embedding", "lfm2", "deepseek4", "gemma3n")
    for rule, figure in rules.items()
    if rule not in ("window 0",)
]


@each(("name", "rule", "figure"), RULES)
def test_windows_follow_the_pattern_that_llama_cpp_showed(
    name: str, rule: str, figure: str
) -> None:
    count = 64 if name == "exaone4" else 8
    keys = shape(block_count=count, attention__sliding_window=512)
    arrays = "array key not found" in ORACLE["pattern_rules"][name]["no pattern key"]
    flags = [False, True] * (count // 2)
    if rule == "array" and "S" in (shown := figure.split(", ")[1]):
        flags = [letter == "S" for letter in shown.ljust(count, "F")]
    if rule == "array" or (arrays and "window" in rule):
        keys["attention.sliding_window_pattern"] = flags
    if rule == "integer 3":
        keys["attention.sliding_window_pattern"] = 3
    if rule == "no window key":
        del keys["attention.sliding_window"]
    if rule == "window 1000":
        keys["attention.sliding_window"] = 1000
    if "refused" in figure and (rule != "window 1000"):
        with pytest.raises(KvcalcError, match="sliding_window"):
            model_of(flat(keys, name), "x")
    elif "refused" not in figure:
        found = pattern(name, keys)
        expected = figure.split(", ")[1]
        assert found[: len(expected)] == expected


def test_k_exaone_is_that_of_its_preset(tmp_path: Path) -> None:
    keys = {"block_count": 49, "nextn_predict_layers": 1, "embedding_length": 6144}
    keys |= {"attention.head_count": 64, "attention.head_count_kv": 8, "context_length": 262144}
    keys |= {"attention.key_length": 128, "attention.value_length": 128}
    keys |= {"attention.sliding_window": 128}
    model = read(write(tmp_path / "k.gguf", "exaone-moe", keys, tokens=5000)).model
    preset = kvcalc.load("k-exaone-236b-a23b")
    assert model.layers == preset.layers
    assert (model.name, model.model_type, model.max_context) == ("k", "exaone_moe", 262144)


MLA = {"attention__head_count_kv": 1, "attention__kv_lora_rank": 512, "rope__dimension_count": 64}
MLA |= {"attention__key_length": 576, "attention__value_length": 512}
MLA |= {"attention__key_length_mla": 192, "attention__value_length_mla": 128}


def test_glm_5_2_owns_the_indexers_of_llama_cpps_own_list() -> None:
    keys = MLA | {"attention__indexer__key_length": 128, "context_length": 2**20}
    model = model_of(flat(shape(**keys), "glm-dsa"), "x")
    owners = [dict(layer)["index_head_dim"] is not None for layer in model.layers]
    assert owners == [True, True, True, False, False, False, True, False]


def test_sliding_layers_have_a_latent_row_of_their_own() -> None:
    keys: dict[str, Any] = MLA | {
        "attention__kv_lora_rank_swa": 256,
        "attention__key_length_swa": 320,
    }
    keys |= {"attention__key_length_mla_swa": 128, "attention__value_length_mla_swa": 64}
    keys |= {"attention__sliding_window": 64, "attention__sliding_window_pattern": [1, 0] * 4}
    model = model_of(flat(shape(**keys), "dots3note"), "x")
    assert [dict(layer)["kv_lora_rank"] for layer in model.layers] == [256, 512] * 4


def test_a_looped_model_has_a_cache_for_each_pass() -> None:
    assert len(model_of(flat(shape(num_loops=3), "nanbeige"), "x").layers) == 24


def test_plamo_2_has_heads_and_no_groups() -> None:
    keys: dict[str, Any] = {
        "attention__head_count_kv": [0, 4] * 4,
        "ssm__group_count": 0,
        "ssm__state_size": 64,
    }
    keys |= {"ssm__conv_kernel": 4, "ssm__inner_size": 512, "ssm__time_step_rank": 8}
    layer = model_of(flat(shape(**keys), "plamo2"), "x").layers[0]
    assert isinstance(layer, Recurrent)
    assert (layer.channels, layer.state_elements) == (512, 512 * 64)


def test_deepseek_v4_keeps_its_ratios() -> None:
    case = next(case for case in ORACLE["models"] if case["arch"] == "deepseek4")
    model = model_of(flat(case["gguf"], "deepseek4"), "x")
    ratios = [layer.ratio for layer in model.layers]  # type: ignore[attr-defined]
    assert ratios == case["gguf"]["attention.compress_ratios"][:43]


@each(
    ("architecture", "keys", "named"),
    [
        ("llama", {"attention__head_count_kv": [1, 2]}, "head_count_kv"),
        ("llama", {"block_count": 0}, "block_count"),
        ("llama", {"block_count": 2**31}, "block_count"),
        ("llama", {"nextn_predict_layers": 8}, "block_count"),
        ("llama", {"attention__head_count": -1}, "head_count"),
        ("llama", {"attention__head_count": 1.5}, "head_count"),
        ("llama", {"attention__strange": [1] * 8}, "attention.strange"),
        ("llama", {"hybrid_pattern": "MLML"}, "hybrid_pattern"),
        ("llama", {"ssm__state_size": 16}, "ssm.state_size"),
        ("new", {"attention__sliding_window": 512}, "sliding_window_pattern"),
        (
            "mamba2",
            {"ssm__inner_size": 7, "ssm__time_step_rank": 2, "ssm__conv_kernel": 4},
            "inner",
        ),
        ("mamba", {}, "ssm.conv_kernel"),
        ("llama", {"block_count": 600, "attention__head_count": list(range(600))}, "unlike"),
        (
            "gemma4",
            {
                "attention__shared_kv_layers": 9,
                "attention__sliding_window": 8,
                "attention__sliding_window_pattern": [1] * 8,
            },
            "shared",
        ),
        ("gpt-oss", {"attention__sliding_window": 0}, "sliding_window"),
        ("deepseek4", {"attention__sliding_window": 8}, "compress_ratios"),
        ("nanbeige", {"num_loops": 10**6}, "num_loops"),
        ("hy_v4", {"attention__indexer__types": ["odd"] * 8}, "types"),
        (
            "deepseek2",
            {
                "attention__kv_lora_rank": 512,
                "rope__dimension_count": 64,
                "attention__key_length": 500,
                "attention__key_length_mla": 192,
                "attention__value_length_mla": 128,
            },
            "key_length",
        ),
    ],
)
def test_what_is_not_known_is_refused_by_the_name_of_its_key(
    architecture: str, keys: dict[str, Any], named: str
) -> None:
    with pytest.raises(KvcalcError, match=named):
        model_of(flat(shape(**keys), architecture), "x")


@each("found", [{}, {"general.architecture": 3}, {"split.no": 1}])
def test_without_an_architecture_or_the_first_part_there_is_no_model(found: dict[str, Any]) -> None:
    with pytest.raises(KvcalcError, match=r"general\.architecture|split\.no"):
        model_of(found, "x")


def test_rules_read_what_an_unknown_architecture_says() -> None:
    keys = shape(attention__sliding_window=64, attention__sliding_window_pattern=4)
    assert pattern("new-one", keys) == "SSSFSSSF"
    assert pattern("new-one", shape()) == "FFFFFFFF"
    assert pattern("gemma2", shape(attention__sliding_window_pattern=0)) == "S" * 8
    reading = reading_of(flat(keys, "new-one"), "x", "file")
    assert "new-one" in reading.notes[0]
    assert reading.origins["block_count"] == "key new-one.block_count"
    assert reading_of(flat(shape(), "llama"), "x", "file").notes == ()
    assert pattern("lfm2", shape(attention__sliding_window=64, shortconv__l_cache=3)) == "S" * 8
    keys = shape(attention__indexer__key_length=16)
    keys["attention.indexer.types"] = ["full", "shared"] * 4
    model = model_of(flat(keys, "hy_v4"), "x")
    assert [layer.index_head_dim for layer in model.layers[:2]] == [16, None]  # type: ignore[attr-defined]
    model = model_of(flat(shape(), "bert") | {"general.file_type": 1, "general.name": "B"}, "x")
    assert (model.layers[0].kind, model.dtype, model.name) == ("no_cache", "float16", "B")


def raw(*pairs: bytes, version: int = 3, count: int | None = None) -> bytes:
    count = len(pairs) if count is None else count
    return b"GGUF" + struct.pack("<IQQ", version, 0, count) + b"".join(pairs)


def pair(key: str, kind: int, value: bytes) -> bytes:
    return struct.pack("<Q", len(key)) + key.encode() + struct.pack("<I", kind) + value


def array(kind: int, count: int) -> bytes:
    return struct.pack("<IQ", kind, count)


HUGE = struct.pack("<Q", 2**63)
HOSTILE = {
    "wrong magic": (b"GGML" + bytes(100), "expected GGUF"),
    "version 1": (raw(version=1), "version 1 is not supported"),
    "big-endian": (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "big-endian GGUF 3 is not supported"),
    "2^63 keys": (raw(count=2**63), "keys of metadata"),
    "2^63 bytes of key": (raw(HUGE, count=1), "expected at most"),
    "2^63 bytes of text": (raw(pair("a", 8, HUGE)), "'a': found a text"),
    "2^63 texts": (raw(pair("a", 9, array(8, 2**63))), "'a': found"),
    "2^63 numbers": (raw(pair("a", 9, array(4, 2**63))), "'a': found"),
    "too many numbers": (raw(pair("a", 9, array(4, 2**21))), "'a': found"),
    "2^63 in an array": (raw(pair("tokenizer.a", 9, array(8, 1) + HUGE)), "tokenizer"),
    "nested": (raw(pair("a", 9, array(9, 1))), "array of arrays"),
    "type of array": (raw(pair("a", 9, array(99, 1))), "type 99"),
    "type": (raw(pair("a", 99, b"")), "type 99"),
    "twice": (raw(pair("a", 0, b"1"), pair("a", 0, b"1")), "twice"),
    "cut vocabulary": (raw(pair("tokenizer.a", 9, array(4, 10**6)) + bytes(9)), "ends"),
    "cut text": (raw(pair("a", 8, struct.pack("<Q", 10**6))), "ends"),
    "control codes": (raw(pair("\x1b[2J", 99, b"")), "x1b"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_one_sentence(name: str, tmp_path: Path) -> None:
    content, expected = HOSTILE[name]
    (path := tmp_path / "bad.gguf").write_bytes(content)
    with pytest.raises(KvcalcError, match=r"bad\.gguf") as caught:
        read(path)
    assert expected in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_every_cut_is_refused(tmp_path: Path) -> None:
    keys = shape(attention__key_length=64, attention__head_count_kv=[4] * 8)
    content = write(tmp_path / "whole.gguf", "llama", keys, tokens=100).read_bytes()
    end = content.index(b"tokenizer.ggml.scores") + len(b"tokenizer.ggml.scores") + 16 + 400
    assert end > 1024
    for size in range(end):
        with pytest.raises(KvcalcError, match="ends there"):
            read_metadata(BytesIO(content[:size]))
    assert read_metadata(BytesIO(content[:end]))["llama.block_count"] == 8


class Sequential:
    """A stream that only reads on."""

    def __init__(self, content: bytes) -> None:
        self.stream = BytesIO(content)

    def read(self, size: int, /) -> bytes:
        return self.stream.read(min(size, 1000))


def test_a_stream_without_seek_reads_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = shape(attention__types=["a", "b"], note="n" * 10**6)
    content = write(tmp_path / "a.gguf", "llama", keys, tokens=50_000).read_bytes()
    found = read_metadata(Sequential(content))
    assert found == read_metadata(BytesIO(content))
    assert found["llama.attention.types"] == ["a", "b"]
    assert found["llama.note"] is None
    assert found["tokenizer.ggml.tokens"] is None
    monkeypatch.setattr(metadata, "MAX_BYTES", 1000)
    with pytest.raises(KvcalcError, match="expected"):
        read_metadata(Sequential(content))
    monkeypatch.setattr(metadata, "MAX_BYTES", 2**30)
    monkeypatch.setattr(metadata, "MAX_TEXTS_BYTES", 10)
    with pytest.raises(KvcalcError, match="of text expected"):
        read_metadata(BytesIO(content))


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.gguf")
    for path in (
        tmp_path / "pipe.gguf",
        tmp_path,
        tmp_path / "missing",
        Path("a\0b"),
        Path("a" * 5000),
    ):
        with pytest.raises(KvcalcError, match=r"expected a file|cannot be read"):
            read(path)


def test_numbers_and_element_types_are_those_of_gguf() -> None:
    codes = GGUFWriter._simple_value_packing
    assert {kind.value: code for kind, code in codes.items()} == metadata.NUMBERS
    assert {LlamaFileType(value).name: name for value, name in DTYPES.items()} == {
        "ALL_F32": "float32",
        "MOSTLY_F16": "float16",
        "MOSTLY_BF16": "bfloat16",
    }
