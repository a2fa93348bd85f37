"""llama.cpp b5308 to b11312: what old builds allocated, and what each changed rule does."""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import kvcalc
from kvcalc.engines.llama_cpp.cost import cost
from kvcalc.engines.llama_cpp.releases import RELEASES
from kvcalc.engines.llama_cpp.settings import LlamaCppSettings
from kvcalc.engines.log import AGREES, DIFFERS, LOGGED
from kvcalc.engines.releases import Change, ReleaseWarning, numbers
from kvcalc.engines.server.reader import read
from kvcalc.errors import KvcalcError, UnsupportedError
from kvcalc.layers.latent import LatentAttention
from kvcalc.model import Model
from kvcalc.readers.gguf import model_of
from tests.each import each
from tests.engines.log_lines import checked
from tests.engines.release_rows import changes
from tests.engines.test_llama_cpp import from_gguf
from tests.shapes import full, model

MEASURED = json.loads(
    (Path(__file__).parents[1] / "oracles" / "llama_cpp_versions.json").read_text()
)
GEMMA = kvcalc.load("gemma-3-27b")
DEEPSEEK = kvcalc.load("deepseek-v3")
K_EXAONE = kvcalc.load("k-exaone-236b-a23b")
MIB = 2**20
MINISTRAL = model(full(), model_type="ministral3")
DEEPSEEK_32 = kvcalc.load("tests/oracles/configs/deepseek-ai--DeepSeek-V3.2.json")
V4 = "tests/oracles/configs/deepseek-ai--DeepSeek-V4-Flash.json"
FLASH_NEXT = "tests/oracles/configs/checkpoints/Qwen3.8-Flash-Next.json"
M3 = "tests/oracles/configs/MiniMaxAI--MiniMax-M3.json"


def of_keys(architecture: str, keys: Mapping[str, Any]) -> Model:
    named = {f"{architecture}.{key}": value for key, value in keys.items()}
    return model_of({"general.architecture": architecture, **named}, architecture)


@pytest.mark.parametrize("measured", MEASURED["models"], ids=lambda one: str(one["arch"]))
def test_an_old_build_allocated_as_much_to_the_byte(measured: dict[str, Any]) -> None:
    model = of_keys(measured["arch"], measured["keys"])
    for row in measured["cases"]:
        case = dict(zip(MEASURED["columns"], row, strict=True))
        size, context, sequences = (case.pop(one) for one in ("bytes", "context", "sequences"))
        if case["release"] == "b5308":
            assert not case.pop("swa_full")
            assert not case.pop("kv_unified")
        found = cost(model, LlamaCppSettings(**case))
        assert found.formula(context, sequences=sequences) == size, (case, context, sequences)


PUBLISHED = [(of["release"], shape) for of in MEASURED["published"] for shape in of["shapes"]]


@each(("release", "shape"), PUBLISHED, ids=lambda one: str(one)[:40])
def test_a_published_shape_took_as_much(release: str, shape: dict[str, Any]) -> None:
    model = from_gguf(shape["name"])
    for row in shape["cases"]:
        case = dict(zip(MEASURED["published_columns"], row, strict=True))
        size, n_ctx, sequences = (case.pop(one) for one in ("bytes", "n_ctx", "sequences"))
        settings = LlamaCppSettings(release=release, **case)
        context = -(-n_ctx // sequences) if case["kv_unified"] else n_ctx // sequences
        try:
            settings.require_model(model)
            found = cost(model, settings).formula(context, sequences=sequences)
        except KvcalcError:
            found = None
        assert found == size, (case, n_ctx, sequences)


EXAONE_ROW = 2 * 8 * 128 * 2
GLM = kvcalc.load("tests/oracles/configs/zai-org--GLM-5.json")


@each(
    ("release", "model", "size"),
    [
        # V of the latent: 512 elements beside the 576 (#19067)
        ("b7831", DEEPSEEK, 61 * 8192 * (576 + 512) * 2),
        ("b7832", DEEPSEEK, 61 * 8192 * 576 * 2),
        # no windows, the batch of 2,048, the micro-batch of 512, in whole 256
        ("b5428", GEMMA, 62 * 8192 * 8192),
        ("b5429", GEMMA, (52 * (1024 + 2048) + 10 * 8192) * 8192),
        ("b5554", GEMMA, (52 * (1024 + 512) + 10 * 8192) * 8192),
        # K-EXAONE: the NextN layer, 49th by a pattern of 4, slides, then sees all, then is none.
        # The figures are those of create_memory in these builds, run on these shapes.
        ("b8475", K_EXAONE, 519_045_120),
        ("b9976", K_EXAONE, 549_453_824),
        ("b9976", GLM, 745_537_536),
        ("b9976", DEEPSEEK_32, 715_128_832),
        ("b10454", K_EXAONE, 549_453_824),
        ("b10454", GLM, 899_678_208),
        ("b10454", DEEPSEEK_32, 703_594_496),
        ("b9522", K_EXAONE, (37 * 768 + 12 * 8192) * EXAONE_ROW),
        ("b9523", K_EXAONE, (36 * 768 + 13 * 8192) * EXAONE_ROW),
        ("b11312", K_EXAONE, (36 * 768 + 12 * 8192) * EXAONE_ROW),
        # without windows there is no sliding layer that it could be like, as sweep asks
        ("b9522", K_EXAONE.with_full_attention(), 49 * 8192 * EXAONE_ROW),
        # GLM-5 at 78 layers: rows of 576, an indexer's key of 128; the NextN layer from b9523 on
        ("b9522", GLM, 78 * 8192 * 576 * 2),
        ("b9523", GLM, 79 * 8192 * 576 * 2),
        ("b10119", GLM, 79 * 8192 * (576 + 128) * 2),
        ("b10174", GLM, 78 * 8192 * (576 + 128) * 2),
    ],
)
def test_a_rule_holds_from_its_build_on(release: str, model: Model, size: int) -> None:
    asked: dict[str, Any] = {} if numbers(release) >= numbers("b6325") else {"flash_attn": True}
    assert kvcalc.cost(model, f"llama.cpp@{release}", **asked)(8192) == size


def test_glms_indexer_is_in_all_layers_and_then_in_those_with_their_own() -> None:
    own = GLM.layers[0]
    assert isinstance(own, LatentAttention)
    shared = LatentAttention(**{**dict(own), "index_head_dim": None})
    some = Model(name="GLM", model_type=GLM.model_type, layers=(*(own,) * 21, *(shared,) * 57))
    before, after = (
        kvcalc.cost(some, f"llama.cpp@{release}", kv_cache_dtype="q8_0")(65_536)
        for release in ("b10242", "b10243")
    )
    # the log of llama.cpp#26382 and of its pull request 26474
    assert before - after == int(663.00 * MIB) - int(178.50 * MIB)


def test_sliding_layers_kept_f16_for_a_few_builds() -> None:
    of = {
        release: kvcalc.cost(GEMMA, f"llama.cpp@{release}", kv_cache_dtype="q8_0")(8192)
        for release in ("b8632", "b8633", "b8643", "b8644")
    }
    row = 2 * 16 * 128
    assert of["b8632"] == of["b8644"] == (52 * 1536 + 10 * 8192) * row * 34 // 32
    assert of["b8633"] == of["b8643"] == 52 * 1536 * row * 2 + 10 * 8192 * row * 34 // 32


OLMO = of_keys(
    "olmo2",
    {
        "block_count": 4,
        "embedding_length": 1024,
        "attention.head_count": 8,
        "attention.head_count_kv": 8,
        "attention.key_length": 128,
        "attention.value_length": 128,
        "attention.sliding_window": 512,
    },
)


def test_olmo_slides_from_a_build_on() -> None:
    before, after = (
        kvcalc.cost(OLMO, f"llama.cpp@{release}")(8192) for release in ("b6491", "b6492")
    )
    assert (before, after) == (4 * 8192 * 4096, (3 * 1024 + 8192) * 4096)


@each(
    ("release", "model", "asked", "named"),
    [
        ("b7726", "k-exaone-236b-a23b", {}, "does not have the model type 'exaone-moe'"),
        ("b6095", "gpt-oss-20b", {}, "does not have the model type 'gpt-oss'"),
        (
            "b9839",
            "tests/oracles/configs/deepseek-ai--DeepSeek-V4-Flash.json",
            {},
            "does not have the model type 'deepseek4'",
        ),
        (
            "b10227",
            "tests/oracles/configs/deepseek-ai--DeepSeek-V4-Flash.json",
            {},
            "what llama.cpp b10227 keeps for deepseek4",
        ),
        (
            "b10243",
            "tests/oracles/configs/MiniMaxAI--MiniMax-M3.json",
            {},
            "what llama.cpp b10243 keeps for minimax-m3",
        ),
        ("b7215", MINISTRAL, {}, "does not have the model type 'ministral3'"),
        ("b10659", FLASH_NEXT, {}, "does not have the model type 'qwen4exp'"),
        ("b11311", FLASH_NEXT, {}, "what llama.cpp b11311 keeps for qwen4exp"),
        ("b5308", "gemma-3-27b", {"swa_full": False}, "swa_full: found False"),
        ("b6070", "gemma-3-27b", {"kv_unified": False}, "kv_unified: found False"),
        ("b8737", "gemma-3-27b", {"split_mode": "tensor"}, "split_mode: found 'tensor'"),
        ("b9179", "gemma-3-27b", {"n_rs_seq": 2}, "n_rs_seq: found 2"),
        ("b9179", "gemma-3-27b", {"ctx_type": "mtp"}, "ctx_type: found 'mtp'"),
        ("b6324", "llama-3.1-8b", {"cache_type_v": "q8_0"}, "which needs flash_attn on"),
    ],
)
def test_what_a_build_does_not_have_is_refused_by_name(
    release: str, model: Model | str, asked: dict[str, Any], named: str
) -> None:
    of = model if isinstance(model, Model) else kvcalc.load(model)
    with pytest.raises(UnsupportedError, match=named):
        kvcalc.cost(of, f"llama.cpp@{release}", **asked)


@pytest.mark.parametrize(("release", "most"), [("b6506", 64), ("b6507", 256)])
def test_a_context_takes_so_many_sequences(release: str, most: int) -> None:
    found = kvcalc.cost(GEMMA, f"llama.cpp@{release}")
    assert found(1024, sequences=most)
    with pytest.raises(KvcalcError, match=f"at most {most}"):
        found(1024, sequences=most + 1)


def test_k_and_v_of_latent_attention_could_differ() -> None:
    asked: dict[str, Any] = {"cache_type_k": "q8_0", "cache_type_v": "f16"}
    before = kvcalc.cost(DEEPSEEK, "llama.cpp@b7831", **asked)(256)
    assert before == 61 * 256 * (576 * 34 // 32 + 512 * 2)
    with pytest.raises(UnsupportedError, match="cache_type_v"):
        kvcalc.cost(DEEPSEEK, "llama.cpp", **asked)


QWEN = kvcalc.load("tests/oracles/configs/Qwen--Qwen3.5-27B.json")
NEMOTRON = kvcalc.load("tests/oracles/configs/nvidia--NVIDIA-Nemotron-3-Nano-30B-A3B-BF16.json")


@pytest.mark.parametrize(("release", "copies"), [("b10430", 1), ("b10431", 3)])
def test_an_architecture_keeps_spare_states_from_a_build_on(release: str, copies: int) -> None:
    with_spare, without = (
        kvcalc.cost(NEMOTRON, f"llama.cpp@{release}", n_rs_seq=spare) for spare in (2, 0)
    )
    states = without(256, sequences=2) - without(256, sequences=1)
    rows = kvcalc.cost(NEMOTRON, f"llama.cpp@{release}")(512) - without(256)
    assert with_spare(256) - without(256) == (copies - 1) * (states - rows)


@each(
    ("release", "line", "sequences", "context", "unified"),
    [
        ("b5308", "llama-server -m x.gguf", 1, 4096, None),
        ("b5308", "llama-server -m x.gguf -np 4 -c 32768", 4, 8192, None),
        ("b6924", "llama-server -m x.gguf -c 8192", 1, 8192, None),
        ("b6925", "llama-server -m x.gguf -c 8192", 4, 2048, True),
        ("b6925", "llama-server -m x.gguf -c 8192 -np 1", 4, 2048, True),
        ("b6925", "llama-server -m x.gguf -c 8192 -np 1 -kvu", 1, 8192, True),
        ("b6957", "llama-server -m x.gguf -c 8192 -md d.gguf", 4, 2048, True),
        ("b6958", "llama-server -m x.gguf -c 8192 -md d.gguf", 1, 8192, None),
        ("b7406", "llama-server -m x.gguf", 4, 1024, True),
        ("b7407", "llama-server -m x.gguf", 4, None, True),
        ("b7433", "llama-server -m x.gguf -c 8192 -np 1", 1, 8192, None),
        ("b7433", "llama-server -m x.gguf -c 8192 -np -1", 4, 2048, True),
        ("b5308", "llama-cli -m x.gguf", 1, 4096, None),
    ],
)
def test_a_line_of_an_older_build_starts_what_that_build_did(
    release: str, line: str, sequences: int, context: int | None, unified: bool | None
) -> None:
    _, asked = read(line, release=release)
    assert (asked.sequences, asked.context) == (sequences, context)
    assert asked.settings.get("kv_unified") is unified


@pytest.mark.parametrize(("release", "together"), [("b10583", True), ("b10584", False)])
def test_without_a_context_streams_shared_the_models_own(release: str, together: bool) -> None:
    assert read("llama-server -m x.gguf -np 4", release=release)[1].shares_maximum is together


@each(
    ("release", "slots", "counted"),
    [("b9108", 1, True), ("b9108", 4, False), ("b9109", 4, True)],
)
def test_slots_had_drafts_of_their_own(release: str, slots: int, counted: bool) -> None:
    line = f"llama-server -m x.gguf -c 8192 -np {slots} -md d.gguf"
    _, asked = read(line, release=release)
    assert bool(asked.beside) is counted
    said = any("each slot has a draft's context" in note for note in asked.notes)
    assert said is not counted


@each(
    ("image", "release"),
    [
        ("ghcr.io/ggml-org/llama.cpp:server-cuda-b6123", "b6123"),
        ("ghcr.io/ggerganov/llama.cpp:full-b4719", "b4719"),
        ("ghcr.io/ggml-org/llama.cpp:b9000", "b9000"),
        ("ghcr.io/ggml-org/llama.cpp:server-cuda", None),
        ("ghcr.io/ggml-org/llama.cpp:latest", None),
        ("local/llama.cpp:server-b9000", None),
    ],
)
def test_an_images_tag_names_the_build(image: str, release: str | None) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ReleaseWarning)
        words = "llama-server -m x.gguf -c 4096"
        _, asked = read(f"docker run {image} {words}")
    assert asked.settings.get("release") == release
    assert not any("tag" in note for note in asked.notes)


LOGS = {
    "build: 6170 (4227c9be) with cc for x86_64-linux-gnu": "b6170",
    "main: build = 5308 (8733e0cf)": "b5308",
    "llama.cpp version: 0.5.0 (build 11312, commit 0c1e57098)": "b11312",
    "srv: build_info: b9445-af6528e6d": "b9445",
    "build: 1 (4227c9be) with cc for x86_64-linux-gnu": None,
}


@each(("line", "release"), LOGS.items())
def test_a_log_names_its_build(line: str, release: str | None) -> None:
    size = "llama_kv_cache: size = 32.00 MiB ( 256 cells, 1 layers, 1/ 1 seqs)"
    (row, *_) = checked([line, size], DEEPSEEK, {})
    assert row.engine_version == (release or RELEASES.newest)
    assert (row.version_source == LOGGED) is (release is not None)


PRINTED = {
    "b5308": (
        DEEPSEEK,
        [
            "main: build = 5308 (8733e0cf)",
            "llama_context: n_ctx = 4096",
            "llama_kv_cache_unified:        CPU KV buffer size =   518.50 MiB",
            "llama_kv_cache_unified: KV self size  =  518.50 MiB, K (f16):  274.50 MiB, "
            "V (f16):  244.00 MiB",
        ],
    ),
    "b6170 with a V of the latent": (
        DEEPSEEK,
        [
            "build: 6170 (4227c9be) with cc for x86_64-linux-gnu",
            "llama_kv_cache_unified:        CPU KV buffer size =   518.50 MiB",
            "llama_kv_cache_unified: size =  518.50 MiB (  4096 cells,  61 layers,  1/1 seqs), "
            "K (f16):  274.50 MiB, V (f16):  244.00 MiB",
        ],
    ),
    "b6170 with windows": (
        GEMMA,
        [
            "build: 6170 (4227c9be) with cc for x86_64-linux-gnu",
            "llama_context: n_seq_max     = 2",
            "llama_context: n_ctx         = 4096",
            "llama_context: n_ubatch      = 512",
            "llama_context: flash_attn    = 1",
            "llama_context: kv_unified    = false",
            "llama_kv_cache_unified_iswa: creating non-SWA KV cache, size = 2048 cells",
            "llama_kv_cache_unified:        CPU KV buffer size =   320.00 MiB",
            "llama_kv_cache_unified: size =  320.00 MiB (  2048 cells,  10 layers,  2/2 seqs), "
            "K (f16):  160.00 MiB, V (f16):  160.00 MiB",
            "llama_kv_cache_unified_iswa: creating     SWA KV cache, size = 1536 cells",
            "llama_kv_cache_unified:        CPU KV buffer size =  1248.00 MiB",
            "llama_kv_cache_unified: size = 1248.00 MiB (  1536 cells,  52 layers,  2/2 seqs), "
            "K (f16):  624.00 MiB, V (f16):  624.00 MiB",
        ],
    ),
}
"""What the measured builds printed of these shapes, with the lines of a server's context."""


@pytest.mark.parametrize(("model", "lines"), PRINTED.values(), ids=PRINTED)
def test_an_old_builds_own_lines_agree(model: Model, lines: list[str]) -> None:
    rows = checked(lines, model, {})
    assert len(rows) >= 3
    assert {row.verdict for row in rows} == {AGREES}, rows


@each(("version", "name", "change", "before"), [*changes(RELEASES)])
def test_a_row_has_what_changed_alone_and_where(
    version: str, name: str, change: Change, before: Change | None
) -> None:
    assert before is None or change.value != before.value
    assert change.says
    assert any(place in change.source for place in (".cpp", ".h"))


def test_diff_tells_what_an_upgrade_gave_back() -> None:
    told = kvcalc.diff(GEMMA, "llama.cpp@b5308", "llama.cpp", context=32_768)
    assert [cause.release for cause in told.causes] == ["b5429", "b5554"]


EXPLAINED = {
    "before b7832": (
        DEEPSEEK,
        "llama_kv_cache: size =  518.50 MiB (  4096 cells,  61 layers,  1/1 seqs), "
        "K (f16):  274.50 MiB, V (f16):  244.00 MiB",
    ),
    "from b9523 on and before b11312": (
        K_EXAONE,
        "llama_kv_cache_iswa: creating non-SWA KV cache, size = 8192 cells\n"
        "llama_kv_cache: size = 416.00 MiB (  8192 cells,  13 layers,  1/1 seqs), "
        "K (f16):  208.00 MiB, V (f16):  208.00 MiB",
    ),
    "from b5429 on and before b5554": (
        GEMMA,
        "llama_context: n_seq_max = 1\nllama_context: n_ubatch = 512\n"
        "llama_kv_cache_unified_iswa: creating non-SWA KV cache, size = 8192 cells\n"
        "llama_kv_cache_unified_iswa: creating SWA KV cache, size = 3072 cells",
    ),
}
"""Logs that name no build, and the builds that print such figures."""


@each(("builds", "model", "log"), [(k, *v) for k, v in EXPLAINED.items()])
def test_a_log_without_a_build_is_told_which_builds_print_it(
    builds: str, model: Model, log: str
) -> None:
    whys = [row.why for row in checked(log.splitlines(), model, {}) if row.verdict == DIFFERS]
    assert whys
    assert all(f"llama.cpp {builds} would explain it" in why for why in whys)
    named = [row.why for row in checked(log.splitlines(), model, {"release": "b11312"})]
    assert not any("would explain it" in why for why in named)


def test_a_cause_is_looked_for_so_many_times_in_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    _, line = EXPLAINED["from b9523 on and before b11312"][1].splitlines()
    monkeypatch.setattr("kvcalc.engines.log.EXPLAINED", 4)
    rows = [row for row in checked([line] * 4, K_EXAONE, {}) if row.verdict == DIFFERS]
    assert len(rows) > 4
    assert ["would explain it" in row.why for row in rows] == [n < 4 for n in range(len(rows))]
