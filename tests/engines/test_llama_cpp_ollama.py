"""What Ollama says of a cache: what it reckons before it starts, and what its own engine holds.

fs/ggml/ggml.go (GraphSize, kvCacheBytesPerElement) and kvcache/causal.go of 0.6.5 to 0.20.0.
"""

import pytest

from kvcalc.answers.check import AGREES, CANNOT, DIFFERS
from kvcalc.layers.composed import NoCache
from kvcalc.layers.layer import Layer
from kvcalc.layers.recurrent import Mamba
from tests.each import each
from tests.engines.log_lines import checked, load
from tests.shapes import full, latent, sliding
from tests.shapes import model as shape

RUNNER = "runner --ctx-size {} --batch-size 512 --parallel {}"
WINDOWS = "of a sliding layer what is kept and a batch of 512"


def required(size: str) -> str:
    return f'msg=offload memory.required.kv="{size}"'


def asked_for(tokens: int, parallel: int = 1, of: str = "") -> str:
    return (
        f'msg=load request="{{Operation:commit LoraPath:[] Parallel:{parallel} BatchSize:512 '
        f'FlashAttention:Enabled KvSize:{tokens} KvCacheType:{of} NumThreads:8}}"'
    )


@each(
    ("unit", "size", "of"),
    [
        ("KiB", "4718592.0", "f16"),
        ("MiB", "4608.0", "f16"),
        ("GiB", "4.5", "f16"),
        ("TiB", "0.0", "f16"),
        ("MiB", "2304.0", "q8_0"),  # a byte an element, without the scales of its block
        ("MiB", "1152.0", "q4_0"),
    ],
)
def test_what_ollama_requires_is_all_tokens_of_each_layer(unit: str, size: str, of: str) -> None:
    """Qwen3-8B: 36 layers, K and V of 8 heads of 128 in 2 bytes, 32,768 tokens: 4.5 GiB."""
    lines = [required(f"{size} {unit}"), f"{RUNNER.format(32_768, 1)} --kv-cache-type {of}"]
    (row,) = checked(lines, load("qwen3-8b"), {})
    assert (row.verdict, row.figure) == (AGREES, f"memory.required.kv ({unit})"), row
    assert row.why.startswith(f"32,768 tokens of 1 sequence, {of}")
    (other,) = checked([required(f"{size[:-1]}9 {unit}"), lines[1]], load("qwen3-8b"), {})
    assert other.verdict == DIFFERS


def test_what_ollama_requires_is_not_held_without_a_context() -> None:
    (row,) = checked([required("4.5 GiB")], load("qwen3-8b"))
    assert (row.ours, row.verdict) == (None, CANNOT)
    assert row.why == "the context (--ctx-size) is missing"
    given = {"context": 16_384, "sequences": 2}
    (row,) = checked([required("4.5 GiB")], load("qwen3-8b"), given)
    assert (row.ours, row.verdict) == (4.5, AGREES)


def test_what_is_asked_of_the_runner_next_says_the_context() -> None:
    """Two loads of one log, each with its own."""
    lines = [required("4.5 GiB"), asked_for(32_768), required("576.0 MiB"), asked_for(4096)]
    assert [row.verdict for row in checked(lines, load("qwen3-8b"))] == [AGREES, AGREES]


@pytest.mark.parametrize(
    ("layer", "size"),
    [
        (full(), 128),  # a token of 4,096 bytes
        (sliding(window=512), 128),  # a model type whose windows Ollama does not reckon with
        (latent(), None),
        (Mamba(kernel=4, inner=8, state=16), None),
        (NoCache(), None),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_what_ollama_requires_of_each_kind_of_layer(layer: Layer, size: int | None) -> None:
    lines = [required(f"{128 + (size or 0)}.0 MiB"), RUNNER.format(32_768, 1)]
    (row,) = checked(lines, shape(full(), layer), {})
    assert row.verdict == (CANNOT if size is None else AGREES), row


def test_what_ollama_requires_of_latents_is_a_row_and_its_values() -> None:
    """DeepSeek V3's file with MLA's sizes: 61 rows of 576 and 512 elements, one head."""
    lines = [required("1037.0 MiB"), RUNNER.format(8192, 1)]
    (row,) = checked(lines, load("deepseek-v3"), {})
    assert row.verdict == AGREES, row
    lines = [required("38.1 GiB"), RUNNER.format(8192, 1)]
    (row,) = checked(lines, load("deepseek-v3"), {})
    assert row.verdict == AGREES, row
    assert "each head's K and V" in row.why


@each(
    ("model", "context", "parallel", "size", "why"),
    [
        # 18 of 36 layers with 8,192 tokens of 2,048 bytes, 18 with 4,096 and a batch.
        ("gpt-oss-120b", 8192, 1, "450.0 MiB", WINDOWS),
        ("gpt-oss-120b", 16_384, 2, "882.0 MiB", WINDOWS),
        # 10 of 62 layers with all tokens of 8,192 bytes, 52 with 1,024 a sequence and a batch.
        ("gemma-3-27b", 8192, 2, "1.6 GiB", WINDOWS),
        ("gemma-3-27b", 1024, 1, "704.0 MiB", WINDOWS),  # more than there are tokens
        ("gemma-3-27b", 2048, 1, "992.0 MiB", "as Ollama before 0.6.3 reckoned"),
    ],
)
def test_what_ollama_requires_of_windows(
    model: str, context: int, parallel: int, size: str, why: str
) -> None:
    lines = [required(size), RUNNER.format(context, parallel)]
    (row,) = checked(lines, load(model), {})
    assert row.verdict == AGREES, row
    assert row.why.endswith(why)


@each(
    ("model", "tokens", "parallel", "size"),
    [
        ("gpt-oss-120b", 8192, 1, "450.0"),
        ("gpt-oss-120b", 4096, 1, "306.0"),  # before 0.12.4: a batch on top of all tokens
        ("gpt-oss-120b", 4096, 1, "288.0"),
        ("gpt-oss-120b", 2048, 1, "144.0"),  # fewer than it keeps
        ("gpt-oss-120b", 16_384, 2, "882.0"),
        ("gemma-3-27b", 8192, 1, "1264.0"),
    ],
)
def test_ollamas_own_engine_holds_windows(
    model: str, tokens: int, parallel: int, size: str
) -> None:
    line = f'msg="kv cache" device=CUDA0 size="{size} MiB"'
    (row,) = checked([asked_for(tokens, parallel), line], load(model))
    assert row.verdict == AGREES, row
    (row,) = checked([asked_for(tokens, parallel), line.replace(".0", ".2")], load(model))
    assert row.verdict == DIFFERS, row


def test_windows_of_several_sequences_are_not_held() -> None:
    """From 0.12.4 on each has a token more, which an older one does not have."""
    lines = [asked_for(8192, 2), 'msg="kv cache" device=CUDA0 size="1.6 GiB"']
    (row,) = checked(lines, load("gemma-3-27b"))
    assert row.verdict == CANNOT
    assert row.why == "how Ollama's own engine lays out other than full layers is not known"
