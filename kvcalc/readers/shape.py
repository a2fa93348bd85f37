"""A model given by its shape alone, without a file."""

from typing import TYPE_CHECKING

from kvcalc.errors import RequestError, quote
from kvcalc.layers.attention import FullAttention, SlidingAttention
from kvcalc.model import Model, repeated

if TYPE_CHECKING:
    from kvcalc.layers.layer import Layer


def from_shape(
    *,
    layers: int,
    kv_heads: int,
    head_dim: int,
    v_head_dim: int | None = None,
    pattern: str = "G",
    window: int | None = None,
    dtype: str = "bfloat16",
    max_context: int | None = None,
) -> Model:
    """Make a model of full and sliding attention: `pattern` of G (global) and L (local, sliding).

    `layers` is a count; head dims are elements, `window` and `max_context` tokens.

    Raises:
        RequestError: a size is out of range, a letter is not G or L, or there are sliding layers
            without a window or a window without sliding layers.
    """
    if not pattern or set(pattern) - {"G", "L"}:
        raise RequestError.of("pattern", pattern, "letters L and G")
    if ("L" in pattern) != (window is not None):
        found, expected = ("none", "one") if window is None else (f"{window}", "none")
        raise RequestError.about(
            "window",
            f"found {found}",
            found=window,
            expected=f"{expected}: sliding layers are the letter L of the pattern, here "
            f"{quote(pattern)}",
        )
    full = FullAttention(kv_heads=kv_heads, head_dim=head_dim, v_head_dim=v_head_dim)
    kinds: dict[str, Layer] = {"G": full} if "G" in pattern else {}
    if window is not None:
        kinds["L"] = SlidingAttention(
            kv_heads=kv_heads, head_dim=head_dim, v_head_dim=v_head_dim, window=window
        )
    return Model(
        name=f"{layers} layers {pattern[:40]}, {kv_heads} KV heads of {head_dim}",
        layers=repeated(pattern, kinds, layers),
        dtype=dtype,
        max_context=max_context,
    )
