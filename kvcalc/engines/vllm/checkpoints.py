"""Blocks for a state that is exported inside a prefill, and the tokens they are a multiple of.

In the mode align a kernel that can export a state spares the scheduler from splitting a prompt at
the end of a block. vLLM 0.33.0: model_executor/layers/mamba (mamba_mixer2.py, kda_checkpoint.py,
gdn/qwen_gdn_linear_attn.py) and models/qwen4_exp/nvidia/ple_layer.py.
"""

from collections.abc import Iterable
from math import lcm

from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.layers.recurrent import GatedDeltaNet, KimiDeltaAttention, Recurrent
from kvcalc.model import Model

GENERATIONS = (9, 10, 12)
"""Compute capabilities, before the dot, of the kernels that export states."""

HEAD = 128
"""Elements of a head that they read; on 9.x those of delta nets read others too."""

ON_HOPPER = ("qwen4_exp", "qwen4_exp_text", "glm5_next", "glm5_next_text")
"""Model types that are planned as on 9.x where no GPU is named. Of others that were measured
without these kernels, only a named GPU brings them in."""

OTHER_KERNELS = ("kimi_linear", "olmo_hybrid")
"""Model types whose recurrent layers have kernels that export nothing."""


def checkpoint_blocks(layer: Recurrent, model: Model, settings: VllmSettings) -> int:
    """Blocks for a checkpoint of one request of a layer: as set, else as its kernel can."""
    if settings.prefill_checkpoint_blocks is not None:
        return settings.prefill_checkpoint_blocks
    if _exports(layer, model, settings):
        return 1
    return settings.rules.checkpoint_blocks.get(layer.kind, 0)


def checkpoint_step(layers: Iterable[Recurrent], model: Model, settings: VllmSettings) -> int:
    """Tokens that blocks are a multiple of, so that a checkpoint lies at the end of one."""
    steps = settings.rules.checkpoint_steps
    if settings.prefill_checkpoint_blocks is not None:
        return 1
    return lcm(*(steps[one.kind] for one in layers if _exports(one, model, settings)))


def _exports(layer: Recurrent, model: Model, settings: VllmSettings) -> bool:
    generation = settings.generation
    if generation is None and model.model_type in ON_HOPPER:
        generation = 9
    if generation not in GENERATIONS or model.model_type in OTHER_KERNELS:
        return False
    if layer.kind not in settings.rules.checkpoint_steps:
        return False
    if isinstance(layer, KimiDeltaAttention):
        return layer.head_dim == HEAD
    return not isinstance(layer, GatedDeltaNet) or layer.key_dim == HEAD or generation == 9
