"""SGLang's rules by model type: each row against the classes of its source, and by what it does.

The class of a type is transformers' or that of SGLang's own configuration (srt/configs).
"""

from itertools import product
from typing import Any

import pytest

import kvcalc
from kvcalc.engines.sglang import architectures
from kvcalc.engines.sglang.backend import BACKENDS, PAGES
from kvcalc.errors import KvcalcError
from kvcalc.layers.layer import Layer
from kvcalc.layers.recurrent import Mamba
from kvcalc.model import Model
from tests.each import each
from tests.engines.engine_names import names
from tests.shapes import DEEPSEEK_ROW, full, latent, model, sliding

B200 = {"gpu": "b200"}


def typed(model_type: str, *layers: Layer) -> Model:
    return model(*layers, model_type=model_type, max_context=262_144)


def pool(of: Model, **settings: Any) -> kvcalc.Pool:
    return kvcalc.pool(of, "sglang", memory=50 * 2**30, context=4096, **settings)


SLIDES: dict[str, tuple[str | None, int]] = {
    "beam": ("BeamForCausalLM", 127),
    "deepseek_v4": ("DeepseekV4ForCausalLM", 128),
    "diffusion_gemma": ("DiffusionGemmaForBlockDiffusion", 127),
    "diffusion_gemma_text": ("DiffusionGemmaForBlockDiffusion", 127),
    "dots3_note": (None, 127),
    "dots3_note_text": (None, 127),
    "gemma4": ("Gemma4ForConditionalGeneration", 127),
    "gemma4_text": ("Gemma4ForCausalLM", 127),
    "gemma4_unified": ("Gemma4UnifiedForConditionalGeneration", 127),
    "gemma4_unified_text": ("Gemma4UnifiedForConditionalGeneration", 127),
    "gpt_oss": ("GptOssForCausalLM", 127),
    "granite_swa": ("GraniteSWAForCausalLM", 128),
    "granitemoe_swa": ("GraniteMoeSWAForCausalLM", 128),
    "iquest_q1": ("IQuestQ1ForCausalLM", 128),
    "laguna": ("LagunaForCausalLM", 128),
    "llama": (None, 128),
    "llama4": ("Llama4ForConditionalGeneration", 128),
    "mellum": ("MellumForCausalLM", 127),
    "mimo_v2": ("MiMoV2ForCausalLM", 128),
    "mimo_v2_flash": ("MiMoV2FlashForCausalLM", 128),
    "muse_glimmer": ("MuseGlimmerForConditionalGeneration", 127),
    "muse_glimmer_text": ("MuseGlimmerForCausalLM", 127),
    "muse_spark": (None, 127),
    "muse_spark_text": (None, 127),
    "spark2_5": (None, 127),
    "step3p5": ("Step3p5ForCausalLM", 128),
    "step3p7": ("Step3p7ForConditionalGeneration", 128),
    "unlimited_ocr": ("UnlimitedOCRForCausalLM", 128),
    "unlimited_ocr_text": ("UnlimitedOCRForCausalLM", 128),
}
"""Model types with a window pool: their class in is_hybrid_swa_model (None: the configuration has
`is_hybrid_swa`), and what a window of 128 is to it."""

WHOLE_PROMPT = {"unlimited_ocr", "unlimited_ocr_text"}


def test_a_window_pool_is_for_the_classes_of_the_source() -> None:
    assert SLIDES.keys() == architectures.WINDOW_POOLS | {"llama"}  # which a release opts in
    listed = names("sglang", "window pool").keys()
    assert {name for name, _ in SLIDES.values() if name is not None} <= listed


@each("name", sorted(SLIDES.keys() - {"deepseek_v4"}))
def test_a_window_is_as_published_or_one_less(name: str) -> None:
    settings: Any = {"disable_radix_cache": True, "chunked_prefill_size": 1000}
    settings["kv_cache_dtype"] = "bfloat16"
    held = kvcalc.cost(typed(name, sliding(window=128), full()), engine="sglang", **settings)
    # The window and two chunks of a prompt, or all of the prompt.
    kept = 100_000 if name in WHOLE_PROMPT else SLIDES[name][1] + 2000
    assert held(100_000) == 4096 * (100_000 + kept)


STATES = {
    "bailing_hybrid": "BailingMoeV3ForCausalLM",
    "falcon_h1": "FalconH1ForCausalLM",
    "falcon_mamba": "FalconMambaForCausalLM",
    "glm5_next": "Glm5NextForConditionalGeneration",
    "granitemoehybrid": "GraniteMoeHybridForCausalLM",
    "jet_nemotron": "JetNemotronForCausalLM",
    "kimi_k3": "KimiK3ForConditionalGeneration",
    "kimi_linear": "KimiLinearForCausalLM",
    "lfm2": "Lfm2ForCausalLM",
    "lfm2_moe": "Lfm2MoeForCausalLM",
    "lfm2_vl": "Lfm2VlForConditionalGeneration",
    "mamba": "MambaForCausalLM",
    "mamba2": "Mamba2ForCausalLM",
    "minicpmv4_6": "MiniCPMV4_6ForConditionalGeneration",
    "minicpmv4_7": "MiniCPMV4_7ForConditionalGeneration",
    "nemotron_h": "NemotronHForCausalLM",
    "nemotron_h_omni": "NemotronH_Omni_Reasoning_V3",
    "qwen3_5": "Qwen3_5ForConditionalGeneration",
    "qwen3_5_moe": "Qwen3_5MoeForConditionalGeneration",
    "qwen3_5_moe_text": "Qwen3_5MoeForCausalLM",
    "qwen3_5_text": "Qwen3_5ForCausalLM",
    "qwen3_next": "Qwen3NextForCausalLM",
    "qwen4_exp": "Qwen4ExpForConditionalGeneration",
}

WITH_MAMBA_LAYERS = {"granitemoehybrid"}
"""In the list of the radix cache where the file has Mamba layers (overrides.py, in_branch)."""

ALWAYS_FLOAT32 = {
    *("bailing_hybrid", "glm5_next", "granitemoehybrid", "kimi_k3", "kimi_linear"),
    *("falcon_mamba", "mamba", "mamba2"),
}
"""Their configurations ask for a state's type without the file (mamba_utils.py)."""


@each("name", STATES)
def test_states_are_stored_as_the_lists_of_classes_say(name: str) -> None:
    rules = architectures.RECURRENT[name]
    radix = names("sglang", "radix cache of states").keys()
    assert rules.radix == (STATES[name] in radix or name in WITH_MAMBA_LAYERS)
    assert rules.extra_buffer == (STATES[name] in names("sglang", "extra buffer"))
    if not name.startswith("lfm2"):  # whose state is a convolution alone
        assert rules.own_dtype == (name not in ALWAYS_FLOAT32)
        halves = Mamba(kernel=4, inner=8, state=2, state_dtype="bfloat16")
        slot = kvcalc.cost(typed(name, halves), "sglang", disable_radix_cache=True)
        assert slot(1) == 2 * 3 * 8 + 8 * 2 * (4 if name in ALWAYS_FLOAT32 else 2)
    assert STATES.keys() == architectures.RECURRENT.keys()


ON_BLACKWELL = {
    "falcon_h1": 1,
    "granitemoehybrid": 1,
    "jet_nemotron": 1,
    "kimi_linear": 64,
    "lfm2": 1,
    "lfm2_moe": 1,
    "minicpmv4_6": 1,
    "minicpmv4_7": 1,
    "nemotron_h": 64,
    "nemotron_h_omni": 64,
    **dict.fromkeys(("qwen3_5", "qwen3_5_moe", "qwen3_5_moe_text", "qwen3_5_text"), 64),
    "qwen3_next": 64,
}
"""Pages of recurrent models: triton's and flashinfer's are 1, trtllm_mha's 64
(model_overrides/falcon_h1.py, granitemoehybrid.py, lfm2.py, minicpmv.py, qwen3_5.py)."""


@each(("name", "page"), ON_BLACKWELL.items())
def test_the_page_of_a_recurrent_model_on_blackwell(name: str, page: int) -> None:
    of = typed(name, Mamba(kernel=4, inner=8, state=2), full())
    assert pool(of, **B200).figures["page_size"] == page


LATENT_PAGES = {
    **dict.fromkeys(
        (
            *("deepseek_v3", "deepseek_v32", "dots3_note", "dots3_note_text", "glm_moe_dsa"),
            *("hy_v4", "kimi_k2", "kimi_k25", "kimi_k3", "longcat_flash", "mistral4"),
        ),
        64,
    ),
    "deepseek_v2": 1,
    "minicpm3": 1,
}
"""Pages of latent rows on Blackwell: trtllm_mla's, or flashinfer's (deepseek_v2.py, kimi_k3.py)."""


@each(("name", "page"), LATENT_PAGES.items())
def test_the_page_of_latent_rows_on_blackwell(name: str, page: int) -> None:
    assert pool(typed(name, latent(**DEEPSEEK_ROW)), **B200).figures["page_size"] == page


PAGE_OF_BACKEND: dict[str, tuple[int, ...]] = {
    "flashmla": (64,),
    "hpc_ops": (64,),
    "trtllm_mla": (32, 64),
    "cutedsl_mla": (32, 64),
    "tokenspeed_mla": (32, 64),
    "trtllm_mha": (16, 32, 64, 128),
}
"""overrides.py, _mla_backend_page_constraints; choices.py: tokenspeed_mla is cutedsl_mla's old
name."""


@each(("backend", "page"), product(sorted(BACKENDS - {"fa4"}), [1, 16, 32, 64, 128]))
def test_a_backend_has_its_own_pages(backend: str, page: int) -> None:
    of = typed("llama", full())
    found = pool(of, attention_backend=backend, page_size=page, chunked_prefill_size=8192)
    kept = PAGE_OF_BACKEND.get(backend, (page,))
    assert found.figures["page_size"] == (page if page in kept else 64)
    assert PAGES.keys() == PAGE_OF_BACKEND.keys()


NEEDED = {
    **dict.fromkeys(("exaone4", "exaone4_5", "exaone_moe"), "fa3 triton trtllm_mha"),
    **dict.fromkeys(("llama4", "llama4_text"), "fa3 aiter triton ascend trtllm_mha intel_xpu"),
    **dict.fromkeys(
        ("gemma4", "gemma4_text", "gemma4_unified", "gemma4_unified_text"),
        "trtllm_mha triton fa4 ascend intel_xpu intel_amx aiter",
    ),
    "iquest_q1": "fa3",
}
"""model_hook.py, model_overrides/iquest_q1.py."""


@each(("name", "backend"), product(NEEDED, sorted(BACKENDS)))
def test_a_model_starts_with_the_backends_of_its_class(name: str, backend: str) -> None:
    assert NEEDED.keys() == architectures.ACCEPTED_BACKENDS.keys()
    of = typed(name, full())
    if backend in NEEDED[name].split():
        assert pool(of, attention_backend=backend).bytes
        return
    with pytest.raises(KvcalcError, match="attention_backend"):
        pool(of, attention_backend=backend)


@each(
    ("name", "page"),
    [("mimo_v2", 128), ("mimo_v2_flash", 128), ("iquest_q1", 1), ("llama", 64), ("gpt_oss", 64)],
)
def test_the_page_of_attention_on_blackwell(name: str, page: int) -> None:
    assert pool(typed(name, full()), **B200).figures["page_size"] == page


@each("name", ["minimax_m3", "minimax_m3_vl", "minimax_m3_vl_text"])
def test_minimax_m3_has_pages_of_128(name: str) -> None:
    assert pool(typed(name, full())).figures["page_size"] == 128
