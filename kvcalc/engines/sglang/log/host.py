"""SGLang's lines about copies of a pool in main memory, which --enable-hierarchical-cache makes.

Read in SGLang 0.5.23 (srt/mem_cache/pool_host/base.py, HostKVCache), whose line names the tokens;
older ones name bytes alone. GB are 10^9 bytes, each rank's own.
"""

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction

from kvcalc.engines.log import (
    COUNT,
    NO_MODEL,
    SIZE,
    Checked,
    Found,
    Printed,
    number,
    pattern,
)
from kvcalc.engines.sglang.buffers import FULL
from kvcalc.engines.sglang.log.run import Run

KV = "hierarchical KV cache"

PATTERNS = (
    *(
        pattern("host pool", "host memory", regex)
        for regex in (
            rf"Allocating (?P<pool>\w{{1,40}}) hierarchical KV host pool: (?P<tokens>{COUNT}) "
            rf"tokens, (?P<gb>{SIZE}) GB host memory(?P<drafts>, packed MTP)?",
            rf"Allocating (?P<gb>{SIZE}) GB host memory for (?P<of>\w[\w\s-]{{0,60}}\w)",
            rf"Not enough host memory available\. Requesting (?P<gb>{SIZE}) GB",
        )
    ),
)

GB = 10**9

COPIED = {"full.k_buffer", "full.v_buffer", "full.kv_buffer"}
"""The buffers whose copies are as large as they are."""

OF_OTHERS = "copies of states, of an indexer's keys or of a draft's in main memory are not counted"
OF_SEVERAL = "copies in main memory are not counted of a model with several pools or forms of rows"
MISSING = "the pool's tokens and hicache_ratio, or hicache_size, are missing: give --set NAME=N"


def _host_pool(run: Run, line: Found) -> Iterator[Checked]:
    """The bytes of a copy: of its own tokens where it says them, else as the server was asked."""
    values = line.values
    printed = Printed(line.line, "pool in main memory (GB)", values["gb"])
    of = values.get("of", KV)
    if of != KV or values.get("pool", "kv") != "kv" or "drafts" in values:
        yield printed.cannot(OF_OTHERS)
        return
    if run.subject.model is None:
        yield printed.cannot(NO_MODEL)
        return
    layout, resolved, _ = run.allocated(0, None, {"kv_cache_dtype": run.element})
    names = {buffer.name for group in layout.groups for buffer in group.buffers}
    if {name for name in names if name.startswith(("full.", "swa."))} - COPIED:
        yield printed.cannot(OF_SEVERAL)
        return
    page = sum(group.bytes_of(FULL) for group in layout.groups)
    rows = f"{page // resolved.page:,} B, one rank"
    if "tokens" in values:
        tokens = number(values["tokens"])
        yield printed.against(Fraction(tokens * page, resolved.page * GB), f"{tokens:,} x {rows}")
    elif run.host_size and names <= COPIED:
        why = "hicache_size, in whole pages"
        yield printed.within(*_whole(run.host_size * GB, page), GB, why)
    elif run.host_size or run.host_ratio is None or run.all_tokens is None:
        yield printed.cannot(OF_SEVERAL if run.host_size else MISSING)
    else:
        size = int(run.all_tokens * run.host_ratio) * page // resolved.page
        why = f"{run.all_tokens:,} tokens x hicache_ratio {float(run.host_ratio):g} x {rows}"
        yield printed.within(*_whole(size, page), GB, why)


def _whole(size: Fraction | int, page: int) -> tuple[int, int, int]:
    """A size, and the least and most that it is in whole pages: some releases add one."""
    return int(size), int(size) - page, int(size) + page


RULES: Mapping[str, Callable[[Run, Found], Iterator[Checked]]] = {"host pool": _host_pool}
"""How each kind of line is checked."""
