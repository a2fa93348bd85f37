"""Each architecture that llama.cpp knows: which memories it has, how it slides, and the bytes."""

from typing import Any

import pytest

from kvcalc.catalogue.gguf import CACHELESS, RECURRENT
from kvcalc.engines.llama_cpp.cost import cost
from kvcalc.engines.llama_cpp.loading import load
from kvcalc.engines.llama_cpp.settings import LlamaCppSettings
from kvcalc.errors import KvcalcError
from kvcalc.formula.formula import Formula
from kvcalc.layers.layer import Layer
from kvcalc.layers.recurrent import Recurrent
from kvcalc.model import Model
from kvcalc.readers.gguf import model_of
from tests.each import each
from tests.engines.llama_cpp_memories import memories
from tests.engines.test_llama_cpp import MORE, oracle

FIXTURES = {
    name: dict(zip(MORE["fixtures"]["columns"], row, strict=True))
    for name, row in MORE["fixtures"]["architectures"].items()
}
RULES = oracle("gguf_shapes")["pattern_rules"]
CONTEXT, SEQUENCES = 2048, 4

CLASSES = {
    "none": set(),
    "llama_kv_cache": {"kv"},
    "llama_kv_cache_iswa": {"kv", "swa"},
    "llama_kv_cache_dsa": {"kv", "indexer"},
    "llama_kv_cache_msa": {"kv", "indexer"},
    "llama_kv_cache_dsv4": {"swa", "csa", "hca", "indexer"}
    | {f"{name}_state" for name in ("csa", "hca", "indexer")},
    "llama_memory_recurrent": {"recurrent"},
    "llama_memory_hybrid": {"kv", "recurrent"},
    "llama_memory_hybrid_iswa": {"swa", "recurrent"},
    "llama_memory_hybrid_idx": {"kv", "recurrent", "indexer"},
}
"""The memories of each of llama.cpp's memory classes."""

STATES: dict[str, dict[str, int]] = {
    "mamba": {"ssm.conv_kernel": 4, "ssm.inner_size": 512, "ssm.state_size": 128},
    "mamba2": {
        "ssm.conv_kernel": 4,
        "ssm.inner_size": 512,
        "ssm.state_size": 128,
        "ssm.group_count": 2,
        "ssm.time_step_rank": 4,
    },
    "gated_delta_net": {
        "ssm.conv_kernel": 4,
        "ssm.inner_size": 256,
        "ssm.state_size": 128,
        "ssm.group_count": 2,
        "ssm.time_step_rank": 2,
    },
    "kimi_delta_attention": {"ssm.conv_kernel": 4, "kda.head_dim": 128, "attention.head_count": 1},
    "lightning_attention": {},
    "rwkv": {"wkv.head_size": 128},
    "short_convolution": {"shortconv.l_cache": 3},
}
"""Sizes of a state that give the fixtures' bytes."""

OTHERS: dict[str, dict[str, Any]] = {
    "arwkv7": {"token_shift_count": 1},
    "deepseek32": {"attention.indexer.key_length": 128},
    "glm-dsa": {"attention.indexer.key_length": 128},
    "qwen4exp": {"attention.indexer.key_length": 128},
    "glm5-next": {
        "attention.indexer.key_length": 128,
        "attention.key_length": 512,
        "attention.kv_lora_rank": 448,
    },
    "hy_v4": {"attention.indexer.key_length": 128, "attention.indexer.types": [1, 0] * 4},
    "minimax-m3": {"attention.indexer.key_length": 128, "leading_dense_block_count": 1},
    "deepseek4": {
        "attention.indexer.key_length": 128,
        "attention.key_length": 64,
        "attention.value_length": 64,
        "attention.compress_ratios": [0, 0, 4, 128, 4, 128, 0, 0],
    },
    "minimax-01": {"full_attention_interval": 4},
    "gemma4": {"attention.shared_kv_layers": 4},
    "gemma3n": {
        "attention.head_count": 1,
        "attention.head_count_kv": 1,
        "attention.key_length": 64,
        "attention.value_length": 64,
    },
}


def fixture_keys(name: str) -> dict[str, Any]:
    """The metadata of a fixture: small sizes, its own pattern and window."""
    pattern, window = FIXTURES[name]["pattern"], FIXTURES[name]["window"]
    keys: dict[str, Any] = {"block_count": len(pattern), "embedding_length": 256}
    keys |= {"attention.head_count": 2, "attention.head_count_kv": 2}
    keys |= {"attention.key_length": 128, "attention.value_length": 128}
    if FIXTURES[name]["mla"]:
        keys |= {"attention.head_count_kv": 1, "attention.kv_lora_rank": 512}
        keys |= {"attention.key_length": 576, "attention.value_length": 512}
        keys |= {"attention.key_length_mla": 192, "attention.value_length_mla": 128}
    if window:
        keys["attention.sliding_window"] = window
        keys["attention.sliding_window_pattern"] = [int(letter == "S") for letter in pattern]
    kind, where = RECURRENT.get(name, (None, None))
    if kind is not None:
        keys |= STATES[kind]
    if where == "all":
        keys["attention.head_count"] = 0
        del keys["attention.head_count_kv"], keys["attention.key_length"]
        del keys["attention.value_length"]
    if where == "no_heads":
        heads = keys["attention.head_count_kv"]
        keys["attention.head_count_kv"] = [0 if letter == "R" else heads for letter in pattern]
    if where == "no_heads_no_ffn":
        keys["attention.head_count_kv"], keys["feed_forward_length"] = nemotron(pattern)
    return keys | OTHERS.get(name, {})


def nemotron(pattern: str) -> tuple[list[int], list[int]]:
    """KV heads and feed-forward widths: the first three F attend, the others feed forward."""
    attending = [at for at, letter in enumerate(pattern) if letter == "F"][:3]
    heads = [2 * (at in attending) for at in range(len(pattern))]
    widths = [256 * (letter == "F" and not had) for letter, had in zip(pattern, heads, strict=True)]
    return heads, widths


def flat(keys: dict[str, Any], name: str) -> dict[str, Any]:
    return {"general.architecture": name} | {f"{name}.{key}": keys[key] for key in keys}


def letter(layer: Layer) -> str:
    if layer.kind == "shared_cache":
        return "?"
    kinds = {cache.kind for cache in layer.caches}
    if any(isinstance(cache, Recurrent) for cache in layer.caches):
        return "R"
    return "S" if layer.windows or "chunked_attention" in kinds else "F"


def letters(model: Model) -> str:
    return "".join(letter(layer) for layer in load(model, LlamaCppSettings()).layers)


def assert_pattern(found: str, shown: str) -> None:
    """Compare letters, but for layers that read another's cache."""
    assert len(found) >= len(shown)
    for one, other in zip(found, shown, strict=False):
        assert one in (other, "?")


def windows(model: Model) -> set[int]:
    layers = set(load(model, LlamaCppSettings()).layers)
    chunks = {dict(layer)["chunk"] for layer in layers if layer.kind == "chunked_attention"}
    return chunks | {window for layer in layers for window in layer.windows}


@each("name", FIXTURES)
def test_an_architecture_has_the_memories_that_were_measured(name: str) -> None:
    fixture = FIXTURES[name]
    model = model_of(flat(fixture_keys(name), name), name)
    settings = LlamaCppSettings()
    whole = cost(model, settings)
    found = {
        memory: Formula(size, whole.formula.variables)(CONTEXT, sequences=SEQUENCES)
        for memory, size in memories(model, settings).items()
    }
    assert found == fixture["memories"]
    assert found.keys() == CLASSES[fixture["class"]]
    assert whole(CONTEXT, sequences=SEQUENCES) == fixture["bytes"]
    if name not in CACHELESS:
        assert_pattern(letters(model), fixture["pattern"])
        assert windows(model) == ({fixture["window"]} if fixture["window"] else set())


def needs_array(name: str) -> bool:
    """Whether llama.cpp refuses the architecture without an array of flags."""
    return "array key not found" in RULES[name]["no pattern key"]


KINDS = [(name, rule, figure) for name, rules in RULES.items() for rule, figure in rules.items()]


@each(("name", "rule", "figure"), KINDS)
def test_a_window_and_its_pattern_are_what_llama_cpp_made_of_the_keys(
    name: str, rule: str, figure: str
) -> None:
    count = {"exaone4": 64, "gemma3n": 30}.get(name, 8)
    refused = figure.startswith("refused")
    shown = "" if refused else figure.split(", ")[1]
    keys = {key: value for key, value in fixture_keys(name).items() if "sliding" not in key}
    keys |= {"block_count": count, "attention.sliding_window": 512}
    if rule == "array":
        flags = [int(flag == "S") for flag in shown.ljust(count, "F")]
        keys["attention.sliding_window_pattern"] = flags
    elif "window" in rule and needs_array(name) and "array key" not in figure:
        keys["attention.sliding_window_pattern"] = [0, 1] * (count // 2)
    elif rule == "integer 3":
        keys["attention.sliding_window_pattern"] = 3
    if rule == "no window key":
        del keys["attention.sliding_window"]
    elif rule.startswith("window "):
        keys["attention.sliding_window"] = int(rule.removeprefix("window "))
    if name in CACHELESS:
        assert memories(model_of(flat(keys, name), name), LlamaCppSettings()) == {}
        return
    # A pattern over a window of 0 tokens, and no pattern where the file must give one.
    nothing = "S" in shown and figure.startswith("window 0")
    if refused or nothing:
        with pytest.raises(KvcalcError, match="sliding_window"):
            model_of(flat(keys, name), name)
        return
    model = model_of(flat(keys, name), name)
    assert_pattern(letters(model), shown)
    window = int(figure.split(",")[0].split()[1])
    assert windows(model) == ({window} if window else set())
