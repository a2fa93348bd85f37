"""What holds at 0.11.2, the first of vLLM's releases that was read: each rule, and the defaults."""

from fractions import Fraction

from kvcalc.engines.releases import Change, Release
from kvcalc.engines.vllm.rules import (
    VIDEO_POSITIONS,
    Batch,
    a_state_a_block_or_none,
    least,
    no_model,
    one_batch,
)
from kvcalc.engines.vllm.source_files import (
    ARGUMENTS,
    CACHE,
    CHECKPOINT,
    COMPILATION,
    CONFIG,
    CUDA,
    EXAONE,
    HEADS,
    HYBRIDS,
    INDEX,
    MROPE,
    PLANNING,
    SAMPLER,
    SPECS,
    WORKER,
)
from kvcalc.engines.vllm.sparse_backends import FLASHMLA_ALONE

FIRST = Release(
    "0.11.2",
    rules={
        "v2_runner": Change(no_model, "the V1 runner runs each model", CONFIG),
        "sampling": Change(
            {"V1": "sorted"}, "the sampler sorts the logits: 38 bytes of each", SAMPLER
        ),
        "graphs": Change({"V1": "none"}, "the pool leaves nothing for CUDA graphs", WORKER),
        "charged": Change("before fusion", "what is not PyTorch's is the processes' own", WORKER),
        "moe_workspace_is_kept": Change(
            False, "the experts' workspace is given back after each layer", "v1/worker"
        ),
        "penalty_tables_are_charged": Change(
            False, "what stays after the profile run is not charged", WORKER
        ),
        "mxfp4_scales_stay": Change(
            True,
            "scales of mxfp4 experts stay beside those that kernels read",
            "model_executor/layers/quantization/mxfp4.py",
        ),
        "sampled_with_a_prefill": Change(
            False,
            "graphs are sampled without a batch of context",
            "v1/worker/gpu_model_runner.py",
        ),
        "fp4_index": Change(
            {"use_fp4_indexer_cache": False},
            "an index in 4 bits has rows as long as those of 8",
            INDEX,
        ),
        "video_positions": Change(
            VIDEO_POSITIONS
            | {"qwen3_vl", "qwen3_vl_moe"}
            | {"qwen3_5", "qwen3_5_text", "qwen3_5_moe", "qwen3_5_moe_text"},
            "tables of rotary positions are four times as long where images have positions",
            MROPE,
        ),
        "flashinfer_mxfp4_step": Change(
            256,
            "FlashInfer's kernels pad the width of mxfp4 experts to 256",
            "model_executor/layers/quantization/mxfp4.py",
        ),
        "large_blocks_are_whole": Change(
            False, "PyTorch cuts the segments that weights are loaded into", WORKER
        ),
        "cublas_is_charged": Change(True, "cuBLAS's workspace is part of the peak", WORKER),
        "batches_in_flight": Change(
            one_batch, "one batch in flight is charged to a sliding or chunked layer", SPECS
        ),
        "group_size": Change(least, "groups have as many layers as the rarest kind", PLANNING),
        "pages": Change("equal", "layers of different kinds must have equal pages", PLANNING),
        "kept_whole_where_unpaddable": Change(
            False, "pages that cannot be made one are refused", PLANNING
        ),
        "promoted_share_spec": Change(
            True, "without the hybrid manager equal layers share one spec", SPECS
        ),
        "sliding_values": Change(
            False, "a sliding layer's values are taken to be as long as its keys", SPECS
        ),
        "compressed_attention": Change(
            frozenset(),
            "pools of compressed attention are laid out in ways that were not read",
            PLANNING,
        ),
        "chunks_in_hybrid_manager": Change(
            False, "models with chunked layers turn the hybrid manager off", CONFIG
        ),
        "hybrid_connectors": Change(
            frozenset(), "--kv-transfer-config turns the hybrid manager off", CONFIG
        ),
        "events_in_hybrid_manager": Change(
            False, "--kv-events-config turns the hybrid manager off", CONFIG
        ),
        "prefix_states": Change(
            a_state_a_block_or_none,
            "prefix caching keeps a state for each block of Mamba layers; others have none",
            HYBRIDS,
        ),
        "draft_states": Change(
            frozenset(), "drafts' copies of recurrent states are not counted", SPECS
        ),
        "checkpoint_blocks": Change({}, "no block for a checkpoint inside a prefill", SPECS),
        "checkpoint_steps": Change({}, "no kernel exports states inside a prefill", SPECS),
        "pooled_index": Change(
            False, "how indexers keep keys that stand for several tokens was not read", SPECS
        ),
        "latent_step": Change(
            64, "beside states, blocks of latent attention are multiples of 64 tokens", HYBRIDS
        ),
        "asked_block_steps": Change(
            False, "a block that is asked for is not the step in which it grows", HYBRIDS
        ),
        "mtp_lookahead": Change(False, "several MTP modules do not widen the windows", SPECS),
        "mtp_layer_types": Change(
            False, "mtp_layer_types and mtp_sliding_windows are not read", EXAONE
        ),
        "kept_formats_raise_block": Change(
            False, "layers kept in the model's type leave the block as it is", CACHE
        ),
        "modelopt_formats": Change(
            frozenset(), "a checkpoint of ModelOpt does not say the cache's format", CHECKPOINT
        ),
        "own_formats": Change({}, "no architecture chooses the cache's format", HYBRIDS),
        "sparse_backends": Change(
            FLASHMLA_ALONE,
            "sparse latent attention runs on FlashMLA alone, on compute capability 9.x and 10.x",
            CUDA,
        ),
        "scheme_of_heads": Change(
            "ignored",
            "kv_cache_scheme of compressed-tensors does not say the cache's format",
            HEADS,
        ),
        "variables": Change(
            {"VLLM_ATTENTION_BACKEND": "attention_backend"},
            "VLLM_ATTENTION_BACKEND names the attention backend",
            "envs.py",
        ),
        "start_up": Change("layers", "the start-up check adds up the layers", PLANNING),
        "start_up_each_rank": Change(
            False, "all stages' layers are checked against the least memory of a rank", PLANNING
        ),
        "start_up_held_blocks": Change(
            0, "the start-up check lets requests have every block", PLANNING
        ),
        "label": Change(
            "groups", '"GPU KV cache size" is blocks a group times the least block', PLANNING
        ),
        "memory_share": Change(Fraction("0.9"), "gpu_memory_utilization is 0.9", CACHE),
        "blocks_bound_sequences": Change(
            False, "max_num_seqs may exceed the pool's blocks beside recurrent layers", COMPILATION
        ),
        "small_batch_capabilities": Change(
            frozenset(), "no compute capability decides max_num_batched_tokens", ARGUMENTS
        ),
        "batches": Change(
            (Batch(70 * 1024, 8_192, 1_024), Batch(0, 2_048, 256)),
            "max_num_batched_tokens is 8,192 from 70 GiB of GPU memory on",
            ARGUMENTS,
        ),
        "small_batch_kernels": Change(
            frozenset(), "the default batch is the same over all kernels of experts", ARGUMENTS
        ),
        "pooling_waits": Change(
            False, "pooling models are scheduled as generating ones are", CONFIG
        ),
    },
    defaults={
        "async_scheduling": Change(False, "async scheduling is off", "config/scheduler.py"),
        "enable_prefix_caching": Change(
            False, "prefix caching of models with recurrent layers is off", ARGUMENTS
        ),
    },
)
