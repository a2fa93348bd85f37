"""Models with caches of their own: refused by name, and none of an engine's registry left out."""

import re
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

import kvcalc
from kvcalc.engines.own_caches import OwnCache
from kvcalc.engines.sglang.own_caches import OWN_CACHES as SGLANG
from kvcalc.engines.vllm.own_caches import OWN_CACHES as VLLM
from kvcalc.errors import KvcalcError, UnsupportedError
from kvcalc.readers.huggingface import reading_of
from tests.oracles.measure.environment import release
from tests.shapes import full, model

STATED = re.compile(
    r"def get_kv_cache_spec|def get_mamba_state_shape_from_config|\bDeepseekV32IndexerCache\("
    r"|StaticSinkAttention\(|RSWAAttention\("
)
"""What a module of vLLM's that makes caches of its own says."""


@pytest.mark.parametrize(("engine", "rows"), [("vllm", VLLM), ("sglang", SGLANG)])
def test_one_that_is_not_modelled_is_refused_by_name(engine: str, rows: Iterable[OwnCache]) -> None:
    refused = [(row, kind) for row in rows for kind in row.model_types]
    assert refused
    for row, kind in refused:
        assert row.missing
        with pytest.raises(UnsupportedError, match=f"model type '{kind}' than .*{row.missing}"):
            kvcalc.cost(model(full(), model_type=kind), engine)


def test_a_sink_is_refused_as_it_is_read() -> None:
    config = {"model_type": "x", "num_hidden_layers": 1, "param_sink_number": 4}
    with pytest.raises(KvcalcError, match="'param_sink_number': describes layers"):
        reading_of(config, "m", "c")


@pytest.mark.oracles
def test_no_module_of_vllms_registry_is_left_out() -> None:
    package = release(Path(sys.executable), "vllm", "0.33.0") / "vllm"
    registry = (package / "model_executor/models/registry.py").read_text()
    modules = set(re.findall(r'"\w+":\s*\(\s*"([\w.]+)",\s*"\w+"', registry))

    def text(module: str) -> str:
        inside = package.parent / module.replace(".", "/")
        where = inside if module.startswith("vllm.") else package / "model_executor/models" / module
        files = [where.with_suffix(".py")] if not where.is_dir() else sorted(where.rglob("*.py"))
        return "".join(file.read_text() for file in files if file.exists())

    own = {module for module in modules if STATED.search(text(module))}
    known = {row.file for row in VLLM}
    assert own <= known
    # Of another module's classes, or without a cache of their own, which latent rows would be.
    assert known - own <= {
        *("rswa_attention", "vllm.models.deepseek_v32", "minicpm3", "transformers/base.py")
    }


@pytest.mark.oracles
def test_no_configuration_of_sglangs_with_states_is_left_out() -> None:
    package = release(Path(sys.executable), "sglang", "0.5.23") / "sglang/srt"
    own = {
        f"configs/{file.name}"
        for file in (package / "configs").glob("*.py")
        if "def mamba2_cache_params" in file.read_text()
    }
    own |= {
        f"mem_cache/{file.name}"
        for file in (package / "mem_cache").glob("*_pool.py")
        if re.search(
            r"^class (?!Unified|Embedding|HiSparse|PageInter)\w+Pool\b", file.read_text(), re.M
        )
        and file.stem not in ("base_swa_memory_pool", "mamba_checkpoint_pool")
    }
    assert own <= {row.file for row in SGLANG} | ELSEWHERE


ELSEWHERE = {"mem_cache/minimax_m3_nvfp4_pool.py"}
"""Pools that a setting or a way of quantising asks for, not a model."""


LATENT = re.compile(r"MultiHeadLatentAttentionWrapper\(|\bMLAAttention\(|DeepseekV2MLAAttention\(")
"""What a module of vLLM's that keeps latent rows says."""


@pytest.mark.oracles
def test_minicpm3_builds_no_latent_attention_in_vllm() -> None:
    models = release(Path(sys.executable), "vllm", "0.33.0") / "vllm/model_executor/models"
    assert not LATENT.search((models / "minicpm3.py").read_text())
    assert LATENT.search((models / "sarvam.py").read_text())


@pytest.mark.oracles
def test_the_types_refused_are_none_of_vllms_latent_ones() -> None:
    package = release(Path(sys.executable), "vllm", "0.33.0") / "vllm/transformers_utils"
    text = (package / "model_arch_config_convertor.py").read_text()
    (listed,) = re.findall(r"def is_deepseek_mla.*?model_type in \((.*?)\):", text, re.S)
    (row,) = (row for row in VLLM if row.file == "transformers/base.py")
    assert '"deepseek_v3"' in listed
    assert not [kind for kind in row.model_types if f'"{kind}"' in listed]
