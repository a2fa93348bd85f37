"""The sampler of the profile run: max_num_seqs rows of the whole vocabulary, several at once."""

from collections.abc import Mapping

from kvcalc.engines.vllm.budget.profile import Profile
from kvcalc.engines.vllm.rules import Sampling
from kvcalc.formula.expression import Value, minimum

BESIDE_LOGITS: Mapping[Sampling, int] = {
    # float32 logits, the keys and int64 indices of a sort, going in and coming out
    "sorted": 36,
    # float32 logits, probabilities and noise
    "selected": 12,
    # float32 logits, those that a mask leaves, and probabilities
    "masked": 12,
    # nothing: the noise is added as the largest is looked for
    "fused": 0,
}
"""Bytes of each logit beside the logit itself (v1/sample/sampler.py, ops/topk_topp_sampler.py;
v1/worker/gpu/sample)."""

MULTIPROCESSORS = 132
"""Those of an H100, H200 or H800, each of which keeps a row of float32 to select from
(v1/sample/ops/topk_topp_triton.py); the part is 100 MiB at most on any GPU."""


def sampler(profile: Profile) -> Value:
    """Bytes of the sampler at its peak; 0 on a stage that does not sample."""
    if not profile.last:
        return 0
    way = profile.rules.sampling[profile.runner]
    each = profile.element + BESIDE_LOGITS[way]
    alive = (profile.tokens + 2 * profile.sequences) * profile.row
    rows = minimum(MULTIPROCESSORS, profile.sequences) if way == "selected" else 0
    return profile.logits * each + alive + rows * profile.sizes.vocab_size * 4
