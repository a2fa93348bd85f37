"""What MLX-LM makes of a model type (0.32.2, mlx_lm/models/*.py, and utils.py MODEL_REMAPPING)."""

from kvcalc.engines.engine import names
from kvcalc.engines.shards import divided
from kvcalc.errors import UnsupportedError, quote
from kvcalc.layers.attention import Attention, FullAttention
from kvcalc.layers.chunked import ChunkedAttention
from kvcalc.layers.latent import LatentAttention
from kvcalc.model import Model

LISTED = names("iquestcoder llama ministral3 mistral xverse")
"""Their layers rotate where the file's `layer_types` says so; `sliding_window` alone is ignored."""

ROTATING = LISTED | names(
    "afmoe cohere2 exaone4 exaone_moe gemma3 gemma3_text gemma3n gemma4 gemma4_text "
    "gemma4_unified gpt_oss laguna mellum mimo_v2_flash muse_glimmer olmo3 plamo3 spark2_5 "
    "step3p5"
)
"""Their `make_cache` gives sliding layers a RotatingKVCache of the window."""

CHUNKED = frozenset({"llama4"})
"""Their `make_cache` gives chunked layers a ChunkedKVCache."""

CACHE_LISTS = names("deepseek_v32 falcon_h1 glm_moe_dsa longcat_flash minimax_m3_vl")
"""Their `make_cache` puts a layer's caches into a CacheList, which cannot be quantised."""

ALL_FULL = names(
    "Klear apertus bailing_hybrid bailing_moe bailing_moe_v3 bitnet cohere dbrx deepseek "
    "deepseek_v3 dots1 ernie4_5 ernie4_5_moe exaone gemma gemma2 glm glm4 glm4_moe glm4_moe_lite "
    "gpt2 gpt_bigcode gpt_neox gptj granite granitemoe granitemoehybrid helium hunyuan "
    "hunyuan_v1_dense internlm2 internlm3 joyai_llm_flash kimi_k2 kimi_k25 kimi_k3 kimi_linear "
    "kimi_vl lfm2 lfm2_moe llama4_text mamba2 mimo minicpm minimax_m2 mistral3 mistral4 mixtral "
    "nanochat nemotron nemotron-nas nemotron_h olmo olmo2 olmo_hybrid olmoe openelm phi phi-msft "
    "phi3 phi3small phimoe pixtral plamo qwen qwen2 qwen2_5_vl qwen2_moe qwen2_vl qwen3 qwen3_5 "
    "qwen3_5_moe qwen3_moe qwen3_next qwen3_vl qwen3_vl_moe seed_oss smollm3 solar_open stablelm "
    "starcoder2 talkie telechat3"
)
"""Their attention layers keep a KVCache each, whatever window the file names."""

WITHOUT_MAKE_CACHE = names(
    "Klear apertus bailing_moe bitnet cohere dbrx deepseek deepseek_v3 dots1 ernie4_5 "
    "ernie4_5_moe exaone gemma gemma2 glm glm4 glm4_moe glm4_moe_lite gpt2 gpt_bigcode gpt_neox "
    "gptj granite granitemoe helium hunyuan hunyuan_v1_dense internlm2 internlm3 "
    "joyai_llm_flash kimi_k2 kimi_k25 kimi_vl llama4_text mimo minicpm minimax_m2 mistral3 "
    "mistral4 mixtral nanochat nemotron olmo olmo2 olmoe openelm phi phi-msft phi3 phi3small "
    "phimoe pixtral plamo qwen qwen2 qwen2_5_vl qwen2_moe qwen2_vl qwen3 qwen3_moe qwen3_vl "
    "qwen3_vl_moe seed_oss smollm3 solar_open stablelm starcoder2 talkie telechat3"
)
"""Their class leaves the caches to make_prompt_cache, which `--max-kv-size` bounds."""

EXPANDED = names("deepseek_v2 minicpm3 youtu_llm")
"""They store the heads' keys and values that a latent row expands to."""

ONE_WINDOW = frozenset({"exaone_moe"})
"""Their file's one sliding_window is every sliding layer's."""

SHARDED = names(
    "deepseek_v3 deepseek_v32 exaone_moe glm4_moe glm4_moe_lite glm_moe_dsa gpt_oss iquestcoder "
    "joyai_llm_flash kimi_k2 kimi_k25 llama longcat_flash minimax_m2 ministral3 mistral mistral4 "
    "qwen2 qwen3 qwen3_moe xverse"
)
"""Their class divides its heads among the Macs that mlx.launch starts (`shard`): the KV heads with
them, but not latent rows, which each Mac keeps whole. Others that it shards are not modelled."""

KNOWN = ROTATING | CHUNKED | CACHE_LISTS | ALL_FULL


def require_shared(model: Model, ranks: int) -> None:
    """Refuse to share a model among Macs where its class does not, or where heads do not divide.

    Raises:
        UnsupportedError: the type, or the heads.
    """
    if ranks == 1:
        return
    if model.model_type not in SHARDED:
        raise UnsupportedError.of(
            "tensor_parallel_size",
            f"not modelled on mlx for the model type {quote(model.model_type)}, expected 1",
        )
    for cache in model.caches_of(Attention):
        divided(cache.kv_heads, ranks, "KV heads on mlx")


def require(model: Model) -> None:
    """Refuse a model type whose caches are not known.

    Raises:
        UnsupportedError: the type, and what is in the way.
    """
    kind = model.model_type
    if kind in EXPANDED:
        raise UnsupportedError(
            f"mlx expands the latent rows of {kind} to keys and values of all heads, whose sizes "
            "the model here does not say",
            what=f"model type {kind}",
        )
    if kind in ONE_WINDOW and len(model.sliding_windows) > 1:
        raise UnsupportedError(
            f"window: found {len(model.sliding_windows)} of them, and mlx reads none for the "
            f"model type {quote(kind)}, expected one",
            what="several windows",
        )
    if kind is not None and kind not in KNOWN:
        raise UnsupportedError(
            f"mlx has no rule for the model type {quote(kind)} (mlx-lm 0.32.2 builds the caches "
            "of each type in a file of its own)",
            what=f"model type {kind}",
        )


def rotates(model: Model) -> bool:
    """Tell whether its sliding layers forget what left the window.

    A model given by its shape is taken at its word.
    """
    if model.model_type in LISTED:
        return not all(layer.windows for layer, _ in model.groups)
    return model.model_type is None or model.model_type in ROTATING


def bounded(model: Model) -> bool:
    """Tell whether `--max-kv-size` bounds its caches; a shape has none of its own."""
    return model.model_type is None or model.model_type in WITHOUT_MAKE_CACHE


def chunks(model: Model) -> set[int]:
    """The chunks of its layers that forget what left them, in tokens."""
    if model.model_type is not None and model.model_type not in CHUNKED:
        return set()
    return {cache.chunk for cache in model.caches_of(ChunkedAttention)}


def in_lists(model: Model) -> bool:
    """Tell whether its layers' caches stand in lists, out of reach of `--kv-bits`."""
    if model.model_type is not None:
        return model.model_type in CACHE_LISTS
    return any(
        len(layer.caches) > 1 or (isinstance(layer, FullAttention) and layer.index_head_dim)
        for layer, _ in model.groups
    )


def index_head_dim(model: Model) -> int | None:
    """Elements of an indexer's key: one size for all sparse layers; each has its own."""
    sizes = {cache.index_head_dim for cache in model.caches_of(LatentAttention)}
    return max((size for size in sizes if size), default=None)
