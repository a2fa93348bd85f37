"""Flags of SGLang's server that touch memory in ways not counted: loaded, said or refused.

SGLang 0.5.23, srt/arg_groups/fields/*.py and the files that read them.
"""

from kvcalc.engines.server.loading import OTHER_FORMAT, OTHER_SHARE

LOADS = {
    OTHER_FORMAT: {
        0: "--quantize-and-serve",
        1: "--modelopt-quant --quantization --rl-quant-profile --torchao-config",
    },
    OTHER_SHARE: {
        0: "--enable-dense-mlp-attn-tp --enable-dp-lm-head --enable-eplb --enable-paged-experts "
        "--enable-shared-experts-attn-tp --ple-offload-embedding",
        1: "--cpu-offload-gb --dwdp-size --ep-num-redundant-experts --kt-num-gpu-experts "
        "--kt-weight-path --moe-dense-tp-size --offload-group-size --paged-experts-num-resident "
        "--shared-experts-tp-size",
    },
}
"""Flags that leave the cache alone, and not the weights."""

SAID = {
    "CUDA graphs are counted by fit as without it": {
        0: "--disable-cuda-graph --disable-cuda-graph-padding --disable-decode-cuda-graph "
        "--disable-piecewise-cuda-graph --disable-prefill-cuda-graph "
        "--enable-piecewise-cuda-graph --enable-two-batch-overlap",
        1: "--cuda-graph-backend-decode --cuda-graph-backend-prefill --cuda-graph-config "
        "--cuda-graph-max-bs --cuda-graph-max-bs-decode --cuda-graph-max-bs-prefill "
        "--cuda-graph-max-seq-len-prefill --cuda-graph-prefill-max-context "
        "--piecewise-cuda-graph-max-tokens",
        -1: "--cuda-graph-bs --cuda-graph-bs-decode --cuda-graph-bs-prefill "
        "--piecewise-cuda-graph-tokens",
    },
    "weights and buffers are counted by fit as SGLang's own choice of kernels has them": {
        0: "--enable-megamoe-for-layernorm-sp --enable-w4a4-mxfp4-megamoe",
        1: "--fp4-gemm-backend --fp8-gemm-backend --moe-a2a-backend --moe-runner-backend",
    },
    "buffers that ranks share are counted by fit as without it": {
        0: "--enable-mscclpp --enable-nccl-nvls --enable-symm-mem --enable-torch-symm-mem",
    },
    "it copies the head to float32, which fit does not count": {0: "--enable-fp32-lm-head"},
    "what its own allocator holds is not counted by fit": {0: "--enable-memory-saver"},
    "fit counts a tower all the same: its weights, its images' cache and the smaller share": {
        0: "--language-model-only --language-only",
    },
    "what images take is counted by fit as without it": {
        0: "--enable-multimodal --keep-mm-feature-on-device --mm-enable-dp-encoder",
        1: "--mm-feature-transport",
    },
    "a process beside the server holds the weights": {1: "--weight-cache-mode"},
    "a copy of weights takes main memory on top": {
        0: "--enable-draft-weights-cpu-backup --enable-elastic-expert-backup "
        "--enable-weights-cpu-backup",
    },
    "it takes main memory on top": {
        1: "--disaggregation-decode-retraction-backup --mm-preprocess-cache-size-mb "
        "--speculative-ngram-external-corpus-path",
    },
    "what each token took is kept in main memory on top, and buffers of it on the GPU": {
        0: "--enable-return-indexer-topk --enable-return-routed-experts",
    },
    "what checks the cache keeps of it is not counted": {1: "--kv-canary"},
    "fit does not count the draft's weights": {
        1: "--speculative-draft-model --speculative-draft-model-path "
        "--speculative-draft-model-quantization",
    },
    "the caches of SGLang's own implementation of the model are counted": {1: "--model-impl"},
    "no more requests than that run at once in a stage; fit counts --max-running-requests": {
        1: "--pp-max-micro-batch-size",
    },
    "the adapters' weights and buffers take memory of their own beside the cache": {
        0: "--enable-lora",
        -1: "--lora-paths",
    },
    "copies of the cache take main memory on top (--hicache-size, or --hicache-ratio times it)": {
        0: "--enable-hicache --enable-hierarchical-cache",
    },
    "copies of the cache take memory outside the GPU on top": {
        0: "--disaggregation-decode-enable-offload-kvcache --enable-flexkv --enable-lmcache",
    },
    "a server of one phase keeps slots for requests on their way; one for both is counted": {
        0: "--enable-pd-role-switch --enable-pdmux",
    },
    "what a diffusion model keeps of the block that it works on is not counted": {
        1: "--dllm-algorithm",
    },
    "drafts come from another server, and what this one keeps of them is not counted": {
        1: "--decoupled-spec-role",
    },
    "tokens are counted as drafted in each step, however many it drafts": {
        0: "--speculative-adaptive",
    },
    "of the draft's layers the cache is counted in the model's own format, and whole": {
        0: "--enable-multi-layer-eagle",
        1: "--speculative-draft-kv-cache-dtype --speculative-draft-window-size",
    },
    "other kernels may ask for other slots of recurrent state; those of triton are counted": {
        1: "--linear-attn-backend --linear-attn-decode-backend --linear-attn-prefill-backend "
        "--linear-attn-verify-backend",
    },
    "rows of sparse attention are counted as SGLang stores them by itself on the GPU": {
        1: "--dsa-decode-backend --dsa-prefill-backend --dsv4-attn-backend --nsa-decode-backend "
        "--nsa-prefill-backend",
    },
    "how prompts are split over ranks is not counted": {
        0: "--enable-dsa-prefill-context-parallel --enable-nsa-prefill-context-parallel "
        "--enable-prefill-context-parallel --enable-prefill-cp",
        1: "--dsa-prefill-cp-mode --nsa-prefill-cp-mode --prefill-cp-mode",
    },
    "the states that are kept for the radix cache take a pool of int8 on top": {
        0: "--enable-int8-mamba-checkpoint",
    },
    "it is of models that kvcalc refuses by name, or of Ascend's pools, and is not counted": {
        0: "--enable-encoder-swa-bounded-replay --[no-]enable-decoder-swa-bounded-replay "
        "--enable-scattered-sconv",
        1: "--c128-page-size --qsa-indexer-dtype",
    },
    "a window pool that is sized by the running requests is larger by these tails": {
        1: "--swa-prefix-tails",
    },
    "attention backends that it does not support run without the radix cache; with it is counted": {
        0: "--enable-deterministic-inference",
    },
    "what stands in that file is not read; give it as --from FILE": {1: "--config"},
    "the layers of a draft model whose window it is are counted whole": {
        1: "--speculative-dflash-draft-window-size",
    },
}
"""Flags with a note: their memory is counted elsewhere, or they are not modelled."""

REFUSED = {
    "HiSparse keeps rows in main memory and few of them on the GPU, which kvcalc does not count": {
        0: "--enable-hisparse",
        1: "--hierarchical-sparse-attention-extra-config --hisparse-config",
    },
    "it keeps the inputs of recurrent layers beside their states, which kvcalc does not count": {
        0: "--enable-gdn-replayssm-spec --enable-linear-replayssm --enable-linear-replayssm-spec",
    },
    "one buffer is shared by all pools as they need it, which kvcalc does not count": {
        0: "--enable-page-major-kv-layout --enable-unified-memory",
    },
    "ranks share what each of them would hold, which kvcalc does not count": {
        0: "--enable-dsa-cache-layer-split --enable-kv-cache-sharding",
    },
    "it stores the indexer's keys in 4 bits, which kvcalc does not count": {
        0: "--enable-deepseek-v4-fp4-indexer",
    },
    "it keeps few of the tokens on the GPU, which kvcalc does not count": {
        0: "--enable-double-sparsity",
        1: "--ds-channel-config-path --ds-heavy-channel-num --ds-heavy-channel-type "
        "--ds-heavy-token-num --ds-sparse-decode-threshold",
    },
    "such a server keeps no cache": {0: "--encoder-only --prefill-only-disable-kv-cache"},
}
"""Flags that change the cache."""
