"""What llama.cpp's own code says of an architecture, whoever read the file.

A model has Hugging Face's model type; llama.cpp's converter names the architecture (conversion/,
the classes of each file's `register`), and src/models/ has the rules. Those that a GGUF file's
reader needs too are its tables.
"""

from kvcalc.catalogue.gguf import CACHELESS, MODEL_TYPES, PLAIN, RECURRENT, WINDOWS
from kvcalc.engines.engine import names
from kvcalc.model import Model

KNOWN = PLAIN | CACHELESS | RECURRENT.keys() | WINDOWS.keys()

ARCHITECTURES = {hugging_face: gguf for gguf, hugging_face in MODEL_TYPES.items()} | {
    "bamba": "granitehybrid",
    "cohere2_moe": "cohere2moe",
    "deepseek_v2": "deepseek2",
    "dots3_note_text": "dots3note",
    "exaone4_5": "exaone4",
    "falcon_mamba": "mamba",
    "gemma4_unified": "gemma4",
    "gemma4_unified_text": "gemma4",
    "glm": "chatglm",
    "glm4_moe_lite": "deepseek2",
    "granitemoe_swa": "granite_swa",
    "kimi_k2": "deepseek2",
    "kimi_k25": "deepseek2",
    "mimo_v2": "mimo2",
    "minimax_m3_vl": "minimax-m3",
    "mistral": "llama",
    "mixtral": "llama",
    "muse_glimmer_text": "muse-glimmer",
    "olmo3": "olmo2",
    "qwen2_5_vl": "qwen2vl",
    "qwen3_5_moe_text": "qwen35moe",
    "qwen3_5_text": "qwen35",
    "qwen4_exp": "qwen4exp",
    "qwen4_exp_text": "qwen4exp",
    "sarvam_mla": "deepseek2",
    "sarvam_moe": "glm4moe",
    "solar_open": "glm4moe",
    "step3p5": "step35",
    "step3p7": "step35",
    "voxtral": "llama",
    "youtu": "deepseek2",
}
"""llama.cpp's architecture of a Hugging Face model type, where it is spelled otherwise."""

SLIDES_AS_GIVEN = frozenset({"deepseek4", "lfm2"})
"""Architectures that slide without a pattern: in all layers, or in all that attend."""

NO_NEXTN = names(
    "deepseek_v3 deepseek_v4 kimi_k2 kimi_k25 minimax_m2 minimax_m3_vl minimax_m3_vl_text"
)
"""Model types whose NextN layers llama.cpp's converters drop (conversion/)."""

NEXTN = {"qwen3_next": 1}
"""NextN layers that no config.json counts (conversion/qwen.py)."""

NO_FLASH_ATTENTION = frozenset({"grok"})
"""Architectures for which src/llama-context.cpp turns flash attention off."""

FULL_HEADS = frozenset({"minicpm3", "plm"})
"""Latent attention whose full heads llama.cpp caches: their sizes are not those of the row."""

INDEXER_ROWS = {"glm5-next": 3}
"""Rows an indexer keeps of a token: GLM-5-Next's key, gate and pooled value
(src/llama-memory-hybrid-idx.cpp)."""

KEY_ONLY_INDEXER = frozenset({"qwen4exp"})
"""Beside full attention an indexer's cache has a V too, which nothing reads: not here."""


def architecture_of(model: Model) -> str | None:
    """Find llama.cpp's name of a model's architecture; None where kvcalc knows none."""
    name = model.model_type
    if name is None:
        return None
    spellings = (ARCHITECTURES.get(name), name, name.replace("_", "-"))
    return next((spelling for spelling in spellings if spelling in KNOWN), None)
