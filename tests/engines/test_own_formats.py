"""Cache formats that an engine chooses where none is asked for: by architecture, GPU and release.

vLLM 0.33.0, model_executor/models/config.py and platforms/cuda.py; SGLang 0.5.23,
srt/arg_groups/overrides.py. A row of 512 + 64 elements is 1,152 bytes in bfloat16, 576 in fp8 and
656 in fp8_ds_mla; the indexer's key beside it 132.
"""

from typing import Any

import pytest

import kvcalc
from kvcalc.checkpoint import CacheScheme
from kvcalc.engines.sglang import architectures
from kvcalc.engines.vllm import auto_format, backend
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.errors import UnsupportedError
from kvcalc.layers.latent import LatentAttention
from kvcalc.model import Model
from tests.each import each
from tests.shapes import full, sliding

CONFIGS = "tests/oracles/configs"
GLM = kvcalc.load(f"{CONFIGS}/zai-org--GLM-5.json")
V32 = kvcalc.load(f"{CONFIGS}/deepseek-ai--DeepSeek-V3.2.json")
V4 = kvcalc.load(f"{CONFIGS}/deepseek-ai--DeepSeek-V4-Flash.json")
ROW = LatentAttention(kv_lora_rank=512, qk_rope_head_dim=64, sparse=True, index_head_dim=128)
BF16, FP8, PACKED = 1_152 + 132, 576 + 132, 656 + 132


def sparse(kind: str, **fields: Any) -> Model:
    return Model(name="m", layers=(ROW,) * 2, model_type=kind, **fields)


@each(
    ("model", "release", "gpu", "asked", "form", "size"),
    [
        (GLM, "0.33.0", "b200", None, "fp8_e4m3", 78 * FP8),
        (GLM, "0.33.0", "gb300", "auto", "fp8_e4m3", 78 * FP8),
        (GLM, "0.32.0", "b200", None, "fp8_e4m3", 78 * FP8),
        (GLM, "0.31.0", "b200", None, "bfloat16", 78 * BF16),
        (GLM, "0.33.0", "b200", "bf16", "bfloat16", 78 * BF16),
        (GLM, "0.33.0", "h200", None, "bfloat16", 78 * BF16),
        (GLM, "0.33.0", None, None, "bfloat16", 78 * BF16),
        (GLM, "0.33.0", "mi300x", None, "bfloat16", 78 * BF16),
        (V32, "0.33.0", "b200", None, "bfloat16", 61 * BF16),
        # FlashMLA's rows are packed, FlashInfer's are not.
        (V32, "0.33.0", "h200", "fp8", "fp8", 61 * PACKED),
        (V32, "0.33.0", "h200", "fp8_e4m3", "fp8_e4m3", 61 * FP8),
        (V32, "0.33.0", "b200", "fp8", "fp8", 61 * FP8),
        (V32, "0.19.0", "h200", "fp8", "fp8", 61 * PACKED),
        (V32, "0.19.0", "b200", "fp8", "fp8", 61 * FP8),
        (V32, "0.17.0", "b200", "fp8", "fp8", 61 * PACKED),
        (V32, "0.33.0", "b200", "fp8_ds_mla", "fp8_ds_mla", 61 * PACKED),
        (V32, "0.33.0", "mi300x", "fp8", "fp8", 61 * FP8),
        # On compute capability 12.x there are packed rows alone, for auto too.
        (GLM, "0.33.0", "rtx-pro-6000", None, "fp8_ds_mla", 78 * PACKED),
        (GLM, "0.24.0", "gb10", None, "fp8_ds_mla", 78 * PACKED),
        (V32, "0.33.0", "rtx-pro-6000", "fp8", "fp8", 61 * PACKED),
        (V32, "0.33.0", "rtx-pro-6000", "fp8_e4m3", "fp8_e4m3", 61 * PACKED),
        (V32, "0.33.0", "rtx-pro-6000", "bf16", "fp8_ds_mla", 61 * PACKED),  # it takes it for auto
        # Sinks are FlashMLA's.
        (sparse("hy_v4"), "0.33.0", "b200", "fp8", "fp8", 2 * PACKED),
    ],
)
def test_vllm_takes_the_format_of_the_architecture_on_the_gpu(
    model: Model, release: str, gpu: str | None, asked: str | None, form: str, size: int
) -> None:
    cost = kvcalc.cost(model, f"vllm@{release}", gpu=gpu, kv_cache_dtype=asked)
    assert (cost.kv_cache_dtype, cost(131_072)) == (form, 131_072 * size)


def test_fp8_is_flashmlas_packed_rows_for_deepseek_v4_too() -> None:
    fp8, packed, elements = (
        kvcalc.cost(V4, "vllm@0.33.0", gpu="h200", kv_cache_dtype=form)(131_072)
        for form in ("fp8", "fp8_ds_mla", "fp8_e4m3")
    )
    assert fp8 == packed > elements


@each(
    ("model", "gpu", "said"),
    [
        (GLM, "b200", "fp8_e4m3 by vllm's choice for glm_moe_dsa on b200"),
        (GLM, "rtx-pro-6000", "fp8_ds_mla by the backend FLASHINFER_MLA_SPARSE_SM120"),
        (V4, "h200", "fp8 by the backend FLASHMLA_SPARSE_DSV4"),
    ],
)
def test_vllm_says_where_a_format_comes_from(model: Model, gpu: str, said: str) -> None:
    assert kvcalc.cost(model, "vllm", gpu=gpu).why.endswith(f"; {said}")
    assert said not in kvcalc.cost(model, "vllm", gpu=gpu, kv_cache_dtype="fp8").why


def test_a_checkpoint_is_asked_before_the_architecture() -> None:
    scheme = CacheScheme(method="modelopt", algorithm="NVFP4", origin="a file")
    with pytest.raises(UnsupportedError, match="found nvfp4, which sparse attention does not have"):
        kvcalc.cost(sparse("glm_moe_dsa", cache_scheme=scheme), "vllm", gpu="b200")


def test_a_draft_of_its_own_keeps_another_format() -> None:
    with pytest.raises(UnsupportedError, match="found eagle3, whose draft vllm does not store in"):
        kvcalc.cost(GLM, "vllm", gpu="b200", speculative_method="eagle3")
    drafted = kvcalc.cost(GLM, "vllm", gpu="b200", speculative_method="mtp")
    assert drafted(131_072) == 131_072 * 79 * FP8


@each(("release", "gpu"), [("0.33.0", "a100-80gb"), ("0.33.0", "l40s"), ("0.23.0", "rtx-pro-6000")])
def test_a_generation_without_a_backend_is_refused(release: str, gpu: str) -> None:
    with pytest.raises(UnsupportedError, match=f"found {gpu}, for which vllm {release} has no"):
        kvcalc.cost(V32, f"vllm@{release}", gpu=gpu)


def test_compressed_rows_are_packed_by_flashinfer_on_12x_alone() -> None:
    named = {"attention_backend": "FLASHINFER_MLA_SPARSE_DSV4"}
    packed = kvcalc.cost(V4, "vllm", gpu="rtx-pro-6000", **named)  # type: ignore[arg-type]
    assert packed(131_072) == kvcalc.cost(V4, "vllm", gpu="rtx-pro-6000")(131_072)
    assert kvcalc.cost(V4, "vllm", gpu="b200", **named).kv_cache_dtype == "bfloat16"  # type: ignore[arg-type]


@each(
    ("model", "gpu", "form", "said"),
    [
        (GLM, "b200", "fp8_e4m3", "; fp8_e4m3 by sglang's choice for sparse attention on b200"),
        (GLM, "rtx-pro-6000", "fp8_e4m3", "for sparse attention on rtx-pro-6000"),
        (GLM, "h200", "bfloat16", ""),
        (sparse("hy_v4"), "b200", "bfloat16", ""),
        (V4, "h200", "fp8_e4m3", "fp8_e4m3 by sglang's choice for deepseek-ai--DeepSeek-V4-Flash"),
        *(
            (
                Model(name="m", layers=(sliding(), full()), model_type=kind),
                gpu,
                "fp8_e4m3",
                f"by sglang's choice for {kind}",
            )
            for kind in sorted(architectures.OWN_FORMATS)
            for gpu in ("h200", "b200", None)
        ),
        # Sparse attention is settled before the checkpoint is looked at.
        (
            sparse(
                "glm_moe_dsa",
                cache_scheme=CacheScheme(
                    method="modelopt", algorithm="FP8", origin="f", dynamic=False
                ),
            ),
            "h200",
            "bfloat16",
            "",
        ),
    ],
)
def test_sglang_takes_the_format_of_the_architecture(
    model: Model, gpu: str | None, form: str, said: str
) -> None:
    cost = kvcalc.cost(model, "sglang", gpu=gpu)
    assert cost.kv_cache_dtype == form
    assert cost.why.endswith(said)


def test_sglang_reads_sinks_beside_bfloat16_alone() -> None:
    for kind in architectures.SINKS:
        with pytest.raises(UnsupportedError, match="expected bfloat16 for sparse attention with"):
            kvcalc.cost(sparse(kind), "sglang", kv_cache_dtype="fp8")


def test_the_types_are_those_of_the_sources() -> None:
    assert VllmSettings().rules.own_formats == {
        "glm_moe_dsa": "fp8_e4m3",
        "glm5_next": "fp8",
        "glm5_next_text": "fp8",
    }
    assert auto_format.BFLOAT16_IS_AUTO == ("deepseek_v32",)
    assert backend.SINKS == ("hy_v4",)
