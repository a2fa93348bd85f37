"""What vLLM loads on a rank: each tensor's part, what it keeps beside, and stage by stage.

`shards` has how a tensor is divided, `formats` and `elements` what it is stored in, `tensors` the
bytes that follow, `rank_tensors` which a stage has, `buffers` what stands beside them, `draft`
what MTP adds.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.engines.vllm.weights import buffers
from kvcalc.engines.vllm.weights.draft import draft_bytes
from kvcalc.engines.vllm.weights.formats import BLACKWELL, is_known
from kvcalc.engines.vllm.weights.rank_tensors import RankTensor, Stage, rank_tensors, stages_of
from kvcalc.engines.vllm.weights.tensors import expert_formats
from kvcalc.engines.weights import Loaded, Weigh
from kvcalc.model import Model
from kvcalc.parameters.sizes import Sizes
from kvcalc.parameters.stored import Stored

APART = "the weights of its EAGLE draft, a model of its own, are not counted"
UNREAD_TOWERS = frozenset({"clip", "glm4v", "siglip"})
"""Towers that vLLM builds otherwise, or whose layout was not measured: of CLIP and SigLIP without
the layers that nothing reads."""

READ = "how mxfp4 experts are laid out on Blackwell is read in vllm's source, not measured"


def weigh(model: Model, settings: VllmSettings, stored: Sequence[Stored] = ()) -> Loaded | None:
    """What a rank of each stage loads; None where no rule is known for the model or its format.

    Of a GGUF file, whose tensors are `stored`, none is.

    Raises:
        UnsupportedError: the ranks do not divide the model.
    """
    if model.tensors is None or model.sizes is None or stored:
        return None
    tower = None if settings.language_model_only else model.sizes.tower
    if tower is not None and tower.kind in UNREAD_TOWERS:
        return None
    method = model.quantization.method if model.quantization else ""
    formats = expert_formats(model)
    if not all(is_known(kind, method, settings.generation) for kind in formats):
        return None
    drafts = settings.speculative_method
    if drafts == "mtp" and model.sizes.mtp_mlp is None:
        return None
    stages = [
        _stage(model, model.sizes, own, stage, settings)
        for stage, own in zip(
            stages_of(model, settings), rank_tensors(model, settings), strict=True
        )
    ]
    if drafts == "mtp":
        stages[-1] = {**stages[-1], "draft": draft_bytes(model, settings)}
    read = "mxfp4" in formats and (settings.generation or 0) >= BLACKWELL
    said = (APART if drafts.startswith("eagle") else "", READ if read else "")
    return Loaded(tuple(stages), "; ".join(filter(None, said)))


def _stage(
    model: Model, sizes: Sizes, tensors: Sequence[RankTensor], stage: Stage, settings: VllmSettings
) -> Mapping[str, int]:
    parts: Counter[str] = Counter()
    for tensor, size, times in tensors:
        parts[tensor.component] += times * size
    for buffer in buffers.of_stages(model, sizes, settings):
        if stage.first or not buffer.first_stage:
            parts[buffer.part] += buffer.bytes
    layers = model.layers[stage.places.start : stage.places.stop]
    parts[buffers.BUFFERS] += buffers.of_layers(model, sizes, layers, settings)
    return dict(parts)


WEIGHTS: Weigh = weigh
