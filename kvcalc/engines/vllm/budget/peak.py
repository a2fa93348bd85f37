"""The peak of the profile run: its forward pass or its sampler, whichever is larger."""

from kvcalc.engines.memory_part import PartRule
from kvcalc.engines.vllm.budget import states
from kvcalc.engines.vllm.budget.activations import beside, forward, moe_workspace
from kvcalc.engines.vllm.budget.multimodal import images
from kvcalc.engines.vllm.budget.profile import Profile
from kvcalc.engines.vllm.budget.sampler import sampler
from kvcalc.formula.expression import maximum

MIB = 2**20

BAND = 50 * MIB
"""How far 60 of 65 peaks of 0.19.0 lay off at most, with room."""

V2_BAND = 150 * MIB
"""The same of the V2 runner: of three logs that print its peak one is .13 GiB off."""

EIGHT_BIT_OVER = 300 * MIB
"""How much more a peak with quantised activations may be: the kernels differ by the checkpoint."""

FIRST_STAGE_OVER = 200 * MIB
"""How much more the first of several stages takes, which two logs show and no rule has."""

IMAGES_OVER = 300 * MIB
"""How much more a model with a tower takes: a log of Gemma 3 prints .23 GiB more of weights than
its tensors have."""

SOURCE = {
    "V1": "v1/worker/gpu_model_runner.py (profile_run), v1/sample/sampler.py",
    "V2": "v1/worker/gpu/model_runner.py (profile_run), v1/worker/gpu/sample/sampler.py",
}


def peak(profile: Profile) -> PartRule:
    """The peak: the sampler's for most models at max_num_seqs 1,024, else the forward pass's."""
    passes, samples = forward(profile), sampler(profile)
    if not profile.rules.moe_workspace_is_kept:
        passes += moe_workspace(profile)
    size = maximum(passes, samples) + beside(profile) + images(profile)
    under = BAND if profile.runner == "V1" else V2_BAND
    over = under + states.projections(profile)
    if profile.quantised_activations:
        over += EIGHT_BIT_OVER
    if profile.sizes.tower is not None:
        over += IMAGES_OVER
    if profile.first and not profile.last:
        over += FIRST_STAGE_OVER
    return PartRule(
        "activations",
        size,
        maximum(0, size - under),
        size + over,
        "estimate",
        SOURCE[profile.runner],
        or_named=("sampler", samples - passes),
    )
