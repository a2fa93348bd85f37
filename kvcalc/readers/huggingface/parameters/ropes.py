"""The tables of rotary positions that a file describes: each distinct one, once.

Source: vLLM 0.33.0, model_executor/layers/rotary_embedding/__init__.py (get_rope).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from kvcalc.readers.huggingface.keys import Keys

WITHOUT = frozenset({"nemotron_h", "jamba", "bamba"})
"""Model types whose attention has no rotary positions."""

BASES = ("rope_local_base_freq", "swa_rope_theta", "compress_rope_theta")
"""Keys of a second base, of the layers that slide or compress."""

MAX_FACTOR = 2**20

WHOLE_HEAD = "proportional"
"""A type whose table is as wide as the head, however little of it turns (Gemma 4)."""


def ropes_of(keys: Keys) -> tuple[tuple[int, int], ...]:
    """Give each distinct table: its positions, and the elements of a head that turn.

    Raises:
        SourceError: a key is something else.
    """
    positions = keys.get("max_position_embeddings")
    if type(positions) is not int or keys.table.get("model_type") in WITHOUT:
        return ()
    tables = {
        repr((width, base, scaling)): (_positions(positions, scaling), width)
        for width, base, scaling in _described(keys)
    }
    return tuple(tables.values())


def _described(keys: Keys) -> Iterator[tuple[int, Any, Mapping[str, Any]]]:
    """The width, the base and the scaling of each type of layer."""
    given = keys.table_of("rope_parameters") or keys.table_of("rope_scaling")
    by_type = {name: one for name, one in given.items() if isinstance(one, dict)}
    if by_type:
        for name, one in by_type.items():
            yield _width(keys, one, full=name == "full_attention"), one.get("rope_theta"), one
        return
    width = _width(keys, given, full=False)
    yield width, keys.get("rope_theta") or given.get("rope_theta"), given
    for base in BASES:
        if keys.has(base) and keys.get(base) != keys.get("rope_theta"):
            yield width, keys.get(base), given


def _width(keys: Keys, given: Mapping[str, Any], *, full: bool) -> int:
    """How many elements of a head turn."""
    if keys.has("qk_rope_head_dim"):
        return keys.size("qk_rope_head_dim")
    own = "global_head_dim" if full and keys.has("global_head_dim") else "head_dim"
    head = (
        keys.size(own)
        if keys.has(own)
        else keys.size("hidden_size") // keys.size("num_attention_heads")
    )
    if given.get("rope_type") == WHOLE_HEAD:
        return head
    if keys.has("rotary_dim"):
        return keys.size("rotary_dim")
    part = given.get("partial_rotary_factor", keys.get("partial_rotary_factor", 1.0))
    return int(head * part) if isinstance(part, int | float) and 0 < part <= 1 else head


def _positions(positions: int, scaling: Mapping[str, Any]) -> int:
    """Positions of a table: some scalings stretch the original ones, or the file's, by a factor."""
    kind = scaling.get("rope_type") or scaling.get("type")
    stretched = {"yarn": scaling.get("original_max_position_embeddings"), "linear": positions}
    original, factor = stretched.get(str(kind)), scaling.get("factor")
    if type(original) is int and isinstance(factor, int | float) and 0 < factor <= MAX_FACTOR:
        return int(original * factor)
    return positions
