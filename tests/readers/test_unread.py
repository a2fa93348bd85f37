"""Keys that no rule reads: refused where they describe layers, else named if they may matter."""

from typing import Any

import pytest

from kvcalc.errors import SourceError
from kvcalc.readers.huggingface import reading_of
from kvcalc.readers.huggingface.unread import NO_CACHE, READ, TOUCHES_NOTHING
from tests.each import each

LLAMA = {
    "model_type": "llama",
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "hidden_size": 64,
}


def notes(**more: Any) -> tuple[str, ...]:
    return reading_of(LLAMA | more, "m", "config.json").notes


@each(
    "key",
    [
        *("kv_mirror", "extra_cache_rows", "long_window", "state_rows", "conv_taps", "index_rows"),
        *("indexer_rows", "latent_rows", "ple_rows", "ngram_rows", "recurrent_rows", "loops"),
        *("attention_sinks", "memory_tokens", "num_mem_tokens"),
    ],
)
def test_one_that_may_touch_the_cache_is_named(key: str) -> None:
    assert notes(**{key: 4}) == (f"not understood, and may touch the cache: '{key}'",)


@each("value", [None, False, 0, [], {}])
def test_one_that_says_nothing_is_not(value: Any) -> None:
    assert notes(kv_mirror=value) == ()


@each(
    "key",
    [
        *("vocab_size", "rms_norm_eps", "num_key_value_heads", "use_cache", "sink_bias"),
        *("index_share_for_mtp_iteration", "index_skip_topk_offset", "audio_token_index"),
        *("vision_start_token_index", "attention_layers", "attention_window_size"),
        *("interleaved_moe_layer_step", "activation_sparsity_pattern", "sparse_prediction"),
        *("mtp_hybrid_override_pattern", "sparse_pred_ignore_index"),
    ],
)
def test_nor_is_one_that_is_read_or_cannot_matter(key: str) -> None:
    assert notes(**{key: 2}) == ()


def test_many_are_cut() -> None:
    (note,) = notes(**{f"kv_{place}": 1 for place in range(9)})
    assert note.endswith("'kv_7' ...")


def test_what_touches_nothing_is_not_read_elsewhere() -> None:
    assert not TOUCHES_NOTHING & (READ | NO_CACHE)


def test_an_indexer_of_several_heads_is_refused() -> None:
    indexed = {"layer_types": ["indexed_attention"] * 4, "index_head_dim": 8}
    assert notes(**indexed, indexer_kv_heads=1) == ()
    with pytest.raises(SourceError, match="indexer_kv_heads: found 2, expected 1"):
        notes(**indexed, indexer_kv_heads=2)
