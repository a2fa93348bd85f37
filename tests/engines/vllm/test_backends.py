"""The names of vLLM's attention backends and cache formats: what each decides, and nothing more."""

import pytest

import kvcalc
from kvcalc.engines import find
from kvcalc.engines.vllm import formats, kernels
from kvcalc.engines.vllm.formats import Heads, token_bytes
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.errors import UnsupportedError
from tests.each import each
from tests.engines.engine_names import names

REGISTRY = names("vllm", "values of attention_backend").keys()


def test_every_name_of_the_registry_has_its_place() -> None:
    places = [kernels.BACKENDS.keys(), kernels.UNREAD, kernels.KERNELS_ALONE]
    assert sum(map(len, places)) == len(frozenset().union(*places))
    assert {*REGISTRY, "CUSTOM"} == frozenset().union(*places)


@each("name", REGISTRY)
def test_a_name_is_taken_in_any_case(name: str) -> None:
    if name in kernels.UNREAD:
        with pytest.raises(UnsupportedError, match=f"found {name}, whose blocks kvcalc"):
            VllmSettings(attention_backend=name.lower())
        return
    expected = None if name in kernels.KERNELS_ALONE else name
    assert VllmSettings(attention_backend=name.lower()).attention_backend == expected
    assert VllmSettings(attention_backend=name.title()).attention_backend == expected


BLOCKS = names("vllm", "blocks of a backend")
FORMATS = names("vllm", "formats of a backend")

PACKED_ON_12X = {"FLASHINFER_MLA_SPARSE_DSV4": {"fp8_ds_mla"}}
"""Formats that a backend stores on GPUs of one generation alone, which `backend` settles."""


@each("name", [n for n in kernels.BACKENDS if n in BLOCKS])
def test_blocks_are_those_that_the_backend_lists(name: str) -> None:
    backend, listed = kernels.BACKENDS[name], BLOCKS[name].removeprefix("multiples of ")
    if backend.attention in ("full", "latent"):  # others' are their indexers' too
        assert backend.kernel_blocks == tuple(map(int, listed.split()))
        assert backend.exact is not BLOCKS[name].startswith("multiples")
    else:
        assert backend.kernel_blocks[0] % int(listed.split()[0]) == 0


@each("name", [n for n in kernels.BACKENDS if n in FORMATS])
def test_formats_are_those_that_the_backend_lists(name: str) -> None:
    listed = set(FORMATS[name].split()) - {*formats.UNREAD} - PACKED_ON_12X.get(name, set())
    # What it stores of a model in its own type, which "auto" is.
    own = {"float32", "float16", "bfloat16"} if "auto" in listed else set()
    assert listed - {"auto"} - own <= set(kernels.BACKENDS[name].formats) <= listed | own


def test_auto_is_no_name() -> None:
    assert VllmSettings(attention_backend="auto").attention_backend is None


@each(
    ("model", "context", "settings", "tokens"),
    [
        # Blocks of 16, but those whose kernels read others: 1,000 tokens fill so many.
        ("qwen3-8b", 1000, {}, 1008),
        ("qwen3-8b", 1000, {"attention_backend": "ROCM_AITER_FA"}, 1008),
        ("qwen3-8b", 1000, {"attention_backend": "rocm_aiter_unified_attn"}, 1008),
        ("qwen3-8b", 1000, {"attention_backend": "HPC_ATTN"}, 1024),
        ("qwen3-8b", 1000, {"attention_backend": "TRITON_FLASHINFER"}, 1024),
        ("qwen3-8b", 1000, {"attention_backend": "CPU_ATTN"}, 1024),
        ("qwen3-8b", 1100, {"attention_backend": "B12X"}, 1152),
        ("deepseek-v3", 1001, {"block_size": 1}, 1001),
        ("deepseek-v3", 1001, {"attention_backend": "ROCM_AITER_MLA"}, 1008),
        ("deepseek-v3", 1001, {"attention_backend": "ROCM_AITER_MLA", "block_size": 1}, 1001),
        (
            "deepseek-v3",
            1001,
            {"attention_backend": "TOKENSPEED_MLA", "kv_cache_dtype": "fp8"},
            1024,
        ),
        ("deepseek-v3", 1001, {"attention_backend": "FLASH_ATTN_MLA"}, 1008),
        # The other blocks of kernels that read no multiples.
        ("qwen3-8b", 900, {"attention_backend": "ROCM_AITER_FA", "block_size": 32}, 928),
        ("qwen3-8b", 900, {"attention_backend": "B12X", "block_size": 64}, 960),
        (
            "deepseek-v3",
            900,
            {"attention_backend": "TOKENSPEED_MLA", "kv_cache_dtype": "fp8", "block_size": 64},
            960,
        ),
    ],
)
def test_blocks_of_the_kernels(
    model: str, context: int, settings: dict[str, object], tokens: int
) -> None:
    loaded = kvcalc.load(model)
    element = 1 if settings.get("kv_cache_dtype") == "fp8" else 2
    row = {"qwen3-8b": 36 * 8 * 256, "deepseek-v3": 61 * 576}[model] * element
    assert kvcalc.cost(loaded, "vllm", **settings)(context) == tokens * row  # type: ignore[arg-type]


@each(("model", "form"), [("qwen3-8b", "nvfp4"), ("deepseek-v3.2", "nvfp4_ds_mla")])
def test_four_bits_are_blackwells(model: str, form: str) -> None:
    loaded = kvcalc.load(model)
    anywhere = kvcalc.cost(loaded, "vllm", kv_cache_dtype=form)(4096)
    for gpu in ("b200", "b300"):
        assert kvcalc.cost(loaded, "vllm", gpu=gpu, kv_cache_dtype=form)(4096) == anywhere
    for gpu in ("h200", "rtx-5090"):
        with pytest.raises(UnsupportedError, match=f"kv_cache_dtype: found {form}, which "):
            kvcalc.cost(loaded, "vllm", gpu=gpu, kv_cache_dtype=form)


@each(
    ("form", "heads", "size"),
    [
        ("nvfp4_4over6", Heads(8, 128, 128), 8 * 2 * (64 + 8)),
        ("ultraquant_4bit", Heads(1, 256, 256), 272),
        ("ultraquant_4bit", Heads(2, 128, 128), 2 * 136),
        ("octave_k3v3_compact", Heads(1, 128, 128), 100),
        ("octave_k3v3_compact", Heads(1, 64, 64), 52),
    ],
)
def test_bytes_of_a_token(form: str, heads: Heads, size: int) -> None:
    assert token_bytes(heads, form) == size


@each(
    ("form", "heads", "sentence"),
    [
        ("ultraquant_4bit", Heads(1, 80, 80), "a multiple of 32, found 80 and 80"),
        ("octave_k3v3_compact", Heads(1, 192, 192), "a power of two from 64 on, found 192"),
        ("octave_k3v3_compact", Heads(1, 128, 64), "found 128 and 64"),
    ],
)
def test_heads_that_a_format_does_not_pack(form: str, heads: Heads, sentence: str) -> None:
    with pytest.raises(UnsupportedError, match=sentence):
        token_bytes(heads, form)


def test_formats_are_those_of_vllms_option() -> None:
    server = find("vllm").server
    assert server is not None
    theirs = names("vllm", "values of kv_cache_dtype").keys()
    assert theirs == {*formats.FORMATS, *formats.UNREAD} - {"float32"}


@each("form", formats.UNREAD)
def test_a_format_that_is_not_counted_says_why(form: str) -> None:
    with pytest.raises(UnsupportedError, match=formats.UNREAD[form]):
        kvcalc.cost(kvcalc.load("qwen3-8b"), "vllm", kv_cache_dtype=form)


@pytest.mark.parametrize(
    ("form", "like"), [("nvfp4_4over6", "nvfp4"), ("ultraquant_4bit", "turboquant_4bit_nc")]
)
def test_formats_are_laid_out_like_their_kin(form: str, like: str) -> None:
    model = kvcalc.load("qwen3-8b")
    kin = kvcalc.cost(model, "vllm", kv_cache_dtype=like)
    found = kvcalc.cost(model, "vllm", kv_cache_dtype=form)
    # A token of turboquant's 4 bits: keys 64 + 2, values 64 + 4, both 134; of ultraquant's, 136.
    assert [group.layers for group in found.groups] == [group.layers for group in kin.groups]


@pytest.mark.parametrize(
    ("form", "since", "before"),
    [("nvfp4_4over6", "0.28.0", "0.27.1"), ("ultraquant_4bit", "0.32.0", "0.31.0")],
)
def test_a_format_came_with_its_release(form: str, since: str, before: str) -> None:
    assert VllmSettings(kv_cache_dtype=form, release=since)
    with pytest.raises(UnsupportedError, match=f"which vllm {before} does not have"):
        VllmSettings(kv_cache_dtype=form, release=before)
