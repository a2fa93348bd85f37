"""The bytes of ExLlamaV3's cache, and how they come about: pages, and the states of slots."""

from kvcalc.costs import SEQUENCES, Cost, Group, Split, Step, formula
from kvcalc.engines.exllamav3.layer_parts import LayerParts
from kvcalc.engines.exllamav3.layout import Layout, layout
from kvcalc.engines.exllamav3.settings import PAGE, ExllamaV3Settings
from kvcalc.engines.exllamav3.states import TWICE
from kvcalc.formula.expression import Value, maximum
from kvcalc.formula.limits import Limit
from kvcalc.layers.layer import Layer
from kvcalc.model import Model
from kvcalc.units import plural

ALLOCATED = "exllamav3 allocates its cache when the model loads: no share of it is one sequence's"


def cost(model: Model, settings: ExllamaV3Settings) -> Cost:
    """Work out the cache that `cache_size` asks for, or else the smallest that holds the sequences.

    Raises:
        KvcalcError: a model or a kind of layer that ExLlamaV3 has not, or a setting it refuses.
    """
    made = layout(model, settings)
    pages = made.pages * SEQUENCES if made.cache_pages is None else made.cache_pages
    within = limits(made)
    total = pages * made.page_bytes + made.states
    whole = formula(model, total, limits=within)
    alone = made.cache_pages is None and not made.has_states
    return Cost(
        model=model,
        engine="exllamav3",
        kv_cache_dtype=settings.stored,
        settings=settings.changed(),
        formula=whole,
        per_gpu=whole,
        split=Split(formula(model, made.pages * made.page_bytes)) if alone else ALLOCATED,
        groups=tuple(_group(made, pages, *one) for one in made.layers),
        steps=_steps(made, pages),
        why=_why(made),
    )


def limits(made: Layout) -> tuple[Limit, ...]:
    """What the cache holds at once: a slot for each sequence, and its pages."""
    found = []
    if made.has_states:
        slots = made.settings.autosplit_max_batch_size
        why = f"at most {slots:,}, the slots of autosplit_max_batch_size"
        found.append(Limit("sequences", SEQUENCES, slots, why))
    if made.cache_pages is not None:
        each = maximum(made.cache_pages // SEQUENCES * PAGE - made.tokens_beside, 0)
        size = f"cache_size {made.settings.cache_size:,} is {plural(made.cache_pages, 'page')}"
        why = (
            f"at most {{:,}}: {size} of {PAGE} tokens, and a sequence takes "
            f"{plural(made.tokens_beside, 'token')} beside its context"
        )
        found.append(Limit("context", made.pages * SEQUENCES, made.cache_pages, why, told=each))
    return tuple(found)


def _group(made: Layout, pages: Value, layer: Layer, count: int, parts: LayerParts) -> Group:
    slots = made.settings.autosplit_max_batch_size
    total = count * (pages * parts.page_bytes + slots * parts.slot_bytes)
    steps = [
        *(Step(f"{part.what}, a page", part.working, part.bytes, "bytes") for part in parts.page),
        *(Step(f"{part.what}, a slot", part.working, part.bytes, "bytes") for part in parts.slot),
    ]
    held = [f"pages x {count} layers"] if parts.page else []
    held += [f"{plural(slots, 'slot')} x {count} layers"] if parts.slot else []
    steps.append(Step("all of them", " + ".join(held) or "nothing", total, "bytes"))
    return Group(
        kind=layer.kind,
        layers=count,
        window=layer.sole_window,
        formula=formula(made.model, total),
        steps=tuple(steps),
    )


def _steps(made: Layout, pages: Value) -> tuple[Step, ...]:
    """Part the whole into pages and slots."""
    steps = []
    if made.page_bytes:
        steps += [
            Step("a page", f"{PAGE} tokens of all layers", made.page_bytes, "bytes"),
            Step("pages", str(pages), pages, "pages"),
            Step("paged", "pages x a page", pages * made.page_bytes, "bytes"),
        ]
    if made.has_states:
        slots = plural(made.settings.autosplit_max_batch_size, "slot")
        steps.append(Step("states", f"{slots} of all layers", made.states, "bytes"))
    return tuple(steps)


def _why(made: Layout) -> str:
    """Say in one line what makes ExLlamaV3 differ from the least that attention needs."""
    windows = sorted({window for layer, _ in made.model.groups for window in layer.windows})
    rings = any(parts.slot and layer.windows for layer, _, parts in made.layers)
    if windows and not rings:
        return "every layer is paged in full: the window saves nothing"
    said = []
    for window in windows:
        tokens = formula(made.model, made.rules.ring_tokens(window))(1)
        said.append(f"a window of {window:,} becomes a ring of {tokens:,} tokens in each slot")
    if any(part.what == TWICE for _, _, parts in made.layers for part in parts.slot):
        said.append("each slot keeps its states twice, to take drafts back")
    said.append(f"pages of {PAGE} tokens, with room for one more than the context")
    return "; ".join(said)
