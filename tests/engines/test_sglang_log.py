"""What SGLang prints of its pools, by its own formats, agrees; one step of the last place differs.

The formats are those of srt/mem_cache/memory_pool.py, srt/mem_cache/swa_memory_pool.py,
srt/model_executor/pool_configurator.py and srt/managers/scheduler.py of 0.5.23.
"""

import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

import kvcalc
from kvcalc.answers.check import AGREES, CANNOT, DIFFERS
from kvcalc.engines.releases import ReleaseWarning
from kvcalc.errors import KvcalcError
from kvcalc.model import Model
from tests.each import each
from tests.engines.log_lines import any_model, checked, load, misprinted, requests
from tests.shapes import full, sliding
from tests.shapes import model as shape

TORCH = {
    "fp8_e4m3": "float8_e4m3fn",
    "fp8_e5m2": "float8_e5m2",
    "mxfp8": "float8_e4m3fn",
    "nvfp4": "float4_e2m1fn_x2",
}


def gb(size: int) -> str:
    """What SGLang calls GB, which is GiB."""
    return f"{size / 2**30:.2f}"


Lines = Iterator[tuple[str, Mapping[str, int]]]
"""Lines, with the figures of each and their decimals."""

TOKENS = {"#tokens: @,": 0}
RESTATED = {"full_layer_tokens=@,", *TOKENS}
"""What the lines that follow print too: of one that is wrong, another differs."""
KEYS_AND_VALUES = {**TOKENS, "K size: @ GB": 2, "V size: @ GB": 2}


def printed(pool: kvcalc.Pool) -> Lines:
    """The lines about a pool."""
    figures = pool.figures
    if figures["mamba_slots"] is not None:
        yield from states(figures)
    if figures["swa_tokens"] is not None and figures["full_tokens"]:
        yield (
            "Use sliding window memory pool. "
            f"full_layer_tokens={figures['full_tokens']}, swa_layer_tokens={figures['swa_tokens']}",
            {"full_layer_tokens=@,": 0, "swa_layer_tokens=@": 0},
        )
    yield from pools(pool)
    yield (
        f"max_total_num_tokens={figures['max_total_num_tokens']}, chunked_prefill_size=8192, "
        f"max_prefill_tokens=16384, max_running_requests={figures['max_running_requests']}, "
        f"context_len={pool.context}, available_gpu_mem=1.23 GB",
        {"max_total_num_tokens=@,": 0, "max_running_requests=@,": 0},
    )


def states(figures: Mapping[str, Any]) -> Lines:
    """The line about slots of recurrent state."""
    sizes = {"conv_state": "mamba.conv", "ssm_state": "mamba.temporal"}
    drafted = {
        "intermediate_ssm_state_cache": "mamba.intermediate_ssm",
        "intermediate_conv_window_cache": "mamba.intermediate_conv",
    }
    start = f"Mamba Cache is allocated. max_mamba_cache_size: {figures['mamba_slots']}, "
    line = ", ".join(f"{label} size: {gb(figures[name])}GB" for label, name in sizes.items())
    if "mamba.intermediate_ssm" in figures:
        sizes |= drafted
        line += "".join(f" {label} size: {gb(figures[name])}GB" for label, name in drafted.items())
    yield f"{start}{line} ", {f"{label} size: @GB": 2 for label in sizes}


def pools(pool: kvcalc.Pool) -> Lines:
    """The lines about keys and values, or rows, of each pool."""
    figures = pool.figures
    dtype = f"torch.{TORCH.get(pool.kv_cache_dtype, pool.kv_cache_dtype)}"
    windowed = figures["swa_tokens"] is not None

    def start(label: str, tokens: int) -> str:
        return f"{label}KV Cache is allocated. dtype: {dtype}, #tokens: {tokens}, "

    def sizes(k: int, v: int) -> str:
        return f"K size: {gb(k)} GB, V size: {gb(v)} GB"

    total = figures["max_total_num_tokens"]
    for name, label, tokens in (
        ("full", "Full ", figures["full_tokens"] or total),
        ("swa", "SWA ", figures["swa_tokens"]),
    ):
        line = start(label if windowed else "", tokens)
        buffers = {
            one: sum(
                figures.get(f"{name}.{of}{one}{part}_buffer", 0)
                for of, part in (("", ""), ("", "_scale"), ("native_", "_scale"))
            )
            for one in ("k", "v")
        } | {"kv": figures.get(f"{name}.kv_buffer", 0)}
        index = figures.get(f"{name}.index_k", 0)
        if buffers["k"]:
            yield line + sizes(buffers["k"], buffers["v"]), KEYS_AND_VALUES
            if index:
                yield line + sizes(index, 0), {**TOKENS, "K size: @ GB": 2}
        elif buffers["kv"]:
            yield f"{line}KV size: {gb(buffers['kv'] + index)} GB", {**TOKENS, "KV size: @ GB": 2}
    if windowed and figures["full_tokens"] and "full.k_buffer" in figures:
        yield (
            f"SWAKVPool mem usage: {gb(figures['kv_bytes'])} GB, swa size: {figures['swa_tokens']}"
            f", full size: {figures['full_tokens']}",
            {"mem usage: @ GB": 2, "swa size: @,": 0, "full size: @": 0},
        )
    own, draft = figures["full_pool_bytes"], figures["draft_bytes"]
    if draft and "full.k_buffer" in figures and not windowed and "full.index_k" not in figures:
        keys = sum(size for name, size in figures.items() if re.match("full.*[._]k_", name))
        keys = draft * keys // own
        yield start("", total) + sizes(keys, draft - keys), KEYS_AND_VALUES


@settings(max_examples=15)
@given(any_model, requests("sglang"), st.integers(2**28, 2**38), st.integers(1, 2**20))
def test_a_pools_figures_agree_and_one_step_of_the_last_place_differs(
    model: Model, asked: dict[str, Any], memory: int, context: int
) -> None:
    if (
        "draft_layers" in asked
    ):  # a draft's pool may print the hundredths of a GiB of so small a one
        memory += 2**31
    try:
        pool = kvcalc.pool(model, "sglang", memory=memory, context=context, **asked)
    except KvcalcError:
        reject()
    lines = [line for line, _ in printed(pool)]
    rows = checked(lines, model, asked)
    assert {row.verdict for row in rows} == {AGREES}, (lines, rows)
    for place, (line, figures) in enumerate(printed(pool)):
        for figure, places in figures.items():
            for changed in misprinted(line, figure, places):
                log = [*lines[:place], changed, *lines[place + 1 :]]
                rows = checked(log, model, asked)
                if figure not in RESTATED:
                    rows = [row for row in rows if row.line == place + 1]
                assert DIFFERS in {row.verdict for row in rows}, (changed, rows)


@pytest.mark.parametrize("replicas", [(), (("70000", "7000"),)])
def test_pools_have_the_tokens_that_the_memory_was_cut_into(
    replicas: tuple[tuple[str, str], ...],
) -> None:
    """The lines of one start; another replica's may stand between them."""
    cut = "Use sliding window memory pool. full_layer_tokens={}, swa_layer_tokens={}"
    lines = [cut.format(*tokens) for tokens in (("31371", "3137"), *replicas)]
    pool = "{} KV Cache is allocated. dtype: torch.bfloat16, #tokens: {}, K size: 1.00 GB, "
    for label, tokens, verdict in (
        ("SWA", 3137, AGREES),
        ("SWA", 3138, DIFFERS),
        ("Full", 31371, AGREES),
        ("Full", 3137, DIFFERS),
    ):
        rows = checked([*lines, pool.format(label, tokens) + "V size: 1.00 GB"])
        (row,) = (row for row in rows if row.figure == "#tokens (tokens)")
        assert row.verdict == verdict


def test_layers_that_hold_nothing_count_in_the_pool_of_an_attention_model() -> None:
    """Nemotron-Super-49B: 80 layers are stored alike, though 31 hold nothing."""
    nemotron = load("tests/oracles/configs/nvidia--Llama-3_3-Nemotron-Super-49B-v1.json")
    tokens = 196_607
    line = f"KV Cache is allocated. dtype: torch.bfloat16, #tokens: {tokens}, K size: 30.00 GB, "
    rows = checked([f"{line}V size: 30.00 GB"], nemotron)
    assert [(row.ours, row.verdict) for row in rows] == [(30, AGREES), (30, AGREES)]


def test_ranks_that_outnumber_the_groups_of_a_states_convolution_have_one_each() -> None:
    """Nemotron 3 Nano has 8 groups of B and C: on 16 ranks there are 16 of them."""
    nano = load("tests/oracles/configs/nvidia--NVIDIA-Nemotron-3-Nano-30B-A3B-BF16.json")
    asked: dict[str, Any] = {"tensor_parallel_size": 16}
    pool = kvcalc.pool(nano, "sglang", memory=2**36, context=8192, **asked)
    assert {row.verdict for row in checked([line for line, _ in printed(pool)], nano, asked)} == {
        AGREES
    }


@each(("form", "printed"), [("mxfp8", "4.12"), ("nvfp4", "2.25"), ("fp8_e4m3", "4.00")])
def test_the_scales_of_packed_formats_are_in_k_and_in_v(form: str, printed: str) -> None:
    """32 layers x 8 heads x 128 x 131,072 tokens: 4 GiB of 8 bits, a scale for 32 or for 16."""
    llama = load("llama-3.1-8b")
    asked = {"kv_cache_dtype": form, "gpu": "b200", "page_size": 128}
    asked |= {"attention_backend": "fa4"} if form == "mxfp8" else {}
    line = f"KV Cache is allocated. dtype: torch.{TORCH[form]}, #tokens: {131_072 - 128}, "
    rows = checked([f"{line}K size: {printed} GB, V size: {printed} GB"], llama, asked)
    assert [row.verdict for row in rows] == [AGREES, AGREES], rows


@each(
    ("form", "size"),
    [("fp8_e4m3", "4.00"), ("fp8_e5m2", "4.00"), ("nvfp4", "2.25"), ("fp4_mx_block16", "2.25")],
)
def test_what_torch_stores_as_bytes_is_what_was_asked_for(form: str, size: str) -> None:
    asked = {"kv_cache_dtype": form, "gpu": "b200", "page_size": 128}
    asked |= {"attention_backend": "triton"} if form == "fp4_mx_block16" else {}
    stored = "uint8"
    line = f"KV Cache is allocated. dtype: torch.{stored}, #tokens: {131_072 - 128}, "
    line += f"K size: {size} GB, V size: {size} GB"
    rows = checked([line], load("llama-3.1-8b"), asked)
    assert [row.verdict for row in rows] == [AGREES, AGREES], rows


def test_max_total_tokens_caps_a_window_pool_that_running_requests_size() -> None:
    model = shape(sliding(), full())
    asked = {"max_total_tokens": 1000, "disable_radix_cache": True, "max_running_requests": 64}
    line = "Use sliding window memory pool. full_layer_tokens=1000, swa_layer_tokens={}"
    assert [row.verdict for row in checked([line.format(1000)], model, asked)] == [AGREES]
    (row,) = checked([line.format(1001)], model, asked)
    assert (row.ours, row.verdict) == (1000, DIFFERS)
    (row,) = checked([line.replace("=1000", "=999").format(1000)], model, asked)
    assert row.verdict == DIFFERS


def test_without_a_gpu_rows_of_sparse_attention_may_be_stored_as_on_blackwell() -> None:
    """DeepSeek V3.2: 61 rows of 656 bytes on Hopper and of 576 on Blackwell, a key of 132 each."""
    deepseek = load("tests/oracles/configs/deepseek-ai--DeepSeek-V3.2.json")
    line = "KV Cache is allocated. dtype: torch.float8_e4m3fn, #tokens: 1048512, KV size: {} GB"
    for row, printed in ((656, "46.94"), (576, "42.18")):
        assert f"{2**20 * 61 * (row + 132) / 2**30:.2f}" == printed
        assert [one.verdict for one in checked([line.format(printed)], deepseek)] == [AGREES]
    (one,) = checked([line.format("42.18")], deepseek, {"gpu": "h100"})
    assert one.verdict == DIFFERS


LIMITS = "max_total_num_tokens={}, chunked_prefill_size=8192, max_running_requests=1, context_len=1"
SLOTS = "Mamba Cache is allocated. max_mamba_cache_size: {}, conv_state size: 0.00GB, "


@each(
    ("tokens", "slots", "verdict", "why"),
    [
        (2, 5, AGREES, "of 2 tokens"),
        (1, 5, DIFFERS, "of 1 tokens"),  # which no request runs in, however many slots there are
        (2, 3, CANNOT, "found room for 3 slots of recurrent state, fewer than the 5 of one"),
    ],
)
def test_requests_are_bounded_by_tokens_and_by_slots(
    tokens: int, slots: int, verdict: str, why: str
) -> None:
    nemotron = load("nemotron-3-nano-30b-a3b")
    lines = [SLOTS.format(slots) + "ssm_state size: 0.05GB", LIMITS.format(tokens)]
    rows = checked(lines, nemotron, {"page_size": 1})
    (row,) = (row for row in rows if row.figure == "max_running_requests (requests)")
    assert row.verdict == verdict
    assert why in row.why


@each(
    ("release", "verdict", "why"),
    [
        (None, DIFFERS, "off by +1, +0.0%; sglang before 0.4.7 prints one more"),
        ("0.4.6", AGREES, "for requests of 1,000,000, and one more, as before 0.4.7"),
        ("0.5.10", DIFFERS, "for requests of 1,000,000: off by +1, +0.0%"),
    ],
)
def test_older_tables_of_requests_have_a_row_more_than_run(
    release: str | None, verdict: str, why: str
) -> None:
    """srt/model_executor/model_runner.py of 0.4.6 and 0.4.7 (ReqToTokenPool)."""
    line = "max_total_num_tokens=100000, max_running_requests=2049, context_len=1000000"
    settings_given = {} if release is None else {"release": release}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ReleaseWarning)
        rows = checked([line], load("qwen3-8b"), settings_given)
    (row,) = (row for row in rows if row.figure == "max_running_requests (requests)")
    assert (row.verdict, why in row.why) == (verdict, True)
    assert ("prints one more" in row.why) == (release is None)
