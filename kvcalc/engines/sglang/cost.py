"""What S requests of N tokens take of SGLang's pools, and how it comes about in SGLang's terms.

The page that a pool has beside them, and the request table, are the pool's own.
"""

from collections.abc import Callable

from kvcalc.costs import Cost, Group, Split, Step, formula
from kvcalc.engines.sglang.buffers import FULL, REQUEST, SIDE, SLOT, WINDOW, LayerBuffers
from kvcalc.engines.sglang.layout import lay_out
from kvcalc.engines.sglang.pool_units import PoolUnits
from kvcalc.engines.sglang.resolved import Resolved, resolve
from kvcalc.engines.sglang.settings import SglangSettings
from kvcalc.engines.sglang.window_pool import has_window_pool, window_pool
from kvcalc.formula.expression import Value
from kvcalc.formula.formula import Formula
from kvcalc.layers.composed import NoCache, SharedCache
from kvcalc.layers.latent import LatentAttention
from kvcalc.model import Model
from kvcalc.units import plural

NO_SPLIT = (
    "SGLang's window pool takes the larger of two needs: one request reads its prompt while the "
    "others generate, so no share of it is one request's"
)

UNITS = {
    FULL: ("full pool", "page"),
    WINDOW: ("window pool", "page"),
    SLOT: ("state slots", "slot"),
    SIDE: ("beside state slots", "slot"),
    REQUEST: ("running requests", "request"),
}
"""Each pool's name, and what it hands out."""


def cost(model: Model, settings: SglangSettings) -> Cost:
    """Work out what requests take of SGLang's pools.

    Raises:
        KvcalcError: a layer kind, an element type, a setting or ranks that SGLang refuses.
    """
    resolved = resolve(model, settings)
    layout = lay_out(model, settings, resolved)
    units = PoolUnits(layout, resolved, window_pool(model, settings, resolved))
    built = {
        name: f"{name}: SGLang's formula is built for one value; give it to kvcalc.cost"
        for name in type(settings).model_fields
    }

    def bound(expression: Value) -> Formula:
        return formula(model, expression, fixed=built)

    whole = bound(units.total(layout.bytes_of, resolved.ranks, fullest=False))
    return Cost(
        model=model,
        engine="sglang",
        kv_cache_dtype=resolved.format.name,
        settings=settings.changed(),
        formula=whole,
        per_gpu=bound(units.total(layout.bytes_of, 1, fullest=True)),
        split=NO_SPLIT if layout.bytes_of(WINDOW) else Split(bound(_of_one_request(units))),
        groups=tuple(_derived(group, units, bound) for group in layout.all),
        steps=_steps(units),
        why=_why(model, settings, units) + _chosen(resolved),
    )


def _of_one_request(units: PoolUnits) -> Value:
    ranks, bytes_of = units.resolved.ranks, units.layout.bytes_of
    beside = units.beside_pages(bytes_of) * ranks
    full = bytes_of(FULL) * ranks
    return units.pages * full + beside if full else beside


def _unit(pool: str, page: int) -> str:
    return "token" if UNITS[pool][1] == "page" and page == 1 else UNITS[pool][1]


def _derived(group: LayerBuffers, units: PoolUnits, bound: Callable[[Value], Formula]) -> Group:
    """Derive a group's bytes over all ranks."""
    page, ranks = units.resolved.page, units.resolved.ranks
    found = [
        Step(f"{buffer.name}, a {_unit(buffer.pool, page)}", buffer.working, buffer.bytes, "bytes")
        for buffer in group.buffers
    ]
    for pool in dict.fromkeys(buffer.pool for buffer in group.buffers):
        taken = units.on_all(pool)
        found.append(Step(UNITS[pool][0], str(taken), taken, f"{_unit(pool, page)}s"))
    total = units.total(group.bytes_of, ranks, fullest=False)
    shared = f" x {plural(ranks, 'rank')}" if ranks > 1 else ""
    found.append(Step("all of them", f"{plural(group.layers, 'layer')}{shared}", total, "bytes"))
    return Group(group.kind, group.layers, group.window, bound(total), tuple(found))


def _steps(units: PoolUnits) -> tuple[Step, ...]:
    """Say what all groups have in common: pages, windows, slots, and bytes of each."""
    resolved, layout = units.resolved, units.layout
    found = [Step("page_size", "of the model, the backend or the setting", resolved.page, "tokens")]
    if layout.window is not None and layout.bytes_of(WINDOW):
        reading = units.window_pool.reading(layout.window)
        decoding = units.window_pool.decoding(layout.window)
        found.append(
            Step("sliding_window_size", "as the model's class gives it", layout.window, "tokens")
        )
        if reading is not None:
            found.append(
                Step("window pages while a prompt is read", str(reading), reading, "pages")
            )
            found.append(Step("window pages while it generates", str(decoding), decoding, "pages"))
    if resolved.strategy is not None:
        of = f"mamba_radix_cache_strategy {resolved.strategy.name}"
        found.append(
            Step("state slots per request", of, resolved.strategy.slots_a_request, "slots")
        )
    for pool in (FULL, WINDOW, SLOT, SIDE, REQUEST):
        size = layout.bytes_of(pool)
        if size:
            one = f"{UNITS[pool][0]}, a {_unit(pool, resolved.page)}"
            found.append(Step(one, "all layers, on one rank", size, "bytes"))
    return tuple(found)


def _why(model: Model, settings: SglangSettings, units: PoolUnits) -> str:
    """Say in one line what makes the cost differ from the least that attention needs."""
    layout, resolved, page = units.layout, units.resolved, units.resolved.page
    if layout.bytes_of(WINDOW) and layout.window_tokens is not None:
        reading = units.window_pool.reading(layout.window_tokens)
        if not isinstance(reading, int):
            return "a sliding layer holds the whole prompt"
        return (
            f"{reading * page:,} tokens per sliding layer while a prompt is read, not "
            f"{layout.window_tokens:,}"
        )
    if any(cache.slides for cache, _ in model.caches):
        off = settings.disable_hybrid_swa_memory and has_window_pool(
            model, settings.model_copy(update={"disable_hybrid_swa_memory": False})
        )
        cause = "the window pool is switched off" if off else "no window pool for this architecture"
        return f"{cause}: all {len(model.layers)} layers are stored in full"
    if resolved.strategy is not None:
        return f"{plural(resolved.strategy.slots_a_request, 'slot')} of recurrent state per request"
    return _why_of_rows(model, resolved, page)


def _chosen(resolved: Resolved) -> str:
    """Say where the element type comes from, where nobody asked for one."""
    return f"; {resolved.format.name} by {resolved.format_by}" if resolved.format_by else ""


def _why_of_rows(model: Model, resolved: Resolved, page: int) -> str:
    latent = model.caches_of(LatentAttention)
    whole = f", whole on each of {resolved.ranks} ranks" if resolved.ranks > 1 else ""
    if any(cache.index_head_dim for cache in latent):
        return f"an indexer's key beside each latent row{whole}"
    if latent and whole:
        return f"the latent row{whole}"
    empty = sum(isinstance(layer, NoCache | SharedCache) for layer in model.layers)
    if empty:
        return f"{plural(empty, 'layer')} without a cache of their own get a place in the pool too"
    if page == 1:
        return "one token per page: no more than attention itself needs"
    return f"whole pages of {page} tokens"
