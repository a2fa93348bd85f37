"""TensorRT-LLM was measured by nobody: it gives what its source says, and no number."""

import pytest

import kvcalc
from kvcalc.engines.log import AGREES, CANNOT, DIFFERS, NO_MODEL
from kvcalc.model import Model
from tests.each import each
from tests.engines.log_lines import checked
from tests.shapes import full, model, sliding

LLAMA = kvcalc.load("llama-3.1-8b")


@pytest.mark.parametrize(
    ("of", "advice"),
    [
        (model(full()), "blocks of 32 tokens, every layer full$"),
        (
            model(sliding(), full()),
            "without max_attention_window every layer is full, .* "
            r"TRTLLM_WINDOW_SIZE_SHARES .* must sum to exactly 1\.0$",
        ),
    ],
    ids=["full", "windows"],
)
def test_it_refuses_with_what_its_source_says(of: Model, advice: str) -> None:
    with pytest.raises(kvcalc.KvcalcError, match=f"^not measured, .*: {advice}"):
        kvcalc.cost(of, engine="tensorrt-llm")


TAKEN = "Memory usage when calculating max tokens in paged kv cache: total: 39.39 GiB, available: "


@each(
    ("said", "tokens", "blocks"),
    [
        (["tokens per block: 32"], 32, (2302, 2306)),
        (["tokens per block: 64"], 64, (1151, 1153)),
        # The size of a block is one of three where the log does not say it.
        ([], 128, (575, 577)),
    ],
)
def test_blocks_are_cut_from_a_share_of_a_memory_that_is_printed_to_two_places(
    said: list[str], tokens: int, blocks: tuple[int, int]
) -> None:
    """0.9 of 9.995 to 10.005 GiB, in blocks of 128 KiB a token."""
    fewest, most = blocks
    for printed in range(fewest - 2, most + 3):
        line = f"Number of blocks in KV cache primary pool: {printed}"
        (row,) = checked([f"{TAKEN}10.00 GiB", *said, line], LLAMA)
        agrees = fewest <= printed <= most
        assert row.verdict == (AGREES if agrees else DIFFERS), row
        if said and not agrees:
            assert row.ours == most


def test_what_blocks_cannot_be_held_without_is_named() -> None:
    blocks = "Number of blocks in KV cache primary pool: 2304"
    (row,) = checked([blocks], LLAMA)
    assert (row.verdict, row.why) == (CANNOT, "the available memory is missing")
    (row,) = checked([f"{TAKEN}10.00 GiB", blocks])
    assert (row.verdict, row.why) == (CANNOT, NO_MODEL)


def test_the_pool_has_the_tokens_of_its_blocks() -> None:
    said = ["tokens per block: 32", "Number of blocks in KV cache primary pool: 2304"]
    for tokens, verdict in ((73_728, AGREES), (73_696, DIFFERS)):
        line = f"Allocated 9.00 GiB for max tokens in paged KV cache ({tokens})."
        found = {row.figure: row for row in checked([*said, line], LLAMA)}
        row = found["tokens of the pool (tokens)"]
        assert (row.ours, row.verdict) == (73_728, verdict)


ALLOCATED = "[MemUsageChange] Allocated {} GiB for max tokens in paged KV cache ({})."


def pool(window: int, blocks: int) -> str:
    return (
        f"Max KV cache blocks per sequence: 256 [window size={window}], tokens per block=64, "
        f"primary blocks={blocks}, secondary blocks=0, max sequence length=16384"
    )


def test_a_pool_of_each_window_adds_to_the_tokens_and_its_bytes_are_not_held() -> None:
    """cpp/tensorrt_llm/batch_manager/kvCacheManager.cpp, allocatePools: all pools' blocks."""
    profiled = [pool(128, 10), pool(16_384, 20), ALLOCATED.format("0.10", 1920)]
    lines = [*profiled, pool(128, 100), pool(16_384, 200), ALLOCATED.format("1.00", 19_200)]
    *_, tokens, size = checked(lines, model(sliding(), full()))
    assert (tokens.ours, tokens.verdict) == (19_200, AGREES)
    assert (size.verdict, size.why) == (CANNOT, "the layers of each window's pool are not known")


def test_a_pool_that_is_announced_again_is_one() -> None:
    lines = [pool(16_384, 20), pool(16_384, 200), ALLOCATED.format("1.56", 12_800)]
    assert [row.verdict for row in checked(lines, LLAMA)] == [AGREES, AGREES]


def test_autodeploys_manager_without_heads_says_nothing_of_the_cache() -> None:
    fake = "Using fake cache manager with head_dim=0 and num pages: 61848"
    lines = [fake, pool(16_384, 61_848), ALLOCATED.format("0.00", 3_958_272)]
    tokens, size = checked(lines, LLAMA)
    assert (tokens.verdict, size.verdict) == (AGREES, CANNOT)
    assert size.why.startswith("AutoDeploy allocates its caches itself")


@each(
    ("size", "cause"),
    [
        ("166.03", "kv_cache_dtype=fp8"),
        ("83.02", "tensor_parallel_size=4"),
        ("100.00", None),
    ],
)
def test_a_pool_that_differs_names_what_would_explain_it(size: str, cause: str | None) -> None:
    """2,720,256 tokens of 131,072 bytes: 332.06 GiB."""
    lines = [ALLOCATED.format(size, 2_720_256)]
    (row,) = checked(lines, LLAMA)
    assert row.verdict == DIFFERS
    assert row.why.endswith(f"; {cause} would explain it" if cause else "%")
    given = dict([cause.split("=")]) if cause else {"tensor_parallel_size": "1"}
    (row,) = checked(lines, LLAMA, given)
    assert row.verdict == (AGREES if cause else DIFFERS)


def test_it_has_no_pool() -> None:
    with pytest.raises(kvcalc.KvcalcError, match="tensorrt-llm has no pool"):
        kvcalc.pool(model(), engine="tensorrt-llm", memory=10**9, context=100)
