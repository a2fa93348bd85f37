"""The settings of llama.cpp's cache, by its own names, with the defaults of its tools."""

import re
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from kvcalc.engines.engine import About, Count, alone, whole
from kvcalc.engines.llama_cpp.architectures import architecture_of
from kvcalc.engines.llama_cpp.block_types import BLOCK_TYPES, BlockType, block_type
from kvcalc.engines.llama_cpp.releases import RELEASES
from kvcalc.engines.llama_cpp.rules import Rules, Windows
from kvcalc.engines.released import ReleasedSettings
from kvcalc.engines.releases import Releases
from kvcalc.errors import RequestError, UnsupportedError
from kvcalc.frozen import unexpected
from kvcalc.model import Model

MAX_DEVICES = 16
"""llama_max_devices() of src/llama.cpp."""


def _cache_type(name: str, info: ValidationInfo) -> str:
    return block_type(name, info.field_name or "cache type").name


CacheType = Annotated[str, AfterValidator(_cache_type)]
TYPES = ", ".join(BLOCK_TYPES)


def _proportions(value: object) -> object:
    """Take "3,1" or "3/1" apart, as `--tensor-split` does."""
    return value.replace("/", ",").split(",") if isinstance(value, str) else value


def _some(split: tuple[float, ...] | None) -> tuple[float, ...] | None:
    if split is not None and not any(split):
        raise RequestError.about(
            "tensor_split", "found only zeros, which leaves the split to free memory"
        )
    return split


TRUTH = {"enabled": True, "disabled": False}
"""Words that llama.cpp takes beside on, off, true and false (common/arg.cpp, is_truthy)."""


def _truth(value: object) -> object:
    return TRUTH.get(value, value) if isinstance(value, str) else value


def _automatic(value: object) -> object:
    """Let "auto" stand for what it comes to where the device has the kernel, as all GPUs do."""
    return True if value in ("auto", "-1") else _truth(value)


def _layers(value: object) -> object:
    """Let negative numbers stand for all layers: -1 is auto, -2 all (common/common.h)."""
    if isinstance(value, str) and re.fullmatch("-[0-9]{1,9}", value):
        return None
    return None if value in ("all", "auto", None) else whole(value)


Truth = Annotated[bool, BeforeValidator(_truth)]


def _overrides(value: object) -> object:
    """Take pairs of an expression and a place as a list, or as a text with commas between them."""
    return tuple(value.split(",")) if isinstance(value, str) else value


def _override(pair: str) -> str:
    expression, equals, _ = pair.rpartition("=")
    try:
        re.compile(expression)
    except re.error:
        equals = ""
    if not (equals and expression):
        raise unexpected("an expression and a place, as exps=CPU")
    return pair


Override = Annotated[str, Field(min_length=3, max_length=1_000), AfterValidator(_override)]


class LlamaCppSettings(ReleasedSettings):
    """The settings of llama.cpp's cache.

    The context counts one sequence: llama.cpp's own `--ctx-size` is context * sequences.
    """

    RELEASES: ClassVar[Releases] = RELEASES

    kv_cache_dtype: Annotated[
        CacheType | None, About(f"{TYPES}, for K and V; not given: f16", "common/common.h")
    ] = None
    tensor_parallel_size: Annotated[
        int,
        alone("llama.cpp deals whole layers to devices (tensor_split)"),
        About("1: whole layers are dealt to devices", "kvcalc"),
    ] = 1
    cache_type_k: Annotated[
        CacheType | None, About(f"{TYPES}; not given: kv_cache_dtype", "common/common.h")
    ] = None
    cache_type_v: Annotated[
        CacheType | None, About(f"{TYPES}; not given: kv_cache_dtype", "common/common.h")
    ] = None
    ubatch_size: Annotated[Count, About("tokens of a physical batch", "common/common.h")] = 512
    batch_size: Annotated[Count, About("tokens of a logical batch", "common/common.h")] = 2048
    kv_unified: Annotated[
        Truth | None,
        About("one buffer for all sequences, true or false; not given: false", "common/common.h"),
    ] = None
    swa_full: Annotated[
        Truth | None,
        About(
            "all cells for sliding layers too, true or false; not given: false", "common/common.h"
        ),
    ] = None
    flash_attn: Annotated[
        bool | None,
        BeforeValidator(_automatic),
        About("on, off or auto; not given: on, before b6325 off", "common/common.h"),
    ] = None
    n_rs_seq: Annotated[
        int,
        BeforeValidator(whole),
        Field(ge=0, le=2**16),
        About("spare recurrent states per sequence: the tokens drafted", "src/llama-cparams.h"),
    ] = 0
    ctx_type: Annotated[
        Literal["default", "mtp"],
        About("mtp: the second context, of the layers that draft", "include/llama.h"),
    ] = "default"
    split_mode: Annotated[
        Literal["layer", "row", "none", "tensor"],
        About(
            "layer and row deal the cache's layers alike; tensor shares heads", "include/llama.h"
        ),
    ] = "layer"
    tensor_split: Annotated[
        Annotated[
            tuple[Annotated[float, Field(ge=0, le=1e9)], ...],
            Field(min_length=1, max_length=MAX_DEVICES),
        ]
        | None,
        BeforeValidator(_proportions),
        AfterValidator(_some),
        About("proportion of each device; not given: one device", "include/llama.h"),
    ] = None
    n_gpu_layers: Annotated[
        Annotated[int, Field(ge=0, le=2**20)] | None,
        BeforeValidator(_layers),
        About("layers on devices, the output's included; not given: all", "include/llama.h"),
    ] = None
    n_cpu_moe: Annotated[
        int,
        BeforeValidator(whole),
        Field(ge=0, le=2**20),
        About("first layers whose experts stay in main memory", "common/arg.cpp"),
    ] = 0
    override_tensor: Annotated[
        Annotated[tuple[Override, ...], Field(min_length=1, max_length=1_000)] | None,
        BeforeValidator(_overrides),
        About("expressions of tensors' names and where they go, as exps=CPU", "common/arg.cpp"),
    ] = None
    offload_kqv: Annotated[
        Truth, About("false: the cache stays in main memory", "include/llama.h")
    ] = True

    @property
    def overrides(self) -> tuple[tuple[str, str], ...]:
        """The pairs of `override_tensor`: an expression, and the place of what it finds."""
        pairs = (pair.rpartition("=") for pair in self.override_tensor or ())
        return tuple((expression, place) for expression, _, place in pairs)

    def require_model(self, model: Model) -> None:
        """Refuse a model that the release has no code for, or whose cache in it was not read.

        Raises:
            UnsupportedError: it has none; the sentence names the model's type or architecture.
        """
        super().require_model(model)
        architecture = architecture_of(model)
        self.standing.require_model(architecture)
        if architecture in self.rules.not_read:
            raise UnsupportedError(
                f"release: what llama.cpp {self.standing.version} keeps for {architecture} is not "
                "known to kvcalc",
                engine="llama.cpp",
                what=architecture,
            )

    @property
    def windows(self) -> Windows:
        """What sliding layers keep: as the release has it, or all cells (swa_full)."""
        return "none" if self.own("swa_full") else self.rules.windows

    @cached_property
    def rules(self) -> Rules:
        """The rules that hold at the release."""
        return Rules(**{name: change.value for name, change in self.standing.rules.items()})

    @property
    def types(self) -> tuple[BlockType, BlockType]:
        """The element types of K and V."""
        common = self.kv_cache_dtype or "f16"
        return block_type(self.cache_type_k or common), block_type(self.cache_type_v or common)

    def changed(self) -> dict[str, Any]:
        """Those that differ from the release's defaults, besides the element type of both."""
        changed = super().changed()
        for name in self.standing.defaults:
            if changed.get(name) == self.standing.default(name):
                del changed[name]
        if self.tensor_split is not None:
            changed["tensor_split"] = list(self.tensor_split)
        return changed
