"""The settings of MLX-LM, and the flags that give them."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from kvcalc.engines.engine import About, Count, Settings, whole
from kvcalc.engines.server import CommandLine

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
        About("bits an element; not given: not quantised", "mlx_lm/generate.py; mlx.core.quantize"),
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


COMMAND = CommandLine(
    values={
        "--model": "model",
        "--prefill-step-size": "prefill_step_size",
        "--kv-bits": "kv_bits",
        "--kv-group-size": "kv_group_size",
        "--quantized-kv-start": "quantized_kv_start",
        "--decode-concurrency": "sequences",
    },
    ignored={
        **dict.fromkeys(
            (
                "--trust-remote-code",
                "--ignore-chat-template",
                "--use-default-chat-template",
                "--quantize-activations",
                "-qa",
            ),
            0,
        ),
        **dict.fromkeys(
            (
                "--adapter-path",
                "--host",
                "--port",
                "--log-level",
                "--chat-template",
                "--chat-template-args",
                "--chat-template-config",
                "--system-prompt",
                "--prefill-response",
                "--prompt",
                "-p",
                "--prompt-concurrency",
                "--max-tokens",
                "-m",
                "--temp",
                "--top-p",
                "--top-k",
                "--min-p",
                "--xtc-probability",
                "--xtc-threshold",
                "--min-tokens-to-keep",
                "--seed",
                "--verbose",
                "--allowed-origins",
            ),
            1,
        ),
        "--extra-eos-token": -1,
        "--image": -1,
    },
)
"""The flags of mlx_lm.server and mlx_lm.generate (0.32.2: server.py, generate.py).

Not passed over, since they hold caches that this engine does not count: a draft model, the
server's cache of prompts, `--max-kv-size`, `--pipeline`.
"""
