"""Whose start is not modelled: it is declined by name, with what to give instead."""

from collections.abc import Callable, Mapping

from kvcalc.engines.engine import names
from kvcalc.engines.memory import Card
from kvcalc.engines.memory_part import not_modelled
from kvcalc.engines.vllm.budget.towers import DUMMY_IMAGES
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.model import Model

UNNAMED = "9.0"
"""The compute capability where no GPU is named: an H100's or H200's, as of settings."""

UNIFIED = {"12.1": "GB10, whose memory other processes share,"}
"""GPUs that share the processor's memory, by compute capability."""

NOT_MODELLED: Mapping[str, Callable[[Model, VllmSettings], bool]] = {
    "a draft": lambda model, settings: bool(settings.drafts),
    "expert parallelism": lambda model, settings: settings.enable_expert_parallel,
    "data parallelism": lambda model, settings: settings.data_parallel_size > 1,
    "context parallelism of prefills": (
        lambda model, settings: settings.prefill_context_parallel_size > 1
    ),
    "a pooling model": lambda model, settings: settings.runner == "pooling",
    "a tower for images of this kind": lambda model, settings: bool(
        model.sizes
        and model.sizes.tower
        and model.sizes.tower.kind not in DUMMY_IMAGES
        and not settings.language_model_only
    ),
    "an indexer of layers that are not latent": lambda model, settings: any(
        getattr(cache, "index_head_dim", None) and cache.kind != "latent_attention"
        for cache, _ in model.caches
    ),
}
"""What no log tells enough of, and when it is there."""

LOG = "a start-up log of the same server by --log"

INSTEAD: Mapping[str, tuple[str, str]] = {
    "a tower for images of this kind": (
        "language_model_only",
        "--language-model-only where images are not served",
    ),
}
"""What else answers, by what is not known, where the release has that setting."""

MODELLED = names(
    "full_attention sliding_attention chunked_attention latent_attention no_cache gated_delta_net"
)
"""Kinds of layers whose start is modelled."""


def require_modelled(model: Model, settings: VllmSettings, card: Card) -> str:
    """Give the GPU's compute capability, if what is started there is modelled.

    Raises:
        UnsupportedError: it is not; the sentence names what.
    """
    from kvcalc.catalogue import gpus

    if settings.before_releases:
        raise not_modelled("vllm", f"a release before {settings.RELEASES.rows[0].version}")
    for what, applies in NOT_MODELLED.items():
        if applies(model, settings):
            setting, instead = INSTEAD.get(what, ("", LOG))
            known = setting not in settings.standing.neutral
            raise not_modelled("vllm", what, instead if known else LOG)
    if others := sorted(model.kinds - MODELLED):
        raise not_modelled("vllm", f"a model with {others[0]} layers", LOG)
    named = settings.gpu or (card.name if card.name in gpus.names() else None)
    capability = UNNAMED if named is None else gpus.find(named).compute_capability
    if capability is None:
        raise not_modelled("vllm", f"{named}, of no generation of NVIDIA's that is known,")
    if capability in UNIFIED:
        raise not_modelled("vllm", UNIFIED[capability])
    return capability
