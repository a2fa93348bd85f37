"""What vLLM's start takes of a GPU's memory beside the weights, part by part, stage by stage.

A start measures these (v1/worker/gpu_worker.py, determine_available_memory); here they follow from
shapes, settings and the release. `rounding` is what weights take beyond their bytes, `profile` is
what the profile run is over, `activations`, `multimodal` and `sampler` its peaks, `kept` the
buffers that stay, `non_torch` and `graphs` what was measured, `refusals` what is not known.
"""

from collections.abc import Iterator, Mapping

from kvcalc.engines.memory import Card
from kvcalc.engines.memory_part import MemoryPart, PartRule
from kvcalc.engines.vllm.budget import buffers, graphs
from kvcalc.engines.vllm.budget.non_torch import non_torch
from kvcalc.engines.vllm.budget.peak import peak
from kvcalc.engines.vllm.budget.profile import Profile, profiles
from kvcalc.engines.vllm.budget.rounding import rounding
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.formula.expression import Value
from kvcalc.model import Model


def parts(model: Model, settings: VllmSettings, card: Card) -> tuple[tuple[MemoryPart, ...], ...]:
    """List the parts on a rank of each pipeline stage, but for the weights; none of 0 bytes.

    Raises:
        UnsupportedError: a part is not known; the sentence names it, and what to give instead.
    """
    return tuple(tuple(rule.at({}) for rule in stage) for stage in rules(model, settings, card, {}))


def rules(
    model: Model, settings: VllmSettings, card: Card, amounts: Mapping[str, Value]
) -> tuple[tuple[PartRule, ...], ...]:
    """List them as arithmetic over the settings that `amounts` leave open.

    Raises:
        UnsupportedError: as `parts`.
    """
    profiled = profiles(model, settings, card, amounts)
    rounded = rounding(model, settings) or (None,) * len(profiled)
    return tuple(
        tuple(rule for rule in _rules(profile, over) if rule.high != 0)
        for profile, over in zip(profiled, rounded, strict=True)
    )


def _rules(profile: Profile, rounded: MemoryPart | None) -> Iterator[PartRule]:
    if rounded is not None:
        yield PartRule.of(rounded)
    yield peak(profile)
    yield buffers.moe_workspace(profile)
    yield buffers.indexer_workspace(profile)
    yield buffers.penalty_tables(profile)
    yield buffers.scales_beside(profile)
    yield non_torch(profile)
    yield graphs.estimate(profile)
