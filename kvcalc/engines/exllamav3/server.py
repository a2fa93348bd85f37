"""The command line of TabbyAPI (e632af4), the server that ExLlamaV3's authors name.

Each argument is a key of its config.yml (common/config_models.py, common/args.py); what it makes of
them is backends/exllamav3/model.py.
"""

from pathlib import PurePath
from typing import Any

from kvcalc.engines.exllamav3.ignored_flags import IGNORED, LOADS, SAID
from kvcalc.engines.exllamav3.settings import PAGE
from kvcalc.engines.server import Server, hub_id_or_folder
from kvcalc.engines.server.asked import Asked, Wanted
from kvcalc.engines.server.flags import number
from kvcalc.engines.server.option_values import Choices, Listed, Whole
from kvcalc.errors import RequestError
from kvcalc.model import Model

MODES = {"FP16": None, "Q4": "4", "Q6": "6", "Q8": "8"}
"""Older names of cache modes (create_cache)."""

STATES = 4
"""Slots of a model with states, unless `--max-batch-size` is given."""

DRAFTED = 4
"""Tokens that n-gram drafting drafts, unless `--draft-num-tokens` is given."""

READ_ONLY = "what it holds was read and not measured"


def finish(asked: Asked) -> Asked:
    """Take what TabbyAPI makes of its arguments: slots, drafts, and how long a sequence can be.

    Raises:
        RequestError: tensor parallelism or a draft model, whose caches are not counted.
    """
    settings = asked.settings
    if str(settings.pop("tensor_parallel", "")).lower() in ("true", "1", "yes"):
        raise RequestError.about("--from", f"--tensor-parallel: {READ_ONLY}")
    mode = settings.get("cache_quant")
    if mode in MODES:
        settings["cache_quant"] = MODES[mode]
    drafted = settings.pop("num_draft_tokens", None)
    draft = settings.pop("draft_mode", "model")
    if draft == "mtp":
        raise RequestError.about("--from", f"--draft-mode mtp: {READ_ONLY}")
    if draft == "ngram":
        settings["num_draft_tokens"] = settings["max_history"] = drafted or DRAFTED
    slots = settings.setdefault("autosplit_max_batch_size", STATES)
    if (size := settings.get("cache_size")) is None:
        if asked.context is None:
            asked.notes.append("without --cache-size its cache holds --max-seq-len tokens")
            return asked
        size = settings["cache_size"] = asked.context
    return hold(asked, count(size, "--cache-size"), count(slots, "--max-batch-size"))


def count(value: Any, flag: str) -> int:
    """Read a whole number.

    Raises:
        RequestError: it is not one.
    """
    read: int = number(int, str(value), flag)
    return read


def hold(asked: Asked, size: int, slots: int) -> Asked:
    """Take what a cache of `size` tokens can hold: longer sequences end, and more of them wait."""
    beside = 1 + count(asked.settings.get("num_draft_tokens", 0), "--draft-num-tokens")
    asked.longest = max(1, size - beside)
    if asked.context is None:
        return asked
    if asked.context > asked.longest:
        asked.notes.append(f"a sequence ends at {asked.longest:,} tokens in a cache of {size:,}")
        asked.context = asked.longest
    pages = -(-(asked.context + beside) // PAGE)
    asked.sequences = max(1, min(slots, size // PAGE // pages))
    return asked


def prepare(wanted: Wanted) -> Wanted:
    """Say how many tokens, slots and drafts in TabbyAPI's terms."""
    given = wanted.given
    given.pop("kv_cache_dtype", None)  # float16, its default
    if quant := given.get("cache_quant"):
        given["cache_quant"] = quant if "," in quant else f"{quant},{quant}"
    drafted = given.get("num_draft_tokens", 0)
    if drafted and drafted == given.get("max_history"):
        given["draft_mode"] = "ngram"
        del given["max_history"]
    elif drafted:
        wanted.unsaid.append("num_draft_tokens")
        drafted = 0
        del given["num_draft_tokens"]
    _amounts(wanted, 1 + drafted)
    return wanted


def _amounts(wanted: Wanted, beside: int) -> None:
    """Give the cache that holds the sequences, where none is given, and a slot for each."""
    given = wanted.given
    context, sequences = given.get("context"), given.pop("sequences", None)
    slots = given.setdefault("autosplit_max_batch_size", sequences or 1)
    if context is None:
        return
    pages = -(-(context + beside) // PAGE)
    size = given.setdefault("cache_size", pages * PAGE * (sequences or 1))
    if context + beside > size:
        wanted.unsaid.append("context")
        del given["context"]
    if sequences is not None and sequences != min(slots, size // PAGE // pages):
        wanted.unsaid.append("sequences")


def folder(model: Model, source: str | None) -> tuple[str, ...]:
    """Name the folder of a model among those of --model-dir."""
    return (PurePath(hub_id_or_folder(model, source)[0]).name,)


SERVER = Server(
    start="python main.py --model-name {model}",
    values={
        "--model-name": "model",
        "--max-seq-len": "context",
        "--cache-size": "cache_size",
        "--cache-mode": "cache_quant",
        "--max-batch-size": "autosplit_max_batch_size",
        "--draft-mode": "draft_mode",
        "--draft-num-tokens": "num_draft_tokens",
        "--tensor-parallel": "tensor_parallel",
    },
    bare={"--tensor-parallel": "true"},
    takes={
        "context": Whole("common/config_models.py, max_seq_len"),
        "cache_size": Whole("common/config_models.py, cache_size"),
        "cache_quant": Listed("common/config_models.py, CACHE_TYPE", "[2-8]", ",", 2),
        "autosplit_max_batch_size": Whole("common/config_models.py, max_batch_size"),
        "draft_mode": Choices(
            "common/config_models.py, draft_mode", ("model", "disabled", "mtp", "ngram")
        ),
        "num_draft_tokens": Whole("common/config_models.py, draft_num_tokens"),
    },
    harmless=IGNORED,
    loads=LOADS,
    said=SAID,
    refused={READ_ONLY: {1: "--draft-model-name"}},
    decides=r"cache|seq|batch|draft|quant|parallel",
    abbreviates=True,
    names=folder,
    finish=finish,
    prepare=prepare,
)
