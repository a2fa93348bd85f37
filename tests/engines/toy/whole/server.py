from kvcalc.engines.server import Server
from kvcalc.engines.server.option_values import Choices, Whole

SERVER = Server(
    start="toyserve {model}",
    values={
        "--context": "context",
        "--at-once": "sequences",
        "--ranks": "tensor_parallel_size",
        "--kv": "kv_cache_dtype",
    },
    takes={
        **dict.fromkeys(("context", "sequences", "tensor_parallel_size"), Whole("toy")),
        "kv_cache_dtype": Choices("toy", ("bfloat16", "fp8")),
    },
    positional_model=True,
)
