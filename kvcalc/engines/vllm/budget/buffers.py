"""Buffers that the profile run makes and that stay."""

from kvcalc.engines.memory_part import PartRule, exact_rule
from kvcalc.engines.vllm.budget import activations
from kvcalc.engines.vllm.budget.profile import Profile
from kvcalc.formula.expression import maximum
from kvcalc.layers.latent import LatentAttention

COUNT_BYTES = MASK_BYTES = 4

MASK_BITS = 32

NO_WORKSPACE = frozenset({("gpt_oss", "9")})
"""Model types and generations whose experts run on kernels without a workspace of vLLM's (mxfp4,
in Triton's own package: a log of gpt-oss-20b on 0.19.0). Marlin's, elsewhere, have Triton's
(fused_moe/experts/marlin_moe.py), and FlashInfer's one of their own."""

TRITON = frozenset({"7", "8", "9", "12"})
"""Generations of GPUs on which bfloat16 experts run on Triton's kernels by default
(model_executor/layers/fused_moe/oracle/unquantized.py)."""

QUANTISED_OVER = 2
"""Other kernels may take more by half of it: the one log of Blackwell (0.26.0) leaves a third."""


def moe_workspace(profile: Profile) -> PartRule:
    """The experts' workspace, which the first run makes as large as any will need.

    Quantised experts, and each on Blackwell, run on other kernels, whose need few logs show.
    """
    source = "model_executor/layers/fused_moe/experts/triton_moe.py (workspace_shapes)"
    kept = profile.rules.moe_workspace_is_kept
    generation = profile.capability.partition(".")[0]
    if not kept or (profile.model.model_type, generation) in NO_WORKSPACE:
        return exact_rule("experts' workspace", 0, source)
    size = activations.moe_workspace(profile)
    if generation in TRITON and profile.model.quantization is None:
        return exact_rule("experts' workspace", size, source)
    most = size + size // QUANTISED_OVER
    return PartRule("experts' workspace", size, 0, most, "estimate", source)


GATHERED, GATHERED_SCALE, RADIX = 40, 4, 2**20
"""Keys that an indexer gathers a token of the longest context, bytes of each key's scale, and of
what selects among them (v1/attention/backends/mla/indexer.py, get_max_prefill_buffer_size)."""

GATHERED_ROWS = 5
"""Latent rows that sparse attention gathers a token of it, in bfloat16
(v1/attention/backends/mla/flashmla_sparse.py, get_prefill_workspace_size)."""

INDEXER_LOGITS = 512 * 2**20
"""An indexer's logits, which the forward pass holds where nothing larger is (envs.py,
VLLM_SPARSE_INDEXER_MAX_LOGITS_MB)."""


def indexer_workspace(profile: Profile) -> PartRule:
    """What sparse attention takes of the workspace that experts have too, past theirs.

    Read in the source at the model's longest context; no log has it.
    """
    name, source = "indexer's workspace", "model_executor/layers/sparse_attn_indexer.py; no log"
    sparse = [c for c in profile.model.caches_of(LatentAttention) if c.index_head_dim]
    if not sparse:
        return exact_rule(name, 0, source)
    longest = profile.model.longest_context
    keys = GATHERED * longest * (max(c.index_head_dim or 0 for c in sparse) + GATHERED_SCALE)
    row = max(c.kv_lora_rank + c.qk_rope_head_dim for c in sparse)
    size = max(keys + RADIX, GATHERED_ROWS * longest * row * profile.element)
    experts = moe_workspace(profile)
    most = maximum(0, size - experts.low) + INDEXER_LOGITS
    return PartRule(name, maximum(0, size - experts.bytes), 0, most, "estimate", source)


SCALED_TOGETHER = 32
"""Elements of mxfp4 that share a scale of one byte."""

SCALES_OVER = 2
"""There may be more by half of it: a log of gpt-oss-20b on 0.19.0 has .75 GiB where its scales are
.56."""


def scales_beside(profile: Profile) -> PartRule:
    """The scales of mxfp4 experts as the checkpoint has them, beside those that kernels read.

    0.11.0 and 0.19.0 print them of gpt-oss; 0.33.0 frees them (tests/oracles/vllm_weights.json).
    Triton's kernels alone leave them: a log of Marlin's has none (vllm-project/vllm#23278).
    """
    mix, source = profile.sizes.experts, "logs of gpt-oss on 0.11.0 and 0.19.0"
    quantization = profile.model.quantization
    on_triton = profile.capability.startswith("9.")
    there = on_triton and quantization is not None and quantization.format == "mxfp4"
    if mix is None or not there or not profile.rules.mxfp4_scales_stay:
        return exact_rule("scales of mxfp4", 0, source)
    width = (3 if mix.gated else 2) * mix.moe_intermediate_size * profile.sizes.hidden_size
    each = mix.num_experts * width // profile.ranks // SCALED_TOGETHER
    size = profile.layers * each
    return PartRule("scales of mxfp4", size, 0, size + size // SCALES_OVER, "estimate", source)


def penalty_tables(profile: Profile) -> PartRule:
    """The V2 runner's counts of what was written and masks of what was read, for penalties."""
    words = -(-profile.sizes.vocab_size // MASK_BITS)
    size = profile.sequences * (profile.sizes.vocab_size * COUNT_BYTES + words * MASK_BYTES)
    there = profile.runner == "V2" and profile.last and profile.rules.penalty_tables_are_charged
    return exact_rule(
        "penalty tables", size if there else 0, "v1/worker/gpu/sample/penalties.py (PenaltiesState)"
    )
