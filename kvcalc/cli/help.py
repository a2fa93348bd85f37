"""A command's help: its options in the order of their use, each in as few words as it takes."""

import re
from collections.abc import Iterable
from typing import Any

FIRST = (
    *("context", "sequences", "window", "engine", "kv_cache_dtype", "tensor_parallel_size"),
    *("from_line", "gpu", "gpus", "gpu_memory", "price", "spare", "memory"),
    *("weights", "weights_dtype", "reserve", "optimistic", "log"),
)
"""What is asked first, in this order; other options stand between."""

LAST = (
    *("set", "max_num_seqs", "max_running_requests", "strict_version"),
    *("in_tokens_of", "language", "format", "json", "output", "force"),
    *("layers", "pattern", "kv_heads", "head_dim", "v_head_dim", "dtype", "max_context", "help"),
)
"""What is asked last: rare settings, the output, a shape, and this help."""

TYPE = re.compile(r" <[a-z\[\] ]+>$")
"""A type behind an option: that it takes a value is enough, as its help has an example."""


def options(parameters: Iterable[Any], ctx: Any) -> list[tuple[str, str]]:
    """Each option with its help, in the order of use."""
    named = {one.name: one for one in parameters if one.param_type_name == "option"}
    between = [name for name in named if name not in (*FIRST, *LAST)]
    return _records((named[name] for name in (*FIRST, *between, *LAST) if name in named), ctx, " …")


def arguments(parameters: Iterable[Any], ctx: Any) -> list[tuple[str, str]]:
    """Each argument with its help."""
    return _records((one for one in parameters if one.param_type_name == "argument"), ctx, "")


def _records(parameters: Iterable[Any], ctx: Any, value: str) -> list[tuple[str, str]]:
    records = (one.get_help_record(ctx) for one in parameters)
    return [(TYPE.sub(value, name), help_) for name, help_ in filter(None, records)]
