"""What vLLM prints of a pool, by its own formats, agrees; one step of the last place differs."""

import re
from fractions import Fraction
from typing import Any

from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st

import kvcalc
from kvcalc.answers.check import AGREES, DIFFERS
from kvcalc.engines.vllm.caches import StateCache
from kvcalc.engines.vllm.plan import plan
from kvcalc.engines.vllm.pool import capacity_tokens_up_to_0_20
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.errors import KvcalcError
from kvcalc.model import Model
from tests.each import each
from tests.engines.log_lines import any_model, checked, load, misprinted, requests

releases = st.sampled_from(["0.11.2", "0.18.0", "0.25.1", "0.33.0"])
memories = st.integers(2**20, 2**38)
contexts = st.integers(1, 2**20)


def gib(size: int) -> str:
    """GiB as format_gib of vllm/utils/mem_utils.py rounds them."""
    return str(round(size / 2**30, 2))


def printed(pool: kvcalc.Pool, memory: int) -> list[str]:
    """The lines of vLLM about a pool of so much memory, or the error of its first short stage."""
    figures, context = pool.figures, pool.context
    if not figures["fits"]:
        needs, sizes = figures["rank_needed_bytes"], figures["rank_available_bytes"]
        short = [need > size for need, size in zip(needs, sizes, strict=True)]
        longest = figures["rank_estimated_max_model_len"][short.index(True)]
        estimate = f"the estimated maximum model length is {longest}. " if longest else ""
        return [
            "ValueError: To serve at least one request with the model's max seq len "
            f"({context}), ({gib(figures['needed_bytes'])} GiB KV cache is needed, which is larger "
            f"than the available KV cache memory ({gib(figures['available_bytes'])} GiB). "
            + (f"Based on the available memory, {estimate}" if estimate else "")
        ]
    return [
        f"Setting attention block size to {figures['block_size']} tokens to ensure that",
        f"Available KV cache memory: {gib(memory)} GiB",
        f"GPU KV cache size: {figures['label_tokens']:,} tokens, Maximum concurrency for "
        f"{context:,} tokens per request: {figures['max_concurrency']:.2f}x",
    ]


def needs_of_stages(pool: kvcalc.Pool) -> set[Fraction]:
    """What other lines about a start that failed have: each stage's worker prints its own need.

    Some releases have it of all stages together. Nothing in a line tells whose it is, so that a
    figure of one stage that is wrong, but another's, cannot be told from the other's.
    """
    figures = pool.figures
    needs: tuple[int, ...] = figures["rank_needed_bytes"]
    if len(needs) == 1:
        return set()
    together = sum(figures["rank_bytes_per_block"]) * figures["blocks_per_request"]
    return {Fraction(gib(size)) for size in (*needs, together)}


FIGURES = {
    "GPU KV cache size: @ tokens": 0,
    "tokens per request: @x": 2,
    "(@ GiB KV cache is needed": 2,
    "estimated maximum model length is @.": 0,
}
"""What is printed, each with its decimals."""


@settings(max_examples=15)
@given(any_model, requests("vllm", release=releases), memories, contexts)
def test_a_pools_figures_agree_and_one_step_of_the_last_place_differs(
    model: Model, asked: dict[str, Any], memory: int, context: int
) -> None:
    try:
        pool = kvcalc.pool(model, "vllm", memory=memory, context=context, **asked)
    except KvcalcError:
        reject()
    assume(pool.figures["available_bytes"] > 0)
    asked_of_vllm, asked = asked, {**asked, "max_model_len": context}
    lines = printed(pool, memory)
    rows = checked(lines, model, asked)
    assert rows
    assert {row.verdict for row in rows} == {AGREES}, rows

    planned = plan(model, VllmSettings(**asked_of_vllm))
    blocks = pool.figures["num_gpu_blocks"]
    labels = {
        pool.figures["capacity_tokens"],
        capacity_tokens_up_to_0_20(planned, blocks, context),
    }
    for figure, places in FIGURES.items():
        if figure.partition("@")[0] not in lines[-1]:
            continue
        for line in misprinted(lines[-1], figure, places):
            exact = {**asked, "kv_cache_memory_bytes": memory}
            verdicts = [row.verdict for row in checked([line], model, exact)]
            tokens = re.search("size: ([0-9,]+) tokens", line)
            needed = "needed" in figure and re.search("([0-9.]+) GiB KV cache is needed", line)
            if needed and Fraction(needed[1]) in needs_of_stages(pool):
                continue
            if not (tokens and int(tokens[1].replace(",", "")) in labels and places == 0):
                # What a stage needs tells which one printed the line, and so how long it could be.
                most = 2 if needed and len(pool.figures["rank_needed_bytes"]) > 1 else 1
                assert 1 <= verdicts.count(DIFFERS) <= most, (line, verdicts)


@given(any_model, memories, st.integers(1, 10**6))
def test_an_override_is_printed_beside_the_blocks_that_the_memory_gives(
    model: Model, memory: int, override: int
) -> None:
    try:
        pool = kvcalc.pool(model, "vllm", memory=memory, context=4096)
    except KvcalcError:
        reject()
    assume(pool.figures["num_gpu_blocks"] > 1)  # of 0 a start profiles its graphs
    request = pool.figures["blocks_per_request"]
    line = (
        f"Overriding num_gpu_blocks={pool.figures['num_gpu_blocks']} with "
        f"num_gpu_blocks_override={override}"
    )
    size = (
        f"GPU KV cache size: {int(override / request * 4096):,} tokens, Maximum concurrency for "
        f"4,096 tokens per request: {override / request:.2f}x"
    )
    available = f"Available KV cache memory: {gib(memory)} GiB"
    assert {row.verdict for row in checked([available, line, size], model)} == {AGREES}
    for changed in misprinted(line, "num_gpu_blocks=@ with"):
        (row,) = checked([changed], model, {"kv_cache_memory_bytes": memory})
        assert row.verdict == DIFFERS


def test_what_is_padded_around_a_state_agrees() -> None:
    """Qwen3.5-27B: pages of 4 KV heads of 256, a key and a value of 2 bytes, around a state."""
    qwen = load("tests/oracles/configs/Qwen--Qwen3.5-27B.json")
    pool = kvcalc.pool(qwen, "vllm", memory=2**36)
    state = max(
        cache.state
        for group in plan(qwen, VllmSettings()).groups
        for _, cache in group.members
        if isinstance(cache, StateCache)
    )
    page = pool.figures["block_size"] * 2 * 4 * 256 * 2
    line = f"Padding mamba page size by {100 * (page - state) / state:.2f}% to ensure"
    assert [row.verdict for row in checked([line], qwen)] == [AGREES]
    for changed in misprinted(line, "by @%", places=2):
        assert [row.verdict for row in checked([changed], qwen)] == [DIFFERS]


@each(
    ("tokens", "verdict", "cause"),
    [
        (784, AGREES, ""),
        # In fp8 twice as many tokens of attention fill the page that a state has.
        (2 * 784, DIFFERS, "kv_cache_dtype=fp8 would explain it"),
    ],
)
def test_a_block_around_a_state_names_the_setting_that_would_explain_it(
    tokens: int, verdict: str, cause: str
) -> None:
    qwen = load("tests/oracles/configs/Qwen--Qwen3.5-27B.json")
    (row,) = checked([f"Setting attention block size to {tokens} tokens to ensure that"], qwen)
    assert (row.verdict, row.why.partition("; ")[2]) == (verdict, cause)


QWEN = load("qwen3-8b")


def test_concurrency_must_be_of_the_blocks_that_gave_the_tokens_printed_before_it() -> None:
    """36 layers of 4,096 bytes a token: 10 GiB printed are 4,549 to 4,553 blocks of 16."""
    available = "Available KV cache memory: 10.0 GiB"
    sizes = "GPU KV cache size: {:,} tokens, Maximum concurrency for 1,024 tokens per request: {}x"
    for tokens, times, verdict in (
        (72_816, "71.11", AGREES),
        (72_832, "71.12", AGREES),
        (72_816, "71.12", DIFFERS),
    ):
        rows = checked([available, sizes.format(tokens, times)], QWEN)
        assert [row.verdict for row in rows] == [AGREES, verdict]


@each(("longest", "verdict"), [(4080, AGREES), (4079, DIFFERS), (4096, DIFFERS)])
def test_a_request_that_was_refused_is_not_the_longest_that_fits(
    longest: int, verdict: str
) -> None:
    """4,096 tokens of 147,456 bytes are 0.5625 GiB, and the memory printed is a block less."""
    line = (
        "max seq len (4096), (0.56 GiB KV cache is needed, which is larger than the available KV "
        f"cache memory (0.56 GiB). the estimated maximum model length is {longest}."
    )
    rows = checked([line], QWEN)
    assert [row.verdict for row in rows] == [AGREES, verdict]
