"""Lines of TensorRT-LLM's logs that users posted in public: one row a report."""

from kvcalc.engines.log import AGREES, CANNOT, DIFFERS
from tests.engines.public_logs.report import Report
from tests.shapes import full
from tests.shapes import model as shape

ALLOCATED = "[TensorRT-LLM][INFO] Allocate 69524783104 bytes for k/v cache."
USING = "[TensorRT-LLM][INFO] Using {} tokens in paged KV cache."
LLAMA_2 = shape(*[full(kv_heads=32)] * 32)

REPORTS = {
    # Of a 7B model that the report does not name: 524,288 bytes a token, as Llama 2 7B's.
    "NVIDIA/TensorRT-LLM#1400, bytes of the pool": Report(
        f"{ALLOCATED}\n{USING.format(132_608)}",
        LLAMA_2,
        {(1, "allocated (bytes)"): AGREES},
    ),
    "the same of tokens that fill no block": Report(
        f"{ALLOCATED}\n{USING.format(132_500)}",
        LLAMA_2,
        {(1, "allocated (bytes)"): AGREES},
        why="in whole blocks",
    ),
    "the same in smaller blocks, as asked for": Report(
        f"{ALLOCATED}\n{USING.format(132_500)}",
        LLAMA_2,
        {(1, "allocated (bytes)"): DIFFERS},
        {"tokens_per_block": 16},
    ),
    "the same of fewer tokens": Report(
        f"{ALLOCATED}\n{USING.format(125_000)}",
        LLAMA_2,
        {(1, "allocated (bytes)"): DIFFERS},
    ),
    "the same without its tokens": Report(
        ALLOCATED, LLAMA_2, {(1, "allocated (bytes)"): CANNOT}, why="tokens are missing"
    ),
    "the same without the model": Report(
        ALLOCATED, None, {(1, "allocated (bytes)"): CANNOT}, why="give --model"
    ),
}
