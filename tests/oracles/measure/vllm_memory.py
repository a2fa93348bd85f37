"""Turn a vLLM start-up log into a row: python tests/oracles/measure/vllm_memory.py LOG --gpu h100

Prints the row of `tests/oracles/vllm_memory.json` with what the log says of one rank, in the order
of its columns; `--model` is the model's short name there, `--id` and `--source` name the start-up.
What is not printed is null; max_num_seqs and the tokens of a batch are then the GPU's own defaults,
and `settings_assumed` says so. Run the server with VLLM_LOGGING_LEVEL=DEBUG to have all parts.
"""

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3]))

from kvcalc.catalogue.gpus import find
from kvcalc.engines.vllm.settings import VllmSettings
from tests.oracles.measure.comparison import ORACLES

SIZE = r"([0-9]+(?:\.[0-9]+)?) ?GiB"

FIGURES = {
    "total_gib": rf"total_memory={SIZE}|Free memory on device \([0-9.]+/{SIZE}\)",
    "requested_gib": rf"Requested memory: [0-9.]+ \(util\), {SIZE}"
    rf"|utilization is \([0-9.]+, {SIZE}",
    "weights_gib": rf"Model loading took {SIZE}|Actual usage is {SIZE} for weight",
    "torch_peak_increase_gib": rf"torch peak memory increase: {SIZE}",
    "non_torch_increase_gib": rf"non-torch forward increase memory: {SIZE}",
    "total_consumed_gib": rf"total consumed \(from mem_get_info\): {SIZE}"
    rf"|Actual usage is {SIZE} for consumed",
    "peak_activation_and_graph_estimate_gib": rf"for consumed memory.*?, {SIZE} for peak",
    "cudagraph_estimate_gib": rf"Estimated CUDA graph memory: {SIZE} total",
    "cudagraph_actual_gib": rf"Graph capturing finished in .*? took {SIZE}",
    "available_gib": rf"Available KV cache memory: {SIZE}",
    "utilization": r"Requested memory: ([0-9.]+) \(util\)|utilization is \(([0-9.]+),",
}
"""What each line prints, as numbers."""

COUNTS = {
    "tp": r"tensor_parallel_size=([0-9]+)",
    "pp": r"pipeline_parallel_size=([0-9]+)",
    "max_model_len": r"max_seq_len=([0-9]+)",
    "max_num_seqs": r"'max_num_seqs': ([0-9]+)|max_num_seqs to ([0-9]+)",
    "max_num_batched_tokens": r"max_num_batched_tokens=([0-9]+)",
    "kv_tokens": r"GPU KV cache size: ([0-9,]+) tokens",
}

WORDS = {
    "engine_version": r"LLM engine \(v([0-9.]+)",
    "dtype": r"dtype=torch\.([a-z0-9]+)",
    "kv_dtype": r"kv_cache_dtype=([a-z0-9_]+)",
    "quantization": r"quantization=([a-z0-9_-]+)",
}


def first(expression: str, log: str) -> str | None:
    """The first that a line says, whichever way it is spelled."""
    found = re.search(expression, log)
    return None if found is None else next(group for group in found.groups() if group is not None)


def row_of(log: str, gpu: str, **given: str | None) -> dict[str, Any]:
    """The row of a log's start-up on a GPU of the catalogue; `given` are its name and source."""
    counts = {name: first(expression, log) for name, expression in COUNTS.items()}
    whole = {name: text and int(text.replace(",", "")) for name, text in counts.items()}
    sizes = {name: first(expression, log) for name, expression in FIGURES.items()}
    words = {name: first(expression, log) for name, expression in WORDS.items()}
    of_gpu = VllmSettings(release=words["engine_version"], gpu=gpu)
    own = {"max_num_seqs": of_gpu.own_sequences, "max_num_batched_tokens": of_gpu.batch}
    said = {
        **whole,
        **words,
        **{name: None if text is None else float(text) for name, text in sizes.items()},
        **{name: whole[name] or size for name, size in own.items()},
        "settings_assumed": any(whole[name] is None for name in own),
        "quantization": None if words["quantization"] == "None" else words["quantization"],
        "enforce_eager": "enforce_eager=True" in log,
        "cudagraph_estimate_subtracted": "CUDA graph memory profiling is enabled" in log,
        "first_stage": True,
        "last_stage": whole["pp"] == 1,
        "gpu": find(gpu).product,
        **given,
    }
    columns = json.loads((ORACLES / "vllm_memory.json").read_text())["columns"]
    return {name: said.get(name) for name in columns}


def main() -> None:
    """Print the row of a log."""
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("log", type=Path)
    arguments.add_argument("--gpu", required=True, help="as in kvcalc gpus")
    for name in ("model", "id", "source"):
        arguments.add_argument(f"--{name}")
    asked = vars(arguments.parse_args())
    row = row_of(asked.pop("log").read_text(errors="replace"), **asked)
    print(json.dumps([*row.values()]))


if __name__ == "__main__":
    main()
