"""What vLLM's profile run is over, on a rank of one pipeline stage.

v1/worker/gpu_model_runner.py and v1/worker/gpu/model_runner.py (profile_run).
"""

from collections.abc import Mapping
from types import MappingProxyType

from kvcalc.dtypes import dtype
from kvcalc.engines.memory import Card
from kvcalc.engines.memory_part import not_modelled
from kvcalc.engines.run_in import run_in
from kvcalc.engines.vllm.budget.refusals import require_modelled
from kvcalc.engines.vllm.rules import Rules, Runner
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.engines.vllm.stages import stage_sizes
from kvcalc.formula.expression import Value, minimum
from kvcalc.model import Model
from kvcalc.parameters.sizes import Sizes
from kvcalc.records import Record

EIGHT_BIT = ("fp8_block", "fp8_channel", "fp8_tensor", None)
"""Formats of weights whose activations are quantised, too; None is one that is not known."""


class Profile(Record):
    """One profile run: `tokens` of a batch, of which `sequences` have their logits sampled.

    Both may be left open, and then are arithmetic over the settings that decide them.
    `width` is the intermediate size of a dense MLP or a shared expert on a rank, 0 without one, and
    `element` bytes of the model's own type. `capability` is the GPU's; `layers` are the stage's.
    """

    model: Model
    sizes: Sizes
    settings: VllmSettings
    runner: Runner
    capability: str
    tokens: Value
    sequences: Value
    width: int
    element: int
    layers: int
    first: bool
    last: bool

    @property
    def rules(self) -> Rules:
        """What holds at the release."""
        return self.settings.rules

    @property
    def ranks(self) -> int:
        """Ranks that share the stage's tensors."""
        return self.settings.tensor_parallel_size

    @property
    def quantised_activations(self) -> bool:
        """Whether activations are quantised to 8 bits; as is held of a format that is not known."""
        quantization = self.model.quantization
        return quantization is not None and quantization.format in EIGHT_BIT

    @property
    def logits(self) -> Value:
        """Logits that are sampled, which ranks gather: each has the whole vocabulary's."""
        return self.sequences * self.sizes.vocab_size

    @property
    def row(self) -> int:
        """Bytes of a token's hidden state."""
        return self.sizes.hidden_size * self.element


BATCH, AT_ONCE = "max_num_batched_tokens", "max_num_seqs"
"""The settings that a profile run follows."""


def profiles(
    model: Model,
    settings: VllmSettings,
    card: Card,
    amounts: Mapping[str, Value] = MappingProxyType({}),
) -> tuple[Profile, ...]:
    """Make the profile run of each stage; `amounts` stand for settings, which may be left open.

    Raises:
        UnsupportedError: what is run is not modelled.
    """
    capability = require_modelled(model, settings, card)
    sizes = model.sizes
    if sizes is None:
        raise not_modelled("vllm", f"a batch of {model.name}, whose sizes are not known,")
    dealt = stage_sizes(
        len(model.layers), settings.pipeline_parallel_size, settings.pp_layer_partition
    )
    tokens = amounts.get(BATCH, settings.batch)
    wide = sizes.intermediate_size
    if sizes.experts is not None:
        wide = sizes.experts.shared_expert_intermediate_size
    return tuple(
        Profile(
            model=model,
            sizes=sizes,
            settings=settings,
            runner="V2" if settings.rules.v2_runner(model) else "V1",
            capability=capability,
            tokens=tokens,
            sequences=minimum(amounts.get(AT_ONCE, settings.sequences_at_once), tokens),
            width=-(-(wide or 0) // settings.tensor_parallel_size),
            element=dtype(run_in(model, settings.kv_cache_dtype)).row_bytes(1),
            layers=layers,
            first=stage == 0,
            last=stage == len(dealt) - 1,
        )
        for stage, layers in enumerate(dealt)
    )
