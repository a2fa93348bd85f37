"""Lines about memory beside the model's own: a projector's, and what is estimated before a load.

tools/mtmd/clip.cpp (load_hparams, alloc_compute_meta) and tools/server/server-context.cpp
(load_model) of 2026-10-01. kvcalc counts none of it, and says so.
"""

from collections.abc import Callable, Iterator, Mapping

from kvcalc.engines.llama_cpp.log.loaded import DEVICE
from kvcalc.engines.llama_cpp.log.run import Run
from kvcalc.engines.log import SIZE, Checked, Found, Printed, pattern

PATTERNS = (
    pattern(
        "projector's weights",
        "load_hparams:",
        rf"load_hparams: model size: (?P<size>{SIZE}) MiB",
    ),
    pattern(
        "projector's compute buffer",
        "alloc_compute_meta:",
        rf"alloc_compute_meta: (?P<device>{DEVICE}) compute buffer size = (?P<size>{SIZE}) MiB",
    ),
    pattern(
        "projector's most memory",
        "memory usage of mmproj",
        rf"estimated worst-case memory usage of mmproj is (?P<size>{SIZE}) MiB",
    ),
    pattern(
        "NextN layers' context and graph",
        "memory usage of MTP",
        rf"estimated memory usage of MTP context is (?P<size>{SIZE}) MiB",
    ),
)

WHY = {
    "projector's weights": "a projector's weights are not counted (--mmproj)",
    "projector's compute buffer": "a projector's graph is not counted (--mmproj)",
    "projector's most memory": "a projector is not counted (--mmproj)",
    "NextN layers' context and graph": "llama.cpp estimates it before the context is made",
}


def _beside(_run: Run, line: Found) -> Iterator[Checked]:
    name = " ".join(filter(None, (line.values.get("device"), line.kind)))
    yield Printed(line.line, f"{name} (MiB)", line.values["size"]).cannot(WHY[line.kind])


RULES: Mapping[str, Callable[[Run, Found], Iterator[Checked]]] = dict.fromkeys(WHY, _beside)
"""How each kind of line is checked."""
