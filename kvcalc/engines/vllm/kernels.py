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
    Without a block that is set `preferred` is taken, vLLM's 16 or the least where there is none.
    """

    attention: str
    formats: tuple[str, ...]
    kernel_blocks: tuple[int, ...]
    exact: bool = False
    preferred: int | None = None

    @property
    def block_size(self) -> int:
        """Tokens of a block where none are set."""
        if self.preferred is not None:
            return self.preferred
        return KERNEL_BLOCK if self.takes(KERNEL_BLOCK) else min(self.kernel_blocks)

    def takes(self, block: int) -> bool:
        """Whether blocks of that many tokens can be cut into its kernels' own."""
        return any(block % kernel == 0 for kernel in self.kernel_blocks)

    def longest_block(self, tokens: int) -> int:
        """The longest of its kernels' blocks of at most that many tokens, else the shortest."""
        shortest = min(self.kernel_blocks)
        if not self.exact:
            return max(shortest, tokens // shortest * shortest)
        return max((kernel for kernel in self.kernel_blocks if kernel <= tokens), default=shortest)

    def stride(self, block: int, token: int) -> int:
        """Bytes that blocks of tokens of that many bytes must begin at multiples of.

        An exact kernel cuts a longer block into its own, which packed blocks must keep whole.
        """
        kernel = gcd(max(self.kernel_blocks), block)
        return kernel * token if self.exact and kernel != block else 1


_HALF = ("bfloat16", "float16")
_FP8 = ("fp8", "fp8_e4m3")
_NVFP4 = ("nvfp4", "nvfp4_4over6")
_PER_TOKEN_HEAD = tuple(name for name in PACKED if name.endswith("per_token_head"))
_TURBOQUANT = tuple(name for name in PACKED if name.startswith("turboquant"))

MEASURED = {
    "FLASH_ATTN": Backend("full", (*_HALF, *_FP8), (16,)),
    "TRITON_ATTN": Backend("full", ("float32", *_HALF, *_FP8, "fp8_e5m2", *_PER_TOKEN_HEAD), (16,)),
    "FLASHINFER": Backend("full", (*_HALF, *_FP8, "fp8_e5m2", *_NVFP4), (16, 32, 64), exact=True),
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

_AMD = (*_HALF, *_FP8, "fp8_e5m2")

READ = {
    "FLASH_ATTN_DIFFKV": Backend("full", (*_HALF, *_FP8), (16,)),
    "TRITON_ATTN_DIFFKV": Backend("full", ("bfloat16", *_FP8), (16,)),
    "TRITON_FLASH_ATTN": Backend("full", (*_HALF, *_FP8), (16,)),
    "TRITON_FLASHINFER": Backend("full", (*_HALF, *_FP8, "fp8_e5m2"), (64,), exact=True),
    "FLEX_ATTENTION": Backend("full", _HALF, (16,)),
    "B12X": Backend("full", ("bfloat16", *_FP8), (64, 128), exact=True, preferred=128),
    "HPC_ATTN": Backend("full", ("bfloat16", "fp8_e4m3"), (64,), exact=True),
    "ROCM_ATTN": Backend("full", _AMD, (16,)),
    "ROCM_SEGMENTED_ATTN": Backend("full", (*_HALF, *_FP8), (16,)),
    "ROCM_AITER_FA": Backend("full", _AMD, (16, 32), exact=True),
    "ROCM_AITER_UNIFIED_ATTN": Backend("full", _AMD, (16,)),
    "ROCM_OCTAVE": Backend("full", ("octave_k3v3_compact",), (16,)),
    "ULTRAQUANT": Backend("full", ("ultraquant_4bit",), (16, 32, 64, 128), True, preferred=64),
    "CPU_ATTN": Backend("full", (*_HALF, *_FP8, "fp8_e5m2"), (32,)),
    "FLASH_ATTN_MLA": Backend("latent", _HALF, (16,)),
    "TOKENSPEED_MLA": Backend("latent", _FP8, (32, 64), exact=True),
    "ROCM_AITER_MLA": Backend("latent", _AMD, (1,)),
    "ROCM_AITER_TRITON_MLA": Backend("latent", _AMD, (1,)),
    "CPU_MLA": Backend("latent", _HALF, (16,), exact=True),
    "AMX_MLA": Backend("latent", _HALF, (32,)),
    "FLASHINFER_MLA_SPARSE_SM120": Backend("sparse", (*_FP8, "fp8_ds_mla"), (64,)),
    "FLASHINFER_MLA_SPARSE_SM90": Backend("sparse", ("bfloat16", *_FP8), (64,)),
    "FLASH_ATTN_MLA_SPARSE": Backend("sparse", _HALF, (64,)),
    "FLASH_ATTN_MLA_SPARSE_FA4": Backend("sparse", ("bfloat16",), (64,)),
    "ROCM_AITER_MLA_SPARSE": Backend("sparse", (*_HALF, *_FP8), (1,)),
    "XPU_MLA_SPARSE": Backend("sparse", _HALF, (64,)),
}
"""Backends that were read and not measured: taken where they are named, or where no other takes
the format or the block that is asked for (v1/attention/backends, mla/)."""

ELSEWHERE = ("octave_k3v3_compact", "ultraquant_4bit")
"""Formats that only backends of READ store."""

UNREAD = frozenset(
    {
        *("CUSTOM", "TORCH_SDPA", "NO_ATTENTION", "MINIMAX_M3_SPARSE", "STEP5_DSA"),
        *("ROCM_FLASHMLA_SPARSE_DSV4", "FLASHMLA_SPARSE_DSV41", "FLASHINFER_MLA_SPARSE_DSV41"),
        *("ROCM_FLASHMLA_SPARSE_DSV41", "FLASHMLA_MEGA_ATTN_DSV41"),
    }
)
"""Names of vLLM's registry (backends/registry.py) whose blocks kvcalc does not know."""

KERNELS_ALONE = frozenset({"CUTLASS_MSA", "TRITON_MSA"})
"""Names of MiniMax-M3's sparse kernels, which leave the backend open (config/attention.py)."""

BACKENDS = {**MEASURED, **READ}
"""All backends that are counted, by their names."""

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
    ("FLASHINFER_MLA_SPARSE_SM120", "fp8"): "fp8_ds_mla",
    ("FLASHINFER_MLA_SPARSE_SM120", "fp8_e4m3"): "fp8_ds_mla",
}
"""What a backend makes of a format's name."""


def usual_backends(attention: str) -> tuple[str, ...]:
    """The backends that are taken where neither one nor a GPU is named: those measured."""
    return tuple(name for name, backend in MEASURED.items() if backend.attention == attention)


def backend_for(
    attention: str,
    cache_format: str,
    named: str | None = None,
    block: int | None = None,
    of_gpu: tuple[str, ...] | None = None,
) -> str:
    """Choose the backend: the one named, else the first that takes the format and the block.

    `of_gpu` are all that the named GPU's generation has, None where it is not known.

    Raises:
        UnsupportedError: it is for another kind of attention, or none takes the format or the
            block.
    """
    fitting = [name for name, backend in BACKENDS.items() if backend.attention == attention]
    if named is not None and named not in fitting:
        raise UnsupportedError.of(
            "attention_backend",
            f"found {named}, expected one for {attention} attention: {', '.join(fitting)}",
        )
    usual = of_gpu or usual_backends(attention)
    considered = (named,) if named else usual
    storing = [name for name in considered if cache_format in BACKENDS[name].formats]
    if named is None and of_gpu is None and (storing or cache_format in ELSEWHERE):
        storing += [
            name for name in fitting if name not in usual and cache_format in READ[name].formats
        ]
    if not storing:
        known = dict.fromkeys(name for one in considered for name in BACKENDS[one].formats)
        raise UnsupportedError.of(
            "kv_cache_dtype",
            f"found {cache_format}, which {named or f'{attention} attention'} does not have on "
            f"vllm, expected {', '.join(known)}",
        )
    for name in storing:
        if block is None or BACKENDS[name].takes(block):
            return name
    measured = [name for name in storing if name in MEASURED] or storing
    least = min(min(BACKENDS[name].kernel_blocks) for name in measured)
    raise UnsupportedError.of(
        "block_size",
        f"found {block}, expected a multiple of {least}, the block of the kernels of "
        f"{' and '.join(measured)}",
    )
