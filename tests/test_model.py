"""The model: layers in order, and shapes that cannot be."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from pydantic import ValidationError

from kvcalc.engines.vllm.releases import RELEASES
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.errors import KvcalcError
from kvcalc.model import MAX_LAYERS, repeated
from tests.each import each
from tests.shapes import (
    FullAttention,
    LatentAttention,
    Model,
    SlidingAttention,
    chunked,
    full,
    latent,
    model,
    models,
    sliding,
    windowed_models,
)


def test_layers_stay_in_order() -> None:
    layers = (sliding(), full(), chunked(), latent(), sliding())
    assert model(*layers).layers == layers


def test_equal_layers_are_one_group_in_the_order_of_their_first_appearance() -> None:
    hybrid = model(sliding(), sliding(), full(), sliding(), full())
    assert hybrid.groups == ((sliding(), 3), (full(), 2))


def test_layers_that_differ_in_one_field_are_groups_of_their_own() -> None:
    layers = (full(), full(kv_heads=4), full(head_dim=64), full(v_head_dim=64), full())
    assert [count for _, count in model(*layers).groups] == [2, 1, 1, 1]


@pytest.mark.parametrize(
    ("fields", "value_dim"), [({}, 128), ({"v_head_dim": 64}, 64)], ids=["same", "its own"]
)
def test_the_value_is_as_wide_as_the_key_unless_given(
    fields: dict[str, int], value_dim: int
) -> None:
    assert full(**fields).value_dim == value_dim


def test_a_latent_row_is_the_latent_and_the_rotary_key() -> None:
    assert latent().row_elements == 576


def test_a_model_and_its_layers_cannot_be_changed() -> None:
    one = model(full())
    layer = full()
    with pytest.raises(ValidationError, match="frozen"):
        one.name = "Other"
    with pytest.raises(ValidationError, match="frozen"):
        layer.kv_heads = 2


ATTENTION = {"kv_heads": 8, "head_dim": 128}
LATENT = {"kv_lora_rank": 512, "qk_rope_head_dim": 64}


@each(
    ("kind", "fields", "sentence"),
    [
        (FullAttention, {**ATTENTION, "kv_heads": 0}, r"kv_heads: found 0, expected greater"),
        (FullAttention, {**ATTENTION, "kv_heads": -8}, r"kv_heads: found -8, expected greater"),
        (FullAttention, {**ATTENTION, "head_dim": 0}, r"head_dim: found 0, expected greater"),
        (FullAttention, {**ATTENTION, "v_head_dim": 0}, r"v_head_dim: found 0, expected greater"),
        (FullAttention, {**ATTENTION, "head_dim": 2**41}, r"head_dim: found 2199023255552, exp"),
        (FullAttention, {**ATTENTION, "head_dim": 128.0}, r"head_dim: found 128\.0, expected a"),
        (FullAttention, {**ATTENTION, "head_dim": "128"}, r"head_dim: found '128', expected a"),
        (FullAttention, {**ATTENTION, "head_dim": True}, r"head_dim: found True, expected a"),
        (FullAttention, {"kv_heads": 8}, r"head_dim: missing$"),
        (FullAttention, {**ATTENTION, "window": 128}, r"'window': unknown; known are .*head_dim"),
        (FullAttention, {**ATTENTION, "query_heads": 4}, r"kv_heads: found 8, .* 4 query_heads$"),
        (FullAttention, {**ATTENTION, "query_heads": 12}, r"kv_heads: found 8, .* 12 query_heads$"),
        (SlidingAttention, ATTENTION, r"window: missing$"),
        (SlidingAttention, {**ATTENTION, "window": 0}, r"window: found 0, expected greater"),
        (LatentAttention, {**LATENT, "kv_lora_rank": 0}, r"kv_lora_rank: found 0, expected gre"),
        (LatentAttention, {**LATENT, "kv_heads": 8}, r"'kv_heads': unknown; known are "),
    ],
)
def test_a_layer_that_cannot_be_is_refused_with_the_field(
    kind: Callable[..., Any], fields: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(KvcalcError, match=f"^{sentence}"):
        kind(**fields)


@pytest.mark.parametrize("query_heads", [8, 64], ids=["one each", "eight each"])
def test_query_heads_share_kv_heads_evenly(query_heads: int) -> None:
    assert full(query_heads=query_heads).query_heads == query_heads


@each(
    ("facts", "sentence"),
    [
        ({"name": ""}, r"name: found '', expected "),
        ({"name": "x" * 201}, r"name: found 'xxx"),
        ({"name": "x\x1b[31m"}, r"name: found 'x\\x1b\[31m', expected text without control"),
        ({"name": "x\ny"}, r"name: found 'x\\ny', expected text without control"),
        ({"name": 7}, r"name: found 7, expected "),
        ({"layers": ()}, r"layers: found \(\), expected"),
        ({"dtype": "bf12"}, r"element type 'bf12' is unknown; did you mean bf16"),
        ({"max_context": 0}, r"max_context: found 0, expected "),
        ({"contexts": (8192, 0)}, r"contexts\.1: found 0, expected "),
        ({"windows": (0,)}, r"windows\.0: found 0, expected "),
        ({"parameters": -1}, r"parameters: found -1, expected "),
        ({"heads": 8}, r"'heads': unknown; known are name, layers"),
    ],
)
def test_a_model_that_cannot_be_is_refused_with_the_field(
    facts: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(KvcalcError, match=f"^{sentence}"):
        Model(**{"name": "Test-1B", "layers": (full(),), **facts})


def test_more_layers_than_a_million_are_refused() -> None:
    with pytest.raises(KvcalcError, match=r"^layers: found .*, expected .*1000000"):
        model(*[full()] * (MAX_LAYERS + 1))


def test_the_element_type_is_known_by_its_full_name() -> None:
    assert model(full(), dtype="bf16").dtype == "bfloat16"
    assert model(full()).dtype == "bfloat16"


@pytest.mark.parametrize(
    ("layers", "windows", "window"),
    [
        ((full(), latent()), (), None),
        ((sliding(128), full(), sliding(128)), (128,), 128),
        ((sliding(128), full(), sliding(4096)), (128, 4096), None),
        ((chunked(8192), full()), (), None),
    ],
    ids=["none", "one", "several", "a chunk is not a window"],
)
def test_a_model_has_one_window_where_its_sliding_layers_agree(
    layers: tuple[Any, ...], windows: tuple[int, ...], window: int | None
) -> None:
    assert model(*layers).sliding_windows == windows
    assert model(*layers).window == window


def test_a_window_given_is_the_window_of_every_sliding_layer_and_of_nothing_else() -> None:
    hybrid = model(sliding(128), chunked(), full(), sliding(4096, kv_heads=4), latent())
    assert hybrid.with_window(512).layers == (
        sliding(512),
        chunked(),
        full(),
        sliding(512, kv_heads=4),
        latent(),
    )


@given(windowed_models())
def test_a_window_changes_nothing_but_the_window(hybrid: Model) -> None:
    assert hybrid.with_window(7).with_window(hybrid.window or 0) == hybrid


def test_a_window_for_a_model_without_sliding_layers_is_refused_by_name() -> None:
    with pytest.raises(KvcalcError, match=r"^window: Test-1B has no sliding layers"):
        model(full(), chunked()).with_window(128)


def test_a_window_that_is_no_size_is_refused() -> None:
    with pytest.raises(KvcalcError, match=r"^window: found 0, expected "):
        model(sliding()).with_window(0)


def test_a_copy_with_other_values_works_everything_out_anew() -> None:
    whole = model(full(), sliding(), sliding())
    assert [count for _, count in whole.groups] == [1, 2]
    fewer = whole.model_copy(update={"layers": whole.layers[:2]})
    assert [count for _, count in fewer.groups] == [1, 1]
    settings = VllmSettings()
    assert settings.standing.version == RELEASES.newest
    assert settings.model_copy(update={"release": "0.19.0"}).standing.version == "0.19.0"


def test_full_attention_keeps_heads_and_drops_window_and_chunk() -> None:
    hybrid = model(sliding(v_head_dim=64), chunked(query_heads=64), latent(), full())
    assert hybrid.with_full_attention().layers == (
        full(v_head_dim=64),
        full(query_heads=64),
        latent(),
        full(),
    )


@given(models())
def test_full_attention_keeps_all_facts_but_the_layers(drawn: Model) -> None:
    whole = drawn.with_full_attention()
    assert whole.model_copy(update={"layers": drawn.layers}) == drawn
    assert whole.sliding_windows == ()


@pytest.mark.parametrize(
    ("pattern", "count", "letters"),
    [("LLLG", 8, "LLLGLLLG"), ("LLLLLG", 8, "LLLLLGLL"), ("LG", 3, "LGL"), ("LG", 1, "L")],
)
def test_a_pattern_is_repeated_and_cut_to_the_count(pattern: str, count: int, letters: str) -> None:
    kinds: dict[str, Any] = {"L": sliding(), "G": full()}
    assert repeated(pattern, kinds, count) == tuple(kinds[letter] for letter in letters)


@pytest.mark.parametrize(
    ("pattern", "count", "sentence"),
    [
        ("LLXG", 48, r"pattern: found the letter 'X', expected L or G"),
        ("LLL", 48, r"layers: 'G' is not in the pattern 'LLL'"),
        ("LG", 0, r"layers: found 0, expected 1 to 1,000,000"),
        ("LG", -4, r"layers: found -4, expected 1 to 1,000,000"),
        ("LG", MAX_LAYERS + 1, r"layers: found 1000001, expected 1 to 1,000,000"),
    ],
)
def test_a_pattern_that_cannot_be_is_refused(pattern: str, count: int, sentence: str) -> None:
    with pytest.raises(KvcalcError, match=f"^{sentence}$"):
        repeated(pattern, {"L": sliding(), "G": full()}, count)


def test_a_layer_whose_name_is_no_single_letter_of_the_pattern_is_refused() -> None:
    with pytest.raises(KvcalcError, match=r"^layers: 'LL' is not in the pattern 'LLLG'$"):
        repeated("LLLG", {"L": sliding(), "G": full(), "LL": chunked()}, 48)
