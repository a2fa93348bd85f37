"""Flags, keys, words and variables that kvcalc knows are those of the engines' own source."""

from collections.abc import Set

from kvcalc.engines import find
from kvcalc.engines.server import PAST_MAXIMUM, Server
from kvcalc.engines.server.option_values import Choices
from kvcalc.engines.vllm import draft_flags, json_flags
from tests.each import each
from tests.engines.engine_names import names, options

ENGINES = ("vllm", "sglang", "llama.cpp", "mlx", "lmdeploy", "exllamav3", "exllamav3 examples")


def server(engine: str) -> Server:
    name, _, examples = engine.partition(" ")
    found = find(name).lines["model_init"] if examples else find(name).server
    assert found is not None
    return found


PAIRED: dict[str, tuple[str, bool]] = {
    "--enable-hybrid-kv-cache-manager": ("disable_hybrid_kv_cache_manager", False),
    "--disable-prefix-caching": ("enable_prefix_caching", False),
    "--disable-chunked-prefill": ("enable_chunked_prefill", False),
    "--disable-expert-parallel": ("enable_expert_parallel", False),
}
"""Switches that vLLM's parser makes of their contrary (utils/argparse_utils.py)."""

BEFORE = {
    # Of releases before 0.33.0, -O1 for --optimization-level=1, and what EnableDisableAction pairs
    # with others: --disable-x with --enable-x.
    "vllm": {
        *("--calculate-kv-scales", "--cuda-graph-sizes", "--disable-frontend-multiprocessing"),
        *("--disable-log-requests", "--disable-mm-preprocessor-cache", "--enable-reasoning"),
        *("--full-cuda-graph", "--enable-multimodal-encoder-data-parallel", "--task"),
        *("--guided-decoding-backend", "--max-num-partial-prefills", "--worker-use-ray"),
        *("--max-seq-len-to-capture", "--num-scheduler-steps", "--preemption-mode"),
        *("--scheduler-delay-factor", "--swap-space", "--use-v2-block-manager", "-O"),
        *("-O0", "-O1", "-O2", "-O3", "--rope-scaling", "--rope-theta", *PAIRED),
        *("--speculative-model", "--num-speculative-tokens", "--ngram-prompt-lookup-max"),
        *("--ngram-prompt-lookup-min", "--speculative-draft-tensor-parallel-size"),
    },
    "sglang": {  # --tp and --dp are completed by argparse
        *("--tp", "--dp", "--mamba-scheduler-strategy", "--enable-gdn-replayssm-spec"),
        *("--collect-tokens-histogram", "--disable-piecewise-cuda-graph", "--elastic-ep-rejoin"),
        *("--enable-breakable-cuda-graph", "--enable-deepep-waterfill", "--stream-output"),
        *("--enable-expert-distribution-metrics", "--enable-nan-detection", "--torchao-config"),
        *("--enable-piecewise-cuda-graph", "--enforce-piecewise-cuda-graph", "--cuda-graph-bs"),
        *("--keep-mm-feature-on-device", "--prefill-round-robin-balance", "--cuda-graph-max-bs"),
        *("--record-nolora-graph", "--no-record-nolora-graph", "--cuda-graph-tc-compiler"),
        *("--speculative-skip-dp-mlp-sync", "--multi-item-scoring-delimiter"),
        *("--piecewise-cuda-graph-compiler", "--piecewise-cuda-graph-max-tokens"),
        *("--piecewise-cuda-graph-tokens", "--nsa-decode-backend", "--nsa-prefill-backend"),
        *("--enable-dsa-prefill-context-parallel", "--enable-nsa-prefill-context-parallel"),
        *("--enable-prefill-context-parallel", "--dsa-prefill-cp-mode", "--nsa-prefill-cp-mode"),
        *("--prefill-cp-mode", "--speculative-dflash-draft-window-size"),
        *("--enable-double-sparsity", "--ds-channel-config-path", "--ds-heavy-channel-num"),
        *("--ds-heavy-channel-type", "--ds-heavy-token-num", "--ds-sparse-decode-threshold"),
    },
    "llama.cpp": {  # --load-mode has these since 2026-10
        *("--ctx-size-draft", "-cd", "--mmap", "--no-mmap", "--mlock"),
        *("--direct-io", "-dio", "--no-direct-io", "-ndio"),
    },
}
"""Flags that the engine's parser does not name."""


FORKS = {"llama.cpp"}
"""Engines whose refused flags are those of a fork, and not their own."""


UNKNOWN = {
    # mlx_lm.generate's
    "mlx": "--prompt-cache-file",
    # What chat.py and perf.py do once the model stands.
    "exllamav3 examples": "--max_length --short_prefill --skip_gen --skip_prefill --skip_warmup "
    "-max_length -sg -short -spf -swu",
    # Of programs that serve nobody, as llama-perplexity and llama-imatrix; where a model is from;
    # and what says how a model is to be read.
    "llama.cpp": "--attention --check --chunk --chunk-separator --chunk-size --chunks "
    "--cls-separator --context-file --dflash --diffusion-add-gumbel-noise "
    "--diffusion-alg-temp --diffusion-algorithm --diffusion-block-length --diffusion-cfg-scale "
    "--diffusion-eps --diffusion-steps --diffusion-visual --docker-repo --eagle3 "
    "--embd-output-format --embd-separator --epochs --fit-print --from-chunk --hellaswag "
    "--hellaswag-tasks --hf-file --ids --in-file --junk --kl-divergence --kl-divergence-base "
    "--learning-rate --learning-rate-decay-epochs --learning-rate-min --logits-output-dir --method "
    "--mtp --multiple-choice --multiple-choice-tasks --negative-file "
    "--no-bos --no-parse-special --no-ppl --optimizer --output-format --output-frequency "
    "--override-kv --parse-special --pca-batch --pca-iter --pos --positive-file --ppl "
    "--ppl-output-type --ppl-stride --process-output --save-all-logits --save-frequency "
    "--save-logits --sequences --show-count --show-statistics "
    "--stdin --tensor-filter --tts-lang --tts-speaker-file "
    "--val-split --weight-decay --winogrande --winogrande-tasks -decay-epochs -dr -epochs "
    "-fitp -hff -lr -lr-min -npl -npp -ns -ntg -ofreq -opt -pps -tgs -val-split -wd",
}
"""The engine's flags that a line is told are not known; of others it has none."""


@each("engine", ENGINES)
def test_no_other_flag_of_the_engine_is_unknown(engine: str) -> None:
    unknown = set(UNKNOWN.get(engine, "").split())
    assert options(engine).keys() - server(engine).known == unknown


@each("engine", ENGINES)
def test_each_flag_is_the_engines_own_and_takes_as_many_values(engine: str) -> None:
    ours = server(engine)
    taken = {**dict.fromkeys(ours.gives, 1), **dict.fromkeys(ours.switches, 0), **ours.ignored}
    taken |= dict.fromkeys(ours.several, -1)
    theirs = options(engine)
    if engine in FORKS:
        assert not ours.refusals.keys() & theirs.keys()
    else:
        taken |= {flag: ours.counts[flag] for flag in ours.refusals}
    assert taken.keys() - theirs.keys() == BEFORE.get(engine, set())
    counts = {flag: theirs[flag][1] for flag in taken.keys() & theirs.keys()}
    # One value or none: what follows is taken as far as it goes.
    counts |= {flag: -1 for flag, count in counts.items() if count == "?"}
    assert {flag: taken[flag] for flag in counts} == counts


GIVES = {
    "vllm": {
        "max_model_len": "context",
        "max_num_seqs": "sequences",
        "gpu_memory_utilization": "share",
        "spec_method": "speculative_method",
        "spec_model": "speculative_model",
        "spec_tokens": "num_speculative_tokens",
    },
    "sglang": {
        "model_path": "model",
        "context_length": "context",
        "mem_fraction_static": "share",
        "tp_size": "tensor_parallel_size",
        "speculative_dflash_block_size": "speculative_num_draft_tokens",
    },
    "llama.cpp": {
        **dict.fromkeys(("model_url", "hf_repo"), "model"),
        "ctx_size": "context",
        "parallel": "sequences",
        "gpu_layers": "n_gpu_layers",
        "draft": "spec_draft_n_max",
    },
    "mlx": {"decode_concurrency": "sequences"},
    "lmdeploy": {
        "session_len": "context",
        "max_batch_size": "sequences",
        "cache_max_entry_count": "share",
        "tp": "tensor_parallel_size",
        "dtype": "kv_cache_dtype",
    },
    "exllamav3": {
        "model_name": "model",
        "max_seq_len": "context",
        "cache_mode": "cache_quant",
        "max_batch_size": "autosplit_max_batch_size",
        "draft_num_tokens": "num_draft_tokens",
    },
    "exllamav3 examples": {"model_dir": "model"},
}
"""What an option gives where that has another name; `tp_size` and `dp_size` have short forms."""

SHORT = {
    "--tp": "tensor_parallel_size",
    "--dp": "dp_size",
    "--task": "task",
    "--mamba-scheduler-strategy": "mamba_radix_cache_strategy",
}
"""What flags give that no option of the release names so."""


@each("engine", ENGINES)
def test_a_flag_gives_the_setting_of_its_option(engine: str) -> None:
    theirs = options(engine)
    for flag, gives in server(engine).gives.items():
        option = theirs[flag][0] if flag in theirs else SHORT[flag]
        assert gives == GIVES[engine].get(option, option), flag


SWITCHED = {
    "-kvo": ("offload_kqv", True),
    "--kv-offload": ("offload_kqv", True),
    "-nkvo": ("offload_kqv", False),
    "--no-kv-offload": ("offload_kqv", False),
    "-no-kvu": ("kv_unified", False),
    **dict.fromkeys(("-cmoe", "--cpu-moe"), ("n_cpu_moe", 2**20)),
}
"""Switches whose flag does not say it all."""


@each("engine", ENGINES)
def test_a_switch_switches_the_setting_of_its_option(engine: str) -> None:
    for flag, switched in server(engine).switches.items():
        if flag in PAIRED:
            assert switched == PAIRED[flag]
            continue
        option = options(engine)[flag][0]
        assert switched == SWITCHED.get(flag, (option, not flag.startswith("--no-"))), flag


VARIABLES = {
    "VLLM_PP_LAYER_PARTITION": "pp_layer_partition",
    "VLLM_KV_CACHE_LAYOUT": "kv_cache_layout",
    "VLLM_ALLOW_LONG_MAX_MODEL_LEN": PAST_MAXIMUM,
    "SGLANG_SWA_EVICTION_INTERVAL": "swa_eviction_interval",
    "SGLANG_MAMBA_SSM_DTYPE": "mamba_ssm_dtype",
    "SGLANG_ALLOW_OVERWRITE_LONGER_CONTEXT_LEN": PAST_MAXIMUM,
}

OLD_VARIABLES = {"VLLM_ATTENTION_BACKEND": "VLLM_ATTENTION_BACKEND"}
"""Of releases before 0.15.0, which alone make a setting of it."""


def test_variables_are_the_engines_own() -> None:
    ours = {
        name: setting
        for by in ("vllm", "sglang")
        for name, setting in server(by).environment.items()
    }
    assert ours == VARIABLES | OLD_VARIABLES
    assert VARIABLES.keys() <= {*names("vllm", "environment"), *names("sglang", "environment")}


NOT_COUNTED = {
    ("vllm", "all2all_backend"): {"passthrough"},
    ("vllm", "runner"): {"draft"},
    ("llama.cpp", "spec_type"): {"draft-simple", "draft-eagle3", "draft-dflash", "draft-dspark"},
}
"""Words that an option takes and kvcalc never writes; of attention backends many."""


@each("engine", ENGINES)
def test_an_options_words_are_the_engines_own(engine: str) -> None:
    seen = 0
    for option, takes in server(engine).takes.items():
        theirs = names(engine, f"values of {option.replace('cache_type_v', 'cache_type_k')}").keys()
        if not theirs or not isinstance(takes, Choices):
            continue
        seen += 1
        words = set(takes.words)
        assert words <= theirs
        if option != "attention_backend":
            assert words == theirs - NOT_COUNTED.get((engine, option), set())
    assert seen == {"vllm": 9, "sglang": 5, "llama.cpp": 3, "lmdeploy": 1, "exllamav3": 1}.get(
        engine, 0
    )


OF_ITS_OWN = {
    "draft_model_config",
    "draft_parallel_config",
    "target_model_config",
    "target_parallel_config",
}
"""Fields of SpeculativeConfig that vLLM fills in itself."""

OLDER = {
    "SpeculativeConfig": {"disable_by_batch_size"},
    "AttentionConfig": {
        "disable_flashinfer_prefill",
        "use_cudnn_prefill",
        "use_prefill_decode_attention",
        "use_trtllm_ragged_deepseek_prefill",
    },
    "KVTransferConfig": {"kv_buffer_size", "kv_ip", "kv_parallel_size", "kv_rank"},
}
"""Keys of releases before 0.33.0."""


@each(
    ("of", "ours"),
    [
        ("SpeculativeConfig", {*draft_flags.KEYS, *draft_flags.RANKS, *draft_flags.REFUSED}),
        (
            "AttentionConfig",
            {*json_flags.KERNELS, *json_flags.ATTENTION, *json_flags.ATTENTION_REFUSED},
        ),
        ("KVTransferConfig", {*json_flags.TRANSFER}),
    ],
)
def test_keys_of_a_json_option_are_the_fields_of_its_class(of: str, ours: Set[str]) -> None:
    theirs = names("vllm", of).keys()
    assert ours - theirs == OLDER[of]
    assert theirs - ours == (OF_ITS_OWN if of == "SpeculativeConfig" else set())
