"""The blocks, and the states, that sequences hold, and how they come about."""

from kvcalc.costs import SEQUENCES, Cost, Group, Split, Step, formula
from kvcalc.engines.lmdeploy import builders
from kvcalc.engines.lmdeploy.layout import Layout, layout
from kvcalc.engines.lmdeploy.settings import LmdeploySettings
from kvcalc.engines.lmdeploy.tensors import Tensor, aligned
from kvcalc.layers.layer import Layer
from kvcalc.model import Model


def cost(model: Model, settings: LmdeploySettings) -> Cost:
    """Work out the blocks, and the states, that sequences hold.

    Raises:
        KvcalcError: a model or a kind of layer that it does not build, or a setting it refuses.
    """
    made = layout(model, settings)
    groups = [_group(made, layer, count, tensors) for layer, count, tensors in made.layers]
    if made.state:
        groups.append(_states(made))
    request = made.blocks * made.block_bytes + aligned(made.state)
    return Cost(
        model=model,
        engine="lmdeploy",
        kv_cache_dtype=made.kv_cache_dtype,
        settings=settings.changed(),
        formula=formula(model, request * made.ranks * SEQUENCES),
        per_gpu=formula(model, request * SEQUENCES),
        split=Split(formula(model, request * made.ranks)),
        groups=tuple(groups),
        steps=(Step("a block", "all layers, on one rank", made.block_bytes, "bytes"),),
        why=_why(made),
    )


def _group(made: Layout, layer: Layer, count: int, tensors: list[Tensor]) -> Group:
    size = aligned(tensors)
    total = made.blocks * (count * size * made.ranks) * SEQUENCES
    shared = f" x {made.ranks} ranks" if made.ranks > 1 else ""
    return Group(
        kind=layer.kind,
        layers=count,
        window=layer.sole_window,
        formula=formula(made.model, total),
        steps=(
            *(Step(each.what, each.working, each.bytes, "bytes") for each in tensors),
            Step("a layer in a block", "each rounded up to 256 bytes", size, "bytes"),
            Step("blocks of a sequence", str(made.blocks), made.blocks, "blocks"),
            Step("all of them", f"{count} layers{shared} x sequences", total, "bytes"),
        ),
    )


def _states(made: Layout) -> Group:
    having = [
        (layer.kind, count)
        for layer, count in made.model.groups
        if layer.kind in ("gated_delta_net", "compressed_attention")
    ]
    total = aligned(made.state) * made.ranks * SEQUENCES
    return Group(
        kind=f"state of {having[0][0]}",
        layers=sum(count for _, count in having),
        window=made.model.window,
        formula=formula(made.model, total),
        steps=(
            *(Step(each.what, each.working, each.bytes, "bytes") for each in made.state),
            Step("all of them", "each rounded up to 256 bytes x sequences", total, "bytes"),
        ),
    )


def _why(made: Layout) -> str:
    if made.model.model_type in builders.COMPRESSED:
        return "packed rows in blocks; each sequence's window and float32 scratch in a state"
    slides = any(cache.slides for cache, _ in made.model.caches)
    if slides and builders.window(made.model) is None:
        return "every layer is paged in full: the window saves nothing"
    return f"blocks of {made.block_tokens} tokens, each tensor rounded up to 256 bytes"
