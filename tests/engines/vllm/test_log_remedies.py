"""With which changes a vLLM start would do that its log says failed.

Each change is put to `kvcalc.pool`, which cuts the memory as a start does, and one step less of it.
"""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

import kvcalc
from kvcalc.engines.server.reader import read
from kvcalc.model import Model
from tests.each import each
from tests.engines.log_lines import checked, load

GIB = 2**30
CONFIGS = "tests/oracles/configs"
QWEN_27B = f"{CONFIGS}/Qwen--Qwen3.5-27B.json"
GEMMA = f"{CONFIGS}/google--gemma-4-31B.json"

REFUSED = (
    "ValueError: To serve at least one request with the models's max seq len ({context}), "
    "({needed} GiB KV cache is needed, which is larger than the available KV cache memory "
    "({available} GiB). Based on the available memory, the estimated maximum model length is 1."
)


def remedies(lines: list[str], model: Model, settings: dict[str, Any]) -> list[str]:
    rows = checked(lines, model, settings)
    return [remedy.flags for row in rows for remedy in row.remedies]


def refused(model: Model, context: int, available: str, **settings: Any) -> str:
    """vLLM's error, printed from its own arithmetic."""
    pool = kvcalc.pool(model, "vllm", memory=64 * 2**40, context=context, **settings)
    needed = f"{pool.figures['startup_needs'] / GIB:.2f}"
    return REFUSED.format(context=context, needed=needed, available=available)


LOADED = "Model loading took 61.0347 GiB and 20.1 seconds"
REQUESTED = "Initial free memory: {} GiB; Requested memory: 0.9 (util), 71.28 GiB"
TOO_MANY = "ValueError: max_num_seqs (1024) exceeds available Mamba cache blocks (969)."

QWEN_32B = refused(load("qwen3-32b"), 40_960, "8.30")
SHARED, HALF_TYPE, SHORTER = "--gpu-memory-utilization", "--kv-cache-dtype fp8", "--max-model-len"

STARTS: dict[str, tuple[list[str], str, dict[str, Any], list[str]]] = {
    "a full model, whose log tells the device's memory": (
        [REQUESTED.format("78.60"), LOADED, QWEN_32B],
        "qwen3-32b",
        {},
        [f"{SHARED} 0.93", HALF_TYPE, f"{SHORTER} 33792", "--tensor-parallel-size 2"],
    ),
    "less is free than a larger share would take": (
        [REQUESTED.format("73.10"), LOADED, QWEN_32B],
        "qwen3-32b",
        {},
        [HALF_TYPE, f"{SHORTER} 33792", "--tensor-parallel-size 2"],
    ),
    "the device's memory is not told": (
        [QWEN_32B],
        "qwen3-32b",
        {},
        [HALF_TYPE, f"{SHORTER} 33792", "--tensor-parallel-size 2"],
    ),
    "the device's memory is that of the GPU": (
        [QWEN_32B],
        "qwen3-32b",
        {"gpu": "h100"},
        [f"{SHARED} 0.95", HALF_TYPE, f"{SHORTER} 33792", "--tensor-parallel-size 2"],
    ),
    "fewer sequences save what a start takes for them, on a GPU that is known": (
        [refused(load("qwen3-32b"), 40_960, "9.60")],
        "qwen3-32b",
        {"gpu": "h100"},
        [
            *(f"{SHARED} 0.93", "--max-num-batched-tokens 512", "--max-num-seqs 512"),
            *("--enforce-eager", HALF_TYPE, f"{SHORTER} 38912", "--tensor-parallel-size 2"),
        ],
    ),
    # The memory is given in bytes, so no share and no rank's weights add to it.
    "vllm-project/vllm#49878": (
        [
            "Initial free memory 93.88 GiB, reserved 49.0 GiB memory for KV Cache as specified by "
            "kv_cache_memory_bytes config and skipped memory profiling.",
            refused(load(GEMMA), 262_144, "49.0", max_num_batched_tokens=32_768),
        ],
        GEMMA,
        {"max_num_batched_tokens": 32_768, "gpu": "h100"},
        [
            *("--max-num-batched-tokens 16384", "--no-async-scheduling", HALF_TYPE),
            *(f"{SHORTER} 57344", "--tensor-parallel-size 2"),
        ],
    ),
    "vllm-project/vllm#49064": (
        ["Available KV cache memory: 46.4 GiB", TOO_MANY],
        QWEN_27B,
        {"release": "0.28.0", "gpu": "h100"},
        [f"{SHARED} 0.96", "--max-num-seqs 969", "--tensor-parallel-size 2"],
    ),
    "vllm-project/vllm#49064, two cards": (
        [
            "Available KV cache memory: 3.86 GiB",
            TOO_MANY.replace("1024", "256").replace("969", "161"),
        ],
        QWEN_27B,
        {"release": "0.23.1", "tp": 2, "max_model_len": 122_633},
        ["--max-num-seqs 161"],
    ),
    # One request fits no memory that is not there, whatever it is shortened to.
    "nothing is left": (
        [
            REQUESTED.format("78.60"),
            "Available KV cache memory: -2.50 GiB",
            "ValueError: No available memory for the cache blocks. Try increasing "
            "`gpu_memory_utilization` when initializing the engine.",
        ],
        "qwen3-8b",
        {"max_model_len": 8192},
        [f"{SHARED} 0.95"],
    ),
    "another model's figure is not confirmed: the log's own estimate stands": (
        [QWEN_32B.replace("length is 1.", "length is 33990.")],
        "qwen3-8b",
        {},
        [f"{SHORTER} 33792"],
    ),
    "nor is it with the device's memory": (
        [REQUESTED.format("78.60"), QWEN_32B.replace("length is 1.", "length is 0.")],
        "qwen3-8b",
        {},
        [f"{SHARED} 0.93"],
    ),
}
"""By case: the log, the model, what else is said, and the flags that would start."""


@each("case", sorted(STARTS))
def test_the_least_change_of_each_kind_is_named(case: str) -> None:
    lines, model, settings, flags = STARTS[case]
    assert remedies(lines, load(model), settings) == flags


def test_what_a_start_then_needs_and_has_is_said() -> None:
    """.03 of 79.2 GiB more; half of 61.04 GiB of weights, less what two ranks talk with, 2.6."""
    lines, model, settings, _ = STARTS["a full model, whose log tells the device's memory"]
    rows = checked(lines, load(model), settings)
    assert [remedy.then for row in rows for remedy in row.remedies] == [
        "needs 10.00 of 10.67 GiB",
        "needs 5.00 of 8.29 GiB",
        "needs 8.25 of 8.29 GiB",
        "needs 5.00 of 36.21 GiB",
    ]


@each(("setting", "half"), [*(("seqs", 32 << step) for step in range(5)), ("batched-tokens", 4096)])
def test_half_as_much_at_once_is_named_where_it_is_enough(setting: str, half: int) -> None:
    """Less than a hundredth of a GiB is missing of what a request of 8,192 tokens takes, 1.125."""
    model, name = load("qwen3-8b"), f"max_num_{setting.replace('-', '_')}"
    given = {"gpu": "h100", "max_num_seqs": 8, "max_num_batched_tokens": 1024, name: 2 * half}
    flags = remedies([refused(model, 8192, "1.12", **given)], model, given)
    assert f"--max-num-{setting} {half}" in flags


@each(("available", "ranks"), [("8.30", 2), ("5.50", 4), ("4.00", 8)])
def test_as_many_ranks_are_named_as_share_what_a_request_needs(available: str, ranks: int) -> None:
    """A request of 40,960 tokens takes 10 GiB, which the ranks divide."""
    model = load("qwen3-32b")
    flags = remedies([refused(model, 40_960, available)], model, {})
    assert f"--tensor-parallel-size {ranks}" in flags


def test_a_log_whose_model_is_not_known_has_the_changes_that_it_tells_itself() -> None:
    lines = [REQUESTED.format("78.60"), QWEN_32B.replace("length is 1.", "length is 33990.")]
    rows = checked(lines)
    found = {remedy.flags: remedy.then for row in rows for remedy in row.remedies}
    assert found == {
        f"{SHARED} 0.93": "needs 10.00 of 10.68 GiB, by the log",
        f"{SHORTER} 33792": "fits, by the log's estimate of 33,990 tokens",
    }


@each(("available", "share"), [("8.43", "0.92"), ("8.42", "0.93")])
def test_a_share_that_the_log_tells_itself_is_enough_however_it_was_rounded(
    available: str, share: str
) -> None:
    """1.58 GiB that are missing may be 1.59, and .02 of 79.2 GiB are 1.584."""
    lines = [REQUESTED.format("78.60"), QWEN_32B.replace("8.30", available)]
    first = next(remedy.flags for row in checked(lines) for remedy in row.remedies)
    assert first == f"{SHARED} {share}"


MODELS = ("qwen3-8b", "gemma-3-27b", "k-exaone-236b-a23b", "deepseek-v3", GEMMA)


@given(st.sampled_from(MODELS), st.sampled_from([8192, 32_768, 65_536]), st.integers(1, 400))
def test_what_is_named_starts_in_the_memory_of_the_log(
    source: str, context: int, hundredths: int
) -> None:
    model, memory = load(source), hundredths * GIB // 100
    settings = {"max_num_batched_tokens": 16_384}
    error = refused(model, context, f"{hundredths / 100}", **settings)
    for flags in remedies([error], model, settings):
        _, asked = read(f"vllm serve MODEL {flags}")
        changed = {**settings, **asked.settings}
        length = asked.context or context
        pool = kvcalc.pool(model, "vllm", memory=memory, context=length, **changed)
        assert pool.figures["fits"], flags
        if asked.context and asked.context % 1024 == 0:
            longer = kvcalc.pool(model, "vllm", memory=memory, context=length + 2048, **changed)
            assert not longer.figures["fits"], flags
