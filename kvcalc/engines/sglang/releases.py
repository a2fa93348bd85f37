"""SGLang's releases from 0.5.10 to 0.5.23, and what of a request's cache changed at each.

Read from the wheels of these releases, in which the files are named as here below sglang/srt/, and
run (tests/oracles/sglang_versions.json): how each cuts a memory into pools for full, sliding,
chunked and latent layers. Of those before 0.5.23 it was not measured how states, compressed rows
and packed formats are stored, what drafts add, or what is taken on Blackwell: these are refused by
name. A model with a window pool has it from the release on in which its class came.
"""

from kvcalc.engines.engine import names
from kvcalc.engines.releases import Change, Release, Releases
from kvcalc.engines.sglang.memory_share import mem_fraction_static, not_measured
from kvcalc.engines.sglang.rules import (
    a_window,
    a_window_and_a_page,
    an_interval,
    an_interval_and_a_page,
    an_interval_of_its_own,
    of_their_share,
    of_whole_tokens,
    with_two_tokens_each,
    within_the_estimate,
)
from kvcalc.engines.sglang.tiers import SMALL_CHUNKS, TIERS
from kvcalc.engines.sglang.unserved import UNSERVED

BATCH = "managers/schedule_batch.py (maybe_evict_swa)"
FREED = "mem_cache/common.py (free_swa_out_of_window_slots)"
RUNNER = "model_executor/model_runner_kv_cache_mixin.py"
POOLS = "model_executor/pool_configurator.py"
POOL = "mem_cache/memory_pool.py"
HOOK = "arg_groups/memory_hook.py"
CONFIG = "configs/model_config.py (is_hybrid_swa_model)"

FIRST = Release(
    "0.5.10",
    rules={
        "beside_the_window": Change(
            a_window, "what leaves the window is given back once in a window's tokens", BATCH
        ),
        "opted_in": Change(
            frozenset(), "a config cannot opt in to a window pool: all is stored in full", CONFIG
        ),
        "two_pools": Change(
            of_whole_tokens,
            "two pools share the bytes of whole tokens of both, which max_total_tokens limits",
            f"{RUNNER} (_resolve_hybrid_swa_tokens)",
        ),
        "sized_by_requests": Change(
            False, "the window pool is a share of the full pool, whatever requests run", RUNNER
        ),
        "room_asked": Change(False, "a window pool of any size starts", RUNNER),
        "scales_counted": Change(
            False, "the scales of sparse rows in fp8 are not counted as pools are sized", RUNNER
        ),
        "running": Change(
            within_the_estimate,
            "max_running_requests is at most 512 pools' requests of the whole context, or 2,048",
            f"{RUNNER} (_resolve_max_num_reqs)",
        ),
        "one_at_least": Change(
            False, "max_running_requests has to give each attention group one", RUNNER
        ),
        "spare_rows": Change(0, "the request table has one row per request", POOL),
        "whole_pages": Change(False, "a pool's storage is as long as its tokens", POOL),
        "tiers": Change(
            SMALL_CHUNKS, "chunks of prompts have 2,048 tokens on GPUs of 20 to 35 GiB", HOOK
        ),
        "memory_share": Change(not_measured, "mem_fraction_static has to be given", HOOK),
        "all_measured": Change(
            False, "states, compressed rows, packed formats and drafts were not measured", POOL
        ),
    },
    unserved=UNSERVED,
)

ROWS = (
    FIRST,
    Release(
        "0.5.11",
        rules={
            "two_pools": Change(
                of_their_share, "two pools share the memory itself, by the ratio", POOLS
            ),
            "spare_rows": Change(1, "the request table has a row beside", POOL),
        },
        models=("gemma4", "gemma4_text", "mimo_v2"),
    ),
    Release(
        "0.5.12",
        rules={
            "beside_the_window": Change(
                a_window_and_a_page,
                "what leaves the window is given back once in a window's tokens, but for a page",
                BATCH,
            ),
        },
        values={"attention_backend": ("compressed", "dsv4", "tokenspeed_mla")},
        models=("deepseek_v4", "laguna"),
    ),
    Release(
        "0.5.13",
        rules={
            "opted_in": Change(
                names("llama"),
                "is_hybrid_swa in the config opts in to a window pool",
                CONFIG,
                back=("disable_hybrid_swa_memory", True),
            ),
        },
        values={
            "attention_backend": ("cutedsl_mla", "dsa"),
            "mamba_radix_cache_strategy": ("extra_buffer_lazy",),
        },
        models=("gemma4_unified", "gemma4_unified_text", "step3p7"),
    ),
    Release(
        "0.5.14",
        rules={
            "beside_the_window": Change(
                an_interval_and_a_page,
                "what leaves the window is given back once in 128 steps, but for a page",
                f"{BATCH}, {FREED}",
            ),
            "sized_by_requests": Change(
                True,
                "the window pool is sized by max_running_requests without a radix cache",
                f"{POOLS} (SWAChunkCapPoolConfigurator)",
            ),
            "running": Change(
                with_two_tokens_each,
                "max_running_requests is at most half of the pool's tokens",
                f"{RUNNER} (_resolve_max_num_reqs)",
            ),
        },
        settings={
            "swa_eviction_interval": (128,),
            "disaggregation_decode_extra_slots": (None,),
        },
    ),
    Release(
        "0.5.15",
        rules={
            "beside_the_window": Change(
                an_interval, "what leaves the window is given back once in 128 steps", FREED
            ),
        },
        models=("unlimited_ocr", "unlimited_ocr_text"),
    ),
    Release(
        "0.5.16",
        rules={
            "room_asked": Change(
                True, "a window pool without room for one request does not start", POOLS
            ),
            "whole_pages": Change(True, "a pool's storage has whole pages", POOL),
        },
        values={"kv_cache_dtype": ("mxfp8", "nvfp4", "fp4_mx_block16")},
        models=("mellum",),
    ),
    Release(
        "0.5.17",
        rules={
            "scales_counted": Change(
                True,
                "the scales of sparse rows in fp8 are counted as pools are sized",
                f"{POOLS} (_compute_cell_size)",
            ),
        },
        values={"attention_backend": ("hpc_ops",)},
    ),
    Release(
        "0.5.18",
        rules={
            "beside_the_window": Change(
                an_interval_of_its_own,
                "a request's tokens are given back once 128 of them have left the window",
                BATCH,
            ),
        },
        models=("muse_glimmer", "muse_glimmer_text"),
    ),
    Release(
        "0.5.19",
        models=("dots3_note", "dots3_note_text", "granite_swa", "granitemoe_swa", "spark2_5"),
    ),
    Release(
        "0.5.20",
        rules={
            "tiers": Change(
                TIERS,
                "chunks of prompts have 4,096 tokens on GPUs of 20 to 35 GiB",
                HOOK,
                back=("chunked_prefill_size", 2048),
            ),
        },
        values={"attention_backend": ("qsa",)},
    ),
    Release("0.5.21", models=("diffusion_gemma", "diffusion_gemma_text", "iquest_q1")),
    Release(
        "0.5.23",
        rules={
            "one_at_least": Change(
                True,
                "each attention group runs one request at least",
                "mem_cache/kv_cache_configurator.py (resolve_max_num_reqs)",
            ),
            "memory_share": Change(
                mem_fraction_static, "mem_fraction_static is known where it is not given", HOOK
            ),
            "all_measured": Change(
                True, "states, compressed rows, packed formats and drafts were measured", POOLS
            ),
        },
        models=("beam", "muse_spark", "muse_spark_text"),
    ),
)

RELEASES = Releases("sglang", newest="0.5.23", rows=ROWS)
