"""SGLang's error of too little memory, and with which changes it would have started."""

import pytest

import kvcalc
from kvcalc.answers.check import AGREES, CANNOT, DIFFERS, Checked
from kvcalc.engines.server.reader import read
from tests.each import each
from tests.engines.log_lines import checked, load

GIB = 2**30

ARGUMENTS = (
    "[2025-11-29 18:12:40] server_args=ServerArgs(model_path='{model}', tokenizer_path='x', "
    "kv_cache_dtype='auto', context_length={context}, mem_fraction_static={share}, "
    "max_running_requests=None, chunked_prefill_size=8192, page_size=1, tp_size=1)"
)
LOADING = (
    "[2025-11-29 18:12:48 TP0] Load weight begin. avail mem=78.50 GB",
    "[2025-11-29 18:13:48 TP0] Load weight end. type=Qwen3ForCausalLM, dtype=torch.bfloat16, "
    "avail mem=17.35 GB, mem usage=61.15 GB.",
)
ERROR = "RuntimeError: Not enough memory. Please try to increase --mem-fraction-static."


def failed(share: str, context: str = "None", model: str = "Qwen/Qwen3-32B") -> list[Checked]:
    arguments = ARGUMENTS.format(model=model, context=context, share=share)
    return of_the_error([arguments, *LOADING, ERROR])


def of_the_error(lines: list[str]) -> list[Checked]:
    return [row for row in checked(lines) if row.figure.startswith("memory left")]


def flags(rows: list[Checked]) -> list[str]:
    return [remedy.flags for row in rows for remedy in row.remedies]


def test_what_was_left_is_worked_out_and_the_least_changes_named() -> None:
    (row,) = rows = failed("0.7")
    assert (row.printed, row.ours, row.verdict) == (-6.2, -6.2, AGREES)
    assert flags(rows) == ["--mem-fraction-static 0.91", "--tp-size 2"]
    assert flags(failed("0.7", context="8192")) == ["--mem-fraction-static 0.81", "--tp-size 2"]


@pytest.mark.parametrize("context", [8192, 40_960])
def test_what_is_named_holds_a_request_and_a_hundredth_less_does_not(context: int) -> None:
    model = load("qwen3-32b")
    for line in flags(failed("0.6", context=str(context)))[:1]:
        _, asked = read(f"python -m sglang.launch_server --model-path x {line}")
        share = float(asked.share or 0)
        held = []
        for tried in (share, share - 0.01):
            memory = int((17.35 - 78.5 * (1 - tried) - 0.01) * GIB)
            held.append(kvcalc.pool(model, "sglang", memory=memory, context=context).max_sequences)
        assert held == [1, 0]


@each(("after", "share"), [("3.02", "0.9"), ("3.01", "0.9"), ("3.00", "0.91"), ("2.91", "0.91")])
def test_a_request_may_fill_what_is_left_to_the_last_byte(after: str, share: str) -> None:
    """8,192 tokens x 64 layers x 8 heads x 128 x 2 x 2 bytes are 2 GiB; .01 may be rounded off.

    Of 10 GiB free before the weights, a share of .9 leaves 1 less than is free after them.
    """
    lines = [line.replace("78.50", "10.00").replace("17.35", after) for line in LOADING]
    arguments = ARGUMENTS.format(model="Qwen/Qwen3-32B", context=8192, share="0.6")
    first, *_ = flags(of_the_error([arguments, *lines, ERROR]))
    assert first == f"--mem-fraction-static {share}"


def test_the_share_is_taken_from_the_error_too() -> None:
    (row,) = of_the_error([*LOADING, f"{ERROR} Current value: mem_fraction_static=0.7"])
    assert (row.printed, row.verdict, row.remedies) == (-6.2, AGREES, ())


def test_a_memory_that_was_left_is_not_what_stopped_it() -> None:
    (row,) = failed("0.9")
    assert (row.printed, row.ours, row.verdict) == (9.5, 0, DIFFERS)


@each(("after", "verdict"), [("3.00", AGREES), ("3.01", AGREES), ("3.02", DIFFERS)])
def test_what_may_be_rounded_is_nothing_that_was_left(after: str, verdict: str) -> None:
    """Of 10 GiB free before the weights, a share of .7 leaves 3 less than is free after them."""
    lines = [line.replace("78.50", "10.00").replace("17.35", after) for line in LOADING]
    arguments = ARGUMENTS.format(model="Qwen/Qwen3-32B", context=8192, share="0.7")
    (row,) = of_the_error([arguments, *lines, ERROR])
    assert row.verdict == verdict


def test_what_is_missing_is_said() -> None:
    (row,) = checked([ERROR])
    assert (row.verdict, row.remedies) == (CANNOT, ())
    assert '"Load weight begin"' in row.why


def test_a_model_that_is_no_preset_is_named() -> None:
    (row,) = failed("0.7", model="/models/other")
    assert (row.verdict, row.remedies) == (AGREES, ())
