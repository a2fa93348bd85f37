"""What llama.cpp turns down: before a context is made, or by aborting while it is."""

from kvcalc.costs import CONTEXT, SEQUENCES
from kvcalc.engines.llama_cpp.cells import micro_batch
from kvcalc.engines.llama_cpp.layer_rules import flash_attention
from kvcalc.engines.llama_cpp.loading import Loaded
from kvcalc.engines.llama_cpp.settings import LlamaCppSettings
from kvcalc.errors import UnsupportedError
from kvcalc.formula.expression import minimum
from kvcalc.formula.limits import Limit
from kvcalc.layers.attention import Attention
from kvcalc.layers.latent import LatentAttention
from kvcalc.layers.layer import Layer


def refuse(loaded: Loaded, settings: LlamaCppSettings) -> None:
    """Refuse element types as llama_init_from_model does, and shares that are not known.

    Raises:
        UnsupportedError: shares of heads, types that differ for a cache without V, a quantised V
            without flash attention, or heads that are not whole blocks.
    """
    if settings.split_mode == "tensor" and settings.tensor_split is not None:
        raise UnsupportedError.of(
            "split_mode",
            "found tensor beside tensor_split, whose shares of heads kvcalc does not know",
        )
    k, v = settings.types
    alike = any(cache.kind in settings.rules.alike for cache in loaded.caches)
    if alike and k != v:
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


def limits(loaded: Loaded, settings: LlamaCppSettings) -> tuple[Limit, ...]:
    """What llama.cpp runs: that many sequences, and of some architectures not every number."""
    most = settings.rules.max_sequences
    at_once = Limit("sequences", SEQUENCES, most, f"at most {most}")
    name = loaded.architecture
    if settings.own("kv_unified"):
        return (at_once,)
    if name == "t5":
        why = "1, or kv_unified: llama.cpp aborts for T5 with separate streams"
        return (at_once, Limit("sequences", SEQUENCES, 1, why))
    if name in settings.rules.reserves_one:
        tokens = minimum(micro_batch(settings), CONTEXT * SEQUENCES)
        why = (
            "a divisor of the micro-batch of {:,} tokens, or kv_unified: "
            f"llama.cpp aborts for {name} otherwise"
        )
        rest = tokens - SEQUENCES * (tokens // SEQUENCES)
        return (at_once, Limit("sequences", rest, 0, why, told=tokens))
    return (at_once,)
