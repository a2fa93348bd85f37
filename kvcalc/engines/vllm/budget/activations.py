"""The forward pass of the profile run: what its tensors take at their peak.

Shapes are those of the layers' own code (model_executor/layers), compiled; attention is skipped.
Measured on 65 ranks of 0.19.0 (tests/oracles/vllm_memory.json).
"""

from kvcalc.engines.vllm.budget.profile import Profile
from kvcalc.formula.expression import Value

MIB = 2**20

TIMING = 50 * MIB
"""The buffer by whose reads torch.compile times kernels, where it compiles anew (torch/_inductor,
0.10 to 0.33)."""

CUBLAS = {"9": 32 * MIB, "10": 32 * MIB}
"""cuBLAS's workspace by the GPU's generation (aten/src/ATen/cuda/CublasHandlePool.cpp)."""

SMALL_CUBLAS = 8320 * 1024
"""cuBLAS's workspace on other GPUs."""

HALF_A_GATE = 2
"""Widths of an MLP without a gate: its row, and what the activation makes of it."""

ROWS = 3
"""Hidden states alive beside an MLP: what came in, the residual, and what goes out. One more
where images are read: what is embedded is passed in."""


def forward(profile: Profile) -> Value:
    """Bytes of the forward pass at its peak."""
    widths = (HALF_A_GATE + profile.sizes.gated_mlp) * profile.width * profile.element
    quantised = profile.width if profile.quantised_activations else 0
    fresh = 0 if profile.settings.enforce_eager else TIMING
    rows = ROWS + (profile.sizes.tower is not None)
    return profile.tokens * (widths + quantised + rows * profile.row) + fresh


def moe_workspace(profile: Profile) -> Value:
    """Bytes of the experts' workspace, of Triton's kernels; 0 without experts.

    model_executor/layers/fused_moe/experts/triton_moe.py (workspace_shapes).
    """
    mix = profile.sizes.experts
    if mix is None:
        return 0
    width = -(-mix.moe_intermediate_size // profile.ranks)
    row = mix.moe_latent_size or profile.sizes.hidden_size
    up = 2 * width if mix.gated else width
    each = max(width, row) + max(up, row)
    return profile.tokens * mix.num_experts_per_tok * each * profile.element


def beside(profile: Profile) -> Value:
    """Bytes that both passes have: cuBLAS's workspace, and what another stage sent."""
    generation = profile.capability.partition(".")[0]
    workspace = CUBLAS.get(generation, SMALL_CUBLAS) if profile.rules.cublas_is_charged else 0
    received = 0 if profile.first else 2 * profile.tokens * profile.row
    return workspace + received
