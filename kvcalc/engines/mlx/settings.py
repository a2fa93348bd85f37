"""The settings of MLX-LM."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from kvcalc.engines.engine import About, Count, Settings, whole
from kvcalc.errors import UnsupportedError
from kvcalc.model import Model

DTYPES = ("bfloat16", "float16", "float32")
"""Of the activations, which a cache takes over; `kv_bits` packs it later."""


def _number(value: object) -> object:
    """Take the text of a whole number as one."""
    value = whole(value)
    return int(value) if isinstance(value, str) and value.isdecimal() else value


class MlxSettings(Settings):
    """The settings of MLX-LM's cache; a context counts the prompt and `generated_tokens`.

    At most all but one of the context's tokens are generated: a prompt has a token at least.
    """

    prefill_step_size: Annotated[
        Count, About("tokens of the prompt a call reads", "mlx_lm/generate.py")
    ] = 2048
    generated_tokens: Annotated[
        int,
        BeforeValidator(whole),
        Field(ge=0, le=2**40),
        About("tokens of the context that were generated", "mlx_lm/generate.py (max_tokens)"),
    ] = 1
    kv_bits: Annotated[
        Annotated[Literal[1, 2, 3, 4, 5, 6, 8], BeforeValidator(_number)] | None,
        About(
            "bits per element; not given: not quantised", "mlx_lm/generate.py; mlx.core.quantize"
        ),
    ] = None
    kv_group_size: Annotated[
        Literal[32, 64, 128],
        BeforeValidator(_number),
        About("elements that share a scale and a bias", "mlx_lm/generate.py"),
    ] = 64
    quantized_kv_start: Annotated[
        int,
        BeforeValidator(whole),
        Field(ge=0, le=2**40),
        About("tokens, from which on kv_bits packs", "mlx_lm/generate.py"),
    ] = 5000
    max_kv_size: Annotated[
        Count | None,
        About(
            "tokens that a RotatingKVCache holds, of models whose class makes no caches",
            "mlx_lm/models/cache.py (make_prompt_cache)",
        ),
    ] = None

    def require_model(self, model: Model) -> None:
        """Refuse elements that no activation has, the model's own or those that are asked for.

        Raises:
            UnsupportedError: the sentence names the setting that packs them.
        """
        element = self.kv_cache_dtype or model.dtype
        if element not in DTYPES:
            raise UnsupportedError.of(
                "kv_cache_dtype",
                f"found {element}, expected one of {', '.join(DTYPES)} on mlx; kv_bits "
                "packs keys and values",
            )
