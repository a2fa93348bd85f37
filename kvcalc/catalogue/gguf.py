"""What llama.cpp's code, not a GGUF file, knows about an architecture, by its GGUF name.

Taken from llama.cpp's src/models and src/llama-hparams.cpp of 2026-10-01 (commit 0c1e570), and
seen by loading each architecture with the keys absent, as an integer and as an array.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Window:
    """How an architecture slides if the file does not say it.

    `period` 0 needs an array of flags from the file. `absent` is the window without the key:
    0 = every layer full, None = the key is required. `fixed` replaces any window of the key but 0.
    """

    period: int
    absent: int | None = None
    full_first: bool = False
    fixed: int | None = None
    chunked: bool = False


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


WINDOWS = {
    "gemma2": Window(2, absent=4096),
    "gpt-oss": Window(2),
    "cohere2": Window(4),
    "exaone-moe": Window(4),
    "muse-glimmer": Window(4),
    "olmo2": Window(4, absent=0),
    "afmoe": Window(4, absent=0),
    "mellum": Window(4, absent=0),
    "exaone4": Window(4, absent=4096),
    "llama4": Window(4, absent=8192, fixed=8192, chunked=True),
    "smallthinker": Window(4, absent=0, full_first=True, fixed=4096),
    "cohere2moe": Window(4, full_first=True),
    "laguna": Window(4, absent=0, full_first=True),
    "gemma3n": Window(5),
    "gemma3": Window(6, absent=0),
    "plamo3": Window(8, absent=0),
    "gemma4": Window(0),
    "mimo2": Window(0),
    "step35": Window(0),
    "granite_swa": Window(0),
    "maple": Window(0),
    "spark2_5": Window(0),
    "dots3note": Window(0),
}
"""The architectures that slide by a pattern. llama.cpp lets no others slide (it does not
read the window of Phi-3, Mistral and Qwen2 files), except `lfm2` and `deepseek4`."""

SLIDING_LAYERS = {"exaone4": 64}
"""The number of layers that a model must have to slide (EXAONE 4.0 32B; the 1.2B does not)."""

Where = Literal["all", "beside", "no_heads", "no_heads_no_ffn", "interval"]

RECURRENT: dict[str, tuple[str, Where]] = {
    "mamba": ("mamba", "all"),
    "jamba": ("mamba", "no_heads"),
    "mamba2": ("mamba2", "all"),
    "nemotron_h": ("mamba2", "no_heads_no_ffn"),
    "nemotron_h_moe": ("mamba2", "no_heads_no_ffn"),
    "falcon-h1": ("mamba2", "beside"),
    "granitehybrid": ("mamba2", "no_heads"),
    "plamo2": (
        "mamba",
        "no_heads",
    ),  # it has heads but no groups: its convolution is that of Mamba 1
    "qwen3next": ("gated_delta_net", "interval"),
    "qwen35": ("gated_delta_net", "interval"),
    "qwen35moe": ("gated_delta_net", "interval"),
    "qwen4exp": ("gated_delta_net", "interval"),
    "kimi-linear": ("kimi_delta_attention", "no_heads"),
    "kimi-k3": ("kimi_delta_attention", "no_heads"),
    "bailingmoe3": ("kimi_delta_attention", "no_heads"),
    "glm5-next": ("kimi_delta_attention", "no_heads"),
    "minimax-01": ("lightning_attention", "interval"),
    "rwkv6": ("rwkv", "all"),
    "rwkv6qwen2": ("rwkv", "all"),
    "rwkv7": ("rwkv", "all"),
    "arwkv7": ("rwkv", "all"),
    "lfm2": ("short_convolution", "no_heads"),
    "lfm2moe": ("short_convolution", "no_heads"),
}
"""The kind of an architecture's recurrent layers, and which layers they are."""

INTERVALS = {"minimax-01": 8}
DEFAULT_INTERVAL = 4

INDEXED_AFTER_DENSE = frozenset({"minimax-m3"})
LOOPED = frozenset({"nanbeige"})
"""Architectures that run their layers `num_loops` times, with a cache for each."""

EMBEDDING = frozenset({"qwen4exp"})
"""Architectures with embeddings of past tokens beside some layers, which keep a history."""

HOLDING_LAYERS = {"gemma3n": 20}
"""The number of layers that hold a cache; later layers read those."""

CACHELESS = frozenset(
    [
        "bert",
        "modern-bert",
        "nomic-bert",
        "nomic-bert-moe",
        "neo-bert",
        "jina-bert-v2",
        "jina-bert-v3",
        "eurobert",
        "gemma-embedding",
        "dream",
        "llada",
        "llada-moe",
        "rnd1",
    ]
)
"""Encoders and diffusion models."""

PLAIN = frozenset(
    [
        "llama",
        "deci",
        "falcon",
        "baichuan",
        "grok",
        "gpt2",
        "gptj",
        "gptneox",
        "mpt",
        "starcoder",
        "refact",
        "bloom",
        "stablelm",
        "qwen",
        "qwen2",
        "qwen2moe",
        "qwen2vl",
        "qwen3",
        "qwen3moe",
        "qwen3vl",
        "qwen3vlmoe",
        "phi2",
        "phi3",
        "phimoe",
        "plamo",
        "codeshell",
        "orion",
        "internlm2",
        "minicpm",
        "minicpm3",
        "gemma",
        "starcoder2",
        "xverse",
        "command-r",
        "dbrx",
        "olmo",
        "olmoe",
        "openelm",
        "arctic",
        "deepseek",
        "deepseek2",
        "deepseek2-ocr",
        "deepseek32",
        "deepseek4",
        "chatglm",
        "glm4",
        "glm4moe",
        "glm-dsa",
        "bitnet",
        "t5",
        "t5encoder",
        "jais",
        "jais2",
        "nemotron",
        "exaone",
        "granite",
        "granitemoe",
        "chameleon",
        "plm",
        "bailingmoe",
        "bailingmoe2",
        "dots1",
        "arcee",
        "ernie4_5",
        "ernie4_5-moe",
        "hunyuan-moe",
        "hunyuan-dense",
        "hunyuan_vl",
        "hy_v3",
        "hy_v4",
        "smollm3",
        "seed_oss",
        "grovemoe",
        "apertus",
        "hrm_text",
        "minimax-m2",
        "minimax-m3",
        "cogvlm",
        "pangu-embedded",
        "mistral3",
        "mistral4",
        "paddleocr",
        "llama-embed",
        "maincoder",
        "talkie",
        "nanbeige",
        "pockettts",
    ]
)
"""Known architectures without a pattern of windows and without recurrent layers."""

MODEL_TYPES = {
    "bailingmoe": "bailing_moe",
    "bailingmoe2": "bailing_moe_v2",
    "command-r": "cohere",
    "deci": "nemotron-nas",
    "deepseek2": "deepseek_v3",
    "deepseek32": "deepseek_v32",
    "deepseek4": "deepseek_v4",
    "dots3note": "dots3_note",
    "gemma3": "gemma3_text",
    "gemma3n": "gemma3n_text",
    "gemma4": "gemma4_text",
    "glm-dsa": "glm_moe_dsa",
    "glm4moe": "glm4_moe",
    "gptneox": "gpt_neox",
    "granitehybrid": "granitemoehybrid",
    "hunyuan-dense": "hunyuan_v1_dense",
    "hunyuan-moe": "hunyuan_v1_moe",
    "lfm2moe": "lfm2_moe",
    "llama4": "llama4_text",
    "mimo2": "mimo_v2_flash",
    "minimax-01": "minimax",
    "minimax-m3": "minimax_m3_vl_text",
    "mistral3": "ministral3",
    "modern-bert": "modernbert",
    "nemotron_h_moe": "nemotron_h",
    "phi2": "phi",
    "qwen2moe": "qwen2_moe",
    "qwen2vl": "qwen2_vl",
    "qwen35": "qwen3_5",
    "qwen35moe": "qwen3_5_moe",
    "qwen3moe": "qwen3_moe",
    "qwen3next": "qwen3_next",
    "qwen3vl": "qwen3_vl",
    "qwen3vlmoe": "qwen3_vl_moe",
    "starcoder": "gpt_bigcode",
}
"""Hugging Face's names that are not GGUF's with _ for -."""

DTYPES = {0: "float32", 1: "float16", 32: "bfloat16"}
"""`general.file_type` of files that are not quantised."""

DESCRIBES_LAYERS = (
    r"pattern|_layers$|layer_types|interval|sliding|_swa$|compress|"
    r"^(ssm|kda|wkv|shortconv)\.|^attention\..*(kv|key_length|value_length)"
)
"""A key of this form that no rule read may change the cache, so it is refused; so is an array.
Those that llama.cpp itself knows are in `gguf_keys`, by name."""

FREE = (
    r"rope\.|feed_forward_length$|expert|moe_|swiglu|activation|n(um)?_deepstack_layers$|"
    r"ssm\.(time_step_rank|group_count)$"
)
"""Keys of that form, or arrays, that change no cache in files of other programs, too."""
