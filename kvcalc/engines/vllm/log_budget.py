"""What a vLLM log prints of the parts of a start's memory, held against ours within their bands.

They follow from the GPU, which a log does not name: nothing is said of them unless it is given.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction

from kvcalc.engines.log import AGREES, DIFFERS, Checked, Found, Printed
from kvcalc.engines.memory import Card
from kvcalc.engines.memory_part import MemoryPart
from kvcalc.engines.vllm import log_parts
from kvcalc.engines.vllm.log_run import GIB, GIB_PLACES, Run
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.model import Model

PATTERNS = tuple(
    one for one in log_parts.PATTERNS if one.kind in ("weights", "profiled", "requested")
)

OF_A_TENSOR = GIB // 100
"""How far weights may be off: the most that 44 start-ups are, with room."""

PEAK = ("activations", "sampler", "experts' workspace")
"""Parts that PyTorch's peak is made of."""


def _known(run: Run) -> tuple[Model, VllmSettings] | None:
    """The model and the settings, where the GPU is given too."""
    model = run.subject.model
    return (
        None
        if model is None or "gpu" not in run.settings
        else (model, VllmSettings(**run.settings))
    )


def _weights(run: Run, line: Found) -> Iterator[Checked]:
    from kvcalc.engines.vllm.budget.rounding import rounding
    from kvcalc.engines.vllm.weights import weigh

    known = _known(run)
    loaded = None if known is None else weigh(*known)
    if known is None or loaded is None:
        return
    sizes = [sum(stage.values()) for stage in loaded.stages]
    over = [part.bytes for part in rounding(*known)] or [0] * len(sizes)
    own = [
        MemoryPart("weights", size, size - OF_A_TENSOR, size + OF_A_TENSOR, "exact", "")
        for size in map(sum, zip(sizes, over, strict=True))
    ]
    printed = Printed(line.line, "weights (GiB)", line.values["weights"], GIB_PLACES)
    yield _nearest(printed, own, "the model's tensors on a rank, as the allocator books them")


def _profiled(run: Run, line: Found) -> Iterator[Checked]:
    from kvcalc.engines.vllm.budget import parts

    known = _known(run)
    if known is None or "outside" not in line.values:
        return
    stages = parts(*known, Card(str(run.settings["gpu"]), 0, 0))
    for name, figure, of in (
        ("peak", "PyTorch's peak (GiB)", PEAK),
        ("outside", "non-torch (GiB)", ("outside of PyTorch",)),
    ):
        own = [_together([part for part in stage if part.name in of]) for stage in stages]
        printed = Printed(line.line, figure, line.values[name], GIB_PLACES)
        yield _nearest(printed, own, " and ".join(dict.fromkeys(one.name for one in own)))


def _together(own: Sequence[MemoryPart]) -> MemoryPart:
    """Several parts as one."""
    size, low, high = (sum(getattr(part, end) for part in own) for end in ("bytes", "low", "high"))
    return MemoryPart(", ".join(part.name for part in own), size, low, high, own[0].kind, "")


def _nearest(printed: Printed, own: Sequence[MemoryPart], what: str) -> Checked:
    """Hold a figure against the stage whose part is the nearest, within its band."""
    value = printed.value * GIB
    part = min(own, key=lambda one: abs(one.bytes - value))
    half = printed.half_step * GIB
    band = f"{what}: {part.kind}, {_gib(part.low)} to {_gib(part.high)} GiB"
    if part.low - half <= value <= part.high + half:
        return printed.row(Fraction(part.bytes, GIB), AGREES, band)
    off = float((value - part.bytes) / GIB)
    return printed.row(Fraction(part.bytes, GIB), DIFFERS, f"{band}: off by {off:+.2f} GiB")


def _gib(size: int) -> str:
    return f"{size / GIB:.2f}"


RULES: Mapping[str, Callable[[Run, Found], Iterator[Checked]]] = {
    "weights": _weights,
    "profiled": _profiled,
}
"""How each kind of line is checked."""
