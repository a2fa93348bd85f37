"""The command lines of mlx_lm.server and mlx_lm.generate (0.32.2: server.py, generate.py).

Flags that hold caches which this engine does not count stand in no table, so they are named: a
draft model, the server's cache of prompts, `--pipeline`. None gives the context.
"""

from kvcalc.engines.mlx.ignored_flags import IGNORED
from kvcalc.engines.option_values import Choices, Whole
from kvcalc.engines.server import Server

SERVER = Server(
    start="mlx_lm.server --model {model}",
    values={
        "--model": "model",
        "--prefill-step-size": "prefill_step_size",
        "--kv-bits": "kv_bits",
        "--kv-group-size": "kv_group_size",
        "--quantized-kv-start": "quantized_kv_start",
        "--max-kv-size": "max_kv_size",
        "--decode-concurrency": "sequences",
    },
    takes={
        "prefill_step_size": Whole("server.py"),
        "kv_bits": Choices("mlx.core.quantize: bits", ("1", "2", "3", "4", "5", "6", "8")),
        "kv_group_size": Choices("mlx.core.quantize: group_size", ("32", "64", "128")),
        "quantized_kv_start": Whole("server.py", least=0),
        "max_kv_size": Whole("generate.py, --max-kv-size"),
        "sequences": Whole("server.py, --decode-concurrency"),
    },
    harmless=IGNORED,
)
