"""SGLang's releases from 0.5.10 to 0.5.23, and what of a request's cache changed at each.

Read from the wheels of these releases, in which the files are named as here below sglang/srt/. Of
those before 0.5.23 what requests of full, sliding, chunked and latent layers take was read, and not
how a memory is cut into pools, how states, compressed or sparse rows and packed formats are stored,
or what drafts add: these are refused by name. A model with a window pool has it from the release on
in which its class came.
"""

from kvcalc.engines.engine import names
from kvcalc.engines.releases import Change, Release, Releases
from kvcalc.engines.sglang.rules import (
    a_window,
    a_window_and_a_page,
    an_interval,
    an_interval_and_a_page,
    an_interval_of_its_own,
)
from kvcalc.engines.sglang.unserved import UNSERVED

BATCH = "managers/schedule_batch.py (maybe_evict_swa)"
FREED = "mem_cache/common.py (free_swa_out_of_window_slots)"
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
        "all_read": Change(
            False, "pools, states, compressed and sparse rows and drafts were not read", BATCH
        ),
    },
    unserved=UNSERVED,
)

ROWS = (
    FIRST,
    Release("0.5.11", models=("gemma4", "gemma4_text", "mimo_v2")),
    Release(
        "0.5.12",
        rules={
            "beside_the_window": Change(
                a_window_and_a_page,
                "what leaves the window is given back once in a window's tokens, but for a page",
                BATCH,
            ),
        },
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
        },
        settings={"swa_eviction_interval": (128,)},
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
    Release("0.5.16", models=("mellum",)),
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
    Release("0.5.21", models=("diffusion_gemma", "diffusion_gemma_text", "iquest_q1")),
    Release(
        "0.5.23",
        rules={
            "all_read": Change(
                True,
                "pools, states, compressed and sparse rows and drafts were read",
                "model_executor/pool_configurator.py",
            ),
        },
        models=("beam", "muse_spark", "muse_spark_text"),
    ),
)

RELEASES = Releases("sglang", newest="0.5.23", rows=ROWS)
