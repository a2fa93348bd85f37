"""What vLLM's start takes beside the weights, against what public start-ups printed."""

from collections.abc import Sequence
from fractions import Fraction
from statistics import mean

import pytest

import kvcalc
from kvcalc.engines.memory_part import MemoryPart
from kvcalc.engines.vllm.budget import parts
from kvcalc.engines.vllm.budget.rounding import FUSED, over, rounding
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.engines.vllm.weights import weigh
from kvcalc.errors import UnsupportedError
from tests.each import each
from tests.engines.vllm.budget_models import PEAK, ROUNDED, size
from tests.engines.vllm.memory_rows import (
    GIB,
    PRESETS,
    ROWS,
    SIZED,
    Row,
    card_of,
    gpu_of,
    is_text,
    model_of,
    settings_of,
    stage_of,
)

pytestmark = pytest.mark.filterwarnings("ignore::kvcalc.engines.releases.ReleaseWarning")


def parts_of(row: Row, release: str | None = None) -> tuple[MemoryPart, ...]:
    found = parts(model_of(row), settings_of(row, release), card_of(row))
    return found[stage_of(row)]


def pool_of(row: Row, found: Sequence[MemoryPart]) -> tuple[float, float, float]:
    """The likely pool, the least and the most, in GiB, with the weights of the log."""
    beside = row["requested_gib"] - row["weights_gib"]
    own = [part for part in found if part.name != ROUNDED]
    likely, low, high = (
        sum(getattr(part, field) for part in own) / GIB for field in ("bytes", "low", "high")
    )
    return beside - likely, beside - high, beside - low


def is_given(row: Row) -> bool:
    known = is_text(row) or row["model"] in PRESETS
    return known and None not in (row["weights_gib"], row["available_gib"])


def modelled(row: Row) -> bool:
    known = is_text(row) or row["model"] in PRESETS
    return known and version(row) >= (0, 11, 2) and gpu_of(row) != "gb10"


def version(row: Row) -> tuple[int, ...]:
    return tuple(map(int, row["engine_version"].split(".")))


H100 = [
    row
    for row in ROWS
    if is_given(row) and (0, 15) <= version(row) < (0, 20) and row["gpu"][:4] == "H100"
]
PLAIN = [row for row in H100 if row["quantization"] is None]
BINDING = [row for row in PLAIN if row["last_stage"]]
KNOWN = [row for row in ROWS if row["model"] in SIZED]


def test_no_row_is_lost() -> None:
    assert (len(H100), len(PLAIN), len(BINDING)) == (66, 52, 48)


@each("row", BINDING, ids=lambda row: row["id"])
def test_each_part_is_what_the_log_printed(row: Row) -> None:
    found = parts_of(row)
    if row["torch_peak_increase_gib"] is not None:
        assert size(found, *PEAK) == pytest.approx(row["torch_peak_increase_gib"], abs=0.015)
        assert size(found, "outside of PyTorch") == pytest.approx(
            row["non_torch_increase_gib"], abs=0.025
        )
    assert size(found, "CUDA graphs") == 0


def test_the_pool_of_bf16_text_models_on_h100() -> None:
    """A tenth of a per cent on average and half of one at most: the measure of the issue."""
    errors = [
        abs(pool_of(row, parts_of(row))[0] / row["available_gib"] - 1) * 100 for row in BINDING
    ]
    assert mean(errors) < 0.04
    assert max(errors) < 0.36


def weights_of(row: Row) -> float:
    """What "Model loading took" should print, in GiB."""
    loaded = weigh(model_of(row), settings_of(row))
    assert loaded is not None
    rounded = rounding(model_of(row), settings_of(row))
    return (sum(loaded.stages[stage_of(row)].values()) + rounded[stage_of(row)].bytes) / GIB


@each("row", BINDING, ids=lambda row: row["id"])
def test_weights_as_the_allocator_books_them(row: Row) -> None:
    assert weights_of(row) == pytest.approx(row["weights_gib"], abs=0.0065)


def test_from_0_21_on_large_blocks_are_whole() -> None:
    """Qwen2.5-7B: 14.193 GiB of weights were printed as 14.25 by 0.19.0, as 14.29 by 0.24.0."""
    (row,) = (row for row in ROWS if row["id"] == "o15-qwen2.5-7b-4090")
    assert weights_of(row) == pytest.approx(row["weights_gib"], abs=0.005)


@each(
    ("size_mib", "release", "takes"),
    [
        (Fraction(1, 2), "0.33.0", Fraction(1, 2)),
        (11, "0.19.0", 12),
        (Fraction(41, 4), "0.19.0", Fraction(41, 4)),
        (Fraction(81, 4), "0.19.0", Fraction(81, 4)),
        (Fraction(81, 4), "0.21.0", 22),
    ],
)
def test_a_segment_is_cut_where_the_rest_is_worth_it(
    size_mib: Fraction, release: str, takes: Fraction
) -> None:
    """A rest of more than 1 MiB of a 2 MiB step is given back, but for blocks of 20 MiB that are
    left whole."""
    whole = VllmSettings(release=release).rules.large_blocks_are_whole
    assert over(int(size_mib * 2**20), whole) == (takes - size_mib) * 2**20


def test_what_vllm_fuses_is_one_tensor_of_the_allocators() -> None:
    """model_executor/layers/linear.py; kv_a beside q_a: models/deepseek_v2.py."""
    fused = {"qkv": "q k v", "gate_up": "gate up", "qkv_a": "q_a kv_a"}
    fused["shared_gate_up"] = "shared_gate shared_up"
    assert {part: name for name, parts_ in fused.items() for part in parts_.split()} == FUSED


def test_the_pool_with_nothing_taken_from_the_log() -> None:
    """The measure of the issue: a tenth of a per cent on average, half of one at most."""
    errors = []
    for row in BINDING:
        beside = [part for part in parts_of(row) if part.name != ROUNDED]
        likely = row["requested_gib"] - weights_of(row) - size(beside)
        errors.append(abs(likely / row["available_gib"] - 1) * 100)
    assert mean(errors) < 0.03
    assert max(errors) < 0.4


def test_the_pool_of_all_text_models_on_h100() -> None:
    errors = [abs(pool_of(row, parts_of(row))[0] / row["available_gib"] - 1) * 100 for row in H100]
    assert mean(errors) < 0.15


def sequences(row: Row, memory: float) -> int:
    """Sequences of the row's context that run at once in so many GiB."""
    found = kvcalc.pool(
        model_of(row),
        "vllm",
        memory=int(memory * GIB),
        context=row["max_model_len"],
        settings=settings_of(row),
    )
    return found.max_sequences


WITH_TOKENS = [row for row in H100 if row["kv_tokens"] and row["pp"] == 1]


def real_sequences(row: Row) -> int:
    return int(row["kv_tokens"]) // int(row["max_model_len"])


def test_what_is_promised_runs_and_is_seldom_two_short() -> None:
    promised = [(sequences(row, pool_of(row, parts_of(row))[1]), row) for row in WITH_TOKENS]
    assert not [row["id"] for told, row in promised if told > real_sequences(row)]
    short = [row["id"] for told, row in promised if told < real_sequences(row) - 1]
    assert len(short) * 8 <= len(WITH_TOKENS)


def test_the_same_rows_as_0_20_makes_them() -> None:
    """0.20.0 keeps its estimate for graphs out of the pool, which the logs of 0.19.0 print, too."""
    rows = [row for row in WITH_TOKENS if row["cudagraph_estimate_gib"] is not None]
    errors = []
    for row in rows:
        made = row["available_gib"] - row["cudagraph_estimate_gib"]
        likely, least, most = pool_of(row, parts_of(row, "0.20.0"))
        errors.append(abs(likely / made - 1) * 100)
        assert least - 0.01 <= made <= most + 0.01, row["id"]
    assert mean(errors) < 0.7


@each("row", [row for row in KNOWN if is_given(row) and modelled(row)], ids=lambda row: row["id"])
def test_each_start_up_is_in_the_band(row: Row) -> None:
    _, least, most = pool_of(row, parts_of(row))
    assert least - 0.01 <= row["available_gib"] <= most + 0.01


@each("row", [row for row in KNOWN if not modelled(row)], ids=lambda row: row["id"])
def test_what_no_rule_is_known_for_is_declined(row: Row) -> None:
    with pytest.raises(UnsupportedError, match="--reserve with what a log shows"):
        parts_of(row)
