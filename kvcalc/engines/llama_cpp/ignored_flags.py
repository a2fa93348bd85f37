"""Flags of llama-server that leave the model's cache as it is, and why.

common/arg.cpp of 2026-10-01.
"""

IGNORED = {
    "help, and what ends before a model is loaded": {
        0: "--cache-list --completion-bash --help --list-devices --usage --version -cl -h",
    },
    "what is logged, measured, traced or checked": {
        0: "--[no-]display-prompt --log-disable --[no-]log-jsonl --[no-]log-prefix "
        "--[no-]log-timestamps --log-verbose --metrics --[no-]perf --props "
        "--[no-]show-timings --[no-]slots --verbose --verbose-prompt -v",
        1: "--log-colors --log-file --log-prompts-dir --log-verbosity --print-token-count "
        "--verbosity -lv -ptc",
    },
    "copies of the cache in main memory or in files, and what requests share of it": {
        0: "--[no-]cache-idle-slots --[no-]cache-prompt --prompt-cache-all --prompt-cache-ro",
        1: "--cache-reuse --checkpoint-min-step --prompt-cache --slot-prompt-similarity "
        "--slot-save-path -cms -sps",
    },
    "the text of requests and answers: its tokens are the context": {
        0: "--[no-]agent --[no-]context-shift --[no-]conversation --embedding --embeddings "
        "--[no-]escape --in-prefix-bos --interactive --interactive-first --[no-]jinja "
        "--multiline-input --[no-]prefill-assistant --[no-]reasoning-preserve --rerank "
        "--reranking --simple-io --single-turn --[no-]skip-chat-parsing --special "
        "--spm-infill --[no-]ui-mcp-proxy --[no-]webui-mcp-proxy -ag -cnv -e -i -if -mli "
        "-no-ag -no-cnv -sp -st",
        1: "--alias --binary-file --chat-template --chat-template-file --chat-template-kwargs "
        "--color --embd-normalize --file --grammar --grammar-file --grp-attn-n --grp-attn-w "
        "--in-prefix --in-suffix --json-schema --json-schema-file --keep "
        "--mcp-servers-config --mcp-servers-json --n-predict --output --output-file "
        "--pooling --predict --prompt --reasoning --reasoning-budget "
        "--reasoning-budget-message --reasoning-effort --reasoning-format --reverse-prompt "
        "--rope-freq-base --rope-freq-scale --rope-scale --rope-scaling --system-prompt "
        "--system-prompt-file --tags --tools --tools-runtime --yarn-attn-factor "
        "--yarn-beta-fast --yarn-beta-slow --yarn-ext-factor --yarn-orig-ctx -a -bf -co -f "
        "-gan -gaw -j -jf -n -o -p -r -rea -sys -sysf",
    },
    "how a token is computed (kernels, graphs, compilation, reductions), not what is kept of it": {
        0: "--[no-]op-offload --[no-]warmup",
    },
    "how the next token is chosen": {
        0: "--backend-sampling --ignore-eos -bs",
        1: "--adaptive-decay --adaptive-target --dry-allowed-length --dry-base "
        "--dry-multiplier --dry-penalty-last-n --dry-sequence-breaker --dynatemp-exp "
        "--dynatemp-range --frequency-penalty --logit-bias --min-p --mirostat "
        "--mirostat-ent --mirostat-lr --presence-penalty --repeat-last-n --repeat-penalty "
        "--sampler-seq --samplers --sampling-seq --seed --temp --temperature --top-k "
        "--top-n-sigma --top-nsigma --top-p --typical --typical-p --xtc-probability "
        "--xtc-threshold -l -s",
    },
    "which weights are loaded, from where and how: they stand beside the cache": {
        0: "--check-tensors --[no-]direct-io --mlock --[no-]mmap --offline --[no-]repack -dio "
        "-ndio -nr",
        1: "--hf-token --lazy-mode --load-mode -hft -lm -lzm",
    },
    "where the server listens, whom it lets in, and its own processes": {
        0: "--[no-]cors-credentials --no-host --no-models-autoload --reuse-port --[no-]ui "
        "--[no-]webui",
        1: "--api-key --api-key-file --api-prefix --cors-headers --cors-methods --cors-origins "
        "--host --path --port --server-base --sleep-idle-seconds --sse-ping-interval "
        "--ssl-cert-file --ssl-key-file --timeout --ui-config --ui-config-file "
        "--webui-config --webui-config-file -to",
    },
    "which requests run when, and in what pieces: not what one of them holds": {
        0: "--[no-]cont-batching -cb -nocb",
        1: "--defrag-thold -dt",
    },
    "images, video and audio: they are tokens of the context once they are encoded": {
        0: "--[no-]mmproj-auto --no-mmproj --no-mmproj-offload",
        1: "--audio --image --image-max-tokens --image-min-tokens --media-path "
        "--mtmd-batch-max-tokens --video --video-ffmpeg-dir --video-fps "
        "--video-timestamp-interval",
    },
    "adapters: their weights stand beside the cache": {
        0: "--lora-init-without-apply",
        1: "--control-vector --control-vector-scaled",
        2: "--control-vector-layer-range",
    },
    "how a draft is computed and accepted: its own context is counted by itself": {
        0: "--cpu-moe-draft --[no-]spec-draft-backend-sampling --spec-default "
        "--spec-draft-cpu-moe -cmoed",
        1: "--cpu-mask-batch-draft --cpu-mask-draft --cpu-range-batch-draft "
        "--cpu-range-draft --cpu-strict-batch-draft --cpu-strict-draft --device-draft "
        "--draft-min --draft-n-min --draft-p-min --draft-p-split --gpu-layers-draft "
        "--lookup-cache-dynamic --lookup-cache-static "
        "--n-cpu-moe-draft --n-gpu-layers-draft --override-tensor-draft --poll-batch-draft "
        "--poll-draft --prio-batch-draft --prio-draft --spec-draft-cpu-mask "
        "--spec-draft-cpu-mask-batch --spec-draft-cpu-range --spec-draft-cpu-range-batch "
        "--spec-draft-cpu-strict "
        "--spec-draft-cpu-strict-batch --spec-draft-device "
        "--spec-draft-n-cpu-moe --spec-draft-n-min --spec-draft-ncmoe "
        "--spec-draft-ngl --spec-draft-override-tensor --spec-draft-p-min "
        "--spec-draft-p-split --spec-draft-poll --spec-draft-poll-batch --spec-draft-prio "
        "--spec-draft-prio-batch --spec-draft-threads --spec-draft-threads-batch "
        "--spec-ngram-map-k-min-hits "
        "--spec-ngram-map-k-size-m --spec-ngram-map-k-size-n --spec-ngram-map-k4v-min-hits "
        "--spec-ngram-map-k4v-size-m --spec-ngram-map-k4v-size-n --spec-ngram-min-hits "
        "--spec-ngram-mod-n-match --spec-ngram-mod-n-max --spec-ngram-mod-n-min "
        "--spec-ngram-simple-min-hits --spec-ngram-simple-size-m --spec-ngram-simple-size-n "
        "--spec-ngram-size-m --spec-ngram-size-n --spec-synth-len --spec-synth-rates "
        "--threads-batch-draft --threads-draft -Cbd -Cd -Crbd -Crd -devd "
        "-lcd -lcs -ncmoed -ngld -otd -tbd -td",
    },
    "which cores and devices compute: what each holds is split_mode and tensor_split": {
        1: "--cpu-mask --cpu-mask-batch --cpu-range --cpu-range-batch --cpu-strict "
        "--cpu-strict-batch --device --main-gpu --numa --poll --poll-batch --prio "
        "--prio-batch --rpc --threads --threads-batch --threads-http -C -Cb -Cr -Crb -dev "
        "-mg -t -tb",
    },
    "what is adjusted to the memory: only what the line leaves open": {
        1: "--fit-ctx --fit-target -fitc -fitt",
    },
}
"""By reason, and by how many values each takes; -1: as many as follow."""

EARLIER_PROMPTS = (
    "prompts that ran before take that many MiB of main memory on top, 8,192 unless it is given"
)
CHECKPOINTS = (
    "a slot keeps that many copies of its states or windows in main memory on top, 32 by default"
)
PROJECTOR = "the projector's weights and buffer take memory of their own beside the cache"
OTHER_MODELS = "other models that the server loads take memory of their own beside this one"
IN_A_PRESET = "what its file says of each model (ctx-size, parallel, cache types) is not read"
IN_MAIN_MEMORY = "fit counts on the GPUs what it leaves in main memory"

SAID = {
    EARLIER_PROMPTS: {1: "--cache-ram -cram"},
    CHECKPOINTS: {1: "--ctx-checkpoints --swa-checkpoints -ctxcp"},
    "a draft's context is the model's own, whatever it says; llama.cpp has no such flag any more": {
        1: "--ctx-size-draft -cd",
    },
    "the adapter's weights take memory of their own beside the cache": {1: "--lora --lora-scaled"},
    PROJECTOR: {0: "--mmproj-offload", 1: "--mmproj --mmproj-url -mm -mmu"},
    OTHER_MODELS: {0: "--models-autoload", 1: "--models-dir --models-max"},
    IN_A_PRESET: {1: "--models-preset"},
    IN_MAIN_MEMORY: {1: "--n-cpu-ffn -ncffn"},
}
"""Flags with a note: their memory is counted elsewhere (common/arg.cpp)."""

REFUSED = {
    "ik_llama.cpp has this flag, llama.cpp does not, and how that fork keeps its caches is not "
    "counted": {
        0: "--fused-indexer-topk --fused-moe --graph-reuse --grouped-expert-routing "
        "--k-cache-hadamard --merge-qkv --merge-up-gate-experts --no-fused-moe "
        "--no-fused-mul-multiadd --no-fused-up-gate --no-graph-reuse "
        "--no-offload-only-active-experts --run-time-repack --scheduler-async "
        "--split-mode-graph-scheduling --swa-compress --v-cache-hadamard -dsa -fidx -fmoe -ger -gr "
        "-khad -mqkv -muge -no-fmoe -no-fug -no-gr -no-mmad -no-ooae -rtr -sas -smgs -vhad",
        1: "--attention-max-batch --cuda-params --dsa-top-k --graph-reduce-type "
        "--indexer-cache-type-k --max-gpu --mla-use --offload-policy --smart-expert-reduction "
        "--worst-graph-tokens -amb -cuda -dsatk -grt -ictk -mla -op -ser -wgt",
    },
}
"""Flags of common/common.cpp of ik_llama.cpp (2026-08-15, commit 8337e4c), and its earlier -fmoe:
it has three ways to keep latents, and windows with all tokens unless --swa-compress."""

VARIABLES = """
ALIAS API_KEY_FILE API_PREFIX AGENT BACKEND_SAMPLING CACHE_IDLE_SLOTS CACHE_PROMPT
CACHE_REUSE CHAT_TEMPLATE CHAT_TEMPLATE_FILE CHAT_TEMPLATE_KWARGS CHECKPOINT_MIN_SPACING_NT
CONTEXT_SHIFT CONT_BATCHING CORS_CREDENTIALS CORS_HEADERS CORS_METHODS CORS_ORIGINS
DEFRAG_THOLD DEVICE EMBEDDINGS ENDPOINT_METRICS ENDPOINT_PROPS ENDPOINT_SLOTS FIT_CTX
DIO FIT_ESTIMATE FIT_TARGET FREQUENCY_PENALTY HOST IMAGE_MAX_TOKENS IMAGE_MIN_TOKENS JINJA
LAZY_MODE LOAD_MODE LOG_COLORS LOG_FILE LOG_JSONL LOG_PREFIX LOG_TIMESTAMPS LOG_VERBOSITY
MAIN_GPU MIN_P MLOCK MMAP MMPROJ_AUTO MODELS_AUTOLOAD MTMD_BATCH_MAX_TOKENS NO_HOST
NUMA N_PREDICT OFFLINE PERF POOLING PORT
PREFILL_ASSISTANT PRESENCE_PENALTY REASONING REASONING_EFFORT REASONING_PRESERVE REPACK
REPEAT_PENALTY RERANKING REUSE_PORT ROPE_FREQ_BASE ROPE_FREQ_SCALE ROPE_SCALE
ROPE_SCALING_TYPE RPC SHOW_TIMINGS SKIP_CHAT_PARSING SSE_PING_INTERVAL SSL_CERT_FILE
SSL_KEY_FILE STATIC_PATH TAGS TEMPERATURE THINK THINK_BUDGET THINK_BUDGET_MESSAGE THREADS
THREADS_HTTP TIMEOUT TOOLS TOOLS_RUNTIME TOP_K TOP_P UI UI_CONFIG UI_CONFIG_FILE
UI_MCP_PROXY VIDEO_FFMPEG_DIR VIDEO_FPS VIDEO_TIMESTAMP_INTERVAL YARN_ATTN_FACTOR
YARN_BETA_FAST YARN_BETA_SLOW YARN_EXT_FACTOR YARN_ORIG_CTX
"""
"""Variables of flags that leave the cache as it is, without LLAMA_ARG_ (common/arg.cpp)."""

HARMLESS_VARIABLES = frozenset(
    {
        *("LLAMA_API_KEY", "LLAMA_CACHE", "LLAMA_KV_CACHE_DEBUG"),
        *(f"LLAMA_ARG_{name}" for name in VARIABLES.split()),
    }
)
"""Variables of the environment that leave the cache as it is."""

SAID_VARIABLES = {
    PROJECTOR: "LLAMA_ARG_MMPROJ LLAMA_ARG_MMPROJ_OFFLOAD LLAMA_ARG_MMPROJ_URL",
    OTHER_MODELS: "LLAMA_ARG_MODELS_DIR LLAMA_ARG_MODELS_MAX",
    IN_A_PRESET: "LLAMA_ARG_MODELS_PRESET",
    IN_MAIN_MEMORY: "LLAMA_ARG_N_CPU_FFN",
    EARLIER_PROMPTS: "LLAMA_ARG_CACHE_RAM",
    CHECKPOINTS: "LLAMA_ARG_CTX_CHECKPOINTS",
}
"""Variables with a note (set_env of common/arg.cpp)."""
