"""The attention backends: which formats each stores, and the blocks that its kernels read.

vLLM 0.33.0, v1/attention/backends (what each lists) and config/cache.py.
"""

from math import gcd
from typing import NamedTuple

from kvcalc.engines.vllm.formats import PACKED
from kvcalc.errors import UnsupportedError

KERNEL_BLOCK = 16
"""Tokens of the least block that any kernel reads, and of vLLM's own (config/cache.py)."""


class Backend(NamedTuple):
    """An attention backend: the kind of attention, its formats, and the blocks of its kernels.

    Kernels that are `exact` read blocks of just `kernel_blocks` tokens; others any multiple.
    """

    attention: str
    formats: tuple[str, ...]
    kernel_blocks: tuple[int, ...]
    exact: bool = False

    @property
    def block_size(self) -> int:
        """Tokens of a block where none are set: vLLM's 16 if it takes them."""
        return KERNEL_BLOCK if self.takes(KERNEL_BLOCK) else min(self.kernel_blocks)

    def takes(self, block: int) -> bool:
        """Whether blocks of so many tokens can be cut into its kernels' own."""
        return any(block % kernel == 0 for kernel in self.kernel_blocks)

    def longest_block(self, tokens: int) -> int:
        """The longest of its kernels' blocks of at most so many tokens, else the shortest."""
        shortest = min(self.kernel_blocks)
        if not self.exact:
            return max(shortest, tokens // shortest * shortest)
        return max((kernel for kernel in self.kernel_blocks if kernel <= tokens), default=shortest)

    def stride(self, block: int, token: int) -> int:
        """Bytes that blocks of tokens of so many bytes must begin at multiples of.

        An exact kernel cuts a longer block into its own, which packed blocks must keep whole.
        """
        kernel = gcd(max(self.kernel_blocks), block)
        return kernel * token if self.exact and kernel != block else 1


_HALF = ("bfloat16", "float16")
_FP8 = ("fp8", "fp8_e4m3")
_PER_TOKEN_HEAD = tuple(name for name in PACKED if name.endswith("per_token_head"))
_TURBOQUANT = tuple(name for name in PACKED if name.startswith("turboquant"))

BACKENDS = {
    "FLASH_ATTN": Backend("full", (*_HALF, *_FP8), (16,)),
    "TRITON_ATTN": Backend("full", ("float32", *_HALF, *_FP8, "fp8_e5m2", *_PER_TOKEN_HEAD), (16,)),
    "FLASHINFER": Backend("full", (*_HALF, *_FP8, "fp8_e5m2", "nvfp4"), (16, 32, 64), exact=True),
    "TURBOQUANT": Backend("full", _TURBOQUANT, (16, 32, 64, 128), exact=True),
    "FLASHMLA": Backend("latent", (*_HALF, *_FP8), (64,), exact=True),
    "CUTLASS_MLA": Backend("latent", (*_HALF, *_FP8), (128,), exact=True),
    "FLASHINFER_MLA": Backend("latent", (*_HALF, *_FP8), (32, 64), exact=True),
    "TRITON_MLA": Backend("latent", ("float32", *_HALF, *_FP8), (16,)),
    "FLASHMLA_SPARSE": Backend("sparse", ("bfloat16", "fp8", "fp8_ds_mla", "nvfp4_ds_mla"), (64,)),
    "FLASHINFER_MLA_SPARSE": Backend("sparse", (*_HALF, *_FP8), (64,)),
    "FLASHMLA_SPARSE_DSV4": Backend("compressed", ("bfloat16", "fp8", "fp8_ds_mla"), (256,)),
    "FLASHINFER_MLA_SPARSE_DSV4": Backend("compressed", ("bfloat16", *_FP8), (256,)),
}
"""The backends that were measured, of each kind of attention the default one first.

Of sparse and compressed attention the blocks are what their indexers' kernels take too.
"""

INDEXER = Backend("sparse", (), (64,), exact=True)
"""The backend of an indexer's rows (v1/attention/backends/mla/indexer.py)."""

FLASH_ATTENTION_4 = Backend("full", _HALF, (128,), exact=True)
"""FlashAttention 4 for heads of 256 (backends/flash_attn.py, backends/fa_utils.py)."""

FLASH_ATTENTION_4_HEAD = 256


def kernels_of(
    backend: str, flash_attention_version: int | None, cache_format: str, key: int, value: int
) -> Backend:
    """The kernels that read keys and values of these sizes, in a model of this cache format."""
    fourth = backend == "FLASH_ATTN" and flash_attention_version == 4
    sized = key == value == FLASH_ATTENTION_4_HEAD
    if fourth and sized and cache_format in FLASH_ATTENTION_4.formats:
        return FLASH_ATTENTION_4
    return BACKENDS[backend]


ALIASES = {
    ("FLASHMLA_SPARSE", "fp8"): "fp8_ds_mla",
    ("FLASHMLA_SPARSE_DSV4", "fp8"): "fp8_ds_mla",
}
"""What a backend makes of a format's name."""


def backend_for(
    attention: str, cache_format: str, named: str | None = None, block: int | None = None
) -> str:
    """Choose the backend: the one named, else the first that takes the format and the block.

    Raises:
        KvcalcError: it is for another kind of attention, or none takes the format or the block.
    """
    fitting = [name for name, backend in BACKENDS.items() if backend.attention == attention]
    if named is not None and named not in fitting:
        raise UnsupportedError.of(
            "attention_backend",
            f"found {named}, expected one for {attention} attention: {', '.join(fitting)}",
        )
    considered = [named] if named else fitting
    storing = [name for name in considered if cache_format in BACKENDS[name].formats]
    if not storing:
        known = dict.fromkeys(name for one in considered for name in BACKENDS[one].formats)
        raise UnsupportedError.of(
            "kv_cache_dtype",
            f"found {cache_format}, which {named or f'{attention} attention'} has not on "
            f"vllm, expected {', '.join(known)}",
        )
    for name in storing:
        if block is None or BACKENDS[name].takes(block):
            return name
    least = min(min(BACKENDS[name].kernel_blocks) for name in storing)
    raise UnsupportedError.of(
        "block_size",
        f"found {block}, expected a multiple of {least}, the block of the kernels of "
        f"{' and '.join(storing)}",
    )
