"""Arguments of TabbyAPI that cannot touch a request's cache, and why (common/config_models.py).

They are the keys of its config.yml, and all but switches of `start.py` take a value.
"""

from kvcalc.engines.server.loading import OTHER_SHARE

IGNORED = {
    "where the server listens, whom it serves, and what it logs": {
        1: "--host --port --disable-auth --disable-fetch-requests --send-tracebacks "
        "--sse-ping-interval --log-prompt --log-generation-params --log-requests "
        "--log-chat-completion-requests --disable-request-streaming --seqlog --seqlog-server-url "
        "--seqlog-api-key",
        -1: "--api-servers",
    },
    "where models lie, and which are named to clients": {
        1: "--model-dir --draft-model-dir --lora-dir --embedding-model-dir --inline-model-loading "
        "--use-dummy-models --backend",
        -1: "--dummy-model-names --use-as-default",
    },
    "on which GPU a layer's weights and cache lie: the count is of all GPUs": {
        1: "--gpu-split-auto --tensor-parallel-backend --embeddings-device --cuda-malloc-async",
        -1: "--gpu-split --draft-gpu-split",
    },
    "how much of a prompt is read at once, and when pages are taken: a request holds them all in "
    "the end": {1: "--chunk-size --output-chunking"},
    "the positions of tokens, not how many are kept": {
        1: "--rope-scale --rope-alpha --draft-rope-scale --draft-rope-alpha"
    },
    "what the text of a request becomes, and when it ends: its tokens are the context": {
        1: "--prompt-template --template-vars-default --template-vars-force "
        "--force-enable-thinking --reasoning --reasoning-start-token --reasoning-end-token "
        "--start-in-reasoning --tool-calls-in-reasoning --reasoning-budget-tokens "
        "--reasoning-budget-message --tool-format --harmony --muse-glimmer --override-preset",
    },
    "of a draft, which is refused by its name, or how often one is tried": {
        1: "--draft-cache-mode --dynamic-draft --ngram-match-min"
    },
    "how the server's process runs": {1: "--unsafe-launch --realtime-process-priority"},
}
"""By reason, and by how many values each takes; -1: as many as follow."""

LOADS = {OTHER_SHARE: {1: "--cpu-moe-offload-layers"}}
"""Arguments that leave the cache alone, and not the weights (backends/exllamav3/model.py)."""

SAID = {
    "it leaves so many MiB of each GPU free, which fit gives the cache": {
        -1: "--autosplit-reserve",
    },
    "its weights take memory of their own beside the cache": {
        1: "--vision --embedding-model-name",
        -1: "--loras",
    },
    "host memory, which is not counted here": {1: "--sysmem-recurrent-cache --sysmem-kv-cache"},
    "what stands in that file is not read; give it as --from FILE": {1: "--config"},
}
"""Arguments with a note: their memory is counted elsewhere, or not at all."""
