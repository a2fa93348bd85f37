"""Flags of SGLang's server that leave what a request's cache takes as it is, and why.

SGLang 0.5.23, srt/arg_groups/fields/*.py and srt/server_args.py; older ones by server_args.py of
0.5.10 to 0.5.18.
"""

IGNORED = {
    "which requests run when, and in what pieces: not what one of them holds": {
        0: "--abort-on-priority-when-disabled --disable-priority-preemption "
        "--enable-dynamic-chunking --enable-mixed-chunk --enable-prefill-delayer "
        "--enable-priority-scheduling --schedule-low-priority-values-first",
        1: "--default-priority-value --max-prefill-tokens --max-queued-requests "
        "--min-free-slots-delay --num-continuous-decode-steps --optimistic-prefill-attempts "
        "--pp-async-batch-depth --prefill-decode-interval "
        "--prefill-decode-interval-min-bs --prefill-delayer-max-delay-ms "
        "--prefill-delayer-max-delay-passes --prefill-delayer-queue-min-ratio "
        "--prefill-delayer-token-usage-low-watermark --prefill-max-requests "
        "--priority-scheduling-preemption-threshold --retraction-policy "
        "--schedule-conservativeness --schedule-policy --scheduler-recv-interval "
        "--stream-interval --num-reserved-decode-tokens --pdmux-config-path",
        -1: "--prefill-delayer-forward-passes-buckets --prefill-delayer-wait-seconds-buckets",
    },
    "the text of requests and answers: its tokens are the context": {
        0: "--allow-auto-truncate --constrained-json-disable-any-whitespace "
        "--disable-outlines-disk-cache --disable-tokenizer-batch-decode "
        "--enable-dynamic-batch-tokenizer --enable-response-store --enable-strict-thinking "
        "--enable-tokenizer-batch-encode --incremental-streaming-output --is-embedding "
        "--return-input-ids --return-output-ids --skip-server-warmup --skip-tokenizer-init "
        "--stream-response-default-include-usage --strip-thinking-cache "
        "--trust-request-chat-template",
        1: "--chat-template --completion-template --constrained-json-max-whitespace-cnt "
        "--constrained-json-whitespace-pattern --default-chat-template-kwargs "
        "--detokenizer-worker-num --dynamic-batch-tokenizer-batch-size "
        "--dynamic-batch-tokenizer-batch-timeout --grammar-backend --hf-chat-template-name "
        "--preferred-sampling-params --reasoning-parser --served-model-name "
        "--tokenizer-backend --tokenizer-mode --tokenizer-path --tokenizer-worker-num "
        "--tool-call-parser --tool-server --warmups",
    },
    "which weights are loaded, from where and how: they stand beside the cache": {
        0: "--checkpoint-engine-wait-weights-before-ready --delete-ckpt-after-loading "
        "--remote-instance-weight-loader-start-seed-via-transfer-engine "
        "--trust-remote-code --weight-loader-disable-mmap "
        "--weight-loader-drop-cache-after-load --weight-loader-prefetch-checkpoints "
        "--no-ple-offload-embedding",
        1: "--decrypted-config-file --decrypted-draft-config-file --download-dir "
        "--load-format --model-config-parser --model-loader-extra-config "
        "--modelexpress-config --modelopt-checkpoint-restore-path "
        "--modelopt-checkpoint-save-path --modelopt-export-path "
        "--offload-mode --offload-num-in-group --offload-prefetch-step "
        "--quantization-param-path --remote-instance-weight-loader-backend "
        "--remote-instance-weight-loader-seed-instance-ip "
        "--remote-instance-weight-loader-seed-instance-service-port "
        "--remote-instance-weight-loader-send-weights-group-ports "
        "--startup-weight-load-mode --weight-cache-socket "
        "--weight-cache-timeout --weight-loader-prefetch-num-threads --weight-version "
        "--ple-offload-backend --ple-offload-dir",
        -1: "--custom-weight-loader --model-checksum",
    },
    "what is logged, measured, traced or checked": {
        0: "--debug-cuda-graph --disaggregation-enable-kv-checksum --enable-cache-report "
        "--enable-forward-pass-metrics --enable-layerwise-nvtx-marker --enable-metrics "
        "--enable-metrics-for-all-schedulers --enable-mfu-metrics --enable-profile-cuda-graph "
        "--enable-request-time-stats-logging --enable-return-aux-hidden-states "
        "--enable-return-hidden-states "
        "--enable-torch-compile-debug-mode --enable-trace "
        "--export-metrics-to-file --log-requests --show-time-cost",
        1: "--crash-dump-folder --debug-tensor-dump-input-file --debug-tensor-dump-output-folder "
        "--decode-log-interval --expert-balancedness-report-mode "
        "--expert-distribution-recorder-buffer-size --expert-distribution-recorder-mode "
        "--export-metrics-to-file-dir --extra-metric-labels --forward-hooks "
        "--forward-pass-metrics-ipc-name --forward-pass-metrics-worker-id "
        "--gc-warning-threshold-secs --kv-canary-real-data "
        "--kv-canary-sweep-interval --log-level --log-level-http --log-requests-format "
        "--log-requests-level --msprobe-dump-config --otlp-service-name --otlp-traces-endpoint "
        "--return-hidden-states-mode --soft-watchdog-timeout "
        "--tokenizer-metrics-custom-labels-header --trace-modules --watchdog-timeout",
        -1: "--bucket-e2e-request-latency --bucket-inter-token-latency "
        "--bucket-time-to-first-token --debug-tensor-dump-layers --gc-threshold "
        "--generation-tokens-buckets --log-requests-target --prompt-tokens-buckets "
        "--return-aux-hidden-state-layer-ids --tokenizer-metrics-allowed-custom-labels "
        "--uvicorn-access-log-exclude-prefixes",
    },
    "how a token is computed (kernels, graphs, compilation, reductions), not what is kept of it": {
        0: "--disable-aiter-allreduce-fusion-in-decode "
        "--disable-aiter-allreduce-fusion-in-prefill --disable-attn-tp-gather "
        "--disable-chunked-prefix-cache "
        "--disable-custom-all-reduce --disable-flashinfer-autotune "
        "--enable-aiter-allreduce-fusion --enable-amd-monokernel "
        "--enable-attn-tp-input-scattered --enable-cudagraph-gc "
        "--enable-dp-attention-local-control-broadcast "
        "--enable-flashinfer-allreduce-fusion "
        "--[no-]enable-fused-qk-norm-rope --enable-layernorm-sp --enable-lean-attention "
        "--enable-nvidia-megakernel --enable-p2p-check "
        "--enable-quant-communications --enable-single-batch-overlap "
        "--[no-]enable-tf32-matmul --enable-torch-compile "
        "--[no-]enable-tp-lm-head-all-to-all "
        "--enforce-disable-flashinfer-allreduce-fusion --flashinfer-mla-disable-ragged "
        "--triton-attention-reduce-in-fp32 --[no-]dcp-replicate-q-proj "
        "--enable-cp-decode-attn-tp --[no-]enable-dsa-fused-indexer "
        "--enable-mamba-cache-stochastic-rounding",
        1: "--bf16-gemm-backend --boundary-reduction --context-bucket "
        "--flashinfer-allreduce-fusion-backend "
        "--monokernel-backend --rl-on-policy-target "
        "--sm-group-num --tbo-token-distribution-threshold --torch-compile-max-bs "
        "--triton-attention-num-kv-splits --triton-attention-split-tile-size "
        "--dcp-comm-backend --cp-strategy --dsa-paged-mqa-logits-backend --dsa-topk-backend "
        "--dsa-triton-union --dsv4-prefill-backend --mamba-backend --mamba-cache-philox-rounds "
        "--prefill-kv-cache-dequant-dtype --speculative-draft-attention-backend "
        "--speculative-dsa-topk-backend",
        -1: "--flashinfer-autotune-skip-ops",
    },
    "images, video and audio: they are tokens of the context once they are encoded": {
        0: "--disable-fast-image-processor --enable-broadcast-mm-inputs-process "
        "--enable-mm-global-cache --enable-precise-embedding-interpolation "
        "--enable-prefix-mm-cache --no-mm-enable-dp-encoder "
        "--trust-mm-content-hashes --enable-adaptive-dispatch-to-encoder",
        1: "--asr-max-buffer-seconds --asr-max-concurrent-sessions --encoder-bootstrap-port "
        "--encoder-transfer-backend --image-processor-backend --limit-mm-data-per-request "
        "--media-url-max-file-size-mb --mm-attention-backend "
        "--mm-global-cache-backend --mm-io-worker-num "
        "--mm-process-config --mm-processor-worker-num",
        -1: "--allowed-media-domains --encoder-register-urls --encoder-urls",
    },
    "experts: where their weights lie and how tokens reach them": {
        0: "--disable-flashinfer-cutlass-moe-fp4-allgather --disable-shared-experts-fusion "
        "--enable-fused-moe-sum-all-reduce "
        "--enable-waterfill "
        "--enforce-shared-experts-fusion",
        1: "--deepep-config --deepep-dispatcher-output-dtype --deepep-mode --deepep-v2-mode "
        "--elastic-ep-backend --elastic-ep-initial-size --elastic-ep-scale-timeout "
        "--ep --ep-dispatch-algorithm --ep-size --eplb-algorithm "
        "--eplb-min-rebalancing-utilization-threshold --eplb-rebalance-layers-per-chunk "
        "--eplb-rebalance-num-iterations --expert-parallel-size --flashinfer-a2a-dispatch-type "
        "--flashinfer-mxfp4-moe-precision --fuseep-mode --init-expert-location --kt-cpuinfer "
        "--kt-max-deferred-experts-per-token --kt-method "
        "--kt-threadpool-count --max-ep-size "
        "--moe-data-parallel-size --moe-dp-size "
        "--elastic-ep-join-mode "
        "--elastic-ep-join-rank-offset",
    },
    "copies of the cache outside it, and whether requests share what is counted": {
        0: "--enable-linker-mla-dedup "
        "--enable-session-radix-cache --enable-streaming-session "
        "--enable-unified-cache-external-linker",
        1: "--disaggregation-bootstrap-port --disaggregation-decode-allocation-policy "
        "--disaggregation-decode-host-receive-threshold "
        "--disaggregation-decode-polling-interval "
        "--disaggregation-ib-device --disaggregation-transfer-backend --flexkv-config-file "
        "--hicache-host-memory-fraction --hicache-host-memory-mode --hicache-io-backend "
        "--hicache-mem-layout --hicache-ratio --hicache-size --hicache-storage-backend "
        "--hicache-storage-backend-extra-config --hicache-storage-prefetch-policy "
        "--hicache-storage-prefetch-retry-max-attempts "
        "--hicache-storage-prefetch-retry-poll-interval --hicache-write-policy "
        "--kv-events-config --mooncake-ib-device --radix-cache-backend --radix-eviction-policy "
        "--radix-eviction-policy-config --unified-cache-external-linker-backend "
        "--unified-cache-external-linker-config --lmcache-config-file "
        "--mamba-max-states-per-path --mamba-track-interval",
    },
    "how the next token is chosen": {
        0: "--enable-custom-logit-processor --enable-watermark --mlx-enable-sampling",
        1: "--random-seed --sampling-backend --sampling-defaults --sampling-mask-max-tokens "
        "--watermark-config",
    },
    "where the server listens, whom it lets in, and its own processes": {
        0: "--enable-http-worker-reuseport --enable-http2 --enable-ssl-refresh --grpc-mode "
        "--smg-grpc-mode",
        1: "--admin-api-key --api-key --batch-notify-size --engine-info-bootstrap-port "
        "--fastapi-root-path --file-storage-path --gated-launch-port --grpc-http-sidecar-port "
        "--grpc-port --grpc-response-timeout-secs --host "
        "--http2-initial-connection-window-size --http2-max-concurrent-streams "
        "--load-publish-endpoint --load-snapshot-publish-interval --port --sidecar "
        "--sidecar-args --smg-http-sidecar-port --ssl-ca-certs --ssl-certfile --ssl-keyfile "
        "--ssl-keyfile-password",
    },
    "LoRA adapters: their weights stand beside the cache": {
        0: "--enable-lora-overlap-loading --[no-]experts-shared-outer-loras "
        "--[no-]lora-strict-loading --lora-use-virtual-experts",
        1: "--lora-backend --lora-drain-wait-threshold --lora-eviction-policy --max-loaded-loras "
        "--max-lora-chunk-size --max-lora-rank --max-loras-per-batch",
        -1: "--lora-target-modules",
    },
    "a draft's weights, kernels and rules of acceptance: its tokens and layers are settings": {
        0: "--[no-]speculative-enable-w4a4-mxfp4-megamoe --speculative-use-block-verification "
        "--speculative-use-rejection-sampling "
        "--speculative-dspark-align-verify-tokens-to-graph-tier",
        1: "--spec-trace-dir --speculative-accept-threshold-acc "
        "--speculative-accept-threshold-single --speculative-attention-mode "
        "--speculative-domino-candidate-pool-size --speculative-draft-load-format "
        "--speculative-draft-model-revision "
        "--speculative-draft-sink-size --speculative-moe-a2a-backend "
        "--speculative-moe-runner-backend --speculative-ngram-capacity "
        "--speculative-ngram-external-corpus-max-tokens "
        "--speculative-ngram-external-sam-budget "
        "--speculative-ngram-match-type --speculative-ngram-max-bfs-breadth "
        "--speculative-ngram-max-trie-depth --speculative-ngram-min-bfs-breadth "
        "--speculative-token-map --speculative-adaptive-config "
        "--speculative-dspark-confidence-sts-path "
        "--speculative-dspark-sps-table-path --uno-lora-path",
    },
    "how processes and nodes find each other, and which devices they take": {
        0: "--pre-warm-nccl --sleep-on-idle --use-ray",
        1: "--base-gpu-id --device --dist-init-addr --dist-timeout --gpu-id-step --nccl-init-addr "
        "--nccl-port --nnodes --node-rank",
        -1: "--numa-node",
    },
    "replicas of the whole server: the answer is one's": {
        1: "--load-balance-method",
    },
    "of what stands beside it, which is said or refused by itself": {
        0: "--[no-]dllm-fdfo",
        1: "--decoupled-spec-bind-endpoint --decoupled-spec-connect-endpoints "
        "--decoupled-spec-rank --dllm-algorithm-config --int8-mamba-ckpt-size "
        "--linear-replayssm-cache-len",
    },
    "of releases before 0.5.23, where they did nothing to a request's cache either": {
        0: "--collect-tokens-histogram --elastic-ep-rejoin "
        "--enable-breakable-cuda-graph --enable-deepep-waterfill "
        "--enable-expert-distribution-metrics --enable-nan-detection "
        "--enforce-piecewise-cuda-graph "
        "--prefill-round-robin-balance --[no-]record-nolora-graph "
        "--speculative-skip-dp-mlp-sync --stream-output",
        1: "--cuda-graph-tc-compiler --multi-item-scoring-delimiter "
        "--piecewise-cuda-graph-compiler",
    },
}
"""By reason, and by how many values each takes; -1: as many as follow."""
