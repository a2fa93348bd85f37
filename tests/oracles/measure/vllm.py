"""Measure vLLM's cases again: python tests/oracles/measure/vllm.py 0.33.0 --sample 50

Runs a release's own planner (v1/core/kv_cache_planning.py, before 0.33.0 kv_cache_utils.py) and
its v1/kv_cache_interface.py on a CPU: groups, bytes of a block, the start-up check, the label.
What stands in for a GPU and a server: 50 GiB for the memory profile, a namespace for VllmConfig
(tokens in flight are the release's own property where it has one), and each layer's
specification. In vllm, vllm_random and vllm_versions it is built from its sizes, and the blocks
of recurrent hybrids are the case's; in vllm_planned the layer's own and its backend's methods
make it (vllm_layers.py). Packages that are not installed are stood in, and named.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.oracles.measure import comparison, environment
from tests.oracles.measure.comparison import ORACLES, Case, Form

PLANNED = ("group_layers", "group_block_sizes", "bytes_per_block", "blocks_per_request")
IN_MEMORY = ("num_blocks_in_50GiB", "max_concurrency_in_50GiB")
CAPACITY = {"capacity_tokens_in_50GiB": "label_tokens_in_50GiB"}

SETTINGS = ("tp", "kv_dtype", "block_size", "max_in_flight_tokens", "hybrid_manager")


def plain(table: Mapping[str, Any], case: Case) -> Case:
    """Layers of plain kinds; the tokens in flight are one batch."""
    from tests.oracles.measure.vllm_plain import specs
    from tests.oracles.measure.vllm_planner import Setup, planned

    runs = table["models"][case["model"]] if "models" in table else case["layers"]
    layers = [layer for layer in runs for _ in range(layer["layers"])]
    form = "fp8" if case["kv_dtype"] == "fp8" else "auto"
    setup = Setup(
        case["max_model_len"],
        case["max_in_flight_tokens"],
        hybrid_manager=case["hybrid_manager"],
    )
    found = planned(setup.config(), [specs(layers, case["block_size"], case["tp"], form)])
    if "refused" in found:
        return {"refused": found["refused"]}
    names = {name: name for name in (*PLANNED, "bytes_per_request")}
    if "models" in table:
        names |= {name: name for name in IN_MEMORY} | CAPACITY
    return {name: found[own] for name, own in names.items()}


def by_release(table: Mapping[str, Any], case: Case) -> Case:
    """A published model as the release plans it."""
    from tests.oracles.measure.vllm_plain import MODELS, specs
    from tests.oracles.measure.vllm_planner import Setup, planned

    setup = Setup(
        case["max_model_len"],
        case["max_num_batched_tokens"],
        async_scheduling=case["async_scheduling"],
        hybrid_manager=case["hybrid_manager"],
        mamba_cache_mode=case.get("mode", "none"),
    )
    layers = MODELS[case["model"]]
    blocks = {"mamba_block": case["max_model_len"]}
    blocks |= {
        name: case[name] for name in ("attention_block", "mamba_block", "mode") if name in case
    }
    found = planned(setup.config(), [specs(layers, None, 1, "auto", **blocks)])
    if "refused" in found:
        return {"refused": f"{found['error']}: {found['refused']}"}
    names = (*PLANNED, "bytes_per_request", "group_kinds", "startup_needs")
    out = {name: found[name] for name in (*names, *IN_MEMORY[1:])}
    return out | {"label_tokens_in_50GiB": found["label_tokens_in_50GiB"]}


def random_layers(table: Mapping[str, Any], case: Case) -> Case:
    """A random list of layers, with its kernels, layout and stages."""
    from tests.oracles.measure.vllm_layers import measured

    found = measured(case["layers"], case["order"], case["settings"], case["max_model_len"])
    if "refused" in found:
        return {"refused": found["refused"][:120] or found["error"]}
    names = ("group_layers", "rank_bytes_per_block", "rank_bytes_per_request", "group_block_sizes")
    return {name: found[name] for name in names}


def pooled(table: Mapping[str, Any], case: Case) -> Case:
    """A published model whose index keys stand for several tokens."""
    from tests.oracles.measure.vllm_pooled import measured

    return measured(case["file"], case["changed"], case["settings"], case["max_model_len"])


def compressed(table: Mapping[str, Any], case: Case) -> Case:
    """DeepSeek V4."""
    from tests.oracles.measure.vllm_compressed import measured

    return measured(table, case)


def replayed(table: Mapping[str, Any], case: Case) -> Case:
    """Requests through the prefix cache."""
    from tests.oracles.measure.vllm_replayed import measured

    return measured(table, case)


def packed(case: Case) -> bool:
    """Whether it is a case of DeepSeek V4 in FlashMLA's rows."""
    return bool(case["kind"] == "v4" and case["backend"] == "FLASHMLA_SPARSE_DSV4")


PLANNED_V4 = ("bytes_per_block", "blocks_per_request", "bytes_per_request", *IN_MEMORY)


def forms(version: str) -> list[Form]:
    """The files of vLLM's cases; of vllm_versions the release's own, or else the newest's."""

    def of_release(table: Mapping[str, Any]) -> list[Any]:
        known = table["versions"]
        release = version if version in known else known[-1]
        return [case for case in table["cases"] if case["version"] == release]

    kinds = json.loads((ORACLES / "vllm_kinds.json").read_text())["cases"]
    beside = frozenset(name for case in kinds for name in case if name not in PLANNED_V4)
    settings = frozenset((*SETTINGS, "max_model_len", "layers", "model"))
    releases = frozenset(
        (
            *("version", "model", "model_file_in_version", "max_model_len", "hybrid_manager"),
            *("max_num_batched_tokens", "async_scheduling"),
            *("attention_block", "mamba_block", "mode", "prefix_caching"),
        )
    )
    return [
        Form("vllm", plain, settings),
        Form("vllm_random", plain, settings),
        Form(
            "vllm_planned",
            random_layers,
            frozenset(("layers", "order", "settings", "max_model_len")),
        ),
        Form("vllm_pooled", pooled, frozenset(("file", "changed", "settings", "max_model_len"))),
        Form("vllm_kinds", compressed, only=packed, asked=beside),
        Form(
            "vllm_replay_odd",
            replayed,
            frozenset(
                (
                    *("groups", "trace", "num_blocks", "chunk", "async_scheduling"),
                    *("retention_interval", "timed"),
                )
            ),
        ),
        Form("vllm_versions", by_release, releases, cases=of_release),
    ]


if __name__ == "__main__":
    names = [form.file for form in forms("")]
    given = comparison.arguments(__doc__, names)
    version = environment.enter("vllm", given.version)
    comparison.main(forms(version), given, f"vLLM {version}'s own planner on the CPU")
