"""The flags of `vllm serve` (vLLM 0.33.0: engine/arg_utils.py, entrypoints/openai/cli_args.py).

What is neither in VALUES nor in SWITCHES nor ignored is named to the person who asked; so are
flags that change the cache in ways that this engine does not count: --disable-sliding-window,
--mamba-block-size, --mamba-cache-dtype, --use-replayssm, --swa-bounded-replay,
--enable-mamba-shared-prefix-checkpoint, --kv-sharing-fast-prefill, --spec-model, --hf-overrides;
--performance-mode, which changes the default of the batch; and --config, whose file may say any.
"""

import re
from fractions import Fraction
from typing import Any

from kvcalc.engines.server import Asked, Server, Wanted
from kvcalc.engines.vllm.ignored_flags import IGNORED
from kvcalc.engines.vllm.json_flags import (
    read_attention,
    read_draft,
    read_transfer,
    write_attention,
    write_transfer,
)
from kvcalc.engines.vllm.option_values import TAKES
from kvcalc.engines.vllm.settings import UNNAMED_GPU_BATCH
from kvcalc.errors import RequestError, quote

SCALES = {
    **{letter: 1000**power for power, letter in enumerate("kmgt", 1)},
    **{letter: 1024**power for power, letter in enumerate("KMGT", 1)},
}
"""What a letter after a number means to vLLM: thousands in lower case, 1,024s in upper case."""


def human_readable_int(text: str) -> int:
    """Read a count as vLLM does: 8192, 8k is 8,000, 8K is 8,192, 25.6k is 25,600.

    Raises:
        ValueError: it is not such a count, or not a whole number.
    """
    match = re.fullmatch(r"([0-9]{1,15})(?:\.([0-9]{1,9}))?([kmgtKMGT]?)", text)
    if match is None or (match[2] and match[3] not in tuple("kmgt")):
        raise ValueError(text)
    number = Fraction(f"{match[1]}.{match[2] or 0}") * SCALES.get(match[3], 1)
    if number.denominator != 1:
        raise ValueError(text)
    return int(number)


VALUES = {
    "--model": "model",
    "--max-model-len": "context",
    "--max-num-seqs": "sequences",
    "--dtype": "dtype",
    "--kv-cache-dtype": "kv_cache_dtype",
    "--tensor-parallel-size": "tensor_parallel_size",
    "-tp": "tensor_parallel_size",
    "--pipeline-parallel-size": "pipeline_parallel_size",
    "-pp": "pipeline_parallel_size",
    "--decode-context-parallel-size": "decode_context_parallel_size",
    "-dcp": "decode_context_parallel_size",
    "--prefill-context-parallel-size": "prefill_context_parallel_size",
    "-pcp": "prefill_context_parallel_size",
    "--block-size": "block_size",
    "--max-num-batched-tokens": "max_num_batched_tokens",
    "--mamba-cache-mode": "mamba_cache_mode",
    "--mamba-ssm-cache-dtype": "mamba_ssm_cache_dtype",
    "--attention-backend": "attention_backend",
    "--attention-config": "attention_config",
    "-ac": "attention_config",
    "--kv-cache-dtype-skip-layers": "kv_cache_dtype_skip_layers",
    "--kv-transfer-config": "kv_transfer_config",
    "--speculative-config": "speculative_config",
    "-sc": "speculative_config",
    "--spec-method": "speculative_method",
    "--spec-tokens": "num_speculative_tokens",
}
"""Flags with a value: what each gives."""

SWITCHES: dict[str, tuple[str, Any]] = {
    "--async-scheduling": ("async_scheduling", True),
    "--no-async-scheduling": ("async_scheduling", False),
    "--disable-hybrid-kv-cache-manager": ("disable_hybrid_kv_cache_manager", True),
    "--no-disable-hybrid-kv-cache-manager": ("disable_hybrid_kv_cache_manager", False),
    "--enable-prefix-caching": ("enable_prefix_caching", True),
    "--no-enable-prefix-caching": ("enable_prefix_caching", False),
    "--no-enable-chunked-prefill": ("whole_prefill", True),
}
"""Flags without a value: the setting of each."""

ENVIRONMENT = {
    "VLLM_PP_LAYER_PARTITION": "pp_layer_partition",
    "VLLM_KV_CACHE_LAYOUT": "kv_cache_layout",
    "VLLM_ATTENTION_BACKEND": "attention_backend",
}
"""Variables of the environment (envs.py): the setting of each."""

MODEL_DTYPES = {"half": "float16", "float": "float32"}
"""Short names of --dtype's (config/model.py)."""


def finish(asked: Asked) -> Asked:
    """Make settings of what is given otherwise than vLLM's cache takes it.

    --dtype is the cache's type unless that is given.

    Raises:
        RequestError: a value is not JSON, not a count, or changes the cache in a way not counted.
    """
    settings = asked.settings
    own = settings.pop("dtype", "auto")
    if own != "auto" and settings.get("kv_cache_dtype", "auto") == "auto":
        settings["kv_cache_dtype"] = MODEL_DTYPES.get(own, own)
    for flag, read in JSON_FLAGS.items():
        if (text := settings.pop(flag, None)) is not None:
            read(text, asked)
    _offloading(asked)
    _pooling(asked)
    read_draft(asked)
    _batch(asked)
    return asked


def _offloading(asked: Asked) -> None:
    """--kv-offloading-size is a connector, too (config/vllm.py, _post_init_kv_transfer_config)."""
    size = asked.settings.pop("kv_offloading_size", None)
    backend = asked.settings.pop("kv_offloading_backend", "native")
    if size is None:
        return
    if backend not in OFFLOADING:
        raise RequestError.of("--kv-offloading-backend", backend, f"one of {', '.join(OFFLOADING)}")
    asked.settings["kv_connector"] = OFFLOADING[backend]
    asked.notes.append(
        f"--kv-offloading-size: {quote(size)} GiB of main memory hold copies of the cache, on top"
    )


def _pooling(asked: Asked) -> None:
    """Pooling models run without asynchronous scheduling, unless it is asked for."""
    runner = asked.settings.pop("runner", "auto")
    convert = asked.settings.pop("convert", "auto")
    if runner == "pooling" or (runner == "auto" and convert not in ("auto", "none")):
        asked.settings.setdefault("async_scheduling", False)


def _batch(asked: Asked) -> None:
    """Work out a batch that is not given, where more than the GPU decides it.

    Over kernels for small batches it is 256, with --performance-mode throughput twice as long, and
    without chunked prefill at least as long as the context (engine/arg_utils.py).
    """
    settings = asked.settings
    replicas = str(settings.pop("data_parallel_size", 1))
    experts = settings.pop("enable_expert_parallel", False)
    over = settings.pop("all2all_backend", None)
    twice = settings.pop("performance_mode", None) == "throughput"
    whole = settings.pop("whole_prefill", False)
    if replicas != "1":
        asked.notes.append(
            f"vllm: --data-parallel-size {quote(replicas)} starts so many replicas; the answer is "
            "one's"
        )
    if "max_num_batched_tokens" in settings:
        return
    if experts and replicas != "1" and over in SMALL_BATCHES:
        settings["max_num_batched_tokens"] = SMALL_BATCH * (1 + twice)
        asked.notes.append(
            f"vllm: over {over} a batch is {settings['max_num_batched_tokens']:,} tokens unless "
            "--max-num-batched-tokens says otherwise"
        )
    asked.batch = Batch(doubled=twice, whole_context=whole)


def prepare(wanted: Wanted) -> Wanted:
    """Turn settings into what vLLM's flags give: the way back of `finish`.

    --kv-cache-dtype takes no float32: that is the model's --dtype. A draft of EAGLE's is a model
    of its own, and drafted tokens need a method.
    """
    given = wanted.given
    if given.get("kv_cache_dtype") == "float32":
        given["dtype"] = given.pop("kv_cache_dtype")
    if (attention := write_attention(given)) is not None:
        given["attention_config"] = attention
    if given.get("kv_connector", "").strip(","):
        given["kv_transfer_config"] = write_transfer(given.pop("kv_connector"))
    if str(given.get("speculative_method")).startswith("eagle"):
        wanted.unsaid.append("spec_model")
    if "num_speculative_tokens" in given and "speculative_method" not in given:
        wanted.unsaid.append("speculative_method")
    return wanted


SERVER = Server(
    start="vllm serve {model}",
    values=VALUES,
    takes=TAKES,
    share=("--gpu-memory-utilization", "--device-memory-utilization"),
    switches=SWITCHES,
    environment=ENVIRONMENT,
    harmless=IGNORED,
    several=frozenset({"--kv-cache-dtype-skip-layers"}),
    positional_model=True,
    number=human_readable_int,
    finish=finish,
    prepare=prepare,
)
