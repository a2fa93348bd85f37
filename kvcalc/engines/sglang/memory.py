"""What SGLang gives its pools of a GPU's memory (0.5.23)."""

from kvcalc.engines.memory import ALL, Live, Memory
from kvcalc.engines.sglang.buffers import FULL, WINDOW
from kvcalc.engines.sglang.layout import lay_out
from kvcalc.engines.sglang.memory_share import mem_fraction_static
from kvcalc.engines.sglang.pool_sizes import MOST_REQUESTS
from kvcalc.engines.sglang.resolved import resolve
from kvcalc.engines.sglang.settings import SglangSettings
from kvcalc.engines.sglang.start_up import after_the_pool, parts, rules
from kvcalc.model import Model


def budget_and_a_page(model: Model, settings: SglangSettings, budget: int) -> int:
    """The budget, and the page that SGLang allocates beyond it (srt/mem_cache/memory_pool.py)."""
    layout = lay_out(model, settings, resolve(model, settings))
    return budget + layout.bytes_of(FULL) + layout.bytes_of(WINDOW)


MEMORY = Memory(
    source="SGLang {version}, srt/arg_groups/memory_hook.py, "
    "srt/mem_cache/kv_cache_configurator.py (_profile_available_bytes)",
    reserve_source="(1 - mem_fraction_static) of the memory, which is for activations and graphs",
    share="mem_fraction_static",
    of=ALL,
    default=mem_fraction_static,
    rule="memory_share",
    usable=budget_and_a_page,
    several_pools=True,
    parts=parts,
    live=Live({}, rules),
    after_pool=after_the_pool,
    cap=lambda settings, _: settings.max_running_requests or MOST_REQUESTS,
)
