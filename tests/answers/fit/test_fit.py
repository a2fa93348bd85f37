"""What fits: the law on every engine, and what is solved for."""

import json
from fractions import Fraction
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import kvcalc
from kvcalc import engines
from kvcalc.answers.estimate import estimate
from kvcalc.answers.fit import ENGINE_LIMIT, MODEL_CONTEXT, WEIGHTS, fit, solve
from kvcalc.answers.fit.card import card
from kvcalc.answers.fit.change import changes, holding_more, margin, verdict
from kvcalc.answers.fit.fitted import CACHE_MEMORY, Fit
from kvcalc.answers.fit.placing import Placing, divisors
from kvcalc.answers.fit.price import priced
from kvcalc.answers.fit.question import question
from kvcalc.errors import KvcalcError, UnsupportedError
from kvcalc.model import Model
from kvcalc.readers import load
from kvcalc.readers.weights import Weights
from tests import shapes
from tests.each import each

K_EXAONE = load("k-exaone-236b-a23b")
LLAMA = load("llama-3.1-8b")
GB = 10**9
NO_WEIGHTS = Weights(1, "", "a test")
FITTING = [
    name
    for name, one in ((name, engines.find(name)) for name in engines.ENGINES)
    if one.kinds and one.memory is not None
]


def weighing(size: int) -> Weights:
    return Weights(size, "", "a test")


@pytest.mark.parametrize("engine", FITTING)
@settings(max_examples=15, suppress_health_check=[HealthCheck.filter_too_much])
@given(data=st.data())
def test_what_fits_fits_and_one_more_does_not(engine: str, data: st.DataObject) -> None:
    """The law: need(max_sequences) <= cache memory < need(max_sequences + 1)."""
    model = data.draw(shapes.models())
    context = data.draw(st.integers(1, 300_000))
    memory = data.draw(st.integers(1, 200 * GB))
    try:
        asked = question(model, on=card(None, memory), engine=engine, weights=NO_WEIGHTS, reserve=0)
        answer = solve(Placing(asked), gpus=1, context=context)
    except KvcalcError:
        assume(False)
        return
    found, need = answer.fit, answer.replica.need
    assume(need(context, 1) > 0)
    if found.max_sequences:
        assert need(context, found.max_sequences) <= found.cache_memory_per_gpu
    if found.binding != ENGINE_LIMIT and not asked.memory.several_pools:
        assert need(context, found.max_sequences + 1) > found.cache_memory_per_gpu
    assert found.fits == (found.max_sequences > 0)


@pytest.mark.parametrize("engine", FITTING)
@settings(max_examples=15, suppress_health_check=[HealthCheck.filter_too_much])
@given(data=st.data())
def test_the_longest_context_fits_and_one_token_more_does_not(
    engine: str, data: st.DataObject
) -> None:
    model = data.draw(shapes.models())
    sequences = data.draw(st.integers(1, 40))
    memory = data.draw(st.integers(10**6, 200 * GB))
    try:
        asked = question(model, on=card(None, memory), engine=engine, weights=NO_WEIGHTS, reserve=0)
        answer = solve(Placing(asked), gpus=1, sequences=sequences)
    except KvcalcError:
        assume(False)
        return
    found, need = answer.fit, answer.replica.need
    assume(found.max_context < 2**40)
    if found.fits:
        assert found.context == found.max_context
        assert need(found.max_context, sequences) <= found.cache_memory_per_gpu
    if asked.memory.several_pools:
        assert answer.replica.most_sequences(found.max_context + 1) < sequences
    else:
        assert need(found.max_context + 1, sequences) > found.cache_memory_per_gpu


POOLED = [name for name in FITTING if engines.find(name).pool is not None]


@pytest.mark.parametrize("engine", POOLED)
@given(
    memory=st.integers(20 * GB, 150 * GB),
    context=st.integers(1, 131_072),
    ranks=st.sampled_from([1, 2, 4, 8]),
)
def test_as_many_sequences_as_the_engines_own_pool_has(
    engine: str, memory: int, context: int, ranks: int
) -> None:
    asked = question(
        LLAMA, on=card(None, memory), engine=engine, weights=weighing(16 * GB), reserve=GB
    )
    ranks = min(ranks, asked.memory.spread.most)
    answer = solve(Placing(asked), gpus=ranks, context=context)
    budget = answer.replica.budget.cache
    try:
        pool = kvcalc.pool(
            LLAMA, engine, memory=budget, context=context, tensor_parallel_size=ranks
        )
    except KvcalcError:
        assert answer.fit.max_sequences == 0
        return
    runs = answer.replica.cap
    assert answer.fit.max_sequences == min(pool.max_sequences, runs or pool.max_sequences)


@each(("engine", "gpu"), product(FITTING, ["h200", "b200", "l4"]))
def test_estimate_with_the_answers_settings_gives_the_same_bytes(engine: str, gpu: str) -> None:
    found = fit(LLAMA, gpu=gpu, gpus=2, context=8192, engine=engine, weights=NO_WEIGHTS)
    again = estimate(LLAMA, context=8192, engine=engine, **found.settings)
    assert again.bytes_per_gpu == found.bytes_per_gpu_per_sequence


def test_how_many_sequences_at_256k_on_four_h200() -> None:
    """On ideal in BF16: 473,066,827,264 bytes of weights, a quarter on each GPU of 139.80 GiB; a
    sequence takes (12 * 262,144 + 36 * 128) * 4,096 / 4 = 3,225,944,064 a GPU, so 9 fit."""
    found = fit(K_EXAONE, gpu="h200", gpus=4, context=262_144)
    assert found == Fit(
        model="K-EXAONE-236B-A23B",
        engine="ideal",
        engine_version="-",
        gpu="h200",
        gpus=4,
        tensor_parallel_size=4,
        replicas=1,
        context=262_144,
        sequences=9,
        fits=True,
        max_sequences=9,
        promised_sequences=9,
        max_context=262_144,
        cache_memory_per_gpu=31_842_400_179,
        promised_cache_memory_per_gpu=31_842_400_179,
        bytes_per_gpu_per_sequence=3_225_944_064,
        weights_per_gpu=473_066_827_264 // 4,
        reserve_per_gpu=0,
        parts=[
            kvcalc.MemoryPart(
                "weights",
                118_266_706_816,
                118_266_706_816,
                118_266_706_816,
                "estimate",
                "236,533,401,600 parameters, divided evenly",
            )
        ],
        binding=CACHE_MEMORY,
        settings={"tensor_parallel_size": 4},
        flags="",
    )


def test_the_longest_context_is_at_most_the_models_own() -> None:
    found = fit(K_EXAONE, gpu="h200", gpus=8, sequences=1)
    assert (found.max_context, found.binding) == (262_144, MODEL_CONTEXT)
    found = fit(LLAMA, gpu="l4", gpus=1, sequences=1)
    assert (found.max_context, found.binding) == (57_937, CACHE_MEMORY)


def test_the_fewest_gpus_that_hold_so_many() -> None:
    assert fit(K_EXAONE, gpu="h200", context=262_144, sequences=9).gpus == 4
    assert fit(K_EXAONE, gpu="h200", context=262_144, sequences=10).gpus == 8
    assert fit(LLAMA, gpu="h200", sequences=1).gpus == 1


def test_all_given_fits_or_does_not_and_says_by_how_much() -> None:
    placing = Placing(question(K_EXAONE, on=card("h200")))
    fits = solve(placing, gpus=4, context=262_144, sequences=9)
    assert margin(fits) == 31_842_400_179 - 9 * 3_225_944_064
    assert "fits on 4 h200 with ideal, 2.62 GiB of each GPU to spare" in verdict(fits)
    assert changes(placing, fits) == []
    more = solve(placing, gpus=4, context=262_144, sequences=16)
    assert margin(more) == 31_842_400_179 - 16 * 3_225_944_064
    assert "does not fit" in verdict(more)
    assert changes(placing, more) == [
        "-c 157K",
        "9 sequences",
        "--kv-cache-dtype fp8",
        "--gpus 8",
    ]


def test_weights_larger_than_the_cards_do_not_fit_by_so_much() -> None:
    placing = Placing(question(K_EXAONE, on=card("l4")))
    answer = solve(placing, gpus=1, context=8192)
    assert (answer.fit.fits, answer.fit.binding, answer.fit.max_sequences) == (False, WEIGHTS, 0)
    assert margin(answer) == int(Fraction("22.03") * 2**30) - 473_066_827_264
    assert "418.55 GiB too large for the GPU" in verdict(answer)
    assert changes(placing, answer) == ["--gpus 32"]


@each(
    ("gpus", "ranks", "copies"),
    [(1, 1, 1), (4, 4, 1), (6, 2, 3), (7, 1, 7), (12, 4, 3), (16, 16, 1)],
)
def test_as_many_ranks_as_divide_the_gpus_and_the_rest_are_copies(
    gpus: int, ranks: int, copies: int
) -> None:
    found = fit(LLAMA, gpu="h100", gpus=gpus, context=8192)
    assert (found.tensor_parallel_size, found.replicas) == (ranks, copies)
    assert found.weights_per_gpu == 2 * 8_030_261_248 // ranks
    assert found.max_sequences % copies == 0


def test_ranks_share_the_query_heads_evenly() -> None:
    """K-EXAONE has 64: 24 ranks would leave some over, a multiple of its 8 KV heads or not."""
    found = fit(K_EXAONE, gpu="h200", gpus=24, context=8192)
    assert (found.tensor_parallel_size, found.replicas) == (8, 3)


def test_attention_groups_and_stages_are_counted() -> None:
    model = load("deepseek-v3")
    found = fit(model, gpu="b200", gpus=8, context=8192, engine="sglang", attn_dp_size=8)
    assert (found.tensor_parallel_size, found.replicas) == (8, 1)
    found = fit(LLAMA, gpu="h100", gpus=8, context=8192, engine="vllm", pipeline_parallel_size=2)
    assert (found.tensor_parallel_size, found.replicas) == (4, 1)
    half = 2 * (8_030_261_248 // 2) // 4  # of each stage, and the rope table whole
    assert 0 < found.weights_per_gpu - half - 2 * 131_072 * 128 < 2**20
    with pytest.raises(KvcalcError, match="gpus: found 3, expected a multiple of 2"):
        fit(LLAMA, gpu="h100", gpus=3, context=8192, engine="vllm", pipeline_parallel_size=2)
    with pytest.raises(KvcalcError, match="vllm has no setting 'page_size'; it has"):
        fit(LLAMA, gpu="h100", gpus=1, context=8192, engine="vllm", page_size=2)


def test_a_given_tensor_parallel_size_stays() -> None:
    found = fit(LLAMA, gpu="h100", gpus=4, context=8192, tensor_parallel_size=2)
    assert (found.tensor_parallel_size, found.replicas) == (2, 2)
    with pytest.raises(KvcalcError, match="tensor_parallel_size: found 3"):
        fit(LLAMA, gpu="h100", gpus=4, context=8192, tensor_parallel_size=3)
    with pytest.raises(KvcalcError, match="tensor_parallel_size: found 8, expected a divisor"):
        fit(LLAMA, gpu="h100", gpus=4, context=8192, tensor_parallel_size=8)


@pytest.mark.parametrize("name", ["gpus", "context", "sequences"])
@pytest.mark.parametrize("amount", [0, -1, True, 1.5])
def test_amounts_are_positive(name: str, amount: Any) -> None:
    with pytest.raises(KvcalcError, match=f"{name}: found .*, expected at least 1"):
        fit(LLAMA, gpu="h100", **{name: amount})


def test_a_name_is_no_model() -> None:
    with pytest.raises(KvcalcError, match="model: found 'qwen3-8b', expected a Model"):
        kvcalc.fit("qwen3-8b", gpu="h200")  # type: ignore[arg-type]


def test_an_engine_that_says_nothing_of_a_gpus_memory_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    toy = engines.find("ideal")._replace(name="toy", folder="tests.engines.toy")
    monkeypatch.setattr(engines, "find", lambda name: toy)
    with pytest.raises(UnsupportedError, match=r"^toy: kvcalc does not know what") as error:
        fit(LLAMA, gpu="h100", engine="toy")
    assert (error.value.engine, error.value.what) == ("toy", "memory")


def test_a_shape_says_no_parameters() -> None:
    with pytest.raises(KvcalcError, match="does not say how many parameters"):
        fit(shapes.model(), gpu="h100", gpus=1, context=1)


def test_one_gpu_is_asked_about() -> None:
    wrongs: list[dict[str, Any]] = [{}, {"gpu": "h100", "gpu_memory": GB}]
    for wrong in wrongs:
        with pytest.raises(KvcalcError, match="give one"):
            fit(LLAMA, **wrong, context=1)


def test_llama_cpp_runs_at_most_256_sequences() -> None:
    found = fit(LLAMA, gpu="h200", gpus=1, context=256, engine="llama.cpp")
    assert (found.max_sequences, found.binding) == (256, ENGINE_LIMIT)


def test_a_price_counts_spare_gpus() -> None:
    from decimal import Decimal

    found = fit(K_EXAONE, gpu="h200", gpus=4, context=262_144)
    cost = priced(found, {"h200": Decimal("3.5")}, 1)
    assert (cost.gpus_with_spare, cost.cost_hour, cost.cost_month) == (5, 17.5, 17.5 * 730)
    assert priced(found, {}, 1).cost_hour is None
    with pytest.raises(KvcalcError, match="price: missing for h200; given are h100"):
        priced(found, {"h100": Decimal(1)}, 0)


def test_divisors_are_listed_from_the_largest() -> None:
    assert divisors(12) == (12, 6, 4, 3, 2, 1)
    assert divisors(1) == (1,)


def test_the_answer_is_plain_data() -> None:
    from dataclasses import asdict

    found = fit(LLAMA, gpu="h100", gpus=1, context=8192)
    assert json.loads(json.dumps(asdict(found))) == asdict(found)


def test_sequences_are_dealt_to_copies() -> None:
    def model_fits(sequences: int) -> bool:
        return fit(LLAMA, gpu="h100", gpus=7, context=8192, sequences=sequences).fits

    most = fit(LLAMA, gpu="h100", gpus=7, context=8192).max_sequences
    assert model_fits(most)
    assert not model_fits(most + 1)
    assert isinstance(LLAMA, Model)


def test_weights_are_bytes_or_what_was_read_of_them() -> None:
    size = 65_000_000_000
    said, read = (
        fit(K_EXAONE, gpu="h200", gpus=8, engine="vllm", weights=weights)
        for weights in (size, weighing(size))
    )
    assert said.max_sequences == read.max_sequences
    assert said.weights_per_gpu == read.weights_per_gpu == size // 8


@pytest.mark.parametrize("weights", [-1, True, 65e9, "65GB"])
def test_what_is_no_weights_is_refused(weights: Any) -> None:
    with pytest.raises(KvcalcError, match=r"^weights: found .*, expected bytes"):
        fit(K_EXAONE, gpu="h200", weights=weights)


@pytest.mark.parametrize("engine", ["vllm", "sglang", "ideal"])
def test_past_the_models_maximum_the_longest_context_is_no_shorter_than_what_fits(
    engine: str,
) -> None:
    """Qwen3-235B was made for 40,960 tokens; it says "262,144 fit", then "40,960" no more."""
    qwen3 = load("qwen3-235b-a22b")
    asked: dict[str, Any] = {"gpu": "h200", "gpus": 4, "engine": engine, "kv_cache_dtype": "fp8"}
    past = fit(qwen3, context=262_144, weights=235 * GB, **asked)
    assert past.fits
    assert past.max_context == 262_144
    within = fit(qwen3, context=8_192, sequences=1, weights=235 * GB, **asked)
    assert within.max_context == 40_960
    assert fit(qwen3, sequences=1, weights=235 * GB, **asked).context == 40_960


LLAMA_70B = load("llama-3.1-70b")


def test_llama_cpp_splits_one_model_over_several_cards() -> None:
    """70B in BF16 are 141 GB: 6 cards of 25.76 GB. 80 layers and the output are 81 places: 14 on
    the fullest, each 855,638,016 elements of 2 bytes and two norms of 8,192 in float32."""
    found = fit(LLAMA_70B, gpu="rtx-4090", context=8_192, engine="llama.cpp")
    assert (found.fits, found.gpus, found.replicas, found.max_sequences) == (True, 6, 1, 2)
    assert found.weights_per_gpu == 14 * (2 * 855_638_016 + 2 * 4 * 8_192)
    assert found.settings["tensor_split"] == [1.0] * 6
    assert found.flags == (
        "llama-server --model Llama-3.1-70B.gguf --ctx-size 8192 --parallel 1 "
        "--tensor-split 1,1,1,1,1,1"
    )
    whole = estimate(LLAMA_70B, context=8_192, engine="llama.cpp", tensor_split=[1.0] * 6)
    assert found.bytes_per_gpu_per_sequence == whole.bytes_per_gpu == whole.bytes * 14 // 80


@pytest.mark.parametrize(
    ("gpus", "cards", "copies"), [(1, 1, 1), (4, 4, 1), (15, 15, 1), (24, 12, 2)]
)
def test_a_copy_on_llama_cpp_has_at_most_the_devices_that_its_line_takes(
    gpus: int, cards: int, copies: int
) -> None:
    asked = question(LLAMA, on=card("h100"), engine="llama.cpp", weights=weighing(16 * GB))
    answer = solve(Placing(asked), gpus=gpus, context=8_192, sequences=1)
    assert (answer.replica.cards, answer.fit.replicas) == (cards, copies)
    assert answer.fit.weights_per_gpu == -(-16 * GB // cards)


def test_a_split_that_is_given_stands_and_its_fullest_card_counts() -> None:
    found = fit(
        LLAMA,
        gpu="h100",
        gpus=4,
        context=8_192,
        engine="llama.cpp",
        weights=16 * GB,
        tensor_split="3,1",
    )
    assert (found.replicas, found.weights_per_gpu) == (2, 12 * GB)
    with pytest.raises(KvcalcError, match="tensor_split: found 2, expected a divisor of the 3 "):
        fit(LLAMA, gpu="h100", gpus=3, engine="llama.cpp", weights=1, tensor_split="3,1")


def named_changes(model: Model, **asked: Any) -> tuple[Fit, list[str], list[str]]:
    """What a fit is and would be, without what the engine's start takes."""
    amounts = {name: asked.pop(name, None) for name in ("gpus", "context", "sequences")}
    gpu, weights = asked.pop("gpu"), asked.pop("weights", None)
    placing = Placing(question(model, on=card(gpu), weights=weights, reserve=0, **asked))
    answer = solve(placing, **amounts)
    return answer.fit, changes(placing, answer), holding_more(answer)


def test_two_stages_on_the_same_gpus_come_before_more_gpus() -> None:
    """Maverick is 800 GB: its 40 heads leave 8 ranks on 16 H100, and 100 GB on each."""
    maverick = load("llama-4-maverick")
    found, changed, _ = named_changes(maverick, gpu="h100", gpus=16, context=131_072, engine="vllm")
    assert (found.fits, found.binding) == (False, WEIGHTS)
    assert changed == ["--set pipeline_parallel_size=2"]
    staged = fit(
        maverick,
        gpu="h100",
        gpus=16,
        context=131_072,
        engine="vllm",
        pipeline_parallel_size=2,
        reserve=0,
    )
    assert (staged.fits, staged.tensor_parallel_size, staged.replicas) == (True, 8, 1)


def test_gpus_are_solved_for_in_more_stages_where_one_never_does() -> None:
    asked: dict[str, Any] = {"gpu": "h100", "context": 2**20, "engine": "vllm", "reserve": 0}
    found = fit(load("llama-4-maverick"), **asked)
    assert (found.fits, found.gpus, found.tensor_parallel_size) == (True, 16, 8)
    assert found.settings["pipeline_parallel_size"] == 2
    assert found.flags.endswith("--tensor-parallel-size 8 --pipeline-parallel-size 2")
    given = fit(load("llama-4-maverick"), **asked, pipeline_parallel_size=1)
    assert (given.fits, given.gpus) == (False, 1024)  # what is asked for stays
    placing = Placing(question(load("llama-4-maverick"), on=card("l4"), engine="sglang", reserve=0))
    answer = solve(placing, context=8192)
    assert "does not fit on any number of l4 up to 1,024 with sglang" in verdict(answer)


def test_cards_without_a_name_are_told_by_their_memory() -> None:
    placing = Placing(question(LLAMA, on=card(None, 24 * GB, "24GB"), weights=1))
    assert " fits on 1 GPU of 24GB with ideal, " in verdict(solve(placing, context=8192))
    assert " fits on 4 GPUs of 24GB with " in verdict(solve(placing, gpus=4, context=8192))


def test_fewer_gpus_in_stages_come_before_more_of_them() -> None:
    maverick = load("llama-4-maverick")
    _, changed, _ = named_changes(maverick, gpu="h100", gpus=8, context=131_072, engine="vllm")
    assert changed == ["--gpus 16 --set pipeline_parallel_size=2"]


def test_copies_on_fewer_ranks_may_hold_more() -> None:
    """8 ranks hold copies of Qwen3-235B's 4 KV heads: 137 sequences, twice 4 ranks 200."""
    qwen3 = load("qwen3-235b-a22b")
    asked = {"gpu": "h200", "gpus": 8, "engine": "vllm", "context": 32_768}
    asked |= {"kv_cache_dtype": "fp8", "weights": weighing(235 * GB)}
    found, changed, more = named_changes(qwen3, **asked)
    assert (found.max_sequences, found.tensor_parallel_size, changed) == (137, 8, [])
    assert more == ["--tp 4 (200 sequences)", "--set pipeline_parallel_size=2 (275 sequences)"]
    halves, _, _ = named_changes(qwen3, **asked, tensor_parallel_size=4)
    assert (halves.max_sequences, halves.replicas) == (200, 2)
    staged, _, _ = named_changes(qwen3, **asked, pipeline_parallel_size=2)
    assert (staged.max_sequences, staged.replicas) == (275, 1)


def test_where_the_sequences_are_given_nothing_is_said_of_more() -> None:
    qwen3 = load("qwen3-235b-a22b")
    asked = {"gpu": "h200", "gpus": 8, "engine": "vllm", "context": 32_768, "sequences": 4}
    assert named_changes(qwen3, **asked)[1:] == ([], [])


def test_mlx_shares_a_model_among_macs() -> None:
    found = fit(LLAMA_70B, gpu="m4-max-64gb", context=8_192, engine="mlx")
    assert (found.fits, found.gpus, found.replicas) == (True, 4, 1)
    assert found.weights_per_gpu == 35_276_853_248


@each(
    ("model", "engine", "context", "peak", "end", "own"),
    [
        # 8,191 tokens are read in calls of 2,048, the last of 2,046: 12 layers of a window hold
        # 127 tokens more then (mlx-lm 0.32.2, models/cache.py, RotatingKVCache).
        (
            "gpt-oss-20b",
            "mlx",
            8_192,
            12 * (8_192 + 127 + 2_046) * 2_048,
            12 * (8_192 + 128) * 2_048,
            {},
        ),
        # All but two are read in one call where a step has room for them.
        (
            "gpt-oss-20b",
            "mlx",
            8_192,
            12 * (8_192 + 8_190) * 2_048,
            12 * (8_192 + 128) * 2_048,
            {"prefill_step_size": 32_768},
        ),
        # One token before, 20 layers keep 127 tokens that wait, and 21 keep 3
        # (transformers 5.24.0, models/deepseek_v4/modeling_deepseek_v4.py).
        ("deepseek-v4-flash", "transformers", 131_072, 913_427_200, 907_950_080, {}),
    ],
)
def test_what_is_held_on_the_way_to_a_context_fits_too(
    model: str, engine: str, context: int, peak: int, end: int, own: dict[str, Any]
) -> None:
    found = load(model)
    assert kvcalc.cost(found, engine, **own)(context) == end < peak
    asked: dict[str, Any] = {"engine": engine, "gpus": 1, "weights": GB, "reserve": 0, **own}
    short = fit(found, gpu_memory=GB + peak - 1, context=context, **asked)
    assert (short.fits, short.bytes_per_gpu_per_sequence) == (False, peak)
    assert short.max_context < context
    enough = fit(found, gpu_memory=GB + peak, context=context, **asked)
    assert (enough.fits, enough.max_sequences) == (True, 1)
    assert enough.max_context >= context
