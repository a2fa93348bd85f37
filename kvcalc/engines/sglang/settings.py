"""The settings of SGLang's caches, by the names of its server's arguments."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from kvcalc.engines.engine import About, Count, whole
from kvcalc.engines.released import ReleasedSettings
from kvcalc.engines.releases import Releases
from kvcalc.engines.sglang.formats import format_name
from kvcalc.engines.sglang.releases import RELEASES
from kvcalc.errors import RequestError
from kvcalc.frozen import unexpected

FIELDS = "srt/arg_groups/fields"


def _switch(value: object) -> object:
    """Let a bool or its word through, but not a number."""
    if isinstance(value, bool | str):
        return value
    raise unexpected("true or false")


def _number(value: object) -> object:
    """Let a number or its text through, but not a bool."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise unexpected("a number")
    return value


Switch = Annotated[bool, BeforeValidator(_switch)]
Ratio = Annotated[float, BeforeValidator(_number), Field(gt=0, allow_inf_nan=False)]
Backend = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,40}$")]


class SglangSettings(ReleasedSettings):
    """The settings of SGLang's pools; tensor_parallel_size is its `--tp-size`.

    What is None is decided by the model and the GPU, as SGLang does. `draft_layers` counts the
    layers of a draft model, which share the full pool; drafted tokens alone add none.
    """

    RELEASES: ClassVar[Releases] = RELEASES

    kv_cache_dtype: Annotated[
        Annotated[str, AfterValidator(format_name)] | None,
        About("element type; not given: the model's own", f"{FIELDS}/model.py"),
    ] = None
    page_size: Annotated[Count | None, About("tokens per page", f"{FIELDS}/schedule.py")] = None
    swa_full_tokens_ratio: Annotated[
        Annotated[Ratio, Field(le=1)] | None,
        About("tokens of the window pool a token of the full pool", f"{FIELDS}/schedule.py"),
    ] = None
    max_total_tokens: Annotated[
        Count | None, About("most tokens of the pool", f"{FIELDS}/schedule.py")
    ] = None
    max_running_requests: Annotated[
        Count | None, About("requests over all attention DP ranks", f"{FIELDS}/schedule.py")
    ] = None
    chunked_prefill_size: Annotated[
        Annotated[int, BeforeValidator(whole), Field(ge=-1, le=2**40)] | None,
        About("tokens of a prompt read at once; -1 or 0: the whole", f"{FIELDS}/schedule.py"),
    ] = None
    attn_dp_size: Annotated[
        Count, About("data-parallel groups of the attention's ranks", f"{FIELDS}/parallel.py")
    ] = 1
    disaggregation_mode: Annotated[
        Literal["null", "prefill", "decode"],
        About("what a server alone does: read prompts or decode", f"{FIELDS}/disagg.py"),
    ] = "null"
    disaggregation_decode_extra_slots: Annotated[
        Annotated[int, BeforeValidator(whole), Field(ge=0, le=2**40)] | None,
        About("requests on their way to a server that decodes", f"{FIELDS}/disagg.py"),
    ] = None
    disable_radix_cache: Annotated[Switch, About("true or false", f"{FIELDS}/memory.py")] = False
    disable_hybrid_swa_memory: Annotated[
        Switch, About("true or false", f"{FIELDS}/schedule.py")
    ] = False
    disable_overlap_schedule: Annotated[Switch, About("true or false", f"{FIELDS}/schedule.py")] = (
        False
    )
    swa_eviction_interval: Annotated[
        Count,
        About("tokens (SGLANG_SWA_EVICTION_INTERVAL in the environment)", "srt/environ.py"),
    ] = 128
    attention_backend: Annotated[
        Backend | None, About("name of a backend", f"{FIELDS}/exec_.py")
    ] = None
    mamba_ssm_dtype: Annotated[
        Literal["float32", "bfloat16", "float16"] | None,
        About("element type of recurrent states", f"{FIELDS}/exec_.py"),
    ] = None
    max_mamba_cache_size: Annotated[
        Count | None, About("slots of recurrent state", f"{FIELDS}/schedule.py")
    ] = None
    mamba_full_memory_ratio: Annotated[
        Ratio, About("memory of states to memory of the rest", f"{FIELDS}/schedule.py")
    ] = 0.9
    mamba_radix_cache_strategy: Annotated[
        Literal["auto", "no_buffer", "extra_buffer", "extra_buffer_lazy"],
        About("how states are kept for the radix cache", f"{FIELDS}/exec_.py"),
    ] = "auto"
    speculative_num_draft_tokens: Annotated[
        Count | None, About("drafted tokens per step", f"{FIELDS}/spec.py")
    ] = None
    speculative_num_steps: Annotated[
        Count | None, About("steps of the draft", f"{FIELDS}/spec.py")
    ] = None
    speculative_eagle_topk: Annotated[
        Count | None, About("branches per step of the draft", f"{FIELDS}/spec.py")
    ] = None
    draft_layers: Annotated[
        int,
        BeforeValidator(whole),
        Field(ge=0, le=1000),
        About("layers of the draft model", "srt/model_executor/pool_configurator.py"),
    ] = 0
    gpu: Annotated[
        str | None, About("name of a GPU, see `kvcalc gpus`", "srt/arg_groups/memory_hook.py")
    ] = None

    @model_validator(mode="before")
    @classmethod
    def _auto_is_not_given(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("kv_cache_dtype") == "auto":
            return {name: value for name, value in data.items() if name != "kv_cache_dtype"}
        return data

    @model_validator(mode="after")
    def _ranks_form_groups(self) -> "SglangSettings":
        if self.tensor_parallel_size % self.attn_dp_size:
            ranks = f"the {self.tensor_parallel_size} ranks of tensor_parallel_size"
            raise RequestError.of("attn_dp_size", self.attn_dp_size, f"a divisor of {ranks}")
        return self
