"""What ExLlamaV3 allocates, as measured, to the byte: every case, and every size of a request."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import kvcalc
from kvcalc.checkpoint import ConfigFacts
from kvcalc.errors import KvcalcError, RequestError, TooLittleMemoryError, UnsupportedError
from kvcalc.layers.latent import CompressedAttention, LatentAttention
from kvcalc.layers.recurrent import KimiDeltaAttention, Mamba2, ShortConvolution
from kvcalc.model import Model
from kvcalc.readers.huggingface import reading_of
from tests.each import each
from tests.shapes import DEEPSEEK_ROW, full, latent, model, sliding

ORACLES = Path(__file__).parents[1] / "oracles"
GIVEN, MORE = (
    json.loads((ORACLES / f"{name}.json").read_text()) for name in ("exllamav3", "exllamav3_more")
)
MODELS = {**MORE["models"], **GIVEN["models"]}
CASES = [*GIVEN["cases"], *MORE["cases"]]
PAGE = 256


@cache
def load(name: str) -> Model:
    said = MODELS[name]
    if "config" in said:
        return reading_of(said["config"], name, name).model
    return kvcalc.load(str(ORACLES / said["source"]))


def cost(of: Model, **settings: Any) -> kvcalc.Cost:
    return kvcalc.cost(of, engine="exllamav3", **settings)


def settings_of(case: Any) -> dict[str, Any]:
    asked = {
        "cache_size": case.get("max_num_tokens"),
        "cache_quant": case.get("cache_quant"),
        "autosplit_max_batch_size": case.get("max_batch_size"),
        "max_history": case.get("max_history"),
        "recurrent_state_fp32": case.get("recurrent_state_fp32"),
        "swa_full": case.get("swa_full"),
    }
    return {name: value for name, value in asked.items() if value is not None}


def named(case: Any) -> str:
    return f"{case['model']}-{list(settings_of(case).values())}"


@each("case", [c for c in CASES if "refused" not in c], ids=named)
def test_a_case_allocates_what_was_measured(case: Any) -> None:
    of, settings = load(case["model"]), settings_of(case)
    held = cost(of, **settings)
    assert held(1) == held.per_gpu(1) == case["bytes"]
    assert sum(group.formula(1) for group in held.groups) == case["bytes"]
    pool = kvcalc.pool(of, "exllamav3", memory=case["bytes"], context=1, **settings)
    assert pool.figures["state_bytes"] == case["state_bytes"]
    assert pool.bytes - pool.figures["state_bytes"] == case["paged_bytes"]
    del settings["cache_size"]
    largest = kvcalc.pool(of, "exllamav3", memory=case["bytes"], context=1, **settings)
    assert largest.capacity_tokens == case["max_num_tokens"]


REFUSED = {
    "Unknown architecture": "does not know the architecture",
    "Group-limited expert routing": "n_group: found 8, expected 1: exllamav3 routes",
    "a multiple of 256": "cache_size: found 1000, expected a multiple of 256",
    "from 2 to 8 bits": "bits, expected 2 to 8",
    "Missing any of the following keys: ['indexer_types']": "indexer_types: missing",
}
"""What the engine says, and what is said here."""


@each("case", [c for c in CASES if "refused" in c], ids=named)
def test_what_the_engine_refuses_is_refused(case: Any) -> None:
    (sentence,) = (ours for theirs, ours in REFUSED.items() if theirs in case["refused"])
    with pytest.raises(KvcalcError) as caught:
        cost(load(case["model"]), **settings_of(case))
    assert sentence in str(caught.value)


@each("request_", GIVEN["request_pages"], ids=str)
def test_a_request_takes_as_many_pages(request_: Any) -> None:
    drafts = request_["max_draft_tokens"]
    tokens = request_["prompt_tokens"] + request_["max_new_tokens"] + request_["prefix_token"]
    page = 36 * PAGE * 4_096
    qwen = cost(load("Qwen--Qwen3-8B"), num_draft_tokens=drafts)
    assert qwen(tokens) == request_["pages"] * page
    assert qwen(tokens, sequences=3) == 3 * request_["pages"] * page
    assert qwen.per_request(tokens) == request_["pages"] * page


def test_a_cache_holds_one_token_less_than_it_has() -> None:
    asked = cost(load("Qwen--Qwen3-8B"), cache_size=8_192)
    assert asked(8_191) == asked(4_095, sequences=2) == 8_192 * 36 * 4_096
    with pytest.raises(RequestError, match=r"expected at most 8,191: cache_size 8,192 is 32 pages"):
        asked(8_192)
    with pytest.raises(RequestError, match="expected at most 4,095: cache_size"):
        asked(4_096, sequences=2)
    with pytest.raises(UnsupportedError, match="allocates its cache when the model loads"):
        _ = asked.per_request
    assert cost(load("Qwen--Qwen3-8B"))(131_072) == 513 * PAGE * 36 * 4_096


def test_a_sequence_of_a_model_with_states_needs_a_slot() -> None:
    gpt = load("openai--gpt-oss-20b")
    ring = 12 * 768 * 2_048
    assert cost(gpt, autosplit_max_batch_size=3)(255, sequences=3) == 3 * (PAGE * 12 * 2_048 + ring)
    with pytest.raises(RequestError, match=r"at most 3, the slots of autosplit_max_batch_size"):
        cost(gpt, autosplit_max_batch_size=3)(255, sequences=4)
    full_cache = cost(gpt, swa_full=True)
    assert full_cache(255, sequences=4) == 4 * PAGE * 24 * 2_048
    assert "the window saves nothing" in full_cache.why


def test_states_take_back_no_more_drafts_than_they_keep() -> None:
    qwen = load("Qwen--Qwen3.5-35B-A3B")
    with pytest.raises(UnsupportedError, match="expected at most the 2 of max_history"):
        cost(qwen, num_draft_tokens=3, max_history=2)
    drafting = cost(qwen, num_draft_tokens=2, max_history=2)
    assert drafting(253) + PAGE * 10 * 2_048 == drafting(254)


def test_the_window_of_gemma_3_saves_nothing() -> None:
    gemma = cost(kvcalc.load("gemma-3-27b"))
    assert gemma(131_071) == 66_571_993_088
    assert gemma.why == "every layer is paged in full: the window saves nothing"


@each(
    ("window", "less", "tokens"),
    [(128, 1, 768), (1_024, 1, 1_536), (257, 1, 768), (257, 0, 1_024), (256, 0, 768)],
)
def test_a_window_becomes_a_ring_of_whole_pages(window: int, less: int, tokens: int) -> None:
    name = {1: "gpt_oss", 0: "afmoe"}[less]
    slides = model(full(), sliding(window=window), model_type=name)
    assert cost(slides)(1) == 4_096 * (PAGE + tokens)
    assert f"a window of {window:,} becomes a ring of {tokens:,} tokens" in cost(slides).why


RINGS = {
    256: "AfmoeForCausalLM LagunaForCausalLM Spark2_5ForCausalLM Step3p5ForCausalLM "
    "Step3p7ForConditionalGeneration",
    257: "Gemma4ForConditionalGeneration Gemma4UnifiedForConditionalGeneration GptOssForCausalLM "
    "MiMoV2ForCausalLM MuseGlimmerForConditionalGeneration",
}
"""The longest window whose ring has 768 tokens, and not 1,024, in each architecture that has rings
(architecture/*.py of 1.6.5, where each gives its `sliding_window`): it is whole, or less the query.
"""


@each(
    ("longest", "name"), [(longest, name) for longest in RINGS for name in RINGS[longest].split()]
)
def test_the_ring_of_each_architecture(longest: int, name: str) -> None:
    facts = ConfigFacts(architecture=name)
    for window, tokens in ((longest, 768), (longest + 1, 1_024)):
        slides = model(full(), sliding(window=window), config_facts=facts)
        assert cost(slides)(1) == 4_096 * (PAGE + tokens)


def test_kimis_gates_are_as_many_as_its_keys_channels() -> None:
    kimi = cost(model(full(), KimiDeltaAttention(kernel=4, heads=2, head_dim=64)), max_history=1)
    channels, state = 3 * 2 * 64, 2 * 64 * 64
    slot = channels * 5 * 2 + 2 * state * 2 + 2 * (channels * 2 + 2 * 2 + 2 * 64 * 4)
    assert kimi(1) == PAGE * 4_096 + slot


def test_a_short_convolution_keeps_its_kernel_and_the_drafts() -> None:
    convolved = cost(model(full(), ShortConvolution(kernel=3, width=64)), max_history=2)
    assert convolved(1) == PAGE * 4_096 + 64 * 5 * 2
    assert "keeps its states twice" not in convolved.why


def test_the_state_of_mamba_2_is_always_in_float32() -> None:
    mamba = model(full(), Mamba2(kernel=4, heads=2, head_dim=64, groups=1, state=64))
    assert cost(mamba)(1) == cost(mamba, recurrent_state_fp32=True)(1)


def test_an_indexers_key_is_never_packed() -> None:
    sparse = Model(
        name="a model",
        layers=(
            LatentAttention(**DEEPSEEK_ROW, sparse=True, index_head_dim=128),
            LatentAttention(**DEEPSEEK_ROW, sparse=True),
        ),
        model_type="glm_moe_dsa",
    )
    assert cost(sparse)(1) == PAGE * 2 * (2 * 576 + 128)
    assert cost(sparse, cache_quant=4)(1) == PAGE * (2 * (16 * 18 + 128) + 256)


@each(
    ("quant", "stored"),
    [(None, "float16"), (4, "4 bits"), ("8,8", "8 bits"), ("8,4", "8,4 bits")],
)
def test_an_answer_says_how_keys_and_values_are_stored(quant: Any, stored: str) -> None:
    qwen = load("Qwen--Qwen3-8B")
    asked = {} if quant is None else {"cache_quant": quant}
    assert cost(qwen, **asked).kv_cache_dtype == stored
    pool = kvcalc.pool(qwen, "exllamav3", memory=2**30, context=1_000, **asked)
    assert pool.kv_cache_dtype == stored


@each("quant", [4, "4", "4,4", (4, 4), [4, "4"], " 4 , 4 "])
def test_bits_are_a_number_a_pair_or_their_text(quant: Any) -> None:
    assert cost(load("Qwen--Qwen3-8B"), cache_quant=quant).settings == {"cache_quant": "4"}


@each(
    ("of", "settings", "sentence"),
    [
        (model(full()), {"cache_quant": "q4"}, "cache_quant: found 'q4', expected bits"),
        (model(full()), {"cache_quant": (4, 5, 6)}, "expected bits of K and V"),
        (model(full()), {"cache_quant": True}, "cache_quant: found True"),
        (model(full()), {"cache_quant": "4,9"}, "cache_quant: found 9 bits, expected 2 to 8"),
        (
            model(latent(kv_lora_rank=500, qk_rope_head_dim=64)),
            {"cache_quant": 4},
            "multiple of 32",
        ),
        (model(full()), {"kv_cache_dtype": "bfloat16"}, "expected float16: exllamav3 keeps no"),
        (model(full()), {"tensor_parallel_size": 2}, "tensor_parallel_size: found 2, expected 1"),
        (model(full(index_head_dim=128)), {}, "full_attention layers with an indexer"),
        (model(latent(**DEEPSEEK_ROW, window=128)), {}, "latent_attention layers with a window"),
        (model(CompressedAttention(head_dim=512, window=8, ratio=3)), {}, "a divisor of 256"),
        (model(full(), model_type="exaone_moe"), {}, "no architecture for the model type 'exaone"),
        (model(full(), model_type="qwen4_exp"), {}, "the planes of its indexers"),
    ],
)
def test_what_is_not_kept_is_refused_by_name(
    of: Model, settings: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(KvcalcError) as caught:
        cost(of, **settings)
    assert sentence in str(caught.value)


def test_v_is_not_there_to_be_packed_where_one_row_is_both() -> None:
    assert cost(model(latent(**DEEPSEEK_ROW)), cache_quant="4,9")(1) == PAGE * (16 * 18 + 128)


@each(
    ("facts", "sentence"),
    [
        ({"architecture": "GlmMoeDsaForCausalLM"}, "indexer_types: missing"),
        ({"architecture": "DFlashDraftModel"}, "a draft's cache"),
        ({"architecture": "DeepseekV3ForCausalLM", "n_group": 4}, "n_group: found 4, expected 1"),
    ],
)
def test_a_file_is_refused_for_what_no_layer_shows(facts: Any, sentence: str) -> None:
    of = Model(name="a model", layers=(latent(**DEEPSEEK_ROW),), config_facts=ConfigFacts(**facts))
    with pytest.raises(UnsupportedError, match=sentence):
        cost(of)


def test_the_largest_cache_of_a_memory_is_a_whole_number_of_pages() -> None:
    gpt, page, states = load("openai--gpt-oss-20b"), PAGE * 12 * 2_048, 2 * 12 * 768 * 2_048
    pool = kvcalc.pool(
        gpt,
        "exllamav3",
        memory=states + 10 * page - 1,
        context=1_000,
        autosplit_max_batch_size=2,
    )
    assert pool.figures == {
        "cache_size": 9 * PAGE,
        "bytes_per_page": page,
        "pages_per_request": 4,
        "state_bytes": states,
    }
    assert (pool.bytes, pool.max_sequences) == (states + 9 * page, 2)
    assert pool.note == "cache_size 2,304 is the largest that fits"
    with pytest.raises(TooLittleMemoryError) as caught:
        kvcalc.pool(gpt, "exllamav3", memory=page, context=1)
    assert caught.value.needed_bytes == states // 2 + page
    with pytest.raises(UnsupportedError, match="no cache_size is the largest"):
        kvcalc.pool(model(sliding(), model_type="afmoe"), "exllamav3", memory=10**9, context=1)
