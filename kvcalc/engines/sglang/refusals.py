"""What SGLang's own checks refuse of its arguments, and what kvcalc does not follow of them.

Source: SGLang 0.5.23, srt/arg_groups/ (overrides.py, kv_cache_hook.py, validation_hook.py) and
srt/managers/tp_worker.py.
"""

from collections.abc import Callable
from typing import NamedTuple

from kvcalc.engines.sglang import architectures
from kvcalc.engines.sglang.architectures import Traits
from kvcalc.engines.sglang.backend import Hardware
from kvcalc.engines.sglang.formats import FP4_BACKENDS, Format
from kvcalc.engines.sglang.settings import SglangSettings
from kvcalc.errors import UnsupportedError, quote
from kvcalc.model import Model

SPARSE_FORMATS = ("bfloat16", "fp8_e4m3")
"""Element types of sparse latent rows (overrides.py, _dsa_kv_cache_dtype_default)."""


class Choice(NamedTuple):
    """The arguments for a model on a GPU, with the element type and the backend chosen."""

    model: Model
    traits: Traits
    settings: SglangSettings
    machine: Hardware
    format: Format
    backend: str | None

    @property
    def backends(self) -> frozenset[str]:
        """The only backends that the model's type runs on; none where it runs on any."""
        return frozenset(architectures.ACCEPTED_BACKENDS.get(self.model.model_type or "", ()))

    @property
    def sinks(self) -> bool:
        """Whether the model's sparse attention has sinks."""
        return self.model.model_type in architectures.SINKS

    @property
    def sparse_formats(self) -> tuple[str, ...]:
        """The element types that its sparse attention is stored in."""
        return ("bfloat16",) if self.sinks else SPARSE_FORMATS

    @property
    def found_instead(self) -> str:
        """What stands in the place of keys and values read by the one backend of a format."""
        return "latent rows" if self.traits.latent else quote(self.backend)

    @property
    def drafts(self) -> bool:
        """Whether tokens are drafted."""
        return self.settings.speculative_num_draft_tokens is not None


class Refusal(NamedTuple):
    """A setting, when it is refused, and why."""

    setting: str
    when: Callable[[Choice], bool]
    why: Callable[[Choice], str]


REFUSALS = (
    Refusal(
        "attention_backend",
        lambda one: bool(one.backends and one.backend) and one.backend not in one.backends,
        lambda one: (
            f"found {quote(one.backend)}, expected one of "
            f"{', '.join(sorted(one.backends))} for {one.model.model_type} on sglang"
        ),
    ),
    Refusal(
        "kv_cache_dtype",
        lambda one: one.format.blackwell and not one.machine.blackwell,
        lambda one: f"{one.format.name} needs a Blackwell GPU, not {one.machine.name}",
    ),
    Refusal(
        "gpu",
        lambda one: (one.traits.sparse or one.traits.compressed) and one.machine.major == 0,
        lambda one: f"{one.machine.name} stores {one.model.name} by rules that are not modelled",
    ),
    Refusal(
        "kv_cache_dtype",
        lambda one: one.traits.sparse and one.format.name not in one.sparse_formats,
        lambda one: (
            f"found {one.format.name}, expected {' or '.join(one.sparse_formats)} for "
            f"sparse attention {'with sinks ' if one.sinks else ''}on sglang"
        ),
    ),
    Refusal(
        "kv_cache_dtype",
        lambda one: one.traits.compressed and one.format.name != "fp8_e4m3",
        lambda one: f"found {one.format.name}, expected fp8_e4m3 for {one.model.name} on sglang",
    ),
    Refusal(
        "gpu",
        lambda one: one.traits.compressed and one.machine.sm100,
        lambda one: (
            f"on {one.machine.name} sglang stores {one.model.name} in a layout that is not modelled"
        ),
    ),
    Refusal(
        "kv_cache_dtype",
        lambda one: (
            one.format.name == "mxfp8" and (one.traits.latent or one.backend not in (None, "fa4"))
        ),
        lambda one: (
            "mxfp8 needs attention_backend fa4 and keys and values, found " + one.found_instead
        ),
    ),
    Refusal(
        "kv_cache_dtype",
        lambda one: (
            one.format.name == "nvfp4"
            and (one.traits.latent or one.backend not in (None, "trtllm_mha"))
        ),
        lambda one: (
            "nvfp4 is read by trtllm_mha, which wants keys and values, found " + one.found_instead
        ),
    ),
    Refusal(
        "attention_backend",
        lambda one: (
            one.format.packed
            and bool(one.backend)
            and one.backend not in FP4_BACKENDS[one.traits.latent]
        ),
        lambda one: (
            f"found {quote(one.backend)}, expected one of "
            f"{', '.join(FP4_BACKENDS[one.traits.latent])} for {one.format.name} on sglang"
        ),
    ),
    Refusal(
        "speculative_num_draft_tokens",
        lambda one: one.drafts and one.traits.compressed,
        lambda one: (
            f"found {one.settings.speculative_num_draft_tokens}, but the rings that "
            f"sglang keeps for drafts of {one.model.name} are not modelled"
        ),
    ),
    Refusal(
        "speculative_num_draft_tokens",
        lambda one: one.drafts and one.traits.pooled,
        lambda one: (
            f"found {one.settings.speculative_num_draft_tokens}, but what sglang keeps "
            f"for drafts of {one.model.name} beside its pools of keys is not modelled"
        ),
    ),
    Refusal(
        "max_running_requests",
        lambda one: (
            one.settings.max_running_requests is not None
            and one.settings.max_running_requests < one.settings.attn_dp_size
            and not one.settings.standing.rules["one_at_least"].value
        ),
        lambda one: (
            f"found {one.settings.max_running_requests}, expected at least the "
            f"{one.settings.attn_dp_size} of attn_dp_size on sglang {one.settings.standing.version}"
        ),
    ),
)
"""In the order in which they are held against the arguments: the first that applies is raised."""


def refuse(choice: Choice) -> None:
    """Refuse what a row of REFUSALS applies to.

    Raises:
        UnsupportedError: the setting, and why.
    """
    for refusal in REFUSALS:
        if refusal.when(choice):
            raise UnsupportedError.of(refusal.setting, refusal.why(choice))
