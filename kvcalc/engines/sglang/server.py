"""SGLang's command line: what of it says something of the cache, read and written.

`python -m sglang.launch_server` and `sglang serve` take the same flags (SGLang 0.5.23,
srt/arg_groups/fields/*.py, srt/server_args.py, cli/serve.py); argparse takes `--tp` for
`--tp-size`.
"""

import re
from decimal import Decimal

from kvcalc.engines.server import Server
from kvcalc.engines.server.asked import Asked, Wanted
from kvcalc.engines.server.model_overrides import read_overrides
from kvcalc.engines.sglang.ignored_flags import IGNORED
from kvcalc.engines.sglang.option_values import TAKES
from kvcalc.engines.sglang.remarked_flags import LOADS, REFUSED, SAID
from kvcalc.engines.sglang.variables import (
    CHANGES_CACHE,
    ENVIRONMENT,
    HARMLESS_VARIABLES,
    OWN_VALUES,
    SAID_VARIABLES,
)
from kvcalc.errors import RequestError, quote

SETTINGS = """
attn_dp_size attention_backend chunked_prefill_size disaggregation_decode_extra_slots
disaggregation_mode kv_cache_dtype mamba_full_memory_ratio mamba_radix_cache_strategy
mamba_ssm_dtype max_mamba_cache_size max_running_requests max_total_tokens page_size
speculative_eagle_topk speculative_num_draft_tokens speculative_num_steps swa_full_tokens_ratio
"""
"""Settings whose flag has their own name."""

SWITCHES = ("disable_radix_cache", "disable_hybrid_swa_memory", "disable_overlap_schedule")


KEEPS_PREFIXES = "disaggregation_decode_enable_radix_cache"
"""What leaves the radix cache on where a server decodes alone."""


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


VALUES = {
    "--model-path": "model",
    "--model": "model",
    "--revision": "revision",
    "--context-length": "context",
    **{_flag(name): name for name in SETTINGS.split()},
    "--attention-data-parallel-size": "attn_dp_size",
    "--tp-size": "tensor_parallel_size",
    "--tensor-parallel-size": "tensor_parallel_size",
    "--tp": "tensor_parallel_size",
    "--dp-size": "dp_size",
    "--data-parallel-size": "dp_size",
    "--dp": "dp_size",
    "--dtype": "dtype",
    "--speculative-algorithm": "speculative_algorithm",
    "--speculative-dflash-block-size": "speculative_num_draft_tokens",
    "--speculative-dspark-block-size": "speculative_dspark_block_size",
    "--mamba-scheduler-strategy": "mamba_radix_cache_strategy",
    "--prefill-attention-backend": "prefill_attention_backend",
    "--decode-attention-backend": "decode_attention_backend",
    "--pp-size": "pp_size",
    "--pipeline-parallel-size": "pp_size",
    "--dcp-size": "dcp_size",
    "--decode-context-parallel-size": "dcp_size",
    "--attn-cp-size": "attn_cp_size",
    "--attention-context-parallel-size": "attn_cp_size",
    "--json-model-override-args": "json_model_override_args",
}
"""What each flag with a value gives; `finish` makes settings of what is none.

--mamba-scheduler-strategy is an older name (up to 0.5.18).
"""

BUNDLES = {"--enable-mis": {"disable_radix_cache": True, "chunked_prefill_size": -1}}
"""Flags that set several at once (srt/arg_groups/attention_hook.py)."""

SHARED = {
    "dcp_size": "ranks share the tokens of a context",
    "attn_cp_size": "ranks share the tokens of a prompt, and each holds more heads",
}
"""Counts of ranks that are refused, unless they are 1, and why."""

PHASES = ("prefill_attention_backend", "decode_attention_backend")
"""Backends of one phase, which win over --attention-backend."""

COUNT = r"0*[1-9][0-9]{0,8}"

SCALES = {
    **{suffix: 1000**power for power, suffix in enumerate("kMGT", 1)},
    **{f"{suffix}i": 1024**power for power, suffix in enumerate("KMGT", 1)},
}
"""What a suffix means to SGLang (srt/utils/common.py): thousands, and 1,024s with an i."""


def human_readable_int(text: str) -> int:
    """Read a count as SGLang does: 8192, 32k is 32,000, 32Ki is 32,768, 25.6k is 25,600.

    Raises:
        ValueError: it is not such a count.
    """
    match = re.fullmatch(r"([0-9]{1,15})(\.[0-9]{1,9})?(Ki|Mi|Gi|Ti|k|M|G|T)?", text)
    if match is None or (match[2] and match[3] in (None, "Ki", "Mi", "Gi", "Ti")):
        raise ValueError(text)
    return int(Decimal(match[1] + (match[2] or "")) * SCALES.get(match[3], 1))


AUTO = ("kv_cache_dtype", "dtype")
"""Flags whose `auto` is the same as not given."""


def finish(asked: Asked) -> Asked:
    """Make settings of flags that are not: `--dtype`, the old spelling of attention DP, the draft.

    --max-running-requests is how many sequences run at once, and a setting of the pools, too.

    Raises:
        RequestError: a count that is not a positive number.
    """
    settings, notes = asked.settings, asked.notes
    for name in AUTO:
        if settings.get(name) == "auto":
            del settings[name]
    own = settings.pop("dtype", None)
    if own is not None:
        settings.setdefault("kv_cache_dtype", own)
    if own in ("float", "float32"):
        asked.load_wide(own)
    _data_parallel(asked)
    _shared(asked)
    _decoding_alone(asked)
    _of_phases(asked)
    if (overrides := settings.pop("json_model_override_args", None)) is not None:
        read_overrides("--json-model-override-args", overrides, asked)
    drafted = settings.pop("speculative_dspark_block_size", None)
    if drafted is not None and re.fullmatch(COUNT, str(drafted)):
        settings.setdefault("speculative_num_draft_tokens", int(drafted) + 1)
    running = str(settings.get("max_running_requests", ""))
    if re.fullmatch(COUNT, running):
        asked.sequences = int(running)
    algorithm = settings.pop("speculative_algorithm", None)
    if algorithm is not None:
        notes.append(
            f"sglang: the layers that {quote(algorithm)} drafts with are counted only where "
            "draft_layers gives them (EAGLE and NEXTN: those of the model's MTP head)"
        )
        if "speculative_num_draft_tokens" not in settings:
            notes.append(
                "sglang: without --speculative-num-draft-tokens it picks a number for the model; "
                "here no drafts are counted"
            )
    return asked


def _data_parallel(asked: Asked) -> None:
    """Tell groups of the attention's ranks, in the old spelling, from replicas of the model."""
    settings = asked.settings
    replicas = settings.pop("dp_size", None)
    attention = settings.pop("enable_dp_attention", False)
    if replicas is not None:
        if not re.fullmatch(COUNT, str(replicas)):
            raise RequestError.of("--dp-size", replicas, "a positive int")
        if attention:
            settings.setdefault("attn_dp_size", replicas)
        elif int(replicas) > 1:
            asked.notes.append(
                f"sglang: --dp-size {int(replicas)} starts that many replicas; the answer is one's"
            )


def _shared(asked: Asked) -> None:
    """Refuse ranks that share a context's tokens; stages run without overlap, and are said."""
    for name, why in SHARED.items():
        if (ranks := asked.settings.pop(name, "1")) != "1":
            raise RequestError.about(
                "--from",
                f"{_flag(name)}: found {quote(ranks)}",
                found=ranks,
                expected=f"1: {why}, which kvcalc does not count",
            )
    if (stages := asked.settings.pop("pp_size", "1")) != "1":
        asked.settings["disable_overlap_schedule"] = True
        asked.notes.append(
            f"sglang: of --pp-size {quote(stages)} each stage holds its own layers alone; here "
            "every GPU holds them all"
        )


def _decoding_alone(asked: Asked) -> None:
    """Turn the radix cache off on a server that decodes what others have read."""
    mode = asked.settings.get("disaggregation_mode", "null")
    kept = asked.settings.pop(KEEPS_PREFIXES, False)
    if mode == "decode" and not kept:
        asked.settings["disable_radix_cache"] = True
    if mode != "null":
        asked.notes.append(
            f"--disaggregation-mode {quote(mode)}: slots for requests on their way are counted of "
            "the window pool alone"
        )


def _of_phases(asked: Asked) -> None:
    """Take the backends of prompts and of decoding where they are one."""
    given = {name: asked.settings.pop(name, None) for name in PHASES}
    backends = {one for one in given.values() if one is not None}
    if len(backends) == 1 and None not in given.values():
        asked.settings["attention_backend"] = backends.pop()
    elif backends:
        asked.notes.append(
            "sglang: another attention backend for prompts or for decoding may ask for another "
            "page; that of --attention-backend is counted"
        )


def prepare(wanted: Wanted) -> Wanted:
    """Turn settings into what SGLang's flags give: the way back of `finish`.

    --kv-cache-dtype takes no float16 and no float32: those are the model's --dtype. The sequences
    that are to run are --max-running-requests unless that is asked for by itself.
    """
    given = {
        "max_running_requests" if name == "sequences" else name: value
        for name, value in wanted.given.items()
    }
    if given.get("kv_cache_dtype") in ("float16", "float32"):
        given["dtype"] = given.pop("kv_cache_dtype")
    if given.get("disaggregation_mode") == "decode" and not given.get("disable_radix_cache"):
        given[KEEPS_PREFIXES] = True
    if any(name.startswith("speculative_") for name in given):
        wanted.unsaid.append("speculative_algorithm")
    return Wanted(wanted.model, given, wanted.unsaid)


SERVER = Server(
    start="python -m sglang.launch_server --model-path {model}",
    values=VALUES,
    takes=TAKES,
    share=("--mem-fraction-static",),
    switches={
        **{_flag(name): (name, True) for name in SWITCHES},
        "--enable-dp-attention": ("enable_dp_attention", True),
        _flag(KEEPS_PREFIXES): (KEEPS_PREFIXES, True),
    },
    bundles=BUNDLES,
    environment=ENVIRONMENT,
    own_values=OWN_VALUES,
    harmless_variables=HARMLESS_VARIABLES,
    said_variables=SAID_VARIABLES,
    harmless=IGNORED,
    loads=LOADS,
    said=SAID,
    refused=REFUSED,
    positional_model=True,
    abbreviates=True,
    decides=CHANGES_CACHE,
    number=human_readable_int,
    finish=finish,
    prepare=prepare,
)
