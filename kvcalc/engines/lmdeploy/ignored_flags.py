"""Flags of `lmdeploy serve api_server` that cannot touch a request's cache, and why (0.18.0)."""

IGNORED = {
    "where the server listens, whom it serves, and what it logs": {
        0: "--allow-credentials --ssl --disable-fastapi-docs --disable-metrics",
        1: "--server-name --server-port --proxy-url --max-concurrent-requests --log-level "
        "--model-name --max-log-len --logprobs-mode",
        -1: "--allow-origins --allow-methods --allow-headers --allowed-media-domains --api-keys",
    },
    "what the text of a request becomes, and when it ends: its tokens are the context": {
        0: "--allow-terminate-by-client --enable-abort-handling",
        1: "--chat-template --tool-call-parser --reasoning-parser --generation-config",
    },
    "which weights are loaded, how they are computed and where: they stand beside the cache": {
        0: "--trust-remote-code --eager-mode --enable-return-routed-experts --enable-microbatch "
        "--enable-eplb --language-model-only --empty-init",
        1: "--download-dir --model-format --device --distributed-executor-backend "
        "--vision-max-batch-size --ep --communicator --node-rank --nnodes --dist-init-addr "
        "--moe-a2a-backend --piecewise-cudagraph-max-tokens",
        -1: "--cudagraph-capture-batch-sizes",
    },
    "how much of a prompt is read at once, and when: a request's blocks hold it whole": {
        1: "--max-prefill-token-num --num-tokens-per-iter --max-prefill-iters --async",
    },
    "which engine runs: the answer says that it is the PyTorch one's": {1: "--backend"},
    "a block that requests share is no larger": {0: "--enable-prefix-caching"},
    "the same caches, filled by another server": {1: "--role --migration-backend"},
}
"""By reason, and by how many values each takes; -1: as many as follow."""

SAID = {
    "the adapters' weights take memory of their own beside the cache": {-1: "--adapters"},
}
"""Flags with a note: their memory is counted elsewhere."""
