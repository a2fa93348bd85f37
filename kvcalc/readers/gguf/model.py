"""A GGUF file's keys, and what they say about each layer."""

from collections.abc import Callable, Mapping
from typing import Any

from kvcalc.catalogue.gguf import (
    CACHELESS,
    DEFAULT_INTERVAL,
    DTYPES,
    EMBEDDING,
    HOLDING_LAYERS,
    INTERVALS,
    LOOPED,
    MODEL_TYPES,
    RECURRENT,
)
from kvcalc.errors import SourceError, quote
from kvcalc.layers import layer
from kvcalc.layers.layer import Layer
from kvcalc.model import MAX_LAYERS, Model
from kvcalc.readers.gguf.attention import KNOWN, attention_layers
from kvcalc.readers.gguf.keys import Keys
from kvcalc.readers.reading import Reading


def model_of(metadata: Mapping[str, Any], name: str) -> Model:
    """Make a model of a GGUF file's metadata; `name` is used if the metadata has no name.

    Raises:
        SourceError: a key is missing, out of range, or describes layers in an unknown way.
    """
    return reading_of(metadata, name, name).model


def reading_of(metadata: Mapping[str, Any], name: str, source: str) -> Reading:
    """Make a model as `model_of` does, and give the keys that it came from.

    Raises:
        SourceError: as `model_of`.
    """
    if part := metadata.get("split.no"):
        raise SourceError(f"split.no: found {quote(part)}, expected 0, the first part of the file")
    architecture = metadata.get("general.architecture")
    if not isinstance(architecture, str) or not architecture:
        raise SourceError(f"general.architecture: found {quote(architecture)}, expected a name")
    _refuse_without_model(metadata)
    keys = Keys(metadata, architecture)
    title = metadata.get("general.name")
    facts: dict[str, Any] = {
        "name": title if isinstance(title, str) and title else name,
        "model_type": MODEL_TYPES.get(architecture, architecture.replace("-", "_")),
        "max_context": keys.size("context_length") or None,
        "num_nextn_predict_layers": keys.size("nextn_predict_layers") or None,
    }
    file_type = metadata.get("general.file_type")
    if isinstance(file_type, int) and file_type in DTYPES:
        facts["dtype"] = DTYPES[file_type]
    model = Model(layers=layers_of(keys), **facts)
    notes = () if architecture in KNOWN else (_UNKNOWN.format(quote(architecture)),)
    return Reading(model, source, keys.origins, notes)


def _refuse_without_model(metadata: Mapping[str, Any]) -> None:
    """Refuse a file that goes beside a model's own, saying which that is."""
    kind = metadata.get("general.type")
    if kind == "mmproj" or metadata.get("general.architecture") == "clip":
        raise SourceError(
            "general.type: found a projector of images or sounds, which has no cache; expected the "
            "language model's own file, which lies beside it"
        )
    if kind == "adapter":
        base = metadata.get("general.base_model.0.name")
        named = f", {quote(base)}" if isinstance(base, str) else ""
        raise SourceError(
            f"general.type: found a LoRA adapter, expected the file of the model it goes on{named}"
        )


_UNKNOWN = "the architecture {} is not known; its layers were read by the general rules"


def layers_of(keys: Keys) -> tuple[Layer, ...]:
    """The layers of the trunk, in order; NextN layers hold nothing in the main context."""
    nothing = layer({"kind": "no_cache"})
    if keys.architecture in CACHELESS:
        return (nothing,) * keys.layers
    kind, where = RECURRENT.get(keys.architecture, (None, None))
    if kind is None:
        layers = [found or nothing for found in attention_layers(keys)]
    else:
        state = layer({"kind": kind, **_STATES[kind](keys)})
        if where == "all":
            layers = [state] * keys.layers
        else:
            attention = attention_layers(keys)
            if where == "beside":
                layers = [_combined(found, state) for found in attention]
            else:
                layers = [
                    state if recurrent else found or nothing
                    for recurrent, found in zip(
                        _recurrent(keys, where, attention), attention, strict=True
                    )
                ]
    layers = _shared(keys, _embedded(keys, layers))
    loops = keys.size("num_loops", 1) if keys.architecture in LOOPED else 1
    if not 1 <= loops * keys.layers <= MAX_LAYERS:
        raise keys.error("num_loops", loops, f"1 or more, for 1 to {MAX_LAYERS:,} layers in all")
    keys.refuse_unread()
    return tuple(layers) * loops


def _combined(attention: Layer | None, state: Layer) -> Layer:
    if attention is None:
        return state
    return layer({"kind": "combined"} | {"parts": (attention, state)})


def _recurrent(keys: Keys, where: str | None, attention: list[Layer | None]) -> list[bool]:
    """Which layers are recurrent; the others have attention, or hold nothing."""
    if where == "interval":
        interval = keys.size(
            "full_attention_interval", INTERVALS.get(keys.architecture, DEFAULT_INTERVAL)
        )
        flags = keys.flags("attention.recurrent_layers")
        return flags or [bool(interval and (at + 1) % interval) for at in range(keys.layers)]
    headless = [found is None for found in attention]
    if where == "no_heads_no_ffn":
        widths = keys.sizes("feed_forward_length")
        return [bare and not width for bare, width in zip(headless, widths, strict=True)]
    return headless


def _shared(keys: Keys, layers: list[Layer]) -> list[Layer]:
    """Let the last layers read the cache of earlier ones; the file or the code says how many."""
    count = keys.size("attention.shared_kv_layers")
    holding = HOLDING_LAYERS.get(keys.architecture, len(layers) - count)
    if count > len(layers):
        raise keys.error("attention.shared_kv_layers", count, f"at most {len(layers):,}")
    if holding >= len(layers):
        return layers
    return layers[:holding] + [layer({"kind": "shared_cache"})] * (len(layers) - holding)


def _embedded(keys: Keys, layers: list[Layer]) -> list[Layer]:
    """Put an embedding of past tokens beside what some layers cache (src/models/qwen4exp.cpp)."""
    places = keys.get("ple.layers")
    if places is None or keys.architecture not in EMBEDDING:
        return layers
    if not isinstance(places, list) or any(
        type(place) is not int or not 0 <= place < len(layers) for place in places
    ):
        raise keys.error("ple.layers", places, f"a list of layers below {len(layers):,}")
    embedding = layer(
        {
            "kind": "ngram_embedding",
            "kernel": keys.required("ple.conv_kernel"),
            "ngram": keys.required("ple.ngram_size"),
            "width": keys.required("hyper_connection.count") * keys.required("embedding_length"),
        }
    )
    return [
        layer({"kind": "combined"} | {"parts": (*one.caches, embedding)}) if at in places else one
        for at, one in enumerate(layers)
    ]


def _heads(keys: Keys) -> int:
    return max(keys.sizes("attention.head_count"))


def _mamba(keys: Keys) -> dict[str, int]:
    return {
        "kernel": keys.required("ssm.conv_kernel"),
        "inner": keys.required("ssm.inner_size"),
        "state": keys.required("ssm.state_size"),
    }


def _split(keys: Keys) -> tuple[int, int]:
    """How many heads the inner size is cut into, and the size of each."""
    inner, heads = keys.required("ssm.inner_size"), keys.required("ssm.time_step_rank")
    if inner % heads:
        raise keys.error("ssm.inner_size", inner, f"a multiple of the {heads} ssm.time_step_rank")
    return heads, inner // heads


def _mamba2(keys: Keys) -> dict[str, int]:
    heads, head_dim = _split(keys)
    return {
        "kernel": keys.required("ssm.conv_kernel"),
        "heads": heads,
        "head_dim": head_dim,
        "groups": keys.required("ssm.group_count"),
        "state": keys.required("ssm.state_size"),
    }


def _gated_delta_net(keys: Keys) -> dict[str, int]:
    heads, value_dim = _split(keys)
    return {
        "kernel": keys.required("ssm.conv_kernel"),
        "key_heads": keys.required("ssm.group_count"),
        "value_heads": heads,
        "key_dim": keys.required("ssm.state_size"),
        "value_dim": value_dim,
    }


def _kimi_delta_attention(keys: Keys) -> dict[str, int]:
    return {
        "kernel": keys.required("ssm.conv_kernel"),
        "heads": _heads(keys),
        "head_dim": keys.required("kda.head_dim"),
    }


_STATES: dict[str, Callable[[Keys], dict[str, int]]] = {
    "mamba": _mamba,
    "mamba2": _mamba2,
    "gated_delta_net": _gated_delta_net,
    "kimi_delta_attention": _kimi_delta_attention,
    "lightning_attention": lambda keys: {
        "heads": _heads(keys),
        "head_dim": keys.required("attention.key_length"),
    },
    "rwkv": lambda keys: {
        "embedding": keys.required("embedding_length"),
        "head_dim": keys.required("wkv.head_size"),
        "token_shifts": keys.size("token_shift_count", 2),
    },
    "short_convolution": lambda keys: {
        "kernel": keys.required("shortconv.l_cache"),
        "width": keys.required("embedding_length"),
    },
}
"""The published parameters of each kind of state."""
