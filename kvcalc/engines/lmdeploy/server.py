"""The command line of `lmdeploy serve api_server` (0.18.0: cli/serve.py, cli/utils.py)."""

from kvcalc.engines.lmdeploy.ignored_flags import IGNORED, LOADS, SAID
from kvcalc.engines.lmdeploy.ranks import RANKS, attention_ranks
from kvcalc.engines.lmdeploy.settings import BY_NAME
from kvcalc.engines.server import Server
from kvcalc.engines.server.asked import Asked, Wanted
from kvcalc.engines.server.model_overrides import read_overrides
from kvcalc.engines.server.option_values import REVISION, Choices, Listed, Share, Whole


def finish(asked: Asked) -> Asked:
    """Drop `--dtype auto`, the default, and say whose figures these are.

    --max-batch-size is how many sequences run at once and a setting of the start, too.
    """
    if asked.sequences is not None:
        asked.settings["max_batch_size"] = asked.sequences
    if asked.settings.get("kv_cache_dtype") == "auto":
        del asked.settings["kv_cache_dtype"]
    _attention_ranks(asked)
    if (overrides := asked.settings.pop("hf_overrides", None)) is not None:
        read_overrides("--hf-overrides", overrides, asked)
    if asked.passed.get("--backend") != "pytorch":
        asked.notes.append(
            "the figures are those of LMDeploy's PyTorch engine (--backend pytorch), not "
            "TurboMind's"
        )
    return asked


def _attention_ranks(asked: Asked) -> None:
    given = {name: asked.settings.pop(name, "1") for name in RANKS}
    ranks, groups = attention_ranks(given)
    if ranks > 1:
        asked.settings["tensor_parallel_size"] = str(ranks)
    if groups > 1:
        asked.notes.append(
            f"lmdeploy: --dp {groups} makes that many groups, each with caches of its own; the "
            "answer is one's"
        )


def prepare(wanted: Wanted) -> Wanted:
    """Let --quant-policy say what packs the cache: --dtype is the model's own element type.

    The sequences that are to run are --max-batch-size unless that is asked for by itself.
    """
    if "max_batch_size" in wanted.given:
        wanted.given["sequences"] = wanted.given.pop("max_batch_size")
    if wanted.given.get("kv_cache_dtype") in BY_NAME:
        wanted.given["quant_policy"] = BY_NAME[wanted.given.pop("kv_cache_dtype")]
    return wanted


SERVER = Server(
    start="lmdeploy serve api_server {model} --backend pytorch",
    values={
        "--revision": "revision",
        "--session-len": "context",
        "--max-batch-size": "sequences",
        "--max-prefill-token-num": "max_prefill_token_num",
        "--tp": "tensor_parallel_size",
        "--dp": "dp",
        "--ep": "ep",
        "--hf-overrides": "hf_overrides",
        "--quant-policy": "quant_policy",
        "--cache-block-seq-len": "cache_block_seq_len",
        "--dtype": "kv_cache_dtype",
    },
    share=("--cache-max-entry-count",),
    takes={
        "revision": Listed("cli/utils.py, revision", REVISION, most=1),
        "context": Whole("cli/utils.py, session_len"),
        "sequences": Whole("cli/utils.py, max_batch_size"),
        "max_prefill_token_num": Whole("cli/utils.py, max_prefill_token_num"),
        "share": Share("cli/utils.py, cache_max_entry_count"),
        "tensor_parallel_size": Whole("cli/utils.py, tp"),
        "quant_policy": Choices(
            "cli/utils.py, quant_policy; messages.py, QuantPolicy",
            ("0", "4", "8", "16", "17", "42"),
        ),
        "cache_block_seq_len": Whole("cli/utils.py"),
        "fp32_mamba_ssm_dtype": Choices("pytorch/envs.py, env_to_bool", ("True",)),
        "kv_cache_dtype": Choices("cli/utils.py, dtype", ("auto", "float16", "bfloat16")),
    },
    environment={"LMDEPLOY_FP32_MAMBA_SSM_DTYPE": "fp32_mamba_ssm_dtype"},
    harmless=IGNORED,
    loads=LOADS,
    said=SAID,
    positional_model=True,
    finish=finish,
    prepare=prepare,
)
