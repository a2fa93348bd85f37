"""What gated delta nets add to a start, as far as logs tell (Qwen3-Next, Qwen3.5).

The sampler's peak is as without them: 0.85 GiB of Qwen3.6-27B on 0.27.1 (tests/oracles,
o22-qwen3.6-27b). What they add is known by few logs alone, and has a wide band.
"""

from kvcalc.engines.vllm.budget.profile import Profile
from kvcalc.formula.expression import Value
from kvcalc.layers.recurrent import GatedDeltaNet

A_TOKEN = 16
"""Bytes that a prefill takes for each element of the values and token, in the first full graph that
is sampled: 128 KiB a token of Qwen3.5-122B-A10B, whose values are 64 heads of 128
(vllm-project/vllm#50780)."""

OUTSIDE, OUTSIDE_OVER = 2**30 // 5, 6 * 2**30 // 10
"""What is outside of PyTorch more than without them, likely and at most: .54 GiB of Qwen3.6-27B on
0.27.1, with .11 of weights that no rule has."""


def width(profile: Profile) -> int:
    """Elements of a rank's values in the widest such layer; 0 without one."""
    nets = profile.model.caches_of(GatedDeltaNet)
    return max((net.value_heads * net.value_dim for net in nets), default=0) // profile.ranks


def projections(profile: Profile) -> Value:
    """Bytes of what a layer projects a batch to, and of what comes out of it."""
    nets = profile.model.caches_of(GatedDeltaNet)
    channels = max((net.channels for net in nets), default=0) // profile.ranks
    return profile.tokens * (channels + 2 * width(profile)) * profile.element


def prefill(profile: Profile) -> Value:
    """Bytes that a prefill of the whole batch takes while a graph is sampled."""
    return A_TOKEN * profile.tokens * width(profile)
