"""What decides the caches of a rank, besides a layer's shape."""

from typing import Any, NamedTuple

from kvcalc.costs import window_of
from kvcalc.engines.engine import heads_per_rank
from kvcalc.engines.vllm import formats
from kvcalc.engines.vllm.caches import Row
from kvcalc.engines.vllm.formats import Heads
from kvcalc.engines.vllm.kernels import BACKENDS, Backend, backend_for, kernels_of
from kvcalc.engines.vllm.settings import VllmSettings
from kvcalc.formula.expression import Value
from kvcalc.layers.attention import Attention
from kvcalc.model import Model


class PlanContext(NamedTuple):
    """What decides the caches of a rank, besides a layer's shape.

    `block` is the attention block, in tokens, `in_flight` tokens too. `shared_page` is the page to
    which sliding layers are padded where formats meet, `state_page` that of states.
    """

    model: Model
    settings: VllmSettings
    backend: str
    cache_format: str
    own_format: str
    block: int
    in_flight: Value
    encoder_tokens: Value
    lookahead: int
    shared_page: int | None = None
    state_page: int | None = None
    shards: int = 1

    def heads(self, layer: Attention) -> Heads:
        """The KV heads on the rank."""
        ranks = self.settings.tensor_parallel_size
        return Heads(heads_per_rank(layer.kv_heads, ranks), layer.head_dim, layer.value_dim)

    def retained(self, window: int) -> Value:
        """Tokens that a sliding layer holds: those before the next, drafts' and those in flight."""
        return window_of(self.model, window) - 1 + (self.lookahead - 1) + self.in_flight

    def kernels(self, heads: Heads, form: str) -> Backend:
        """The kernels that read these heads: the backend's, or beside latent rows the default's."""
        backend = self.backend
        own = BACKENDS[backend]
        if own.attention != "full" or form not in own.formats:
            backend = backend_for("full", form)
        version = self.settings.flash_attention_version
        return kernels_of(backend, version, self.cache_format, heads.key, heads.value)

    def paged(self, heads: Heads, form: str) -> dict[str, Any]:
        """The page of keys and values of a block, and what tells it from others."""
        token = formats.token_bytes(heads, form)
        return {
            "shape": (heads, form),
            "block": self.block,
            "page": self.block * token,
            "alignment": self.kernels(heads, form).stride(self.block, token),
            "row": Row(token, formats.token_words(heads, form)),
        }
