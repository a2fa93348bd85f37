"""What llama.cpp turns down: before a context is made, or by aborting while it is."""

from collections.abc import Callable, Mapping

from kvcalc.engines.llama_cpp.layer_rules import flash_attention
from kvcalc.engines.llama_cpp.loading import Loaded
from kvcalc.engines.llama_cpp.settings import LlamaCppSettings
from kvcalc.errors import UnsupportedError
from kvcalc.formula.formula import Formula
from kvcalc.layers.attention import Attention, LatentAttention
from kvcalc.layers.layer import Layer

MAX_SEQUENCES = 256
"""LLAMA_MAX_SEQ, src/llama-cparams.h."""

ALSO_RESERVES_ONE = frozenset({"minimax-01", "kimi-linear"})
"""Architectures whose prompt graph is built once more for one sequence (sched_reserve,
src/llama-context.cpp), which fails where the streams do not divide its tokens."""


def refuse(loaded: Loaded, settings: LlamaCppSettings) -> None:
    """Refuse element types as llama_init_from_model does.

    Raises:
        KvcalcError: types that differ for a cache without V, a quantised V without flash
            attention, or heads that are not whole blocks.
    """
    k, v = settings.types
    without_v = any(c.kind in ("latent_attention", "compressed_attention") for c in loaded.caches)
    if without_v and k != v:
        raise UnsupportedError.of(
            "cache_type_v",
            f"found {v.name} beside {k.name} for K, expected the same: this model's rows "
            "are key and value at once",
        )
    flash = flash_attention(loaded, settings)
    if v.quantised and not flash:
        raise UnsupportedError.of("cache_type_v", f"found {v.name}, which needs flash_attn on")
    if v.quantised and loaded.architecture == "kimi-linear":
        # Its files say no value_length; embedding / heads, which stands for it, is 72.
        raise UnsupportedError.of(
            "cache_type_v",
            f"found {v.name}, but llama.cpp takes no quantised cache for Kimi-Linear",
        )
    if flash:
        for cache in loaded.caches:
            key, value = _heads(cache)
            k.require_whole(key, "a head's key")
            v.require_whole(value, "a head's value")


def _heads(cache: Layer) -> tuple[int, int]:
    """Elements of a head's key and value, as llama.cpp's check counts them."""
    if isinstance(cache, LatentAttention):
        return cache.row_elements, cache.kv_lora_rank
    return (cache.head_dim, cache.value_dim) if isinstance(cache, Attention) else (0, 0)


class Limited(Formula):
    """A formula for as many sequences as llama.cpp can run."""

    __slots__ = ("_refusal",)

    def __init__(self, formula: Formula, refusal: Callable[[int, int, int], str | None]) -> None:
        super().__init__(formula.expression, formula.variables, formula._absent)
        self._refusal = refusal

    def __call__(self, context: int, **given: int) -> int:
        """Evaluate, as `Formula` does.

        Raises:
            KvcalcError: as `Formula`; or sequences that llama.cpp cannot run.
        """
        found = super().__call__(context, **given)
        quantities: Mapping[str, int] = self.variables | given
        why = self._refusal(context, quantities["sequences"], quantities["ubatch_size"])
        if why is not None:
            raise UnsupportedError.of("sequences", f"found {quantities['sequences']:,}, {why}")
        return found


def refusal(loaded: Loaded, settings: LlamaCppSettings) -> Callable[[int, int, int], str | None]:
    """Say of a context, sequences and a micro-batch why llama.cpp cannot run so many."""
    name = loaded.architecture

    def why(context: int, sequences: int, ubatch: int) -> str | None:
        if sequences > MAX_SEQUENCES:
            return f"expected at most {MAX_SEQUENCES}"
        if settings.kv_unified or sequences == 1:
            return None
        if name == "t5":
            return "expected 1, or kv_unified: llama.cpp aborts for T5 with separate streams"
        tokens = min(ubatch, settings.batch_size, context * sequences)
        if name in ALSO_RESERVES_ONE and tokens % sequences:
            return (
                f"expected a divisor of the micro-batch of {tokens:,} tokens, or kv_unified: "
                f"llama.cpp aborts for {name} otherwise"
            )
        return None

    return why
