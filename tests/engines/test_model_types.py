"""The model types that engines know are those of their own source, with what it makes of each."""

from typing import Any

import pytest

import kvcalc
from kvcalc.catalogue.gguf import CACHELESS, RECURRENT
from kvcalc.engines.exllamav3 import architectures as exllamav3
from kvcalc.engines.llama_cpp.architectures import ARCHITECTURES, KNOWN
from kvcalc.engines.llama_cpp.settings import LlamaCppSettings
from kvcalc.engines.lmdeploy import builders
from kvcalc.engines.mlx import models
from kvcalc.engines.vllm.drafts import MTP_LAYERS, draft_layers
from kvcalc.errors import KvcalcError
from tests.each import each
from tests.engines.engine_names import names
from tests.shapes import full, latent, model, sliding

MADE = names("mlx", "model type")
NEWEST = LlamaCppSettings().rules

NO_RULE = {
    *("afm7", "baichuan_m1", "bailing_moe_linear", "deepseek_v41", "falcon_mamba", "gear"),
    *("iquestloopcoder", "jamba", "lfm2-vl", "lille-130m", "longcat_flash_ngram", "mamba"),
    *("minimax", "muse_spark", "nanbeige", "phixtral", "plamo2", "prism_hadamard_qwen35"),
    *("recurrent_gemma", "rwkv7"),
}
"""Model types of MLX-LM that kvcalc refuses."""


def test_mlx_makes_of_a_type_the_caches_of_its_file() -> None:
    known = {*models.KNOWN, *models.EXPANDED}
    assert MADE.keys() - known == NO_RULE
    assert known <= MADE.keys()
    for table, cache in (
        (models.ROTATING, "RotatingKVCache"),
        (models.CHUNKED, "ChunkedKVCache"),
        (models.CACHE_LISTS, "CacheList"),
    ):
        assert table == {name for name in known if cache in MADE[name].split()}
    assert models.ALL_FULL == models.KNOWN - models.ROTATING - models.CHUNKED - models.CACHE_LISTS


@each("name", ["iquestcoder", "llama", "ministral3", "mistral", "xverse"])
def test_mlx_rotates_where_the_file_lists_the_layers(name: str) -> None:
    assert name in models.LISTED
    assert models.rotates(model(sliding(), full(), model_type=name))
    assert not models.rotates(model(sliding(), model_type=name))
    assert len(models.LISTED) == 5


@each("name", ["deepseek_v2", "minicpm3", "youtu_llm"])
def test_mlx_expands_some_latent_rows(name: str) -> None:
    with pytest.raises(KvcalcError, match=f"expands the latent rows of {name}"):
        kvcalc.cost(model(latent(), model_type=name), engine="mlx")


BUILDERS = {
    "builders of one window": {
        *("chatglm.py", "gemma.py", "glm4_1v.py", "hy3.py", "qwen3_omni.py", "qwen3_vl.py"),
        "sdar.py",
    },
    "NO_WINDOW": {"gpt_oss.py", "llama4.py"},
    "LATENT": {"deepseek_v2.py", "kimi_k2.py", "kimi_k25.py"},
    "SPARSE": {"deepseek_v32.py", "glm_moe_dsa.py"},
    "DELTA": {"qwen3_5.py", "qwen3_next.py"},
    "COMPRESSED": {"deepseek_v4.py"},
}
"""The files of LMDeploy's builders, by what they build; glm4.py has two."""

NO_BUILDER_HERE = {
    *("deepseek_vl_v2", "intern_s2_preview", "interns1_1", "interns1_pro", "interns2_mobius"),
    "qwen",
}

DEFAULT = {
    *("deepseek", "glm4", "internlm2", "internlm3", "llama", "minimax_m2", "mistral", "mixtral"),
    *("phi3", "phi3_v", "phimoe", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe"),
}
"""Types without a builder of their own; `gemma3` is asked for by its class."""


def test_lmdeploys_types_have_the_builders_of_its_files() -> None:
    theirs = names("lmdeploy", "builder")
    built = {file: {name for name, by in theirs.items() if by == file} for file in theirs.values()}
    glm4 = built.pop("glm4.py")
    assert glm4 == {"glm4_moe", "glm4_moe_lite"}
    of = {what: set().union(*(built[file] for file in files)) for what, files in BUILDERS.items()}
    assert of["builders of one window"] | {"glm4_moe"} | DEFAULT == builders.ONE_WINDOW
    assert of["NO_WINDOW"] | {"gemma3"} == builders.NO_WINDOW
    assert of["LATENT"] | {"glm4_moe_lite"} == builders.LATENT
    assert {*builders.SPARSE} == of["SPARSE"]
    assert of["DELTA"] - NO_BUILDER_HERE == builders.DELTA
    assert of["COMPRESSED"] == builders.COMPRESSED
    assert theirs.keys() - builders.KINDS_OF.keys() == NO_BUILDER_HERE


CLASSES = {
    "bailing_moe": "BailingMoeForCausalLM",
    "bailing_moe_v2": "BailingMoeV2ForCausalLM",
    "gemma3_text": "Gemma3ForCausalLM",
    "gemma4_unified_text": "Gemma4UnifiedForConditionalGeneration",
    "kimi_k2": "DeepseekV3ForCausalLM",
    "kimi_k25": "KimiK25ForConditionalGeneration",
    "mimo_v2": "MiMoV2ForCausalLM",
    "minimax": "MiniMaxText01ForCausalLM",
    "minimax_m3_vl_text": "MiniMaxM3SparseForConditionalGeneration",
    "muse_glimmer_text": "MuseGlimmerForConditionalGeneration",
    "nemotron-nas": "DeciLMForCausalLM",
    "nemotron_h": "NemotronHPuzzleForCausalLM",  # with experts, as NemotronHForCausalLM too
    "step3p5": "Step3p5ForCausalLM",
}
"""The class of a model type that transformers has none of, or has another beside."""


@each("model_type", ARCHITECTURES)
def test_llama_cpps_converters_give_a_model_type_its_architecture(model_type: str) -> None:
    by_class = names("llama.cpp", "class")
    given = names("llama.cpp", "model type")
    theirs = by_class[CLASSES[model_type]] if model_type in CLASSES else given[model_type]
    assert ARCHITECTURES[model_type] == theirs


NOT_MODELS = {
    *("clip", "dflash", "eagle3", "gemma4-assistant"),  # images, and drafts of other models
    *("graniteswitch", "qwen3tts", "wavtokenizer-dec"),
}
"""Architectures of llama.cpp that kvcalc refuses."""

NO_DRAFT = {"mimo2", "deepseek4"}
"""Architectures with a graph of drafts whose weights no converter writes, or whose draft is a model
of its own."""


def test_llama_cpps_architectures_are_those_of_its_source() -> None:
    listed = {of: names("llama.cpp", of).keys() for of in ("recurrent", "hybrid", "no cache")}
    assert names("llama.cpp", "architecture").keys() == KNOWN | NOT_MODELS
    assert listed["no cache"] == CACHELESS | {"wavtokenizer-dec"}
    assert listed["recurrent"] | listed["hybrid"] == RECURRENT.keys() | {"deepseek4"}
    assert listed["recurrent"] == {name for name, (_, where) in RECURRENT.items() if where == "all"}
    assert names("llama.cpp", "keeps states of drafts").keys() == NEWEST.rollback
    assert names("llama.cpp", "graph of drafts").keys() == NEWEST.drafts | NO_DRAFT


MTP_OF_CLASS = {
    "Glm4MoeForCausalLM": "glm4_moe",
    "Glm4MoeLiteForCausalLM": "glm4_moe_lite",
    "GlmOcrForConditionalGeneration": "glm_ocr",
    "BailingMoeV3ForCausalLM": "bailing_hybrid",
    "MiMoForCausalLM": "mimo",
    "MiMoV2ForCausalLM": "mimo_v2",
    "MiMoV2FlashForCausalLM": "mimo_v2_flash",
    "MiniMaxM3SparseForConditionalGeneration": "minimax_m3",
}
"""Model types whose drafts vLLM knows by their class."""

NO_DRAFTS_HERE = {
    *("deepseek_v41", "dots3_note", "inkling_mm_model", "inkling_model", "step5", "step5_vl"),
    *("gemma4_assistant", "gemma4_unified_assistant"),
}
"""Model types that vLLM drafts for and kvcalc does not: it refuses them, or they are drafts."""

ONE = {"longcat_flash_mtp", "nemotron_h_mtp"}
FIRST = {"exaone4_5_mtp", "exaone_moe_mtp"}
SLIDES = {"mimo_v2_mtp"}
OF_THE_FILE = {"minimax_m3_mtp", "step3p5_mtp"}


def drafts() -> dict[str, str]:
    """The name that vLLM gives the draft of each model type."""
    classes = names("vllm", "draft of a class")
    return {
        **{MTP_OF_CLASS[name]: to for name, to in classes.items() if name in MTP_OF_CLASS},
        **names("vllm", "draft of a model type"),
    }


def test_vllm_drafts_for_these_model_types() -> None:
    assert drafts().keys() - NO_DRAFTS_HERE == {*MTP_LAYERS}


@each("name", sorted(name for name in MTP_LAYERS if drafts()[name] not in OF_THE_FILE))
def test_the_layers_of_a_draft_are_those_of_its_file(name: str) -> None:
    layers: tuple[Any, ...] = (sliding(), full(kv_heads=2), full(kv_heads=4), sliding())
    given = model(*layers, model_type=name, num_nextn_predict_layers=2)
    draft = drafts()[name]
    expected: tuple[Any, ...] = (full(kv_heads=4),) * 2
    if draft in ONE:
        expected = expected[:1]
    elif draft in FIRST:
        expected = layers[:2]
    elif draft in SLIDES:
        expected = layers[:1]
    assert draft_layers(given, "mtp") == expected


BUILT = names("exllamav3", "architecture")
CLASS_OF = names("exllamav3", "model type")

OF_FILES = {
    "bailing_hybrid": "BailingMoeV3ForCausalLM",
    "kimi_k2": "DeepseekV3ForCausalLM",
    "nemotron-nas": "DeciLMForCausalLM",
}
"""Model types that transformers has not; their files name these classes."""

OTHERS = {
    *("exaone", "gemma4_assistant", "internlm3", "iquestcoder", "sarvam_mla", "sarvam_moe"),
    "shieldgemma2",
}
"""Model types that transformers runs by another type's class, and a draft: their files decide."""


def test_exllamav3_makes_of_an_architecture_what_its_class_does() -> None:
    known = {*exllamav3.RINGS, *exllamav3.PAGED, *exllamav3.NOT_MODELLED}
    assert known == BUILT.keys()
    assert exllamav3.RINGS.keys() == {
        name for name in known - exllamav3.NOT_MODELLED.keys() if "SlidingAttention" in BUILT[name]
    }
    # Mistral 4, of that name too, asserts it in a function of its own (mistral4.py).
    assert exllamav3.ONE_GROUP - {"Mistral3ForConditionalGeneration"} == {
        name for name in known - exllamav3.NOT_MODELLED.keys() if "one group" in BUILT[name]
    }
    listing = {name for name in known - exllamav3.NOT_MODELLED.keys() if "indexer" in BUILT[name]}
    assert listing == exllamav3.LISTS_INDEXERS


def test_exllamav3_runs_a_type_by_the_class_that_its_files_name() -> None:
    ours = {name: of for name, of in {**CLASS_OF, **OF_FILES}.items() if name not in OTHERS}
    assert ours == exllamav3.OF_TYPE
