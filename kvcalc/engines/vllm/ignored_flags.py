"""Flags of `vllm serve` that leave what a request's cache takes as it is, and why.

vLLM 0.33.0: engine/arg_utils.py, entrypoints/common/cli_args.py, config/*.py.
"""

from kvcalc.engines.server.loading import OTHER_FORMAT, OTHER_SHARE

IGNORED = {
    "where the server listens, whom it lets in, and its own processes": {
        0: "--[no-]allow-credentials --[no-]disable-fastapi-docs --[no-]enable-offline-docs "
        "--[no-]enable-ssl-refresh --[no-]enable-tokenizer-info-endpoint "
        "--[no-]fail-on-environ-validation --grpc --headless",
        1: "--api-server-count --grpc-port --h11-max-header-count --h11-max-incomplete-event-size "
        "--host --port --root-path --sse-keep-alive-interval --ssl-ca-certs --ssl-cert-reqs "
        "--ssl-certfile --ssl-ciphers --ssl-keyfile --uds -asc",
        -1: "--allowed-headers --allowed-methods --allowed-origins --api-key --middleware",
    },
    "which weights are loaded, from where and how: they stand beside the cache": {
        0: "--[no-]allow-deprecated-quantization --[no-]enable-cumem-allocator "
        "--no-enable-sleep-mode --[no-]sleep-mode-offload-cudagraph --[no-]trust-remote-code "
        "--[no-]use-tqdm-on-load",
        1: "--code-revision --config-format --download-dir "
        "--hf-token --load-format --max-parallel-loading-workers --model-loader-extra-config "
        "--offload-backend --offload-num-in-group --offload-prefetch-step "
        "--pt-load-map-location --safetensors-load-strategy --safetensors-prefetch-block-size "
        "--safetensors-prefetch-num-threads --sleep-mode-backend --weight-transfer-config -r",
        -1: "--cpu-offload-params --ignore-patterns --offload-params "
        "--sleep-preserve-parameter-names",
    },
    "the text of requests and answers: its tokens are the context": {
        0: "--[no-]cohere-is-reasoning-model --[no-]enable-auto-tool-choice "
        "--[no-]enable-prompt-embeds --[no-]enable-request-id-headers "
        "--[no-]exclude-tools-when-tool-choice-none --[no-]return-tokens-as-token-ids "
        "--[no-]skip-tokenizer-init --[no-]tokens-only --[no-]trust-request-chat-template",
        1: "--anthropic-disabled-thinking-effort --chat-template --chat-template-content-format "
        "--cohere-format --default-chat-template-kwargs --fingerprint-mode --fingerprint-value "
        "--generation-config --io-processor-plugin --override-generation-config "
        "--pooler-config --reasoning-config --reasoning-effort-map --reasoning-parser "
        "--reasoning-parser-plugin --renderer-num-workers --response-role "
        "--structured-outputs-config --tokenizer --tokenizer-mode --tokenizer-revision "
        "--tool-call-parser --tool-parser-plugin --tool-server --tool-strict-level",
        -1: "--served-model-name",
    },
    "what is logged, measured, traced or checked": {
        0: "--aggregate-engine-logging --[no-]cudagraph-metrics --disable-log-requests "
        "--disable-log-stats --[no-]disable-uvicorn-access-log --[no-]enable-fault-tolerance "
        "--[no-]enable-force-include-usage --[no-]enable-layerwise-nvtx-tracing "
        "--[no-]enable-log-deltas --[no-]enable-log-outputs --[no-]enable-log-requests "
        "--[no-]enable-logging-iteration-details --[no-]enable-mfu-metrics "
        "--[no-]enable-per-request-metrics --[no-]enable-prompt-tokens-details "
        "--no-enable-return-routed-experts --[no-]enable-server-load-tracking "
        "--[no-]enable-trace-replay --[no-]jit-monitor-verbose --[no-]kv-cache-metrics "
        "--[no-]log-error-stack --[no-]ray-workers-use-nsight",
        1: "--custom-histogram-buckets --disable-access-log-for-endpoints "
        "--fault-tolerance-config --jit-monitor-mode --kv-cache-metrics-sample "
        "--log-config-file --log-level --logging-config --max-log-len --otlp-traces-endpoint "
        "--per-request-spec-decode-metrics --profiler-config --show-hidden-metrics-for-version "
        "--uvicorn-log-level --watchdog-config",
        -1: "--collect-detailed-traces",
    },
    "replicas of the whole server: the answer is one's": {
        0: "--[no-]data-parallel-external-lb --[no-]data-parallel-hybrid-lb "
        "--data-parallel-multi-port-external-lb --[no-]enable-elastic-ep "
        "--[no-]enable-scale-out -dpe -dph -dpm",
        1: "--data-parallel-address --data-parallel-backend --data-parallel-rank "
        "--data-parallel-rpc-port --data-parallel-size-local --data-parallel-start-rank "
        "--data-parallel-supervisor-port --dp-supervisor-probe-failure-threshold "
        "--dp-supervisor-probe-interval-s --dp-supervisor-probe-timeout-s --dp-sync-interval "
        "--elastic-ep-max-dp-size -dpa -dpb -dpl -dpn -dpp -dpr",
    },
    "how a token is computed (kernels, graphs, compilation, reductions), not what is kept of it": {
        0: "--[no-]dcp-q-replicate --[no-]disable-cascade-attn --[no-]disable-custom-all-reduce "
        "--no-enable-dbo --[no-]enable-flash-late-interaction "
        "--[no-]enable-flashinfer-autotune --[no-]enable-hc-sp "
        "--[no-]enable-mamba-cache-stochastic-rounding --[no-]monokernel -O2 -O3",
        1: "--dbo-decode-token-threshold --dbo-prefill-token-threshold "
        "--dcp-comm-backend --gdn-prefill-backend --ir-op-priority --kda-decode-backend "
        "--kda-prefill-backend --mamba-backend "
        "--mamba-cache-philox-rounds --mamba-ssu-algorithm "
        "--sparse-indexer-topk-backend --ubatch-size",
    },
    "images, video and audio: they are tokens of the context once they are encoded": {
        0: "--[no-]disable-chunked-mm-input --[no-]enable-mm-embeds --[no-]interleave-mm-strings "
        "--[no-]mm-device-do-normalize --no-mm-encoder-only --no-skip-mm-profiling "
        "--[no-]trust-request-mm-kwargs",
        1: "--allowed-local-media-path --media-io-kwargs --mm-encoder-attn-backend "
        "--mm-encoder-attn-dtype --mm-encoder-fp8-scale-path "
        "--mm-encoder-fp8-scale-save-margin --mm-encoder-fp8-scale-save-path "
        "--mm-hasher-algorithm --mm-processor-cache-type --mm-processor-device "
        "--mm-shm-cache-max-object-size-mb --mm-tensor-ipc --video-pruning-method "
        "--video-pruning-rate",
        -1: "--allowed-media-domains",
    },
    "how processes and nodes find each other, and which devices they take": {
        0: "--[no-]disable-nccl-for-dp-synchronization --[no-]enable-nccl-comm-suspend "
        "--[no-]enable-shm-tensor-arena --[no-]numa-bind",
        1: "--cpu-distributed-timeout-seconds --device-ids --distributed-executor-backend "
        "--distributed-timeout-seconds --master-addr --master-port --nnodes --node-rank "
        "--shutdown-timeout -n",
        -1: "--numa-bind-cpus --numa-bind-nodes",
    },
    "how the next token is chosen": {
        0: "--no-enable-batch-sharded-sampling --no-return-sampling-mask --no-use-fp64-gumbel",
        1: "--max-logprobs --seed",
    },
    "experts: where their weights lie and how tokens reach them": {
        0: "--[no-]enable-ep-weight-filter --no-enable-eplb",
        1: "--expert-placement-strategy",
    },
    "LoRA adapters: their weights stand beside the cache": {
        0: "--no-enable-lora --[no-]enable-mixed-moe-lora-format --[no-]enable-moe-shared-loras "
        "--[no-]enable-tower-connector-lora --[no-]fully-sharded-loras "
        "--[no-]specialize-active-lora",
        1: "--default-mm-loras --lora-dtype --max-cpu-loras --max-lora-cls-labels --max-lora-rank "
        "--max-loras",
        -1: "--lora-modules --lora-target-modules",
    },
    "which requests run when, and in what pieces: not what one of them holds": {
        0: "--[no-]long-prefill-token-threshold-adaptive",
        1: "--long-prefill-token-threshold --max-num-partial-prefills "
        "--max-num-queued-reqs --max-num-queued-tokens --max-num-scheduled-tokens "
        "--prefill-schedule-interval --scheduling-policy --stream-interval",
    },
    "how large the pool is, not what a request takes of it: memory is asked for by itself": {
        0: "--[no-]scheduler-reserve-full-isl",
    },
    "what holds without the flag, too": {
        0: "--no-disable-sliding-window --no-enable-mamba-shared-prefix-checkpoint "
        "--no-kv-sharing-fast-prefill --no-use-replayssm --swa-bounded-replay",
        1: "--replayssm-buffer-len",
    },
    "how tokens are dealt to ranks that share a context: each holds as many": {
        1: "--cp-kv-cache-interleave-size --dcp-kv-cache-interleave-size",
    },
    "of releases before 0.33.0, where they did nothing to the cache either": {
        0: "--calculate-kv-scales --disable-frontend-multiprocessing "
        "--disable-mm-preprocessor-cache "
        "--enable-reasoning --use-v2-block-manager --worker-use-ray",
        1: "--guided-decoding-backend --max-seq-len-to-capture "
        "--num-scheduler-steps --preemption-mode --scheduler-delay-factor",
    },
    "copies of the cache outside it, and whether requests share what is counted": {
        1: "--prefix-caching-hash-algo --prefix-match-unit",
    },
}
"""By reason, and by how many values each takes; -1: as many as follow."""

LOADS = {
    OTHER_FORMAT: {1: "--quantization --quantization-config -q"},
    OTHER_SHARE: {
        0: "--enable-eplb",
        1: "--cpu-offload-gb --engram-config --eplb-config --offload-group-size",
    },
}
"""Flags that leave the cache alone, and not the weights."""

KERNELS = "weights and workspaces are counted by fit as vLLM's own choice of kernels has them"
"""What is said where a line chooses kernels (v1/worker/workspace.py, fused_moe/oracle)."""

GRAPHS = "CUDA graphs and what kernels keep are counted by fit as without it"
"""What is said where a line says how graphs are captured or what is left for them."""

SAID = {
    GRAPHS: {
        0: "--full-cuda-graph -O0 -O1",
        1: "--compilation-config --cuda-graph-sizes --optimization-level -O -cc",
        -1: "--cudagraph-capture-sizes",
    },
    KERNELS: {0: "--enable-dbo", 1: "--kernel-config --linear-backend --moe-backend"},
    "the sampler is counted by fit as without it": {
        0: "--enable-batch-sharded-sampling --return-sampling-mask --use-fp64-gumbel",
        1: "--logprobs-mode --watermark-config",
        -1: "--logits-processors",
    },
    "it comes out of the pool, and is not counted by fit": {1: "--mm-ipc-gpu-memory-gb"},
    "that share of the pool stays free where others run; fit counts all of it": {1: "--watermark"},
    "the start is counted by fit with as many and as large images as without it; where none are "
    "served, give --language-model-only": {
        0: "--skip-mm-profiling",
        1: "--limit-mm-per-prompt --mm-processor-kwargs",
    },
    "where each rank holds the whole tower, fit counts its share alone": {
        0: "--enable-multimodal-encoder-data-parallel",
        1: "--mm-encoder-tp-mode",
    },
    "each API server and each engine takes so much main memory": {1: "--mm-processor-cache-gb"},
    "the experts that each token took are kept in main memory on top": {
        0: "--enable-return-routed-experts",
        1: "--aux-output-config",
    },
    "a server of one part of the work may keep no cache; one that answers is counted": {
        1: "--ec-transfer-config",
    },
    "what a class of one's own keeps is not known": {
        1: "--ec-manager-config --scheduler-cls --worker-cls --worker-extension-cls",
    },
    "what its own allocator holds is not counted by fit": {0: "--enable-sleep-mode"},
    "fit makes the pool as large as the memory lets it be, not of so many blocks": {
        1: "--num-gpu-blocks-override",
    },
    "the adapters' weights and buffers take memory of their own beside the cache": {
        0: "--enable-lora",
    },
    "it kept copies of the cache in main memory; vllm has no such flag any more": {
        1: "--swap-space",
    },
    "fit counts tables of positions, and the longest context is, as the model's own file has them; "
    "vllm has no such flag any more": {1: "--rope-scaling --rope-theta"},
    "what a draft keeps is not counted; vllm has --speculative-config for it now": {
        1: "--speculative-model --num-speculative-tokens --speculative-draft-tensor-parallel-size "
        "--ngram-prompt-lookup-max --ngram-prompt-lookup-min",
    },
    "what it changes in the model is not read; the answer is the model's own file's": {
        1: "--hf-config-path --model-class-overrides",
    },
    "what a plugin does with it is not known": {1: "--additional-config"},
    "what a diffusion model keeps of its canvas is not counted": {1: "--diffusion-config -dc"},
    "the caches of vLLM's own implementation of the model are counted": {1: "--model-impl"},
    "what stands in that file is not read; give it as --from FILE": {1: "--config"},
    "layers that share another's cache are counted as without it": {
        0: "--kv-sharing-fast-prefill",
    },
}
"""Flags with a note: their memory is counted elsewhere, or they are not modelled."""

REFUSED = {
    "such a server keeps no cache": {0: "--mm-encoder-only"},
    "it lets no layer slide and cuts the context to the window, which kvcalc does not count": {
        0: "--disable-sliding-window",
    },
    "it changes the caches of recurrent layers in a way that kvcalc does not count": {
        0: "--enable-mamba-shared-prefix-checkpoint --use-replayssm",
        1: "--mamba-block-size --mamba-cache-dtype",
    },
    "it changes what sliding layers keep in a way that kvcalc does not count": {
        0: "--no-swa-bounded-replay",
    },
}
"""Flags that change the cache."""

VARIABLES = """
VLLM_ALLOW_RUNTIME_LORA_UPDATING VLLM_API_KEY VLLM_CACHE_ROOT VLLM_CONFIGURE_LOGGING
VLLM_CONFIG_ROOT VLLM_DISABLE_COMPILE_CACHE VLLM_DO_NOT_TRACK VLLM_ENGINE_READY_TIMEOUT_S
VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS VLLM_FLOAT32_MATMUL_PRECISION VLLM_HOST_IP
VLLM_HTTP_TIMEOUT_KEEP_ALIVE VLLM_IMAGE_FETCH_TIMEOUT VLLM_LOGGING_CONFIG_PATH VLLM_LOGGING_LEVEL
VLLM_LOG_STATS_INTERVAL VLLM_MOONCAKE_BOOTSTRAP_PORT VLLM_NIXL_SIDE_CHANNEL_HOST
VLLM_NIXL_SIDE_CHANNEL_PORT VLLM_NO_USAGE_STATS VLLM_PORT VLLM_RANDOMIZE_DP_DUMMY_INPUTS
VLLM_ROCM_USE_AITER_RMSNORM VLLM_RPC_TIMEOUT VLLM_SERVER_DEV_MODE VLLM_SKIP_P2P_CHECK
VLLM_SSM_CONV_STATE_LAYOUT VLLM_TRACE_FUNCTION VLLM_TUNED_CONFIG_FOLDER VLLM_USE_MODELSCOPE
VLLM_USE_RUST_FRONTEND VLLM_USE_V1 VLLM_WORKER_MULTIPROC_METHOD
"""

HARMLESS_VARIABLES = frozenset(VARIABLES.split())
"""Variables of the environment that leave the cache as it is (envs.py); others are named."""

SAID_VARIABLES = {
    KERNELS: "VLLM_MAX_TOKENS_PER_EXPERT_FP4_MOE VLLM_SPARSE_INDEXER_MAX_LOGITS_MB "
    "VLLM_USE_DEEP_GEMM VLLM_USE_FLASHINFER_MOE_FP16 VLLM_USE_FLASHINFER_MOE_FP4 "
    "VLLM_USE_FLASHINFER_MOE_FP8",
    GRAPHS: "VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS VLLM_USE_BREAKABLE_CUDAGRAPH",
    "the runner that vllm takes by itself is counted": "VLLM_USE_V2_MODEL_RUNNER",
    "buffers that ranks share are counted by fit as without it": (
        "VLLM_ALLREDUCE_USE_FLASHINFER VLLM_ALLREDUCE_USE_SYMM_MEM VLLM_USE_NCCL_SYMM_MEM "
        "VLLM_FLASHINFER_ALLREDUCE_BACKEND VLLM_ROCM_QUICK_REDUCE_QUANTIZATION"
    ),
}
"""Variables with a note (envs.py)."""
