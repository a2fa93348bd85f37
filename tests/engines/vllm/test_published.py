"""What the readers make of published models is what the measured cases list, layer by layer."""

from collections.abc import Iterable, Iterator
from typing import Any

import kvcalc
from kvcalc.layers.composed import NoCache, SharedCache
from kvcalc.layers.layer import Layer
from tests.each import each
from tests.engines.vllm.measured import (
    KINDS,
    LOG,
    MORE,
    RECURRENT,
    kinds_model,
    log_model,
    more_model,
    plain_model,
    recurrent_model,
)

CONFIGS = "tests/oracles/configs"
FACTS = {"query_heads", "state_dtype", "index_dtype", "source", "chunk_size"}
"""What files say of a layer beside what it caches, and the cases do not."""


def bare(layers: Iterable[Layer]) -> list[tuple[str, dict[str, Any]]]:
    """What the layers cache, in order; those that keep nothing are left out."""
    return [
        (cache.kind, cache.model_dump(exclude=FACTS, exclude_none=True))
        for layer in layers
        for cache in layer.caches
        if not isinstance(cache, NoCache | SharedCache)
    ]


def measured(name: str) -> Iterator[Iterable[Layer]]:
    """The lists of a model in the files that have them in order."""
    if name in RECURRENT["models"]:
        yield recurrent_model(name).layers
    if name in MORE["models"]:
        yield more_model(name).layers
    if name in KINDS["models"]:
        yield kinds_model(name)[0].layers
    if name in LOG["models"]:
        yield log_model(name).layers


@each(
    ("name", "source"),
    [
        ("K-EXAONE-236B-A23B", "k-exaone-236b-a23b"),
        ("K-EXAONE-236B-A23B", f"{CONFIGS}/LGAI-EXAONE--K-EXAONE-236B-A23B.json"),
        ("Llama-3.1-8B", "llama-3.1-8b"),
        ("Llama-3.1-8B", f"{CONFIGS}/meta-llama--Meta-Llama-3.1-8B.json"),
        ("Llama-3.1-405B", "llama-3.1-405b"),
        ("Llama-3.1-405B", f"{CONFIGS}/meta-llama--Meta-Llama-3.1-405B.json"),
        ("Llama-3.3-Nemotron-Super-49B", f"{CONFIGS}/nvidia--Llama-3_3-Nemotron-Super-49B-v1.json"),
        ("Llama-4-Scout", "llama-4-scout"),
        ("Llama-4-Scout", f"{CONFIGS}/meta-llama--Llama-4-Scout-17B-16E-Instruct.json"),
        ("gpt-oss-20b", "gpt-oss-20b"),
        ("gpt-oss-20b", f"{CONFIGS}/openai--gpt-oss-20b.json"),
        ("gemma-4-26B-A4B", f"{CONFIGS}/google--gemma-4-26B-A4B.json"),
        ("MiMo-V2-Flash", f"{CONFIGS}/XiaomiMiMo--MiMo-V2-Flash.json"),
        ("DeepSeek-V3", "deepseek-v3"),
        ("DeepSeek-V3", f"{CONFIGS}/deepseek-ai--DeepSeek-V3.json"),
        ("DeepSeek-V3.2", f"{CONFIGS}/deepseek-ai--DeepSeek-V3.2.json"),
        ("DeepSeek-V4-Flash", f"{CONFIGS}/deepseek-ai--DeepSeek-V4-Flash.json"),
        ("MiniMax-M3", f"{CONFIGS}/MiniMaxAI--MiniMax-M3.json"),
        ("MiniMax-M3", f"{CONFIGS}/nvidia--MiniMax-M3-NVFP4.json"),
        ("Qwen3-30B-A3B", "qwen3-30b-a3b"),
        ("Qwen3-30B-A3B", f"{CONFIGS}/Qwen--Qwen3-30B-A3B.json"),
        ("Qwen3.5-27B", f"{CONFIGS}/Qwen--Qwen3.5-27B.json"),
        ("Qwen3.5-35B-A3B", f"{CONFIGS}/Qwen--Qwen3.5-35B-A3B.json"),
        ("Nemotron-3-Nano-30B-A3B", f"{CONFIGS}/nvidia--NVIDIA-Nemotron-3-Nano-30B-A3B-BF16.json"),
        ("Kimi-K3", f"{CONFIGS}/moonshotai--Kimi-K3.json"),
    ],
)
def test_a_published_models_layers_are_the_measured_ones(name: str, source: str) -> None:
    published = bare(kvcalc.load(source).layers)
    lists = [bare(layers) for layers in measured(name)]
    assert lists
    assert all(layers == published for layers in lists)


@each(
    ("name", "preset"),
    [
        ("K-EXAONE-236B-A23B", "k-exaone-236b-a23b"),
        ("Llama-3.1-8B", "llama-3.1-8b"),
        ("gpt-oss-20b", "gpt-oss-20b"),
        ("DeepSeek-V3", "deepseek-v3"),
        ("Mistral-7B-v0.1", "mistral-7b-v0.1"),
        ("Llama-4-Scout", "llama-4-scout"),
    ],
)
def test_a_presets_layers_are_as_many_as_measured(name: str, preset: str) -> None:
    published = map(str, bare(kvcalc.load(preset).layers))
    assert sorted(published) == sorted(map(str, bare(plain_model(name).layers)))
