"""What S requests of N tokens hold of SGLang's pools, and the way there.

The page that a pool has beside them, and the request table, are the pool's own.
"""

from collections.abc import Callable
from typing import NamedTuple

from kvcalc.costs import CONTEXT, SEQUENCES, Cost, Group, Split, Step, formula
from kvcalc.engines.sglang.layout import Layout, has_window_pool, lay_out
from kvcalc.engines.sglang.resolved import Resolved, resolve
from kvcalc.engines.sglang.settings import SglangSettings
from kvcalc.engines.sglang.stored import FULL, REQUEST, SLOT, WINDOW, Kept
from kvcalc.engines.sglang.traits import slides
from kvcalc.engines.sglang.window import Keeping, keeping
from kvcalc.formula import Formula, Value, cdiv
from kvcalc.layers.attention import LatentAttention
from kvcalc.layers.composed import NoCache, SharedCache
from kvcalc.model import Model
from kvcalc.units import counted

NO_SPLIT = (
    "SGLang's window pool takes the larger of two needs: one request reads its prompt while the "
    "others generate, so no share of it is one request's"
)


class Units(NamedTuple):
    """How many units of each pool requests hold: pages, slots of state, requests."""

    layout: Layout
    resolved: Resolved
    keeping: Keeping

    @property
    def pages(self) -> Value:
        """Pages of all of one request's tokens."""
        return cdiv(CONTEXT, self.resolved.page)

    def held(self, pool: str, sequences: Value) -> Value:
        """Units that so many requests of one attention group hold."""
        if pool == WINDOW:
            assert self.layout.window is not None
            return self.keeping.pages(self.pages, sequences, self.layout.window)
        return (self.pages if pool == FULL else self.of_one(pool)) * sequences

    def of_one(self, pool: str) -> int:
        """Slots of state, or requests, that one request counts for."""
        if pool == REQUEST:
            return 1
        return self.resolved.strategy.slots_a_request if self.resolved.strategy else 0

    def on_all(self, pool: str) -> Value:
        """Units that all requests hold in all attention groups, dealt out evenly."""
        groups = self.resolved.groups
        if groups == 1 or pool != WINDOW:
            return self.held(pool, SEQUENCES)
        fewer = SEQUENCES // groups
        fuller = SEQUENCES - fewer * groups
        return fuller * self.held(pool, fewer + 1) + (groups - fuller) * self.held(pool, fewer)

    def on_fullest(self, pool: str) -> Value:
        """Units held in the attention group with the most requests."""
        return self.held(pool, cdiv(SEQUENCES, self.resolved.groups))

    def total(self, bytes_of: Callable[[str], int], ranks: int, fullest: bool) -> Value:
        """Bytes on so many ranks, of what keeps `bytes_of` a unit of each pool."""
        held = self.on_fullest if fullest else self.on_all
        total: Value = 0
        for pool in (FULL, WINDOW):
            if size := bytes_of(pool) * ranks:
                total = total + held(pool) * size
        size = self.beside_pages(bytes_of) * ranks
        return total + held(REQUEST) * size if size else total

    def beside_pages(self, bytes_of: Callable[[str], int]) -> int:
        """Bytes of a request on one rank that its length does not change."""
        return sum(bytes_of(pool) * self.of_one(pool) for pool in (SLOT, REQUEST))


def cost(model: Model, settings: SglangSettings) -> Cost:
    """Work out what requests hold of SGLang's pools.

    Raises:
        KvcalcError: a layer kind, an element type, a setting or ranks that SGLang refuses.
    """
    resolved = resolve(model, settings)
    layout = lay_out(model, settings, resolved)
    units = Units(layout, resolved, keeping(settings, resolved))
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
        groups=tuple(_group(one, units, bound) for one in layout.all),
        steps=_steps(units),
        why=_why(model, settings, units),
    )


def _of_one_request(units: Units) -> Value:
    ranks, bytes_of = units.resolved.ranks, units.layout.bytes_of
    beside = units.beside_pages(bytes_of) * ranks
    full = bytes_of(FULL) * ranks
    return units.pages * full + beside if full else beside


UNITS = {
    FULL: ("full pool", "page"),
    WINDOW: ("window pool", "page"),
    SLOT: ("state slots", "slot"),
    REQUEST: ("running requests", "request"),
}
"""Each pool's name, and what it hands out."""


def _unit(pool: str, page: int) -> str:
    return "token" if UNITS[pool][1] == "page" and page == 1 else UNITS[pool][1]


def _group(kept: Kept, units: Units, bound: Callable[[Value], Formula]) -> Group:
    page, ranks = units.resolved.page, units.resolved.ranks
    steps = [
        Step(f"{part.buffer}, a {_unit(part.pool, page)}", part.working, part.bytes, "bytes")
        for part in kept.parts
    ]
    for pool in dict.fromkeys(part.pool for part in kept.parts):
        held = units.on_all(pool)
        steps.append(Step(UNITS[pool][0], str(held), held, f"{_unit(pool, page)}s"))
    total = units.total(kept.bytes_of, ranks, fullest=False)
    shared = f" x {counted(ranks, 'rank')}" if ranks > 1 else ""
    steps.append(Step("all of them", f"{counted(kept.layers, 'layer')}{shared}", total, "bytes"))
    return Group(kept.kind, kept.layers, kept.window, bound(total), tuple(steps))


def _steps(units: Units) -> tuple[Step, ...]:
    resolved, layout = units.resolved, units.layout
    steps = [Step("page_size", "of the model, the backend or the setting", resolved.page, "tokens")]
    if layout.window is not None and layout.bytes_of(WINDOW):
        reading = units.keeping.reading(layout.window)
        decoding = units.keeping.decoding(layout.window)
        steps.append(
            Step("sliding_window_size", "as the model's class gives it", layout.window, "tokens")
        )
        if reading is not None:
            steps.append(
                Step("window pages while a prompt is read", str(reading), reading, "pages")
            )
            steps.append(Step("window pages while it generates", str(decoding), decoding, "pages"))
    if resolved.strategy is not None:
        of = f"mamba_radix_cache_strategy {resolved.strategy.name}"
        steps.append(Step("state slots a request", of, resolved.strategy.slots_a_request, "slots"))
    for pool in (FULL, WINDOW, SLOT, REQUEST):
        size = layout.bytes_of(pool)
        if size:
            one = f"{UNITS[pool][0]}, a {_unit(pool, resolved.page)}"
            steps.append(Step(one, "all layers, on one rank", size, "bytes"))
    return tuple(steps)


def _why(model: Model, settings: SglangSettings, units: Units) -> str:
    """Say in one line what makes the cost differ from the least that attention needs."""
    layout, resolved, page = units.layout, units.resolved, units.resolved.page
    if layout.bytes_of(WINDOW) and layout.window_tokens is not None:
        reading = units.keeping.reading(layout.window_tokens)
        if not isinstance(reading, int):
            return "a sliding layer holds the whole prompt while it is read"
        return (
            f"{reading * page:,} tokens per sliding layer while a prompt is read, not "
            f"{layout.window_tokens:,}"
        )
    slide = any(slides(cache) for layer, _ in model.groups for cache in layer.caches)
    if slide:
        off = settings.disable_hybrid_swa_memory and has_window_pool(
            model, settings.model_copy(update={"disable_hybrid_swa_memory": False})
        )
        cause = "the window pool is switched off" if off else "no window pool for this architecture"
        return f"{cause}: all {len(model.layers)} layers are stored in full"
    if resolved.strategy is not None:
        return f"{counted(resolved.strategy.slots_a_request, 'slot')} of recurrent state a request"
    return _why_of_rows(model, resolved, page)


def _why_of_rows(model: Model, resolved: Resolved, page: int) -> str:
    caches = [cache for layer, _ in model.groups for cache in layer.caches]
    latent = [cache for cache in caches if isinstance(cache, LatentAttention)]
    whole = f", whole on each of {resolved.ranks} ranks" if resolved.ranks > 1 else ""
    if any(cache.index_head_dim for cache in latent):
        return f"an indexer's key beside each latent row{whole}"
    if latent and whole:
        return f"the latent row{whole}"
    empty = sum(isinstance(layer, NoCache | SharedCache) for layer in model.layers)
    if empty:
        return f"{counted(empty, 'layer')} without a cache of their own get a place in the pool too"
    if page == 1:
        return "one token a page: no more than attention itself needs"
    return f"whole pages of {page} tokens"
