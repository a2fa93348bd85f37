"""What transformers' own cache held, as measured, to the byte: every case."""

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import kvcalc
from kvcalc.engines.transformers.types import TYPES, UNMEASURED
from kvcalc.errors import UnsupportedError
from kvcalc.layers.attention import SlidingAttention
from kvcalc.layers.chunked import ChunkedAttention
from kvcalc.layers.cross import CrossAttention
from kvcalc.layers.latent import CompressedAttention
from kvcalc.layers.recurrent import NgramEmbedding
from kvcalc.model import Model
from kvcalc.readers.huggingface import families, reading_of
from tests.each import each
from tests.shapes import full, model, sliding

ORACLES = Path(__file__).parents[1] / "oracles"


def oracle(name: str) -> Any:
    return json.loads((ORACLES / f"transformers_{name}.json").read_text())


FAMILIES = oracle("families")["families"]
ODD = oracle("odd")["families"]
SPARSE = oracle("sparse")["cases"]
MODELS = {name: model for name, model in oracle("models")["models"].items() if model["contexts"]}


def cost_of(config: Any) -> kvcalc.Cost:
    model = reading_of(config, "a model", "config.json").model
    return kvcalc.cost(model, engine="transformers")


@cache
def of_family(family: str) -> kvcalc.Cost:
    return cost_of(FAMILIES[family]["config"])


def held(cost: kvcalc.Cost, contexts: Iterable[int]) -> dict[int, int]:
    return {context: cost(context=context) for context in contexts}


def expected(contexts: dict[str, Any]) -> dict[int, int]:
    return {int(context): case["bytes"] for context, case in contexts.items()}


@each("family", FAMILIES)
def test_a_family_holds_what_was_measured(family: str) -> None:
    figures = expected(FAMILIES[family]["contexts"])
    assert held(of_family(family), figures) == figures


@each(
    ("family", "context", "bytes_held"),
    [
        (family, int(context), figure)
        for family, contexts in ODD.items()
        for context, figure in contexts.items()
    ],
)
def test_a_family_holds_what_was_measured_at_odd_contexts(
    family: str, context: int, bytes_held: int
) -> None:
    assert of_family(family)(context=context) == bytes_held


@each("case", SPARSE, ids=lambda case: f"{case['family']}-{len(case['without'])}")
def test_a_file_with_keys_left_out_holds_what_its_class_restores(case: Any) -> None:
    family = FAMILIES[case["family"]]
    config = json.loads(json.dumps(family["config"]))
    text = config.get("text_config", config)
    for key in case["without"]:
        text.pop(key, None)
    figures = expected(family["contexts"])
    assert held(cost_of(config), figures) == figures


@each("name", MODELS)
def test_a_published_model_holds_what_was_measured(name: str) -> None:
    config = json.loads((ORACLES / "configs" / f"{name}.json").read_text())
    figures = expected(MODELS[name]["contexts"])
    assert held(cost_of(config), figures) == figures


@each(
    ("name", "said"),
    [
        ("moonshotai--Kimi-K3", "has no class for the model type 'kimi_k3'"),
        ("MiniMaxAI--MiniMax-M3", "has no class for the model type 'minimax_m3'"),
        ("nvidia--Llama-3_3-Nemotron-Super-49B-v1", "no class for the model type 'nemotron-nas'"),
        ("moonshotai--Kimi-K2-Instruct", "has no class for the model type 'kimi_k2'"),
        ("stepfun-ai--Step-3.7-Flash", "keeps of the model type 'step3p7' was not measured"),
        ("checkpoints/k-exaone-2.0-like", "window: found 2 of them, and transformers reads"),
    ],
)
def test_what_transformers_has_no_class_for_is_said_so(name: str, said: str) -> None:
    model = kvcalc.load(ORACLES / "configs" / f"{name}.json")
    with pytest.raises(kvcalc.KvcalcError, match=said):
        kvcalc.cost(model, engine="transformers")


def test_the_types_are_those_of_the_classes() -> None:
    rows = json.loads((Path(families.__file__).parent / "families.json").read_text())
    assert rows["rows"].keys() <= TYPES
    assert not TYPES & {*rows["without_language_model"]}
    assert UNMEASURED.keys() <= TYPES


@pytest.mark.families
def test_the_types_are_those_of_transformers_own_list() -> None:
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    rows = json.loads((Path(families.__file__).parent / "families.json").read_text())
    assert {*CONFIG_MAPPING_NAMES} - {*rows["without_language_model"]} == TYPES


def test_k_exaone_keeps_one_token_less_than_its_window() -> None:
    cost = kvcalc.cost(kvcalc.load("k-exaone-236b-a23b"), engine="transformers")
    assert cost(context=5000, window=4096) == 849_592_320


def test_right_after_the_prompt_the_window_saves_nothing() -> None:
    model = kvcalc.load("k-exaone-236b-a23b")
    cost = kvcalc.cost(model, engine="transformers", after_prompt=True)
    assert cost(context=5000) == 48 * 5000 * 4096


@pytest.mark.parametrize("after_prompt", [False, True])
@pytest.mark.parametrize(
    ("model", "held"),
    [
        # max_cache_len of StaticLayer, StaticSlidingWindowLayer: at most the window
        ("k-exaone-236b-a23b", (36 * 128 + 12 * 5000) * 4096),
        ("llama-4-scout", 48 * 5000 * 4096),
        ("deepseek-v3", 61 * 5000 * 576 * 2),
    ],
)
def test_a_static_cache_has_the_whole_window(model: str, held: int, after_prompt: bool) -> None:
    of = kvcalc.load(model)
    cost = kvcalc.cost(
        of, engine="transformers", cache_implementation="static", after_prompt=after_prompt
    )
    windows = {"window": 128} if of.sliding_windows else {}
    assert cost(context=5000, **windows) == held


def test_a_static_cache_of_chunks_has_a_chunk() -> None:
    layer = ChunkedAttention(kv_heads=8, head_dim=128, chunk=512)
    static, dynamic = (
        kvcalc.cost(
            Model(name="chunks", layers=(layer,)), "transformers", cache_implementation=name
        )
        for name in ("static", "dynamic")
    )
    assert (static(5000), dynamic(5000)) == (512 * 4096, 511 * 4096)


@pytest.mark.parametrize("name", ["deepseek-ai--DeepSeek-V4-Flash", "checkpoints/GLM-5.3-Flash"])
def test_a_static_cache_of_layers_without_one_is_refused(name: str) -> None:
    model = kvcalc.load(f"tests/oracles/configs/{name}.json")
    with pytest.raises(UnsupportedError, match="cache_implementation: found static"):
        kvcalc.cost(model, engine="transformers", cache_implementation="static")


def test_cross_attention_holds_the_source_once_there_is_one() -> None:
    layer = CrossAttention(kv_heads=1, head_dim=1)
    cost = kvcalc.cost(Model(name="decoder", layers=(layer,)), engine="transformers")
    assert (cost(context=9), cost(context=9, source=7)) == (0, 28)


def test_more_context_can_need_less_where_rows_are_compressed() -> None:
    layer = CompressedAttention(head_dim=512, window=128, ratio=128)
    cost = kvcalc.cost(Model(name="compressed", layers=(layer,)), engine="transformers")
    assert cost(context=128) < cost(context=127)


@pytest.mark.parametrize(
    ("layers", "settings", "sentence"),
    [
        ((sliding(window=1),), {}, "window: found 1, expected at least 2"),
        ((full(),), {"tensor_parallel_size": 2}, "tensor_parallel_size: transformers has none"),
    ],
)
def test_what_transformers_cannot_do_is_refused(
    layers: tuple[SlidingAttention, ...], settings: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(kvcalc.KvcalcError, match=sentence):
        kvcalc.cost(Model(name="x", layers=layers), engine="transformers", **settings)


def test_an_ngram_embedding_keeps_columns_tokens_and_positions() -> None:
    """9 columns of 8 channels, 2 tokens of int64, and 3 of int64 for each token."""
    embedding = NgramEmbedding(kernel=4, ngram=3, width=8)
    assert kvcalc.cost(model(embedding), "transformers")(10) == 9 * 8 * 2 + 2 * 8 + 10 * 3 * 8


@each("name", ["deepseek-v4-flash", "deepseek-v4-pro"])
def test_the_peak_is_the_most_of_any_context_so_far(name: str) -> None:
    cost = kvcalc.cost(kvcalc.load(name), engine="transformers")
    most = 0
    for context in range(1, 400):
        most = max(most, cost(context))
        assert cost.peak(context) == cost.peak_per_gpu(context) == most
    assert cost(384) < cost.peak(384) == cost(383)
