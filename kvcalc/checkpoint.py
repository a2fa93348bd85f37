"""What a checkpoint's files say beside the shape of its layers."""

from kvcalc.frozen import Frozen, Text
from kvcalc.layers.layer import Size


class CacheScheme(Frozen):
    """How a checkpoint says that its KV cache is stored; each engine decides what follows.

    `method` is the quantisation's name ("modelopt", "compressed-tensors" ...), `algorithm` what
    the cache is stored in, as "FP8"; `dynamic`, `strategy` and `symmetric` describe its scales as
    the file does. `origin` names the file and the key. `second` is a file beside config.json's own
    quantisation, which says nothing about the cache.
    """

    method: Text
    algorithm: Text
    dynamic: bool | None = None
    strategy: Text | None = None
    symmetric: bool | None = None
    origin: Text
    second: bool = False


class ConfigFacts(Frozen):
    """What config.json says that no layer shows, and by which engines take or refuse a model.

    `architecture` is the class that it names first. `n_group` is how many groups a router parts the
    experts into; a token sees some of them. `indexer_types` says whether it lists which layers
    have an indexer of their own; the layers are the same where its class does.
    `index_kpool_compress` says whether an indexer's pooled keys are weighed by gates,
    `num_mtp_modules` how many layers draft tokens, beside another count.
    """

    architecture: Text | None = None
    n_group: Size | None = None
    indexer_types: bool = False
    index_kpool_compress: bool = False
    num_mtp_modules: Size | None = None
