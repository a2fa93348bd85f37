"""The settings of LMDeploy's PyTorch engine, and its quant policies."""

from typing import Annotated, ClassVar, Literal, NamedTuple

from pydantic import BeforeValidator

from kvcalc.dtypes import Dtype, dtype
from kvcalc.engines.engine import About, Count, whole
from kvcalc.engines.lmdeploy.releases import RELEASES
from kvcalc.engines.released import ReleasedSettings
from kvcalc.engines.releases import Releases
from kvcalc.errors import RequestError
from kvcalc.model import Model


class Policy(NamedTuple):
    """How keys and values are stored: bits per element, and scales per head and token."""

    name: str
    key_bits: int
    value_bits: int
    key_scales: int
    value_scales: int


POLICIES = {
    4: Policy("int4", 4, 4, 2, 2),
    8: Policy("int8", 8, 8, 2, 2),
    16: Policy("fp8", 8, 8, 0, 0),
    17: Policy("fp8_e5m2", 8, 8, 0, 0),
    42: Policy("turbo_quant", 4, 2, 2, 1),
}
"""By number (messages.py, QuantPolicy; pytorch/engine/cache_engine.py). 0: none."""

BY_NAME = {"none": 0, "fp8_e4m3": 16, **{policy.name: n for n, policy in POLICIES.items()}}
"""The names that the flag takes (cli/utils.py)."""

DTYPES = ("bfloat16", "float16", "fp8", "fp8_e4m3", "fp8_e5m2", "int8", "int4")
"""Of the model (messages.py), or of a policy."""


def _policy(value: object) -> object:
    """Take a policy's name, or its number's text, as its number."""
    if isinstance(value, str):
        return BY_NAME.get(value.lower(), int(value) if value.isdecimal() else value)
    return whole(value)


class LmdeploySettings(ReleasedSettings):
    """The settings of LMDeploy's cache; tensor_parallel_size is its `tp`."""

    RELEASES: ClassVar[Releases] = RELEASES

    quant_policy: Annotated[
        Literal[0, 4, 8, 16, 17, 42],
        BeforeValidator(_policy),
        About("0 none, 4 int4, 8 int8, 16 fp8, 17 fp8_e5m2, 42 turbo_quant", "messages.py"),
    ] = 0
    fp32_mamba_ssm_dtype: Annotated[
        bool,
        About(
            "true: recurrent states in float32 (LMDEPLOY_FP32_MAMBA_SSM_DTYPE)", "pytorch/envs.py"
        ),
    ] = False
    cache_block_seq_len: Annotated[Count, About("tokens per block (block_size)", "messages.py")] = (
        64
    )
    max_batch_size: Annotated[
        Count | None, About("sequences at once; not given: by the GPU", "utils.py")
    ] = None
    max_prefill_token_num: Annotated[
        Count, About("tokens of prompts that are read at once", "messages.py")
    ] = 8192


class CacheFormat(NamedTuple):
    """The element type that the model runs in, and the policy that packs its cache, if any.

    `packed` are the model types whose latent rows are packed without one.
    """

    element: Dtype
    number: int
    packed: frozenset[str]

    @property
    def policy(self) -> Policy:
        """The policy; without one, both are stored as they are."""
        bits = self.element.bits
        return POLICIES.get(self.number) or Policy(self.element.name, bits, bits, 0, 0)


def cache_format(model: Model, settings: LmdeploySettings) -> CacheFormat:
    """Take `kv_cache_dtype` as the element type or as the name of a policy.

    Raises:
        RequestError: two policies.
    """
    number, given = settings.quant_policy, settings.kv_cache_dtype
    packed: frozenset[str] = settings.standing.rules["packed_rows"].value
    own = "float16" if model.dtype == "float32" else model.dtype  # PytorchEngineConfig, `auto`
    if given is None or given in BY_NAME:
        named = BY_NAME[given] if given else 0
        if number and named and number != named:
            raise RequestError.about(
                "quant_policy", f"found {number}, but kv_cache_dtype is {given}", found=number
            )
        return CacheFormat(dtype(own), number or named, packed)
    return CacheFormat(dtype(given), number, packed)
