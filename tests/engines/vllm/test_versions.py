"""What the planners of vLLM's releases themselves gave: every figure of every case.

The models are published files and presets; a case is one start-up on one rank in bfloat16.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import groupby
from typing import Any

import pytest

import kvcalc
from kvcalc.costs import Cost
from kvcalc.engines.vllm.cost import cost_of
from kvcalc.engines.vllm.plan import UNIFORM_TYPE, Plan, plan
from kvcalc.engines.vllm.pool import pool_of
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.errors import KvcalcError, UnsupportedError
from kvcalc.model import Model
from tests.each import each
from tests.engines.vllm.figures import MEMORY, planned_figures
from tests.engines.vllm.measured import (
    KINDS,
    ORACLES,
    VERSIONS,
    Case,
    kinds_model,
    more_model,
    recurrent_model,
)

SPECS = {
    "full_attention": "FullAttention",
    "mla_attention": "MLAAttention",
    "sliding_window": "SlidingWindow",
    "chunked_local_attention": "ChunkedLocalAttention",
    "mamba": "Mamba",
    UNIFORM_TYPE: "UniformTypeKVCaches",
}
"""The names of vLLM's kinds of specs in the cases."""


def file(name: str) -> Callable[[], Model]:
    return lambda: kvcalc.load(str(ORACLES / "configs" / f"{name}.json"))


def preset(name: str) -> Callable[[], Model]:
    return lambda: kvcalc.load(name)


K_EXAONE = file("LGAI-EXAONE--K-EXAONE-236B-A23B")
MTP = {"speculative_method": "mtp", "num_speculative_tokens": 1}

MODELS: Mapping[str, tuple[Callable[[], Model], Mapping[str, Any]]] = {
    "k-exaonew128": (K_EXAONE, {}),
    "k-exaonew4096": (lambda: K_EXAONE().with_window(4_096), {}),
    "k-exaonew128+mtp": (K_EXAONE, MTP),
    "gpt-oss-120b": (preset("gpt-oss-120b"), {}),
    "gpt-oss-20b+eagle3": (file("openai--gpt-oss-20b"), {"speculative_method": "eagle3"}),
    "llama-3.1-8b": (file("meta-llama--Meta-Llama-3.1-8B"), {}),
    "llama-4-scout": (file("meta-llama--Llama-4-Scout-17B-16E-Instruct"), {}),
    "deepseek-v3": (file("deepseek-ai--DeepSeek-V3"), {}),
    "deepseek-v3.2": (file("deepseek-ai--DeepSeek-V3.2"), {}),
    "gemma327b": (preset("gemma-3-27b"), {}),
    "gemma426b-a4b": (file("google--gemma-4-26B-A4B"), {}),
    "mimo-v2-flash": (file("XiaomiMiMo--MiMo-V2-Flash"), {}),
    "qwen3-next-80b": (lambda: recurrent_model("Qwen3-Next-80B-A3B"), {}),
    "nemotron-3-nano": (file("nvidia--NVIDIA-Nemotron-3-Nano-30B-A3B-BF16"), {}),
}
"""The models of the cases, by their names without spaces and capitals, and how they draft."""


def named(model: str) -> tuple[Callable[[], Model], Mapping[str, Any]]:
    return MODELS[re.sub(r"\s", "", model).lower()]


@lru_cache
def model_of(name: str) -> Model:
    return named(name)[0]()


Costed = tuple[Plan, Cost]


@lru_cache(maxsize=8)
def planned(
    version: str, name: str, batch: int, overlaps: bool, hybrid: bool, cached: bool | None
) -> Costed | KvcalcError:
    settings = VllmSettings(
        release=version,
        max_num_batched_tokens=batch,
        async_scheduling=overlaps,
        disable_hybrid_kv_cache_manager=not hybrid,
        enable_prefix_caching=cached,
        prefill_checkpoint_blocks=0,
        **named(name)[1],
    )
    try:
        made = plan(model_of(name), settings)
        return made, cost_of(made)
    except KvcalcError as error:
        return error


def figures(made: Plan, cost: Cost, context: int) -> dict[str, Any]:
    """What kvcalc says of a plan, by the names that the cases use."""
    pool = pool_of(made, MEMORY, context).figures
    states = [group for group in made.groups if group.kind == "mamba"]
    blocks = [group.block or context for group in made.groups]
    mode = made.settings.states_mode(states[0].cache.layer) if states else None
    return {
        "bytes_per_block": pool["bytes_per_block"],
        "blocks_per_request": pool["blocks_per_request"],
        "bytes_per_request": cost.per_gpu(context),
        "startup_needs": pool["startup_needs"],
        "max_concurrency_in_50GiB": pool["max_concurrency"],
        "label_tokens_in_50GiB": pool["label_tokens"],
        "group_layers": [len(group.members) for group in made.groups],
        "group_kinds": [SPECS[group.kind] for group in made.groups],
        "group_block_sizes": blocks,
        "attention_block": made.block_size,
        "mamba_block": blocks[0],
        "mode": mode,
        "prefix_caching": mode != "none",
    }


ASKED = {
    *("version", "model", "model_file_in_version", "max_model_len", "max_num_batched_tokens"),
    *("async_scheduling", "hybrid_manager"),
}

CASES = [
    [*cases]
    for _, cases in groupby(
        sorted(VERSIONS["cases"], key=lambda case: (case["version"], case["model"])),
        key=lambda case: (case["version"], case["model"]),
    )
]


def release_and_model(cases: list[Case]) -> str:
    return f"{cases[0]['version']} {cases[0]['model']}"


@each("cases", CASES, ids=release_and_model)
def test_a_release_plans_as_its_own_code_did(cases: list[Case]) -> None:
    asked = ("max_num_batched_tokens", "async_scheduling", "hybrid_manager")
    wrong: list[tuple[Case, object]] = []
    for case in sorted(cases, key=lambda case: [case[name] for name in asked]):
        made = planned(
            case["version"],
            case["model"],
            *(case[name] for name in asked),
            case.get("prefix_caching"),
        )
        if isinstance(made, KvcalcError) or "refused" in case:
            if not (isinstance(made, KvcalcError) and "refused" in case):
                wrong.append((case, made))
            continue
        found = figures(*made, case["max_model_len"])
        expected = {name: case[name] for name in case.keys() - ASKED}
        got = {name: found[name] for name in expected}
        if got != expected:
            wrong.append((case, got))
    assert not wrong[:1]


@each("cases", CASES, ids=release_and_model)
def test_a_release_without_the_model_is_refused_by_name(cases: list[Case]) -> None:
    version, model = cases[0]["version"], model_of(cases[0]["model"])
    if all(case["model_file_in_version"] for case in cases):
        kvcalc.cost(model, f"vllm@{version}")
        return
    with pytest.raises(UnsupportedError, match=f"vllm {version}.*{model.model_type}"):
        kvcalc.cost(model, f"vllm@{version}")


PACKED = [
    case
    for case in KINDS["cases"]
    if case["kind"] == "v4" and case["backend"] == "FLASHMLA_SPARSE_DSV4"
]
OF_A_REQUEST = ("bytes_per_block", "blocks_per_request", "bytes_per_request")


@each("version", ["0.27.0", "0.27.1", "0.28.0", "0.29.0", "0.30.0", "0.31.0", "0.32.0"])
def test_deepseek_v4_in_packed_rows_is_planned_as_0_33_0_plans_it(version: str) -> None:
    """As these releases' own planners gave (tests/oracles/measure/vllm.py): 78 cases each."""
    assert len(PACKED) == 78
    for case in PACKED:
        model, _ = kinds_model(case["model"])
        settings = VllmSettings(
            release=version,
            attention_backend=case["backend"],
            kv_cache_dtype=case["kv_dtype"],
            indexer_kv_dtype=case["index_dtype"],
            tensor_parallel_size=case["tp"],
            max_num_batched_tokens=case["max_in_flight_tokens"],
            async_scheduling=False,
        )
        found = planned_figures(plan(model, settings), case["max_model_len"])
        assert {name: found[name] for name in OF_A_REQUEST} == {
            name: case[name] for name in OF_A_REQUEST
        }


@pytest.mark.parametrize(
    ("version", "backend", "stored"),
    [
        ("0.26.0", "FLASHMLA_SPARSE_DSV4", "fp8_ds_mla"),
        ("0.32.0", "FLASHINFER_MLA_SPARSE_DSV4", "bfloat16"),
    ],
)
def test_pools_of_deepseek_v4_that_were_not_measured_are_refused(
    version: str, backend: str, stored: str
) -> None:
    model, _ = kinds_model("DeepSeek-V4-Flash")
    with pytest.raises(UnsupportedError, match=rf"^release: found {version}, .* out in {stored}$"):
        plan(model, VllmSettings(release=version, attention_backend=backend))


@pytest.mark.parametrize(
    ("version", "gib", "longest"), [("0.25.1", 45.79, 262_144), ("0.26.0", 70.79, 58_368)]
)
def test_an_upgrade_that_ate_the_capacity_of_gemma_4_31b(
    version: str, gib: float, longest: int
) -> None:
    """VLLM issue 49878: in 49 GiB a server of 0.25.1 starts, and one of 0.26.0 does not."""
    model = kvcalc.load(str(ORACLES / "configs" / "google--gemma-4-31B.json"))
    pool = kvcalc.pool(
        model,
        f"vllm@{version}",
        memory=49 * 2**30,
        context=262_144,
        max_num_batched_tokens=32_768,
    )
    assert pool.figures["needed_gib"] == gib
    assert pool.figures["estimated_max_model_len"] == longest
    assert pool.figures["fits"] == (version == "0.25.1")


PUBLISHED: Mapping[str, Mapping[str, int | None]] = {
    "gpt-oss-20b +EAGLE3": {
        "0.11.2": 6_647_316_480,
        "0.18.1": 3_711_598_592,
        "0.25.1": 3_711_598_592,
        "0.26.0": 3_929_702_400,
    },
    "Gemma 3 27B": {"0.11.2": 15_275_130_880, "0.25.1": 15_275_130_880, "0.26.0": 19_301_662_720},
    "MiMo-V2-Flash": {"0.19.1": None, "0.20.0": 4_940_513_280, "0.26.0": 6_827_950_080},
    "Llama-4-Scout": {
        "0.13.0": 25_769_803_776,
        "0.14.0": 8_858_370_048,
        "0.26.0": 10_066_329_600,
    },
}
"""Bytes of a request of 131,072 tokens that the planner counts, in the releases' own figures."""


@each(
    ("name", "version", "size"),
    [(name, *one) for name, sizes in PUBLISHED.items() for one in sizes.items()],
)
def test_models_beside_the_cases(name: str, version: str, size: int | None) -> None:
    settings = VllmSettings(release=version, **named(name)[1])
    if size is None:
        with pytest.raises(UnsupportedError, match="pages of 40,960 bytes"):
            plan(model_of(name), settings)
        return
    assert cost_of(plan(model_of(name), settings)).per_gpu(131_072) == size


@each(
    ("version", "given", "size"),
    [
        ("0.17.1", {"enable_prefix_caching": True}, 4_077_649_920),
        ("0.27.1", {"enable_prefix_caching": True}, 4_077_649_920),
        ("0.27.1", {"mamba_cache_mode": "all"}, 4_077_649_920),
        ("0.27.1", {"mamba_cache_mode": "align"}, 914_325_504),
        ("0.27.1", {}, 862_814_208),
        ("0.28.0", {}, 914_325_504),
        ("0.31.0", {}, 914_325_504),
        ("0.31.0", {"prefill_checkpoint_blocks": 1}, 965_836_800),
        ("0.32.0", {}, 965_836_800),
        ("0.29.0", {"enable_prefix_caching": False}, 862_814_208),
    ],
)
def test_what_prefix_caching_keeps_of_mamba_2(
    version: str, given: dict[str, Any], size: int
) -> None:
    settings = VllmSettings(release=version, **given)
    assert cost_of(plan(model_of("Nemotron-3-Nano"), settings)).per_gpu(131_072) == size


@each(
    ("version", "given", "size"),
    [
        ("0.25.1", {}, 7_057_047_552),
        ("0.33.0", {}, 8_265_007_104),
        ("0.33.0", {"async_scheduling": False}, 7_661_027_328),
    ],
)
def test_stages_of_k_exaone(version: str, given: dict[str, Any], size: int) -> None:
    cost = kvcalc.cost(K_EXAONE(), f"vllm@{version}", pipeline_parallel_size=2, **given)
    assert cost.per_gpu(262_144) == size


@each("version", ["0.14.0", "0.14.1", "0.16.0", "0.18.1"])
def test_a_server_that_starts_and_never_finishes_a_request(version: str) -> None:
    """Its check asks for the first group's blocks alone: 577 of 11,654."""
    pool = kvcalc.pool(
        model_of("Gemma 3 27B"), f"vllm@{version}", memory=12 * 2**30, context=131_072
    )
    assert (pool.figures["startup_needs"], pool.figures["fits"]) == (577 * 1_310_720, True)
    assert pool.max_sequences == 0
    assert "never finishes: it needs 11,654 blocks of 9,829" in pool.note


@each(
    ("version", "connector", "whole"),
    [
        ("0.21.0", "NixlConnector", True),
        ("0.22.0", "NixlConnector", False),
        ("0.33.0", "NixlConnector", False),
        *(
            ("0.33.0", name, False)
            for name in (
                *("DecodeBenchConnector", "ExampleHiddenStatesConnector", "MooncakeConnector"),
                *("MooncakeStoreConnector", "NixlPullConnector", "NixlPushConnector"),
                *("OffloadingConnector", "SimpleCPUOffloadConnector", "MoRIIOConnector"),
            )
        ),
        ("0.33.0", "LMCacheConnectorV1", True),
        ("0.33.0", "NixlConnector,LMCacheConnectorV1", True),
    ],
)
def test_a_connector_without_support_turns_the_hybrid_manager_off(
    version: str, connector: str, whole: bool
) -> None:
    cost = kvcalc.cost(K_EXAONE(), f"vllm@{version}", kv_connector=connector)
    assert (cost(131_072) == 25_769_803_776) == whole


@pytest.mark.parametrize(("version", "share"), [("0.19.1", "0.9"), ("0.20.0", "0.92")])
def test_the_share_of_the_memory(version: str, share: str) -> None:
    asked: tuple[dict[str, Any], ...] = ({}, {"gpu_memory_utilization": share})
    model = kvcalc.load("llama-3.1-8b")
    own, given = (
        kvcalc.fit(model, gpu="h100", gpus=1, engine=f"vllm@{version}", **settings)
        for settings in asked
    )
    assert own == given


BATCHES = [(70, 8_192, 1_024), (0, 2_048, 256)]
LARGER_BATCHES = [(160, 16_384, 1_024), *BATCHES]
"""From how many GiB of GPU memory on which batch and sequences (engine/arg_utils.py of 0.11.2 and
0.28.0, get_batch_defaults for the server)."""


@each(
    ("version", "batches"),
    [("0.11.2", BATCHES), ("0.27.1", BATCHES), ("0.28.0", LARGER_BATCHES), (None, LARGER_BATCHES)],
)
def test_the_batch_by_the_memory_of_a_gpu(
    version: str | None, batches: list[tuple[int, int, int]]
) -> None:
    rows = VllmSettings(release=version).rules.batches
    assert [(row.memory / 1024, row.tokens, row.sequences) for row in rows] == batches
    t4, b200 = (VllmSettings(release=version, gpu=gpu).batch for gpu in ("t4", "b200"))
    assert (t4, b200) == (batches[-1][1], batches[0][1])


@each(
    ("settings", "sequences"),
    [
        ({}, 1_024),
        ({"gpu": "l4"}, 256),
        ({"performance_mode": "throughput"}, 2_048),
        ({"gpu": "l4", "performance_mode": "throughput"}, 512),
        ({"max_num_batched_tokens": 1_024}, 1_024),
        ({"max_num_batched_tokens": 1_023}, 1_023),
        ({"max_num_batched_tokens": 100, "performance_mode": "throughput"}, 100),
        ({"data_parallel_size": 2, "enable_expert_parallel": True}, 256),
    ],
)
def test_sequences_that_run_at_once_unless_asked_are_at_most_a_batchs_tokens(
    settings: dict[str, Any], sequences: int
) -> None:
    """engine/arg_utils.py, _set_default_max_num_seqs_and_batched_tokens_args."""
    found = VllmSettings(all2all_backend="nixl_ep", **settings)
    assert found.own_sequences == found.sequences_at_once == sequences
    asked = found.model_copy(update={"max_num_seqs": 7})
    assert (asked.own_sequences, asked.sequences_at_once) == (sequences, 7)


@each(
    ("context", "gpu", "batch", "sequences"),
    [
        ("LLM_CLASS", "h100", 16_384, 1_024),
        ("LLM_CLASS", "a100-80gb", 8_192, 256),
        ("LLM_CLASS", "l4", 8_192, 256),
        ("API_SERVER", "h100", 2_048, 128),
        ("OPENAI_BATCH_RUNNER", "b200", 2_048, 128),
        ("OPENAI_API_SERVER", "h100", 8_192, 1_024),
    ],
)
def test_what_runs_without_the_server_has_batches_of_its_own(
    context: str, gpu: str, batch: int, sequences: int
) -> None:
    """engine/arg_utils.py (get_batch_defaults) of 0.14.1 to 0.33.0."""
    for release in ("0.14.1", "0.33.0"):
        found = VllmSettings(usage_context=context, gpu=gpu, release=release)  # type: ignore[arg-type]
        assert (found.batch, found.own_sequences) == (batch, sequences)


@each(
    ("settings", "batch"),
    [
        ({"data_parallel_size": 2, "enable_expert_parallel": True}, 256),
        ({"data_parallel_size": 1, "enable_expert_parallel": True}, 8_192),
        ({"data_parallel_size": 2}, 8_192),
        ({"data_parallel_size": 2, "enable_expert_parallel": True, "release": "0.19.1"}, 8_192),
        (
            {
                "data_parallel_size": 2,
                "enable_expert_parallel": True,
                "performance_mode": "throughput",
            },
            512,
        ),
    ],
)
def test_kernels_for_small_batches_have_one(settings: dict[str, Any], batch: int) -> None:
    """Over several replicas alone (engine/arg_utils.py; config/parallel.py, from 0.20.0 on)."""
    assert VllmSettings(all2all_backend="nixl_ep", **settings).batch == batch


@each(("version", "cached"), [("0.11.2", False), ("0.27.1", False), ("0.28.0", True)])
def test_whether_recurrent_layers_have_prefix_caching_unless_asked(
    version: str, cached: bool
) -> None:
    model, engine = model_of("qwen3-next-80b"), f"vllm@{version}"
    given = kvcalc.cost(model, engine, enable_prefix_caching=cached)
    assert kvcalc.cost(model, engine)(8192) == given(8192)


@each(
    ("version", "asked", "block"),
    [
        ("0.19.1", 128, 544),
        ("0.20.0", 128, 640),
        ("0.20.0", 16, 544),
        *((version, asked, asked) for version in ("0.19.1", "0.20.0") for asked in (640, 1024)),
    ],
)
def test_the_step_in_which_a_block_grows_to_a_state(version: str, asked: int, block: int) -> None:
    """34 blocks of 16 tokens, or 5 of 128 where that is asked for (platforms/interface.py)."""
    planned = plan(
        more_model("Qwen3-Next-80B-A3B"), VllmSettings(release=version, block_size=asked)
    )
    assert planned.block_size == block


@each(
    ("gpu", "release", "batch", "sequences"),
    [
        ("gb10", "0.33.0", 2_048, 256),
        ("gb10", "0.32.0", 8_192, 1_024),
        ("a100-80gb", "0.33.0", 2_048, 256),
        ("h100-pcie", "0.33.0", 8_192, 1_024),
        ("mi325x", "0.33.0", 16_384, 1_024),
        ("rtx-5080", "0.33.0", 2_048, 256),
        (None, "0.33.0", 8_192, 1_024),
    ],
)
def test_what_a_batch_takes_by_itself_on_a_gpu(
    gpu: str | None, release: str, batch: int, sequences: int
) -> None:
    """engine/arg_utils.py, get_batch_defaults: GB10 (compute capability 12.1) from 0.33.0 on."""
    settings = VllmSettings(gpu=gpu, release=release)
    assert (settings.batch, settings.own_sequences) == (batch, sequences)
