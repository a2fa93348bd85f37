"""What `ideal` keeps of each kind of layer, worked by hand; and what no engine takes."""

import pytest

import kvcalc
from kvcalc.layers import KINDS, layer
from kvcalc.layers.composed import Combined, NoCache, SharedCache
from kvcalc.layers.cross import CrossAttention
from kvcalc.layers.latent import CompressedAttention, LatentAttention
from kvcalc.layers.layer import Layer
from kvcalc.layers.recurrent import (
    CarriedRow,
    GatedDeltaNet,
    KimiDeltaAttention,
    LightningAttention,
    Mamba,
    Mamba2,
    Mlstm,
    Rwkv,
    ShortConvolution,
)
from kvcalc.model import MAX_GROUPS, Model
from tests.each import each
from tests.shapes import chunked, full, model, sliding

SHORT = {"kv_heads": 1, "head_dim": 1}


@each(
    ("kept", "elements"),
    [
        (CompressedAttention(head_dim=10, window=8, ratio=4), 10 * (8 + 100 // 4)),
        (CompressedAttention(head_dim=10, window=8), 10 * 8),
        (LatentAttention(kv_lora_rank=6, qk_rope_head_dim=4, window=8), 10 * 8),
        (CrossAttention(kv_heads=1, head_dim=5, source=30), 10 * 30),
        (Mamba(kernel=4, inner=8, state=16), 3 * 8 + 8 * 16),
        (Mamba2(kernel=4, heads=2, head_dim=4, groups=1, state=8), 3 * (8 + 16) + 64),
        (
            GatedDeltaNet(kernel=4, key_heads=1, value_heads=2, key_dim=3, value_dim=5),
            3 * (6 + 10) + 30,
        ),
        (KimiDeltaAttention(kernel=4, heads=2, head_dim=3), 3 * 18 + 18),
        (LightningAttention(heads=2, head_dim=3), 18),
        (Mlstm(heads=2, key_dim=3, value_dim=5), 2 * (15 + 3 + 1)),
        (Rwkv(embedding=8, head_dim=4), 2 * 8 + 32),
        (ShortConvolution(kernel=3, width=7), 2 * 7),
        (CarriedRow(elements=9), 9),
        (SharedCache(), 0),
        (NoCache(), 0),
        (Combined(parts=(full(**SHORT), CarriedRow(elements=9))), 2 * 100 + 9),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_a_layer_keeps_its_elements_in_the_models_type(kept: Layer, elements: int) -> None:
    assert kvcalc.cost(model(kept))(context=100) == 2 * elements


@pytest.mark.parametrize(
    "slides",
    [
        CompressedAttention(head_dim=2, window=8),
        LatentAttention(kv_lora_rank=2, qk_rope_head_dim=2, window=8),
        Combined(parts=(sliding(window=8), CarriedRow(elements=1))),
    ],
    ids=lambda value: value.kind,
)
def test_whatever_slides_takes_another_window(slides: Layer) -> None:
    changed = model(slides).with_window(3)
    assert changed.sliding_windows == (3,)
    assert kvcalc.cost(changed)(context=9) == kvcalc.cost(model(slides))(context=9, window=3)


def test_full_attention_reaches_into_combined_and_latent_layers() -> None:
    latent = LatentAttention(kv_lora_rank=2, qk_rope_head_dim=2, window=8)
    both = Combined(parts=(chunked(chunk=8), latent))
    whole = model(both).with_full_attention().layers[0]
    assert isinstance(whole, Combined)
    assert [part.kind for part in whole.parts] == ["full_attention", "latent_attention"]
    assert whole.windows == ()


def test_full_attention_is_never_less_than_a_window_of_compressed_layers() -> None:
    layers = model(CompressedAttention(head_dim=512, window=128, ratio=4))
    rows = kvcalc.sweep(layers, context=4096, window=[1024, 128])
    assert all((row.full_attention_bytes or 0) >= row.bytes for row in rows)


def test_every_kind_is_made_by_its_name() -> None:
    assert layer({"kind": "combined", "parts": [{"kind": "no_cache"}]}) == Combined(
        parts=(NoCache(),)
    )
    assert set(KINDS) > {"full_attention", "mamba2", "shared_cache"}


@each("bad", ["abc", 1, None, ["ab", "cd"]])
def test_a_part_that_is_no_table_is_refused(bad: object) -> None:
    with pytest.raises(kvcalc.KvcalcError, match="expected a table with a kind"):
        layer({"kind": "combined", "parts": [bad]})


def test_an_engine_names_the_kind_that_it_does_not_support() -> None:
    with pytest.raises(kvcalc.KvcalcError, match="transformers does not support rwkv layers"):
        kvcalc.cost(model(Rwkv(embedding=8, head_dim=4)), engine="transformers")


def test_a_state_that_the_ranks_cannot_share_is_refused() -> None:
    with pytest.raises(kvcalc.KvcalcError, match="a divisor of the 9 elements"):
        kvcalc.cost(model(CarriedRow(elements=9)), tensor_parallel_size=2)


def test_more_caches_than_a_formula_can_hold_are_refused() -> None:
    parts = tuple(sliding(window=size + 1) for size in range(MAX_GROUPS + 1))
    with pytest.raises(kvcalc.KvcalcError, match=f"more than {MAX_GROUPS} different caches"):
        kvcalc.cost(model(Combined(parts=parts)))


@each("ranks", [True, 2.0, None])
def test_a_number_of_ranks_is_a_whole_number(ranks: object) -> None:
    with pytest.raises(kvcalc.KvcalcError, match="expected a whole number"):
        kvcalc.cost(model(), tensor_parallel_size=ranks)


def test_a_cost_wants_a_model_and_not_its_name() -> None:
    with pytest.raises(
        kvcalc.KvcalcError, match=r"found 'llama', expected a Model; see kvcalc\.load"
    ):
        kvcalc.cost("llama")  # type: ignore[arg-type]


def test_sources_that_differ_are_refused() -> None:
    layers = tuple(CrossAttention(kv_heads=1, head_dim=1, source=size) for size in (100, 900))
    with pytest.raises(kvcalc.KvcalcError, match=r"source: found \[100, 900\]"):
        kvcalc.cost(model(*layers))


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"windows": (128,)}, "windows: found .* but no layer slides"),
        ({"contexts": (9,), "max_context": 8}, "contexts: found 9, expected at most max_context"),
    ],
)
def test_a_model_says_no_more_than_its_layers_do(facts: dict[str, object], sentence: str) -> None:
    with pytest.raises(kvcalc.KvcalcError, match=sentence):
        Model(name="x", layers=(full(),), **facts)  # type: ignore[arg-type]


def test_an_empty_list_of_contexts_is_refused() -> None:
    with pytest.raises(kvcalc.KvcalcError, match="context: found an empty list"):
        kvcalc.sweep(model(), context=[])
