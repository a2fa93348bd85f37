"""The flags of `vllm serve` (vLLM 0.33.0: engine/arg_utils.py, entrypoints/openai/cli_args.py).

What stands in no table is named to the person who asked.
"""

import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import partial
from typing import Any

from kvcalc.engines.server import PAST_MAXIMUM, Server
from kvcalc.engines.server.asked import Asked, Wanted
from kvcalc.engines.server.flags import number
from kvcalc.engines.server.model_overrides import read_overrides
from kvcalc.engines.vllm.draft_flags import read_draft
from kvcalc.engines.vllm.ignored_flags import (
    HARMLESS_VARIABLES,
    IGNORED,
    LOADS,
    REFUSED,
    SAID,
    SAID_VARIABLES,
)
from kvcalc.engines.vllm.json_flags import (
    EVENTS,
    note_connector,
    read_attention,
    read_events,
    read_transfer,
    write_attention,
    write_transfer,
)
from kvcalc.engines.vllm.option_values import TAKES
from kvcalc.engines.vllm.releases import RELEASES
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
    "--revision": "revision",
    "--max-model-len": "context",
    "--max-num-seqs": "sequences",
    "--max-num-active-seqs": "max_num_active_seqs",
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
    "--max-cudagraph-capture-size": "max_cudagraph_capture_size",
    "--kv-cache-memory-bytes": "kv_cache_memory_bytes",
    "--prefix-cache-retention-interval": "prefix_cache_retention_interval",
    "--mamba-cache-mode": "mamba_cache_mode",
    "--mamba-ssm-cache-dtype": "mamba_ssm_cache_dtype",
    "--attention-backend": "attention_backend",
    "--attention-config": "attention_config",
    "-ac": "attention_config",
    "--kv-cache-dtype-skip-layers": "kv_cache_dtype_skip_layers",
    "--kv-transfer-config": "kv_transfer_config",
    "--kv-events-config": "kv_events_config",
    "--kv-offloading-size": "kv_offloading_size",
    "--kv-offloading-backend": "kv_offloading_backend",
    "--hf-overrides": "hf_overrides",
    "--speculative-config": "speculative_config",
    "-sc": "speculative_config",
    "--spec-method": "speculative_method",
    "--spec-model": "speculative_model",
    "--spec-tokens": "num_speculative_tokens",
    "--performance-mode": "performance_mode",
    "--data-parallel-size": "data_parallel_size",
    "-dp": "data_parallel_size",
    "--all2all-backend": "all2all_backend",
    "--runner": "runner",
    "--convert": "convert",
    "--task": "task",
}
"""Flags with a value: what each gives."""

SWITCHES: dict[str, tuple[str, Any]] = {
    "--async-scheduling": ("async_scheduling", True),
    "--no-async-scheduling": ("async_scheduling", False),
    "--disable-hybrid-kv-cache-manager": ("disable_hybrid_kv_cache_manager", True),
    "--enable-hybrid-kv-cache-manager": ("disable_hybrid_kv_cache_manager", False),
    "--no-disable-hybrid-kv-cache-manager": ("disable_hybrid_kv_cache_manager", False),
    "--enable-prefix-caching": ("enable_prefix_caching", True),
    "--no-enable-prefix-caching": ("enable_prefix_caching", False),
    "--disable-prefix-caching": ("enable_prefix_caching", False),
    "--enable-chunked-prefill": ("enable_chunked_prefill", True),
    "--no-enable-chunked-prefill": ("enable_chunked_prefill", False),
    "--disable-chunked-prefill": ("enable_chunked_prefill", False),
    "--enable-expert-parallel": ("enable_expert_parallel", True),
    "--no-enable-expert-parallel": ("enable_expert_parallel", False),
    "--disable-expert-parallel": ("enable_expert_parallel", False),
    "-ep": ("enable_expert_parallel", True),
    "--language-model-only": ("language_model_only", True),
    "--no-language-model-only": ("language_model_only", False),
    "--enforce-eager": ("enforce_eager", True),
    "--no-enforce-eager": ("enforce_eager", False),
}
"""Flags without a value: the setting of each; --enable-x pairs with --disable-x."""

CHANGES_CACHE = "^vllm_(mla_disable|allow_chunked_local_attn_with_hybrid_kv_cache)$"
"""Variables that change what is kept in ways that are not counted (envs.py)."""

OF_SOME_RELEASES = ("VLLM_ATTENTION_BACKEND",)
"""Variables of the environment that not every release reads (`Rules.variables`)."""

ENVIRONMENT = {
    "VLLM_PP_LAYER_PARTITION": "pp_layer_partition",
    "VLLM_KV_CACHE_LAYOUT": "kv_cache_layout",
    "VLLM_ALLOW_LONG_MAX_MODEL_LEN": PAST_MAXIMUM,
    **{variable: variable for variable in OF_SOME_RELEASES},
}
"""Variables of the environment (envs.py): the setting of each."""

JSON_FLAGS: Mapping[str, Callable[[str, Asked], None]] = {
    "attention_config": read_attention,
    "kv_transfer_config": read_transfer,
    "kv_events_config": read_events,
    "hf_overrides": partial(read_overrides, "--hf-overrides"),
}
"""What reads the value of a flag in JSON."""

OFFLOADING = {"native": "OffloadingConnector", "lmcache": "LMCacheMPConnector"}
"""The connector of each --kv-offloading-backend."""

MODEL_DTYPES = {"half": "float16", "float": "float32"}
"""Short names of --dtype's (config/model.py)."""

POOLING_TASKS = ("embedding", "embed", "classify", "score", "reward")
"""Values of --task, of releases before --runner, that run the model for pooling (config/model.py,
TaskOption)."""


def finish(asked: Asked) -> Asked:
    """Make settings of what is given otherwise than vLLM's cache takes it.

    --dtype is the cache's type unless that is given, and the weights': by itself it has 16 bits. A
    --convert runs the model for pooling, as does a --task. --max-num-seqs is how many sequences run
    at once and a setting of the start, too; --max-num-active-seqs is the first alone
    (v1/core/sched/scheduler.py), and no more than that (config/scheduler.py).
    --kv-offloading-size is a connector (config/vllm.py, _post_init_kv_transfer_config).

    Raises:
        RequestError: a value is not JSON, or changes the cache in a way that is not counted; or
            more sequences are to run than there is room for.
    """
    settings = asked.settings
    own = settings.pop("dtype", "auto")
    if own != "auto" and settings.get("kv_cache_dtype", "auto") == "auto":
        settings["kv_cache_dtype"] = MODEL_DTYPES.get(own, own)
    if MODEL_DTYPES.get(own, own) == "float32":
        asked.load_wide("float32")
    for name, read in JSON_FLAGS.items():
        if (text := settings.pop(name, None)) is not None:
            read(text, asked)
    _of_some_releases(asked)
    if asked.sequences is not None:
        settings["max_num_seqs"] = asked.sequences
    if (active := settings.pop("max_num_active_seqs", None)) is not None:
        most = asked.sequences
        asked.sequences = number(human_readable_int, active, "--max-num-active-seqs")
        if most is not None and asked.sequences > most:
            raise RequestError.of(
                "--max-num-active-seqs", active, f"at most --max-num-seqs, {most}"
            )
        asked.notes.append(
            f"vllm: {asked.sequences} sequences run at once; fit counts as many as --max-num-seqs"
        )
    convert, task = settings.pop("convert", "auto"), settings.pop("task", None)
    pools = convert not in ("auto", "none") or task in POOLING_TASKS
    if settings.get("runner", "auto") == "auto" and pools:
        settings["runner"] = "pooling"
    _offloading(asked)
    read_draft(asked)
    replicas = settings.get("data_parallel_size", "1")
    if replicas != "1":
        asked.notes.append(
            f"vllm: --data-parallel-size {quote(replicas)} starts that many replicas; the answer "
            "is one's"
        )
    return asked


def _of_some_releases(asked: Asked) -> None:
    """Take the variables that the release reads, which win over a flag of the same."""
    for variable in OF_SOME_RELEASES:
        if (value := asked.settings.pop(variable, None)) is None:
            continue
        standing = RELEASES.at(asked.settings.get("release"))
        setting = standing.rules["variables"].value.get(variable)
        if setting is None:
            asked.notes.append(f"{variable}: vllm {standing.version} does not read it any more")
        else:
            asked.settings[setting] = value


def _offloading(asked: Asked) -> None:
    size = asked.settings.pop("kv_offloading_size", None)
    backend = asked.settings.pop("kv_offloading_backend", "native")
    if size is None:
        return
    if backend not in OFFLOADING:
        raise RequestError.of("--kv-offloading-backend", backend, f"one of {', '.join(OFFLOADING)}")
    asked.settings["kv_connector"] = OFFLOADING[backend]
    note_connector(OFFLOADING[backend], asked)
    asked.notes.append(
        f"--kv-offloading-size: copies of the cache take {quote(size)} GiB of main memory on top"
    )


def prepare(wanted: Wanted) -> Wanted:
    """Turn settings into what vLLM's flags give: the way back of `finish`.

    --kv-cache-dtype takes no float32: that is the model's --dtype. The sequences that are to run
    are --max-num-seqs unless that is asked for by itself. A draft of EAGLE's is a model of its
    own, and drafted tokens need a method.
    """
    given = wanted.given
    if "max_num_seqs" in given:
        given["sequences"] = given.pop("max_num_seqs")
    if given.get("kv_cache_dtype") == "float32":
        given["dtype"] = given.pop("kv_cache_dtype")
    if (attention := write_attention(given)) is not None:
        given["attention_config"] = attention
    if given.get("kv_connector", "").strip(","):
        given["kv_transfer_config"] = write_transfer(given.pop("kv_connector"))
    if given.pop("enable_kv_cache_events", False):
        given["kv_events_config"] = EVENTS
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
    harmless_variables=HARMLESS_VARIABLES,
    said_variables=SAID_VARIABLES,
    harmless=IGNORED,
    loads=LOADS,
    said=SAID,
    refused=REFUSED,
    several=frozenset({"--kv-cache-dtype-skip-layers"}),
    positional_model=True,
    dotted=True,
    abbreviates=True,
    decides=CHANGES_CACHE,
    number=human_readable_int,
    finish=finish,
    prepare=prepare,
)
