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


def test_it_has_no_pool() -> None:
    with pytest.raises(kvcalc.KvcalcError, match="tensorrt-llm has no pool"):
        kvcalc.pool(model(), engine="tensorrt-llm", memory=10**9, context=100)
