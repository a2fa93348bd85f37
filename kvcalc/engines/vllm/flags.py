"""The flags of `vllm serve` (vLLM 0.33.0: engine/arg_utils.py, entrypoints/openai/cli_args.py).

What is neither in VALUES nor in SWITCHES nor passed over is named to the person who asked; so are
flags that change the cache in ways that this engine does not count: --disable-sliding-window,
--mamba-block-size, --mamba-cache-dtype, --swa-bounded-replay, --kv-sharing-fast-prefill,
--hf-overrides; and --config, whose file may say any of them.
"""

import json
import re
from fractions import Fraction
from typing import Any

from kvcalc.engines.command_line import Asked, CommandLine
from kvcalc.engines.vllm.settings import UNNAMED_GPU_BATCH
from kvcalc.errors import KvcalcError, shown

SCALES = {
    **{letter: 1000**power for power, letter in enumerate("kmgt", 1)},
    **{letter: 1024**power for power, letter in enumerate("KMGT", 1)},
}
"""What a letter after a number means to vLLM: thousands in lower case, 1,024s in upper case."""


def human_readable_int(text: str) -> int:
    """Read a count as vLLM does: 8192, 8k is 8,000, 8K is 8,192, 25.6k is 25,600.

    Raises:
        ValueError: it is no such count, or not a whole number.
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
    "--kv-cache-dtype-skip-layers": "kv_cache_dtype_skip_layers",
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
    "--enable-prefix-caching": ("mamba_cache_mode", "align"),
    "--no-enable-prefix-caching": ("mamba_cache_mode", "none"),
    "--no-enable-chunked-prefill": ("whole_prefill", True),
}
"""Flags without a value: the setting of each."""

ENVIRONMENT = {
    "VLLM_PP_LAYER_PARTITION": "pp_layer_partition",
    "VLLM_KV_CACHE_LAYOUT": "kv_cache_layout",
    "VLLM_ATTENTION_BACKEND": "attention_backend",
}
"""Variables of the environment (envs.py): the setting of each."""

_WITHOUT_VALUE = """
--trust-remote-code --enforce-eager --skip-tokenizer-init --enable-prompt-embeds
--enable-sleep-mode --numa-bind --enable-expert-parallel -ep --enable-dbo --enable-eplb
--disable-custom-all-reduce --language-model-only --enable-mm-embeds --mm-encoder-only
--skip-mm-profiling --fully-sharded-loras --kv-cache-metrics --cudagraph-metrics
--enable-mfu-metrics --disable-chunked-mm-input --enable-flashinfer-autotune --enable-lora
--enable-chunked-prefill --disable-log-stats --enable-log-requests
--no-enable-log-requests --disable-log-requests --data-parallel-hybrid-lb -dph
--data-parallel-external-lb -dpe --enable-auto-tool-choice --enable-prompt-tokens-details
--enable-server-load-tracking --enable-request-id-headers --enable-ssl-refresh --headless
--disable-uvicorn-access-log --disable-fastapi-docs --return-tokens-as-token-ids
--allow-credentials --disable-cascade-attn --aggregate-engine-logging
"""

_WITH_VALUE = """
--runner --convert --tokenizer --tokenizer-mode --seed --hf-config-path --allowed-local-media-path
--revision --code-revision --tokenizer-revision --quantization -q --max-logprobs --logprobs-mode
--config-format --hf-token --generation-config --override-generation-config --model-impl
--load-format --download-dir --safetensors-load-strategy --model-loader-extra-config
--distributed-executor-backend --master-addr --master-port --nnodes -n --node-rank -r
--data-parallel-size -dp --data-parallel-size-local -dpl --data-parallel-rank
--data-parallel-start-rank --data-parallel-address -dpa --data-parallel-rpc-port -dpp
--data-parallel-backend -dpb --all2all-backend --eplb-config --expert-placement-strategy
--max-parallel-loading-workers --worker-cls --worker-extension-cls --prefix-caching-hash-algo
--limit-mm-per-prompt --media-io-kwargs --mm-processor-kwargs --mm-processor-cache-gb
--mm-encoder-tp-mode --max-loras --max-lora-rank --lora-dtype --max-cpu-loras
--otlp-traces-endpoint --scheduling-policy --stream-interval --max-cudagraph-capture-size
--compilation-config -cc -O --optimization-level --additional-config --structured-outputs-config
--profiler-config --logging-config --log-level --log-config-file --moe-backend --linear-backend
--gpu-memory-utilization --kv-cache-memory-bytes --num-gpu-blocks-override --cpu-offload-gb
--kv-transfer-config --kv-events-config --host --port --uds --uvicorn-log-level --api-key
--chat-template --chat-template-content-format --response-role --ssl-keyfile --ssl-certfile
--ssl-ca-certs --root-path --tool-call-parser --tool-parser-plugin --reasoning-parser
--tool-server --max-log-len --api-server-count -asc --long-prefill-token-threshold
--max-num-partial-prefills --renderer-num-workers --performance-mode --shutdown-timeout
"""

_WITH_VALUES = """
--served-model-name --allowed-media-domains --logits-processors --lora-modules --allowed-origins
--allowed-methods --allowed-headers --middleware --cudagraph-capture-sizes --ignore-patterns
"""

PASSED_OVER = {
    **dict.fromkeys(_WITHOUT_VALUE.split(), 0),
    **dict.fromkeys(_WITH_VALUE.split(), 1),
    **dict.fromkeys(_WITH_VALUES.split(), -1),
}
"""Flags that leave a request's cache as it is, with how many values each takes."""

MODEL_DTYPES = {"half": "float16", "float": "float32"}
"""Short names of --dtype's (config/model.py)."""


def finish(asked: Asked) -> Asked:
    """Let --dtype be the cache's type unless that is given, and read --speculative-config.

    Without chunked prefill a batch is at least as long as the context (config/scheduler.py).
    """
    settings = asked.settings
    if settings.pop("whole_prefill", False):
        if asked.context is None:
            raise KvcalcError("--from: --no-enable-chunked-prefill needs --max-model-len")
        batch = str(settings.get("max_num_batched_tokens", UNNAMED_GPU_BATCH))
        settings["max_num_batched_tokens"] = max(asked.context, human_readable_int(batch))
    own = settings.pop("dtype", "auto")
    if own != "auto" and settings.get("kv_cache_dtype", "auto") == "auto":
        settings["kv_cache_dtype"] = MODEL_DTYPES.get(own, own)
    config = settings.pop("speculative_config", None)
    if config is not None:
        settings |= _speculation(config, asked)
    return asked


def _speculation(config: str, asked: Asked) -> dict[str, Any]:
    try:
        table = json.loads(config)
    except (ValueError, RecursionError):
        table = None
    if not isinstance(table, dict):
        raise KvcalcError(f"--from: --speculative-config: found {shown(config)}, expected JSON")
    method = str(table.get("method", "")).lower()
    known = {"mtp": "mtp", "eagle": "eagle", "eagle3": "eagle3"}
    if method.endswith("_mtp"):
        method = "mtp"
    if method not in known:
        asked.notes.append(
            f"the draft of --speculative-config {shown(config)} is not counted: kvcalc knows the "
            f"methods {', '.join(known)}"
        )
        return {}
    tokens = table.get("num_speculative_tokens")
    found = {"speculative_method": known[method]}
    return found if tokens is None else found | {"num_speculative_tokens": tokens}


COMMAND = CommandLine(
    values=VALUES,
    switches=SWITCHES,
    passed_over=PASSED_OVER,
    several=frozenset({"--kv-cache-dtype-skip-layers"}),
    environment=ENVIRONMENT,
    positional_model=True,
    number=human_readable_int,
    finish=finish,
)
