"""What SGLang loads on a rank: tensors divided as vLLM divides them, and what it keeps beside.

SGLang 0.5.23, srt/layers, srt/models: the rules are read, not measured. Of quantised weights their
bytes in the file are taken.
"""

from collections import Counter
from collections.abc import Sequence
from math import prod

from kvcalc.dtypes import dtype
from kvcalc.engines.run_in import run_in
from kvcalc.engines.sglang.settings import SglangSettings
from kvcalc.engines.shards import Ranks, Shape, kv_heads_of, on_rank
from kvcalc.engines.weights import Loaded, Weigh
from kvcalc.model import Model
from kvcalc.parameters.quantization import LINEAR, Format
from kvcalc.parameters.stored import Stored
from kvcalc.parameters.tensor import Component, Role, Tensor

GROUPED: frozenset[Component] = frozenset({"attention", "indexer", "recurrent", "embedding"})
"""What the ranks of an attention group share where attention is data parallel (--dp-size with
--enable-dp-attention); the head and the MLPs are shared by all ranks (srt/layers/dp_attention.py).
"""

FLOAT32: frozenset[Role] = frozenset({"router_correction", "decay"})
"""What is float32 whatever the model's type."""

ROPE_ELEMENT = 4
"""Tables of rotary positions are float32 on CUDA (srt/layers/rotary_embedding/base.py)."""

READ = "the rules are read in sglang's source, not measured"
DRAFTED = "the weights of a draft are not counted"


def weigh(model: Model, settings: SglangSettings, stored: Sequence[Stored] = ()) -> Loaded | None:
    """What each rank loads; None where no rule is known for the model, or of a GGUF file's.

    Raises:
        UnsupportedError: the ranks do not divide the model, or a format is not known.
    """
    sizes = model.sizes
    if model.tensors is None or sizes is None or stored:
        return None
    parts: Counter[str] = Counter()
    own = dtype(run_in(model, settings.kv_cache_dtype)).row_bytes(1)
    for tensor in model.tensors:
        if tensor.layers and tensor.layers[0] >= len(model.layers):  # of a layer that drafts
            continue
        layer = model.layers[tensor.layers[0]] if tensor.layers else None
        shape = on_rank(tensor, _ranks(tensor, settings), kv_heads_of(layer))
        for kind, places in model.formats_of(tensor).items():
            size = _bytes(tensor, kind, shape, model, own)
            parts[tensor.component] += tensor.copies * len(places) * size
        if tensor.role == "kv_b":  # w_kc and w_vc, copies in the model's type for decoding
            parts["w_kc and w_vc"] += tensor.times * prod(shape) * own
    rope = ROPE_ELEMENT * sum(positions * width for positions, width in sizes.ropes)
    note = f"{READ}; {DRAFTED}" if settings.speculative_num_draft_tokens else READ
    return Loaded(({**parts, "rope table": rope},), note)


def _ranks(tensor: Tensor, settings: SglangSettings) -> Ranks:
    ranks = settings.tensor_parallel_size
    groups = settings.attn_dp_size if tensor.component in GROUPED else 1
    return Ranks(ranks // (groups or 1), ranks, whole_experts=False)


def _bytes(tensor: Tensor, kind: Format | None, shape: Shape, model: Model, own: int) -> int:
    """Bytes of a tensor's part: in its format as a file has it, else in its own element type."""
    if kind is None or model.quantization is None:
        return prod(shape) * (4 if tensor.role in FLOAT32 else own)
    *outer, rows, columns = shape
    return prod(outer) * LINEAR[kind](rows, columns, model.quantization.group_size or 128)


WEIGHTS: Weigh = weigh
