"""What a vLLM log prints of the parts of a start's memory, held against ours within their bands.

They follow from the GPU, which a log does not name: nothing is said of them unless it is given.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import chain

from kvcalc.engines.log import (
    AGREES,
    DIFFERS,
    NO_MODEL,
    SIZE,
    Checked,
    Found,
    Printed,
    of_other_weights,
    pattern,
)
from kvcalc.engines.memory import Card
from kvcalc.engines.memory_part import Kind, MemoryPart
from kvcalc.engines.server.model_overrides import STRETCH
from kvcalc.engines.vllm.log import parts
from kvcalc.engines.vllm.log.run import GIB, GIB_PLACES, Run, in_gib
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.errors import quote
from kvcalc.model import Model

PATTERNS = (
    *(one for one in parts.PATTERNS if one.kind in ("weights", "profiled", "requested", "usage")),
    pattern(
        "usage",
        "for consumed memory",
        rf"Actual usage is (?P<consumed>{SIZE}) GiB for consumed memory.{{0,40}}?"
        rf"(?P<headroom>{SIZE}) GiB for peak activation, and (?P<captured>{SIZE}) GiB for "
        r"CUDAGraph",
    ),
    pattern(
        "graphs",
        "CUDA graph memory",
        rf"Estimated CUDA graph memory: (?P<sampled>{SIZE}) GiB total",
    ),
    pattern(
        "graphs",
        "CUDA graph pool memory",
        rf"CUDA graph pool memory: (?P<captured>{SIZE}) GiB \(actual\), "
        rf"(?P<sampled>{SIZE}) GiB \(estimated\)",
    ),
    pattern(
        "graphs",
        "Graph capturing finished",
        rf"finished in .{{1,20}} took (?P<captured>{SIZE}) GiB",
    ),
    pattern(
        "left",
        "Available KV cache memory",
        rf"Available KV cache memory [:=] (?P<left>-?{SIZE}) GiB",
    ),
)

OF_A_TENSOR = GIB // 100
"""How far weights may be off: the most that 44 start-ups are, with room."""

Stages = list[list[MemoryPart]]
"""Parts on a rank of each pipeline stage; no stage where they are not known."""

Own = Callable[[Model, VllmSettings], Stages]
"""Works parts out, of a model and the settings of its start."""


def _card(settings: VllmSettings) -> Card:
    return Card(str(settings.gpu), 0, 0)


def _loaded(model: Model, settings: VllmSettings) -> Stages:
    """The weights, as the allocator books them, with scales that stay beside them."""
    from kvcalc.engines.vllm.budget.buffers import scales_beside
    from kvcalc.engines.vllm.budget.profile import profiles
    from kvcalc.engines.vllm.budget.rounding import rounding
    from kvcalc.engines.vllm.weights import weigh

    loaded = weigh(model, settings)
    if loaded is None:
        return []
    sizes = [sum(stage.values()) for stage in loaded.stages]
    stages = [
        [MemoryPart("weights", size, size - OF_A_TENSOR, size + OF_A_TENSOR, "exact", "")]
        for size in sizes
    ]
    for stage, part in zip(stages, rounding(model, settings), strict=False):
        stage.append(part)
    if model.quantization is not None and model.quantization.format == "mxfp4":
        for stage, profile in zip(stages, profiles(model, settings, _card(settings)), strict=True):
            stage.append(scales_beside(profile).at({}))
    return stages


def _beside(*names: str) -> Own:
    """The parts of these names beside the weights."""

    def beside(model: Model, settings: VllmSettings) -> Stages:
        from kvcalc.engines.vllm.budget import parts

        stages = parts(model, settings, _card(settings))
        return [[part for part in stage if part.name in names] for stage in stages]

    return beside


def _graphs(model: Model, settings: VllmSettings) -> Stages:
    """What the runner estimates graphs to take, whether or not the pool is less by it."""
    from kvcalc.engines.vllm.budget import graphs
    from kvcalc.engines.vllm.budget.profile import profiles

    return [
        [graphs.printed(profile).at({})] for profile in profiles(model, settings, _card(settings))
    ]


def _captured(model: Model, settings: VllmSettings) -> Stages:
    """What the graphs take once they are captured."""
    from kvcalc.engines.vllm.budget import graphs
    from kvcalc.engines.vllm.budget.profile import profiles

    return [
        [graphs.captured(profile).at({})] for profile in profiles(model, settings, _card(settings))
    ]


OUTSIDE, WORKSPACE, GRAPHS = "outside of PyTorch", "experts' workspace", "CUDA graphs"
PASSES = ("activations", "sampler")

FIGURES: Mapping[str, tuple[str, tuple[Own, ...]]] = {
    "weights": ("weights (GiB)", (_loaded,)),
    "peak": ("PyTorch's peak (GiB)", (_beside(*PASSES, WORKSPACE),)),
    "outside": ("non-torch (GiB)", (_beside(OUTSIDE),)),
    "consumed": (
        "total consumed (GiB)",
        (_loaded, _beside(OUTSIDE, WORKSPACE, "penalty tables")),
    ),
    "headroom": ("peak activation (GiB)", (_beside(*PASSES, GRAPHS),)),
    "sampled": ("CUDA graphs, estimated (GiB)", (_graphs,)),
    "captured": ("CUDA graphs, captured (GiB)", (_captured,)),
}
"""What a line gives by each name: the figure, and the parts that it is the sum of."""

TAKEN = (_loaded, _beside(*PASSES, OUTSIDE, WORKSPACE, "penalty tables", GRAPHS))
"""What the pool is less by than what was requested."""


def _figures(run: Run, line: Found) -> Iterator[Checked]:
    for name, (figure, of) in FIGURES.items():
        if name in line.values:
            printed = Printed(line.line, figure, line.values[name], GIB_PLACES)
            yield from _held(run, printed, of)


def _held(run: Run, printed: Printed, of: Sequence[Own], requested: int = 0) -> Iterator[Checked]:
    """Hold a figure against the stage whose parts are the nearest, within their band.

    Of a `requested` memory it is what the parts leave.
    """
    model = run.subject.model
    if "gpu" not in run.settings:
        return
    if model is None:
        yield printed.cannot(NO_MODEL)
        return
    other = of_other_weights(run.quantization, model)
    if other is not None and _loaded in of:
        yield printed.cannot(other)
        return
    each = [own(model, VllmSettings(**run.settings)) for own in of]
    if not all(each):
        yield printed.cannot("what a rank loads of this model is not known")
        return
    value = requested - printed.value * GIB if requested else printed.value * GIB
    stages = [_sum(list(chain(*stages))) for stages in zip(*each, strict=True)]
    part = min(stages, key=lambda one: Fraction(abs(one.bytes - value)))
    half = printed.half_step * GIB
    band = f"{part.name}: {part.kind}, {in_gib(part.low)} to {in_gib(part.high)} GiB"
    ours = requested - part.bytes if requested else part.bytes
    verdict = AGREES if part.low - half <= value <= part.high + half else DIFFERS
    stretch = next((key for key in STRETCH if key in run.overridden), None)
    if verdict == DIFFERS and _loaded in of and stretch is not None:
        yield printed.cannot(
            f"the log overrides {quote(stretch)} of the model's file, by which tables of rotary "
            "positions have their lengths: give --model a file that has it so"
        )
        return
    off = "" if verdict == AGREES else f": off by {float(printed.value) - ours / GIB:+.2f} GiB"
    yield printed.row(Fraction(ours, GIB), verdict, f"{band}{off}")


KINDS: tuple[Kind, ...] = ("estimate", "table", "exact")
"""Kinds of figures, the least certain first."""


def _sum(own: Sequence[MemoryPart]) -> MemoryPart:
    """Several parts as one; it is an estimate if one of them is."""
    size, low, high = (sum(getattr(part, end) for part in own) for end in ("bytes", "low", "high"))
    kinds = {part.kind for part in own if part.high}
    kind = next((kind for kind in KINDS if kind in kinds), KINDS[-1])
    names = dict.fromkeys(part.name for part in own if part.high or not high)
    return MemoryPart(", ".join(names), size, low, high, kind, "")


def _left(run: Run, line: Found) -> Iterator[Checked]:
    """The pool: what was requested, as a line says, less all parts."""
    if run.requested is None:
        return
    printed = Printed(line.line, "available KV cache memory (GiB)", line.values["left"], GIB_PLACES)
    yield from _held(run, printed, TAKEN, int(Fraction(run.requested) * GIB))


RULES: Mapping[str, Callable[[Run, Found], Iterator[Checked]]] = {
    **dict.fromkeys(("weights", "profiled", "usage", "graphs"), _figures),
    "left": _left,
}
"""How each kind of line is checked."""
