"""An engine's defaults, which are taken unchecked where nothing is set."""

from kvcalc import engines
from tests.each import each


@each("name", engines.ENGINES)
def test_the_defaults_of_an_engine_are_what_the_checks_make_of_them(name: str) -> None:
    settings = engines.find(name).settings
    defaults = settings.model_construct()
    assert defaults == settings()
    assert defaults.model_fields_set == set()
    assert defaults.changed() == {}


@each("name", engines.ENGINES)
def test_a_default_is_a_value_that_may_be_given(name: str) -> None:
    settings = engines.find(name).settings
    for field, default in settings().model_dump().items():
        if default is not None:
            assert settings(**{field: default}) == settings(), field


OF_THE_SOURCE: dict[str, dict[str, object]] = {
    "mlx": {  # mlx_lm/generate.py: DEFAULT_QUANTIZED_KV_START, generate_step, add_argument
        "prefill_step_size": 2048,
        "kv_group_size": 64,
        "quantized_kv_start": 5000,
    },
    "sglang": {  # srt/environ.py, srt/arg_groups/fields/schedule.py, disagg.py
        "disaggregation_mode": "null",
        "swa_eviction_interval": 128,
        "mamba_full_memory_ratio": 0.9,
    },
    "llama.cpp": {  # src/llama-context.cpp, llama_context_default_params
        "batch_size": 2048,
        "ubatch_size": 512,
        "offload_kqv": True,
    },
    "lmdeploy": {  # messages.py, CacheConfig.block_size, PytorchEngineConfig
        "cache_block_seq_len": 64,
        "max_prefill_token_num": 8192,
    },
    # generation/utils.py, _prepare_cache_for_generation: a DynamicCache
    "transformers": {"cache_implementation": "dynamic"},
    "vllm": {  # config/vllm.py, engine/arg_utils.py
        "performance_mode": "balanced",
        "usage_context": "OPENAI_API_SERVER",
    },
}
"""The numbers and words that an engine's own source gives where nothing is set."""


@each("name", engines.ENGINES)
def test_a_default_is_the_sources(name: str) -> None:
    settings = engines.find(name).settings
    theirs = OF_THE_SOURCE.get(name, {})
    ours = settings().model_dump()
    assert {field: ours[field] for field in theirs} == theirs
    # All others are nothing, no, one, or a word for the engine's own choice.
    kept = {repr(value) for field, value in ours.items() if field not in theirs}
    assert kept <= {"None", "False", "1", "'auto'", "'none'", "'default'", "'layer'", "0"}
