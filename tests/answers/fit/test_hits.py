"""GPUs by what a prefix cache hits of a trace: the fewest, as a replay of each number has it."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import kvcalc
from kvcalc.answers.fit.card import card
from kvcalc.answers.fit.hits import fewest_hitting
from kvcalc.answers.fit.placing import Placing
from kvcalc.answers.fit.question import question

LLAMA = kvcalc.load("llama-3.1-8b")
TRACE = Path("tests/oracles/traces/replay/multi_turn_long.jsonl")
ON: dict[str, Any] = {"engine": "vllm", "gpu_memory": 19 * 10**9, "context": 32_768}

pytestmark = pytest.mark.filterwarnings("ignore::kvcalc.engines.releases.UntestedWarning")


@pytest.mark.parametrize(
    ("rate", "gpus", "hits"),
    [
        (0.787, 2, 333_392),  # one GPU has no room for a cache
        ("78.7%", 2, 333_392),
        (Fraction(333_392, 423_593), 2, 333_392),
        (Fraction(333_393, 423_593), 4, 377_808),
        ("89%", 4, 377_808),
    ],
)
def test_the_fewest_gpus_that_hit_so_much(rate: object, gpus: int, hits: int) -> None:
    asked = question(LLAMA, on=card(None, ON["gpu_memory"]), engine="vllm")
    found = fewest_hitting(Placing(asked), TRACE, rate)
    assert found == (gpus, hits, 423_593)
    fit = kvcalc.fit(LLAMA, trace=TRACE, hit_rate=rate, **ON)
    assert (fit.gpus, fit.replicas, fit.fits) == (gpus, 1, True)
    memory = fit.promised_cache_memory_per_gpu
    (row,) = kvcalc.replay(LLAMA, TRACE, memory=memory, tensor_parallel_size=gpus).rows
    assert row.hit_tokens == hits


REFUSED = {
    "more than any cache": ({"hit_rate": "90%"}, "at most 89.2 %, which a cache that is never"),
    "more than one copy": (
        {"hit_rate": 0.8, "tensor_parallel_size": 2},
        "found '80.0 %', expected at most 78.7 %, which one copy on 2 GPUs hits",
    ),
    "no room": ({"hit_rate": 0.8, "tensor_parallel_size": 1}, "no number of GPUs leaves"),
    "no rate": ({"hit_rate": "0%"}, "hit_rate: found '0%', expected a share"),
    "no number": ({"hit_rate": True}, "hit_rate: found True"),
    "no trace": ({"hit_rate": "5%", "trace": None}, "expected beside trace"),
    "GPUs, too": ({"hit_rate": "5%", "gpus": 2}, "gpus: found beside hit_rate"),
    "an engine": ({"hit_rate": "5%", "engine": "ideal"}, "does not know what its prefix cache"),
}


@pytest.mark.parametrize(("given", "why"), REFUSED.values(), ids=REFUSED)
def test_what_no_gpus_answer_is_refused(given: dict[str, Any], why: str) -> None:
    with pytest.raises(kvcalc.KvcalcError) as caught:
        kvcalc.fit(LLAMA, **{"trace": TRACE, **ON} | given)
    assert why in str(caught.value)
