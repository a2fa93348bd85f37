"""Where things stand: what one sheet must know about another."""

from kvcalc.outputs.workbook.cells import letters

FIRST_ROW = 4
"""The first row beneath a sheet's title, note and header."""

WORKLOAD_FIRST_ROW = 9
WORKLOAD_CONTEXT, WORKLOAD_SESSIONS = 4, 5

MODELS = (
    "model",
    "asked_for_as",
    "layers",
    "kinds",
    "kv_heads",
    "head_dim",
    "element_bytes",
    "bytes_per_token_and_layer",
    "window",
    "max_context",
    "parameters",
    "weights_bytes",
    "source",
)
ENGINES = (
    "engine",
    "version",
    "source",
    "memory_share",
    "share_of",
    "held_back_blocks",
    "kinds",
    "kv_cache_dtypes",
    "what_makes_it_differ",
)
GPUS = (
    "gpu",
    "product",
    "memory_mib",
    "memory_bytes",
    "framework_visible_bytes",
    "usable_bytes",
    "least_bytes",
    "compute_capability",
    "one_source_only",
    "note",
    "sources",
)

FORMULAS = (
    "model",
    "engine",
    "kv_cache_dtype",
    "tensor_parallel_size",
    "window",
    "bytes",
    "bytes_per_gpu",
    "p50",
    "p90",
    "p95",
    "p99",
    "max",
    "one_sequence_per_gpu",
    "two_sequences_per_gpu",
    "block_bytes_per_gpu",
    "most_sequences",
    "formula",
    "why",
    "key",
    "engine_version",
)


START = (
    "model",
    "engine",
    "compute_capability",
    "part",
    "tensor_parallel_size",
    "bytes",
    "low",
    "high",
    "kind",
    "source",
    "at_once",
    "start",
    "beside",
)
"""Of each start the weights, then what it takes beside; a GPU's kind leads to the first row."""


def column_of(sheet: str, columns: tuple[str, ...], name: str, rows: int) -> str:
    """Refer to a column's cells beneath its header, from any sheet."""
    letter = letters(columns.index(name))
    return f"{sheet}!${letter}${FIRST_ROW + 1}:${letter}${FIRST_ROW + max(1, rows)}"
