#!/usr/bin/env bash
# Guess: a layer with a window of 128 holds at most 128 tokens in mlx-lm, whose cache for it is a
# ring of that size, whatever the prompt.
#
# Seen: so it is for the tokens that are generated. While a prompt is read, 2,048 tokens at a time,
# it holds 127 + 2,048 of them, 17 windows, and only the prompt's last token cuts it back. A Mac
# that has room for the cache after the prompt can be too small during it, and a window of 128 in
# place of 1,024 saves 29 % of the layer at the peak, not 88. prefill_step_size=128 makes it two
# windows, in 16 times as many calls.
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
from mlx_lm.models import olmo3
from mlx_lm.models.cache import make_prompt_cache

print("mlx", version("mlx"), "mlx-lm", version("mlx-lm"))
config = {"model_type": "olmo3", "hidden_size": 64, "intermediate_size": 64, "vocab_size": 100}
config |= {"num_hidden_layers": 4, "num_attention_heads": 2, "num_key_value_heads": 1}
config |= {"max_position_embeddings": 8192, "rms_norm_eps": 1e-6, "rope_theta": 10000.0}


def ask(window, step=2048):
    model = olmo3.Model(olmo3.ModelArgs.from_dict(config | {"sliding_window": window}))
    caches = make_prompt_cache(model)
    held = []

    def tell(*_):
        held.append([0 if cache.empty() else cache.keys.shape[2] for cache in caches])

    prompt = mx.ones(8192, dtype=mx.int32)
    more = {"prompt_cache": caches, "prompt_progress_callback": tell, "prefill_step_size": step}
    for _ in generate_step(prompt, model, max_tokens=2, **more):
        tell()
    most = [max(layer) for layer in zip(*held)]
    print(f"window {window}, {step} tokens a call: at most {most} tokens by layer, then {held[-1]}")


print("the last of four layers is full; a prompt of 8,192 tokens")
ask(128)
ask(1024)
ask(128, step=128)
END

env/bin/python ask.py | tee seen
diff - seen <<'END'
mlx 0.32.4 mlx-lm 0.32.2
the last of four layers is full; a prompt of 8,192 tokens
window 128, 2048 tokens a call: at most [2175, 2175, 2175, 8448] tokens by layer, then [128, 128, 128, 8448]
window 1024, 2048 tokens a call: at most [3071, 3071, 3071, 8448] tokens by layer, then [1024, 1024, 1024, 8448]
window 128, 128 tokens a call: at most [255, 255, 255, 8448] tokens by layer, then [128, 128, 128, 8448]
END
