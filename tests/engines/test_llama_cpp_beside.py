"""Lines of llama.cpp's logs about memory that is not the model's own: read, and not counted."""

from kvcalc.engines.log import CANNOT
from tests.each import each
from tests.engines.log_lines import checked, load


@each(
    ("line", "figure", "why"),
    [
        (
            "load_hparams: model size:         887.99 MiB",
            "projector's weights (MiB)",
            "a projector's weights are not counted (--mmproj)",
        ),
        (
            "alloc_compute_meta:      CUDA0 compute buffer size =   887.99 MiB",
            "CUDA0 projector's compute buffer (MiB)",
            "a projector's graph is not counted (--mmproj)",
        ),
        (
            "srv    load_model: [mtmd] estimated worst-case memory usage of mmproj is 887.99 MiB",
            "projector's most memory (MiB)",
            "a projector is not counted (--mmproj)",
        ),
        (
            "srv    load_model: [spec] estimated memory usage of MTP context is 887.99 MiB",
            "NextN layers' context and graph (MiB)",
            "llama.cpp estimates it before the context is made",
        ),
    ],
)
def test_memory_beside_the_models_own_is_named_and_not_held(
    line: str, figure: str, why: str
) -> None:
    cache = "llama_kv_cache: size = 1152.00 MiB (8192 cells, 36 layers, 1/1 seqs)"
    row, *others = checked([line, cache], load("qwen3-8b"))
    assert (row.figure, row.printed, row.verdict, row.why) == (figure, 887.99, CANNOT, why)
    assert [other.verdict for other in others] == ["agrees"]
