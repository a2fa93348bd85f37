"""SGLang's lines of free memory, by the figures of public logs."""

from kvcalc.answers.check import AGREES, CANNOT, DIFFERS
from kvcalc.readers import load
from tests.each import each
from tests.engines.log_lines import checked

LOADED = (
    "[2026-05-04 10:00:00 TP0] Load weight end. elapsed=12.11 s, type=M, dtype=torch.bfloat16, "
    "avail mem={} GB, mem usage={} GB."
)
ARGUMENTS = "server_args=ServerArgs(tp_size={})"
KIMI = "tests/oracles/configs/moonshotai--Kimi-K2.5.json"


@each(
    ("model", "ranks", "usage"),
    [("qwen3-30b-a3b", 1, "56.98"), ("qwen3-32b", 1, "61.07"), (KIMI, 8, "73.58")],
)
def test_the_weights_are_in_what_loading_took(model: str, ranks: int, usage: str) -> None:
    for text, verdict in ((usage, AGREES), (f"{float(usage) - 3:.2f}", DIFFERS)):
        (row,) = checked([ARGUMENTS.format(ranks), LOADED.format("17.29", text)], load(model))
        assert (row.figure, row.verdict) == ("weights, mem usage (GiB)", verdict)
        assert row.why.startswith("weights of one rank, and what loading takes: estimate, ")


@each(("usage", "verdict"), [("15.28", AGREES), ("15.42", AGREES), ("15.44", DIFFERS)])
def test_one_rank_has_no_communicators(usage: str, verdict: str) -> None:
    """Qwen3-8B's weights are 15.276 GiB; .15 more is what loading takes at most."""
    (row,) = checked([ARGUMENTS.format(1), LOADED.format("60.00", usage)], load("qwen3-8b"))
    assert row.verdict == verdict


POOL = (
    "KV Cache is allocated. #tokens: 1048576, K size: 8.00 GB, V size: 8.00 GB",
    "max_total_num_tokens=1048576, chunked_prefill_size=8192, max_prefill_tokens=16384, "
    "max_running_requests=4096, context_len=131072, available_gpu_mem=11.2 GB",
)


@each(
    ("left", "verdict"),
    [
        *(("11.84", DIFFERS), ("11.85", AGREES), ("12.00", AGREES)),
        *(("12.15", AGREES), ("12.16", DIFFERS)),
    ],
)
def test_the_request_table_comes_off_after_the_pool(left: str, verdict: str) -> None:
    """Llama 3.1 8B over 8 ranks, 30 GiB free: 16 GiB of pool and 4,097 rows of 131,076 tokens.

    That leaves 11.999 GiB, and .15 more or less is near enough.
    """
    llama = load("llama-3.1-8b")
    end = f"Memory pool end. avail mem={left} GB"
    lines = [ARGUMENTS.format(8), LOADED.format("30.00", "2.20"), POOL[0], end, POOL[1]]
    row = next(one for one in checked(lines, llama) if "after the pools" in one.figure)
    assert row.verdict == verdict
    assert "2,148,073,488 bytes" in row.why


def test_without_a_model_or_a_figure_nothing_is_held() -> None:
    end = "Memory pool end. avail mem=12.00 GB"
    assert [row.verdict for row in checked([LOADED.format("30.00", "2.20"), end])] == [CANNOT] * 2
    (row,) = checked([end], load("llama-3.1-8b"))
    assert (row.verdict, "one is missing" in row.why) == (CANNOT, True)
