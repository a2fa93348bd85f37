"""What MTP's layers add on a rank of the last stage.

The embedding and the head are the target's, but past a stage the embedding is loaded again
(vLLM 0.33.0, v1/spec_decode/llm_base_proposer.py, models/*_mtp.py).
"""

from collections.abc import Mapping

from kvcalc.engines.vllm.drafts import draft_layers
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.engines.vllm.weights import buffers
from kvcalc.engines.vllm.weights.tensors import Layout, bytes_on_rank
from kvcalc.model import Model
from kvcalc.parameters.checkpoint import mtp_tensors
from kvcalc.parameters.tensor import Role

UNQUANTISED: Mapping[str, frozenset[Role]] = {"mimo_v2_flash": frozenset({"o"})}
"""Linears of a draft that are not quantised, by model type (models/mimo_v2_mtp.py)."""


def draft_bytes(model: Model, settings: VllmSettings) -> int:
    """Bytes of the draft of a model whose sizes are known, 0 where its tensors are not.

    Raises:
        UnsupportedError: the model has no such layers.
    """
    layers = draft_layers(model, settings.speculative_method)
    assert model.sizes is not None
    start, layout = len(model.layers), Layout.of(model, settings)
    total = buffers.of_layers(model, model.sizes, layers, settings)
    for tensor in mtp_tensors(layers, model.sizes, start):
        (place,) = tensor.layers
        plain = tensor.role in UNQUANTISED.get(model.model_type or "", ())
        kind = None if plain else model.format_of(tensor, place)
        layer = layers[place - start]
        total += tensor.copies * bytes_on_rank(tensor, kind, layer, model, layout)
    if settings.pipeline_parallel_size > 1:
        (again,) = (one for one in model.tensors or () if one.role == "embedding")
        total += bytes_on_rank(again, None, None, model, layout)
    return total
