"""Which tensors a rank of each pipeline stage has, and how often."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from kvcalc.engines.engine import names
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.engines.vllm.stages import stage_sizes
from kvcalc.engines.vllm.weights.tensors import Layout, bytes_on_rank
from kvcalc.layers.layer import Layer
from kvcalc.model import Model
from kvcalc.parameters.quantization import Format
from kvcalc.parameters.sizes import Sizes
from kvcalc.parameters.tensor import Tensor

ENDS_EVERYWHERE = names(
    "bloom falcon falcon_mamba gpt2 gpt_oss gptj jamba mamba mamba2 minicpm3 opt"
)
"""Model types whose embedding, head and last norm each stage holds (models/<type>.py)."""


class Stage(NamedTuple):
    """The places of a pipeline stage's layers, and whether it is the first and the last."""

    places: range
    first: bool
    last: bool


class RankTensor(NamedTuple):
    """A tensor as a rank has it: its bytes, and how often it is there."""

    tensor: Tensor
    bytes: int
    times: int


def rank_tensors(model: Model, settings: VllmSettings) -> tuple[tuple[RankTensor, ...], ...]:
    """List the tensors on a rank of each stage, without a draft's; none of an unknown model.

    Raises:
        UnsupportedError: the ranks do not divide the model, or a tensor's format is not known.
    """
    left_out = frozenset({"mtp", "vision"} if settings.language_model_only else {"mtp"})
    return _on_ranks(model, left_out, Layout.of(model, settings), tuple(stages_of(model, settings)))


@lru_cache(maxsize=1)  # asked twice in a row: what is loaded, then how that is rounded
def _on_ranks(
    model: Model, left_out: frozenset[str], layout: Layout, stages: tuple[Stage, ...]
) -> tuple[tuple[RankTensor, ...], ...]:
    tensors = [tensor for tensor in model.tensors or () if tensor.component not in left_out]
    return tuple(
        tuple(
            RankTensor(
                tensor, bytes_on_rank(tensor, kind, _layer(tensor, model), model, layout), times
            )
            for tensor in tensors
            if model.sizes is not None
            for kind, times in _stored(tensor, stage, model, model.sizes).items()
        )
        for stage in stages
    )


def stages_of(model: Model, settings: VllmSettings) -> Iterator[Stage]:
    """The stages that the layers are dealt to."""
    sizes = stage_sizes(
        len(model.layers), settings.pipeline_parallel_size, settings.pp_layer_partition
    )
    start = 0
    for place, size in enumerate(sizes):
        yield Stage(range(start, start + size), place == 0, place == len(sizes) - 1)
        start += size


def _layer(tensor: Tensor, model: Model) -> Layer | None:
    return model.layers[tensor.layers[0]] if tensor.layers else None


def _stored(
    tensor: Tensor, stage: Stage, model: Model, sizes: Sizes
) -> Mapping[Format | None, int]:
    """How often a stage has a tensor, by the format in which it is stored.

    A tied embedding stands at both ends of the pipeline.
    """
    if tensor.layers:
        dealt = {
            kind: sum(place in stage.places for place in places)
            for kind, places in model.formats_of(tensor).items()
        }
        return {kind: times * tensor.copies for kind, times in dealt.items() if times}
    here = stage.first if tensor.component == "vision" else stage.last
    if tensor.component == "embedding":
        again = tensor.role == "embedding" and sizes.tie_word_embeddings and stage.last
        here = stage.first or again
    if tensor.component != "vision" and model.model_type in ENDS_EVERYWHERE:
        here = True
    return {model.format_of(tensor, None): tensor.copies} if here else {}
