"""vLLM's releases from 0.11.2 to 0.33.0, and what of the cache's arithmetic changed at each.

Read from the source packages of these releases.
"""

from fractions import Fraction

from kvcalc.engines.releases import Change, Release, Releases
from kvcalc.engines.vllm.first_release import FIRST
from kvcalc.engines.vllm.model_types import CAME, WENT
from kvcalc.engines.vllm.rules import (
    VIDEO_POSITIONS,
    Batch,
    a_state_a_block_or_the_last,
    dense_or_listed,
    every_batch,
    every_model,
    listed,
    the_last_states,
    within_a_half,
    within_a_quarter,
)
from kvcalc.engines.vllm.source_files import (
    ARGUMENTS,
    CACHE,
    CHECKPOINT,
    COMPILATION,
    CONFIG,
    CONNECTORS,
    CUDA,
    EXAONE,
    HEADS,
    HYBRIDS,
    INDEX,
    MROPE,
    PLANNING,
    PLATFORM,
    SAMPLER,
    SAMPLER_2,
    SPECS,
    WORKER,
)
from kvcalc.engines.vllm.sparse_backends import (
    FLASHINFER_ON_9,
    FLASHINFER_ON_10,
    WITH_12,
    WITH_AITER,
)

HYBRID_CONNECTORS = frozenset(
    {
        *("DecodeBenchConnector", "ExampleHiddenStatesConnector", "MooncakeConnector"),
        *("MooncakeStoreConnector", "NixlConnector", "OffloadingConnector"),
        "SimpleCPUOffloadConnector",
    }
)

CHANGES = (
    FIRST,
    Release(
        "0.12.0",
        rules={
            "group_size": Change(
                within_a_quarter,
                "groups have as many layers as the commonest kind, if under 1.25 times the rarest",
                PLANNING,
            ),
            "pages": Change(
                "divided", "a page that divides the largest has a longer block instead", PLANNING
            ),
            "sparse_backends": Change(
                WITH_AITER, "sparse latent attention runs on AMD's GPUs", "platforms/rocm.py"
            ),
        },
        settings={"prefill_context_parallel_size": (1,)},
    ),
    Release(
        "0.13.0",
        rules={
            "moe_workspace_is_kept": Change(
                True, "the experts' workspace stays for the next run", "v1/worker/workspace.py"
            ),
        },
        settings={"flash_attention_version": (None,)},
    ),
    Release(
        "0.14.0",
        rules={
            "start_up": Change(
                "first group", "the start-up check counts the first group's blocks alone", PLANNING
            ),
            "modelopt_formats": Change(
                frozenset({"fp8"}),
                "kv_cache_dtype auto is fp8 where a checkpoint of ModelOpt says so",
                CHECKPOINT,
            ),
            "chunks_in_hybrid_manager": Change(
                True,
                "chunked layers stay in the hybrid manager",
                CONFIG,
                back=("disable_hybrid_kv_cache_manager", True),
            ),
        },
        defaults={"async_scheduling": Change(True, "async scheduling is on", CONFIG)},
    ),
    Release(
        "0.15.0",
        rules={
            "scheme_of_heads": Change(
                "overrules",
                "the cache is fp8 by compressed-tensors' kv_cache_scheme, whatever is asked",
                HEADS,
            ),
            "variables": Change(
                {}, "VLLM_ATTENTION_BACKEND is read no more; --attention-backend is", "envs.py"
            ),
        },
    ),
    Release(
        "0.16.0",
        rules={
            "prefix_states": Change(
                a_state_a_block_or_the_last,
                "prefix caching keeps a state for each block of Mamba layers, the last of others",
                HYBRIDS,
            ),
            "draft_states": Change(
                frozenset({"none", "align"}), "drafts have copies of recurrent states", SPECS
            ),
        },
        settings={"mamba_cache_mode": (None, "none")},
    ),
    Release(
        "0.17.0",
        settings={"performance_mode": ("balanced",), "language_model_only": (False,)},
        rules={
            "sampling": Change(
                {"V1": "selected"},
                "a kernel of Triton's selects the logits: 14 bytes of each",
                SAMPLER,
            ),
            "charged": Change(
                "fused",
                "all-reduces fused with norms keep 1.5 GiB of buffers on Hopper and Blackwell",
                CONFIG,
            ),
            "start_up_each_rank": Change(
                True, "each rank's layers are checked against its own memory", PLANNING
            ),
        },
    ),
    Release(
        "0.18.0",
        rules={
            "charged": Change(
                "graphs profiled", "what profiling the graphs leaves is charged", WORKER
            ),
            "group_size": Change(
                within_a_half,
                "groups have as many layers as the commonest kind, if under 1.5 times the rarest",
                PLANNING,
            ),
        },
    ),
    Release(
        "0.19.0",
        rules={
            "start_up": Change(
                "groups", "the start-up check adds up the blocks of all groups", PLANNING
            ),
            "sparse_backends": Change(
                FLASHINFER_ON_10,
                "sparse rows in fp8 are plain ones of FlashInfer on compute capability 10.x",
                CUDA,
            ),
        },
        settings={"kv_cache_dtype_skip_layers": ((),)},
    ),
    Release(
        "0.20.0",
        rules={
            "graphs": Change(
                {"V1": "sampled"},
                "the pool leaves room for CUDA graphs, by a few of them",
                "v1/worker/gpu_model_runner.py",
            ),
            "sliding_values": Change(True, "a sliding layer's values have their own length", SPECS),
            "modelopt_formats": Change(
                frozenset({"fp8", "nvfp4"}),
                "kv_cache_dtype auto is nvfp4, too, where a checkpoint of ModelOpt says so",
                CHECKPOINT,
            ),
            "asked_block_steps": Change(
                True, "a block grows in steps of the one that is asked for", PLATFORM
            ),
            "memory_share": Change(
                Fraction("0.92"),
                "gpu_memory_utilization is 0.92",
                CACHE,
                back=("gpu_memory_utilization", 0.9),
            ),
            "events_in_hybrid_manager": Change(
                True, "--kv-events-config leaves the hybrid manager on", CONFIG
            ),
            "small_batch_kernels": Change(
                frozenset({"deepep_low_latency", "nixl_ep"}),
                "with data and expert parallel over kernels for small batches, "
                "max_num_batched_tokens is 256",
                f"{ARGUMENTS}, config/parallel.py",
            ),
            "pooling_waits": Change(True, "pooling models run without async scheduling", CONFIG),
            "blocks_bound_sequences": Change(
                True,
                "beside recurrent layers max_num_seqs may not exceed the pool's blocks",
                COMPILATION,
            ),
        },
        values={
            "kv_cache_dtype": (
                *("nvfp4", "int8_per_token_head", "fp8_per_token_head", "turboquant_k8v4"),
                *("turboquant_4bit_nc", "turboquant_k3v4_nc", "turboquant_3bit_nc"),
            ),
        },
    ),
    Release(
        "0.20.1",
        rules={
            "label": Change(
                "concurrency", '"GPU KV cache size" is concurrency times max_model_len', PLANNING
            ),
        },
    ),
    Release(
        "0.21.0",
        rules={
            "large_blocks_are_whole": Change(
                True, "segments over 20 MiB are left whole as weights are loaded", WORKER
            ),
            "sampling": Change(
                {"V1": "masked"}, "FlashInfer samples: 14 bytes of each logit", SAMPLER
            ),
            "draft_states": Change(
                frozenset({"none", "align", "all"}),
                "drafts have copies of recurrent states beside those of each block, too",
                SPECS,
            ),
        },
    ),
    Release(
        "0.22.0",
        rules={
            "v2_runner": Change(listed("qwen3"), "the V2 runner runs Qwen3", CONFIG),
            "sampling": Change(
                {"V1": "masked", "V2": "fused"},
                "the V2 runner's profile run samples without parameters: 2 bytes of each logit",
                SAMPLER_2,
            ),
            "graphs": Change(
                {"V1": "sampled", "V2": "none"},
                "the V2 runner leaves nothing for CUDA graphs",
                "v1/worker/gpu/model_runner.py",
            ),
            "scheme_of_heads": Change(
                "auto", "compressed-tensors' kv_cache_scheme gives way to kv_cache_dtype", HEADS
            ),
            "hybrid_connectors": Change(
                HYBRID_CONNECTORS,
                "a KV connector turns the hybrid manager off only if it does not support it",
                f"{CONFIG}, {CONNECTORS}",
                back=("disable_hybrid_kv_cache_manager", True),
            ),
        },
    ),
    Release("0.22.1"),
    Release(
        "0.23.0",
        rules={
            "v2_runner": Change(
                listed("qwen3", "llama", "mistral"), "the V2 runner runs Llama and Mistral", CONFIG
            ),
        },
    ),
    Release(
        "0.24.0",
        rules={
            "v2_runner": Change(
                listed("qwen3", "llama", "mistral", "deepseek_v2", "qwen2_moe", "granitemoe"),
                "the V2 runner runs DeepSeek-V2, Qwen2-MoE and GraniteMoE",
                CONFIG,
            ),
            "pages": Change(
                "padded", "a page that does not divide the largest is padded to it", PLANNING
            ),
            "promoted_share_spec": Change(
                False, "without the hybrid manager kinds of layers keep specs of their own", SPECS
            ),
            "sparse_backends": Change(
                WITH_12,
                "sparse latent attention runs on compute capability 12.x, in fp8_ds_mla alone",
                CUDA,
            ),
            "hybrid_connectors": Change(
                HYBRID_CONNECTORS | {"NixlPullConnector", "NixlPushConnector"},
                "NIXL's pull and push connectors support the hybrid manager",
                CONNECTORS,
            ),
        },
        settings={"indexer_kv_dtype": ("auto",)},
    ),
    Release(
        "0.25.0",
        rules={
            "v2_runner": Change(
                dense_or_listed("deepseek_v2", "qwen2_moe", "granitemoe"),
                "the V2 runner runs models without experts and states",
                CONFIG,
            ),
            "kept_formats_raise_block": Change(
                True,
                "blocks grow until a quantised page holds a kernel's block in the model's type",
                PLATFORM,
            ),
        },
        values={"kv_cache_dtype": ("int4_per_token_head",)},
    ),
    Release(
        "0.26.0",
        rules={
            "batches_in_flight": Change(
                every_batch,
                "every batch in flight is charged to a sliding or chunked layer",
                f"{CONFIG}, {SPECS}",
                back=("async_scheduling", False),
            ),
            "sampled_with_a_prefill": Change(
                True,
                "the first full graph that is sampled reads a batch of context",
                "v1/worker/gpu_model_runner.py",
            ),
        },
    ),
    Release(
        "0.27.0",
        rules={
            "charged": Change(
                "all consumed", "what the device has less is charged, whatever holds it", WORKER
            ),
            "penalty_tables_are_charged": Change(
                True, "tables that stay after the profile run are charged", WORKER
            ),
            "kept_whole_where_unpaddable": Change(
                True, "where pages cannot be made one, every layer is kept whole", PLANNING
            ),
            "compressed_attention": Change(
                frozenset({"fp8_ds_mla"}),
                "pools of compressed attention in packed rows have the block outermost",
                PLANNING,
            ),
            "mtp_layer_types": Change(
                True,
                "EXAONE-MoE's MTP layers have the types and windows that the file gives them",
                EXAONE,
            ),
            "flashinfer_mxfp4_step": Change(
                128,
                "FlashInfer's kernels pad the width of mxfp4 experts to 128, not 256",
                "model_executor/layers/fused_moe/oracle/mxfp4.py",
            ),
            "latent_step": Change(
                128,
                "beside states, blocks of latent attention are multiples of 128 tokens",
                PLATFORM,
            ),
            "fp4_index": Change(
                {"use_fp4_indexer_cache": True},
                "an index in 4 bits has rows of 68 bytes, not 132",
                INDEX,
            ),
        },
    ),
    Release(
        "0.28.0",
        rules={
            "fp4_index": Change(
                {"use_fp4_indexer_cache": True, "indexer_kv_dtype": True},
                "indexer_kv_dtype stores an index in 4 bits, too",
                INDEX,
            ),
            "promoted_share_spec": Change(
                True, "without the hybrid manager equal layers share one spec again", SPECS
            ),
            "prefix_states": Change(
                the_last_states, "prefix caching keeps the last states of recurrent layers", HYBRIDS
            ),
            "mtp_lookahead": Change(
                True, "several MTP modules widen the windows by what they look ahead", CONFIG
            ),
            "batches": Change(
                (
                    *(Batch(160 * 1024, 16_384, 1_024), Batch(70 * 1024, 8_192, 1_024)),
                    Batch(0, 2_048, 256),
                ),
                "max_num_batched_tokens is 16,384 from 160 GiB of GPU memory on",
                ARGUMENTS,
                back=("max_num_batched_tokens", 8_192),
            ),
        },
        defaults={
            "enable_prefix_caching": Change(
                True, "prefix caching of models with recurrent layers is on", ARGUMENTS
            ),
        },
        settings={"num_prefill_lookahead_tokens": (None, 0, 1)},
        without={"mamba_cache_mode": ("all",)},
        values={"kv_cache_dtype": ("nvfp4_4over6",)},
    ),
    Release(
        "0.29.0",
        rules={
            "v2_runner": Change(every_model, "the V2 runner runs each model", CONFIG),
            "graphs": Change(
                {"V1": "sampled", "V2": "captured"},
                "the V2 runner leaves room for CUDA graphs, by a capture of its own",
                "v1/worker/gpu/cudagraph_utils.py",
            ),
            "checkpoint_steps": Change(
                {"kimi_delta_attention": 1},
                "Kimi delta attention has a block for a checkpoint on compute capability 9.x on",
                "models/kimi_k3/nvidia/kda.py",
            ),
            "start_up_held_blocks": Change(
                1, "the start-up check leaves out the null block", PLANNING
            ),
        },
        settings={"prefill_checkpoint_blocks": (0,)},
        values={"kv_cache_layout": ("BLHNC", "BLNHC")},
    ),
    Release(
        "0.30.0",
        rules={
            "fp4_index": Change({"indexer_kv_dtype": True}, "use_fp4_indexer_cache is gone", INDEX),
            "hybrid_connectors": Change(
                HYBRID_CONNECTORS
                | {"NixlPullConnector", "NixlPushConnector"}
                | {"HiSparseConnector", "MoRIIOConnector"},
                "the HiSparse and MoRIIO connectors support the hybrid manager",
                CONNECTORS,
            ),
            "sparse_backends": Change(
                FLASHINFER_ON_9,
                "sparse rows in fp8_e4m3 are plain ones of FlashInfer on compute capability 9.x",
                CUDA,
            ),
        },
        values={"kv_cache_dtype": ("nvfp4_ds_mla",)},
    ),
    Release(
        "0.32.0",
        rules={
            "checkpoint_blocks": Change(
                {"mamba2": 1},
                "Mamba 2 has a block for a checkpoint inside a prefill",
                "model_executor/layers/mamba/mamba_mixer2.py",
            ),
            "video_positions": Change(
                VIDEO_POSITIONS,
                "tables of Qwen3-VL and Qwen3.5 are as long as the model's positions",
                f"{MROPE}, model_executor/models/qwen3_vl.py (mrope_positions_factor)",
            ),
            "own_formats": Change(
                {"glm_moe_dsa": "fp8_e4m3"},
                "kv_cache_dtype auto of GLM-5 is fp8_e4m3 on compute capability 10.x",
                HYBRIDS,
                back=("kv_cache_dtype", "bfloat16"),
            ),
        },
        values={"kv_cache_dtype": ("ultraquant_4bit",)},
    ),
    Release(
        "0.33.0",
        values={"kv_cache_dtype": ("octave_k3v3_compact",)},
        rules={
            "mxfp4_scales_stay": Change(
                False,
                "scales of mxfp4 experts are freed once kernels have their own",
                "model_executor/layers/quantization/mxfp4.py",
            ),
            "sampling": Change(
                {"V1": "masked", "V2": "masked"},
                "the V2 runner's profile run samples with parameters, too: 14 bytes of each logit",
                SAMPLER_2,
            ),
            "cublas_is_charged": Change(
                False, "cuBLAS's workspace is there before the memory is read", WORKER
            ),
            "compressed_attention": Change(
                frozenset({"fp8_ds_mla", "bfloat16", "fp8", "fp8_e4m3"}),
                "pools of compressed attention in plain rows are known, too",
                "v1/core/kv_cache_planning.py",
            ),
            "checkpoint_steps": Change(
                {"kimi_delta_attention": 1, "gated_delta_net": 64, "ngram_embedding": 1},
                "delta nets have a block for a checkpoint on compute capability 9.x on, and blocks "
                "that are multiples of 64 tokens",
                "model_executor/layers/mamba/gdn/qwen_gdn_linear_attn.py",
            ),
            "pooled_index": Change(
                True,
                "indexers whose keys stand for several tokens have a ring of the raw ones",
                "models/qwen4_exp/common/qsa_cache.py, models/glm5next/common/attention.py",
            ),
            "small_batch_capabilities": Change(
                frozenset({"12.1"}), "max_num_batched_tokens is 2,048 on GB10", ARGUMENTS
            ),
            "own_formats": Change(
                {"glm_moe_dsa": "fp8_e4m3", "glm5_next": "fp8", "glm5_next_text": "fp8"},
                "kv_cache_dtype auto of GLM-5.3-Flash is fp8 on compute capability 10.x",
                HYBRIDS,
                back=("kv_cache_dtype", "bfloat16"),
            ),
        },
    ),
)

ROWS = tuple(
    row._replace(
        models=tuple(CAME.get(row.version, "").split()),
        unserved=tuple(WENT.get(row.version, "").split()),
    )
    for row in CHANGES
)

RELEASES = Releases("vllm", newest="0.33.0", rows=ROWS, told=frozenset({"label"}))
