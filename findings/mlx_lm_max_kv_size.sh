#!/usr/bin/env bash
# Guess: --max-kv-size 512 of mlx-lm bounds the cache of a model in which every layer attends to
# the whole context. Its README says so, without exception.
#
# Seen: Qwen 2 obeys, Llama does not, without a warning: two models of one shape, a prompt of 5,000
# tokens, and Llama's cache has 5,120 of them, 10 times Qwen's. The class of Llama makes its caches
# itself (some models of it have windows), and then the bound is not handed on, which only the
# documentation of the inner function tells. A Mac that was sized for the bound runs out of memory
# once the context is long enough.
#
# Runs on mlx's CPU build for Linux.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv env
env/bin/pip install -q --disable-pip-version-check --no-compile 'mlx[cpu]==0.32.4' mlx-lm==0.32.2

cat > ask.py <<'END'
from importlib.metadata import version

import mlx.core as mx
from mlx_lm.generate import generate_step
from mlx_lm.models import llama, qwen2
from mlx_lm.models.cache import make_prompt_cache

print("mlx", version("mlx"), "mlx-lm", version("mlx-lm"))
shape = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "intermediate_size": 64,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "rms_norm_eps": 1e-5,
    "vocab_size": 100,
}
prompt = mx.ones(5000, dtype=mx.int32)
for name, module in (("llama", llama), ("qwen2", qwen2)):
    model = module.Model(module.ModelArgs(model_type=name, **shape))
    for bound in (None, 512):
        cache = make_prompt_cache(model, max_kv_size=bound)
        list(generate_step(prompt, model, prompt_cache=cache, max_tokens=8))
        size, kind = sum(layer.nbytes for layer in cache), type(cache[0]).__name__
        print(f"{name}, max_kv_size {bound}: {kind}, {cache[0].keys.shape[2]} tokens, {size} bytes")
END

env/bin/python ask.py | tee seen
diff - seen <<'END'
mlx 0.32.4 mlx-lm 0.32.2
llama, max_kv_size None: KVCache, 5120 tokens, 2621440 bytes
llama, max_kv_size 512: KVCache, 5120 tokens, 2621440 bytes
qwen2, max_kv_size None: KVCache, 5120 tokens, 2621440 bytes
qwen2, max_kv_size 512: RotatingKVCache, 512 tokens, 262144 bytes
END
