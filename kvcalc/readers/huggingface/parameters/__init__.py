"""From a config.json to the sizes that a model's weights follow from."""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

from kvcalc.errors import SourceError
from kvcalc.parameters.sizes import Experts, Sizes
from kvcalc.readers.huggingface.families import language_type, tied_by_default
from kvcalc.readers.huggingface.keys import Keys
from kvcalc.readers.huggingface.parameters.ropes import ropes_of
from kvcalc.readers.huggingface.parameters.traits import TRAITS, Mix, Traits
from kvcalc.readers.huggingface.parameters.vision import VISION, tower_of
from kvcalc.readers.huggingface.parameters.worked import OTHERWISE, WORKED

COUNTS: Mapping[str, tuple[str, ...]] = {
    "num_experts": ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"),
    "num_experts_per_tok": (
        "num_experts_per_token",
        *(
            "num_experts_per_tok",
            "experts_per_token",
            "top_k_experts",
            "moe_k",
            "moe_topk",
            "moe_top_k",
        ),
    ),
}
"""The names that families give to the number of experts, and of those that a token takes."""

BESIDE = ("audio_config",)
"""Tables of what a model has beside its language model, whose parameters no rule counts."""

SIZES = (
    *("q_lora_rank", "qk_nope_head_dim", "index_n_heads", "index_topk"),
    *("o_groups", "o_lora_rank", "hc_mult"),
)
"""Sizes that stand under one name, where a model has them."""


def sizes_of(file: Mapping[str, Any], keys: Keys, types: Sequence[str]) -> Sizes | None:
    """Read the sizes of a model whose layers have these types; None where no rule is known.

    `file` is the whole file, whose language model the keys are of: of the two it decides whether
    the embedding is tied.

    Raises:
        SourceError: a key is missing or something else.
    """
    own = keys.table.get("model_type") or file.get("model_type")
    outer = file.get("model_type") or own
    if not isinstance(own, str) or not isinstance(outer, str):
        return None
    language = language_type(own)
    traits, vision = TRAITS.get(language), VISION.get(outer)
    alone = outer == language and not file.get("vision_config")
    counted = (alone or vision) and not any(file.get(key) for key in BESIDE)
    known = keys.has("hidden_size", "vocab_size")
    if traits is None or not known or not counted or not _holds(keys, language, traits):
        return None
    tower = tower_of(file, vision) if vision else None
    if vision and tower is None:
        return None
    # A copy, as `show` lists what the original was asked for.
    keys = Keys(keys.table, keys.names, keys.defaults)
    dense = _dense_layers(keys, traits.mix, types)
    mixed = traits.mix if dense is None or len(dense) < len(types) else None
    mix = _experts(keys, mixed, types) if mixed else None
    optional: dict[str, Any] = {name: keys.count(name) or None for name in SIZES}
    optional["intermediate_size"] = _dense_width(keys, traits.dense, mix, dense)
    if keys.has("kv_lora_rank") and "v_head_dim" not in WORKED.get(language, {}):
        optional["v_head_dim"] = keys.size("v_head_dim")
    optional |= {field: rule(keys) for field, rule in WORKED.get(language, {}).items()}
    return Sizes(
        hidden_size=keys.size("hidden_size"),
        vocab_size=keys.size("vocab_size"),
        tie_word_embeddings=_tied(file, keys),
        dense_layers=dense if mix or ALONE & set(types) else None,
        experts=mix,
        ropes=ropes_of(keys),
        mtp_mlp=traits.mtp,
        tower=tower,
        **optional,
        **_traits(keys, traits),
    )


def _holds(keys: Keys, language: str, traits: Traits) -> bool:
    """Whether the rule does: no key says otherwise, and of experts it is known how many work."""
    otherwise = language in OTHERWISE and OTHERWISE[language](keys)
    mixed = traits.mix is not None and bool(_first(keys, "num_experts"))
    taken = bool(_first(keys, "num_experts_per_tok"))
    return not (otherwise or any(map(keys.get, traits.unless))) and (taken or not mixed)


UNTIED = frozenset({"mistral3"})
"""Model types whose checkpoints have a head, although their class ties it where the file says
nothing: a start of Mistral-Small-3.1 on vLLM 0.19.0 loads 44.76 GiB (tests/oracles)."""


def _tied(file: Mapping[str, Any], keys: Keys) -> bool:
    """Whether the head is the embedding: as the whole file says, else as its class does."""
    outer = file.get("model_type")
    default = tied_by_default(outer) if isinstance(outer, str) else None
    default = False if outer in UNTIED else default
    if default is None:
        return keys.flag("tie_word_embeddings")
    return Keys(file, {}, {"tie_word_embeddings": default}).flag("tie_word_embeddings")


def _traits(keys: Keys, traits: Traits) -> dict[str, Any]:
    """The fields that the class fixes, and those for which the file sets a flag."""
    told = {field: value for field, (key, value) in traits.keys.items() if keys.flag(key)}
    return {**traits.fixed, **told}


def _dense_width(
    keys: Keys, key: str, mix: Experts | None, dense: tuple[int, ...] | None
) -> int | None:
    """The width of a dense MLP; None where no layer has one."""
    nowhere = dense == () if dense is not None else mix is not None and not mix.beside_dense
    return None if nowhere or not keys.has(key) else keys.size(key)


def _experts(keys: Keys, mix: Mix, types: Sequence[str]) -> Experts | None:
    """The mixture of experts; None where the file gives none, or where each layer is dense."""
    names = {field: _first(keys, field) for field in COUNTS}
    alone = ALONE & set(types)
    places = tuple(place for place, kind in enumerate(types) if kind == "moe") if alone else None
    if not all(names.values()) or places == ():
        return None
    counts: dict[str, Any] = {field: _of_all(keys, name) for field, name in names.items()}
    shared = prod(map(keys.count, mix.shared)) if mix.shared else 0
    return Experts(
        moe_intermediate_size=keys.size(mix.width),
        layers=places,
        shared_expert_intermediate_size=shared or None,
        hash_layers=keys.count("num_hash_layers"),
        moe_latent_size=keys.count("moe_latent_size") or None,
        **counts,
        **mix.fixed,
    )


def _of_all(keys: Keys, name: str) -> int:
    """A size that stands once, or once a layer, always the same (Hunyuan)."""
    value = keys.get(name)
    listed = isinstance(value, list) and value[:1] * len(value) == value != []
    first = value[0] if listed else None
    return first if type(first) is int and first > 0 else keys.size(name)


def _first(keys: Keys, field: str) -> str:
    return next((name for name in COUNTS[field] if keys.get(name)), "")


ALONE = {"mlp", "moe"}
"""Types of layers that are an MLP and nothing else; without any, each layer has one."""


def _dense_layers(keys: Keys, mix: Mix | None, types: Sequence[str]) -> tuple[int, ...] | None:
    """The places with a dense MLP; None is each of a model without experts, or none of one."""
    if ALONE & set(types):
        return tuple(place for place, kind in enumerate(types) if kind == "mlp")
    if mix is None or mix.dense is None:
        return None
    return DENSE[mix.dense](keys, len(types)) or None


def _first_layers(keys: Keys, layers: int) -> tuple[int, ...]:
    """The first few, or those of a list."""
    listed = keys.list_of("mlp_layer_types", str)
    if len(listed) == layers:
        return tuple(place for place, kind in enumerate(listed) if kind == "dense")
    return tuple(range(min(keys.count("first_k_dense_replace"), layers)))


def _ends(keys: Keys, layers: int) -> tuple[int, ...]:
    """Those before the first layer with experts and after the last, and between (ERNIE 4.5)."""
    start, every = keys.count("moe_layer_start_index"), keys.count("moe_layer_interval") or 1
    end = keys.get("moe_layer_end_index", -1)
    last = layers - 1 if end == -1 else end
    mixed = {place for place in range(start, last + 1) if (place + 1) % every == 0}
    return tuple(place for place in range(layers) if place not in mixed)


def _flagged(keys: Keys, layers: int) -> tuple[int, ...]:
    """Those with a 0 in a list."""
    if not keys.has("moe_layer_freq"):
        return _first_layers(keys, layers)
    flags = keys.list_of("moe_layer_freq", int)
    if len(flags) != layers:
        raise SourceError(f"moe_layer_freq: found {len(flags)} layers, expected {layers}")
    return tuple(place for place, flag in enumerate(flags) if not flag)


def _periodic(keys: Keys, layers: int) -> tuple[int, ...]:
    """All but one of every few; all where there is one expert (Jamba)."""
    every, offset = keys.size("expert_layer_period"), keys.count("expert_layer_offset")
    alone = keys.get("num_experts") == 1
    return tuple(place for place in range(layers) if alone or place % every != offset)


def _between(keys: Keys, layers: int) -> tuple[int, ...]:
    """Those of a list, and all but the last of every few (Qwen3-MoE)."""
    step = keys.size("decoder_sparse_step") if keys.has("decoder_sparse_step") else 1
    listed = set(keys.list_of("mlp_only_layers", int))
    return tuple(place for place in range(layers) if place in listed or (place + 1) % step)


def _interleaved(keys: Keys, layers: int) -> tuple[int, ...]:
    """All but the last of every few (Llama 4)."""
    if keys.in_file("moe_layers"):
        return tuple(sorted(set(range(layers)) - set(keys.list_of("moe_layers", int))))
    step = keys.size("interleave_moe_layer_step")
    return tuple(place for place in range(layers) if (place + 1) % step)


DENSE: Mapping[str, Callable[[Keys, int], tuple[int, ...]]] = {
    "first_k_dense_replace": _first_layers,
    "mlp_layer_types": _first_layers,
    "num_dense_layers": lambda keys, layers: tuple(range(keys.count("num_dense_layers"))),
    "moe_layer_start_index": _ends,
    "moe_layer_freq": _flagged,
    "decoder_sparse_step": _between,
    "expert_layer_period": _periodic,
    "interleave_moe_layer_step": _interleaved,
}
"""Which layers of a mixture of experts are dense, by the key that says so."""
