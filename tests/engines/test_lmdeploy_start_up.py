"""What LMDeploy keeps back before it cuts blocks, worked by hand from its source (0.18.0)."""

from fractions import Fraction

import pytest

import kvcalc
from kvcalc.engines.lmdeploy.settings import LmdeploySettings
from kvcalc.engines.lmdeploy.start_up import batch, parts
from kvcalc.engines.memory import Card, Free
from kvcalc.errors import UnsupportedError
from kvcalc.readers import load
from tests.each import each

GIB = 2**30
LLAMA = load("llama-3.1-8b")
SHARE = Fraction(8, 10)


def kept(settings: LmdeploySettings, free: int, gpu: str = "h100") -> dict[str, int]:
    ((*found,),) = parts(LLAMA, settings, Card(gpu, 80 * GIB, 80 * GIB), Free(free, SHARE))
    return {part.name: part.bytes for part in found if part.name != "outside of PyTorch"}


@each(
    ("gpu", "most"),
    [
        *(("h100", 1024), ("h800", 1024), ("l20y", 1024), ("h200", 1024)),
        *(("a100", 384), ("a800", 384), ("l4", 128)),
    ],
)
def test_how_many_run_at_once_follows_the_gpu(gpu: str, most: int) -> None:
    for name in (gpu, f"{gpu}-80gb"):
        assert batch(LmdeploySettings(), Card(name, GIB, GIB)) == most
        assert batch(LmdeploySettings(max_batch_size=7), Card(name, GIB, GIB)) == 7


@each(("prefill", "most", "rows"), [(8192, None, 8192 + 2048), (8192, 16, 8224), (2048, 16, 2080)])
def test_logits_of_prompts_and_of_twice_the_sequences(
    prefill: int, most: int | None, rows: int
) -> None:
    settings = LmdeploySettings(max_prefill_token_num=prefill, max_batch_size=most)
    assert kept(settings, 60 * GIB) == {"logits": rows * 128_256 * 2}


def test_where_16_blocks_do_not_fit_half_the_tokens_are_read() -> None:
    """A block of 64 tokens is 8 MiB: 16 of them need 160 MiB of free memory beside the logits."""
    settings = LmdeploySettings(max_batch_size=16)
    logits, gone = 8224 * 128_256 * 2, GIB // 2
    enough = gone + logits + 160 * 2**20
    assert kept(settings, enough) == {"logits": logits}
    assert kept(settings, enough - 1) == {"logits": (4096 + 32) * 128_256 * 2}


def test_an_indexer_keeps_512_mib_for_its_scores_from_0_17_on() -> None:
    model = load("tests/oracles/configs/zai-org--GLM-5.json")
    for release, kept_back in (("0.16.0", None), ("0.17.0", 2**29)):
        settings = LmdeploySettings(release=release)
        (found,) = parts(model, settings, Card("h200", GIB, GIB), Free(GIB, SHARE))
        bytes_of = {part.name: part.bytes for part in found}
        assert bytes_of.get("scores of an indexer") == kept_back


def test_fit_keeps_them_back_and_a_shape_is_declined() -> None:
    found = kvcalc.fit(LLAMA, gpu="h100", gpus=1, engine="lmdeploy", context=32_768)
    named = {part.name: part for part in found.parts}
    assert named["logits"].kind == "exact"
    assert sum(part.bytes for part in found.parts) + found.cache_memory_per_gpu == pytest.approx(
        7919 * GIB // 100,
        abs=2 * 8 * 2**20,  # whole blocks, less one
    )
    shape = LLAMA.model_copy(update={"sizes": None})
    with pytest.raises(UnsupportedError, match="whose vocabulary is not known, takes at the start"):
        kvcalc.fit(shape, gpu="h100", gpus=1, engine="lmdeploy", context=32_768, weights=GIB)
