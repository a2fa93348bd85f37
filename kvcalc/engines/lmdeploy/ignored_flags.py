"""Flags of `lmdeploy serve api_server` that cannot touch a request's cache, and why (0.18.0)."""

from kvcalc.engines.server.loading import OTHER_FORMAT, OTHER_SHARE

IGNORED = {
    "where the server listens, whom it serves, and what it logs": {
        0: "--allow-credentials --ssl --disable-fastapi-docs --disable-metrics",
        1: "--server-name --server-port --proxy-url --log-level "
        "--model-name --max-log-len --logprobs-mode",
        -1: "--allow-origins --allow-methods --allow-headers --allowed-media-domains --api-keys",
    },
    "what the text of a request becomes, and when it ends: its tokens are the context": {
        0: "--allow-terminate-by-client --enable-abort-handling",
        1: "--chat-template --tool-call-parser --reasoning-parser --generation-config",
    },
    "which weights are loaded, how they are computed and where: they stand beside the cache": {
        0: "--trust-remote-code --enable-microbatch --empty-init",
        1: "--download-dir --device --distributed-executor-backend "
        "--vision-max-batch-size --communicator --node-rank --nnodes --dist-init-addr "
        "--moe-a2a-backend",
    },
    "how much of a prompt is read at once, and when: a request's blocks hold it whole": {
        1: "--num-tokens-per-iter --max-prefill-iters --async",
    },
    "which engine runs: the answer says that it is the PyTorch one's": {1: "--backend"},
    "a block that requests share is no larger": {0: "--enable-prefix-caching"},
    "the same caches, filled by another server": {1: "--role --migration-backend"},
    "how kernels cut a block: it is allocated whole": {1: "--kernel-block-size"},
    "how positions are encoded, on which no cache depends": {1: "--rope-scaling-factor"},
    "of what stands beside it, which is said by itself": {
        1: "--dllm-block-length --dllm-confidence-threshold --dllm-denoising-steps "
        "--prefix-cache-decode-state-interval --speculative-dflash-block-size "
        "--speculative-draft-model --speculative-num-draft-tokens",
    },
}
"""By reason, and by how many values each takes; -1: as many as follow."""

LOADS = {OTHER_FORMAT: {1: "--model-format"}, OTHER_SHARE: {0: "--enable-eplb"}}
"""Flags that leave the cache alone, and not the weights."""

SAID = {
    "CUDA graphs are counted by fit as without it": {
        0: "--eager-mode",
        1: "--piecewise-cudagraph-max-tokens",
        -1: "--cudagraph-capture-batch-sizes",
    },
    "the adapters' weights take memory of their own beside the cache": {-1: "--adapters"},
    "the draft's layers are not counted; their blocks come on top": {1: "--speculative-algorithm"},
    "what a diffusion model keeps of the block that it works on is not counted": {
        1: "--dllm-unmasking-strategy",
    },
    "that many slots of recurrent state come on top": {1: "--prefix-cache-state-budget"},
    "fit makes the pool as large as the memory lets it be, not of so many blocks": {
        1: "--num-gpu-blocks",
    },
    "no more requests than that run at once; fit counts --max-batch-size": {
        1: "--max-concurrent-requests",
    },
    "fit counts a tower's weights all the same": {0: "--language-model-only"},
    "the experts that each token took are kept on top": {0: "--enable-return-routed-experts"},
    "copies of the cache take memory outside the GPU on top": {1: "--kv-transfer-config"},
    "ranks share a context on TurboMind alone, whose cache is not counted": {1: "--cp"},
}
"""Flags with a note: their memory is counted elsewhere, or they are not modelled."""
