#!/usr/bin/env bash
# Guess: a DeepSeek V2 costs in mlx-lm what its latent attention is known for, 512 + 64 numbers a
# token and layer, as a DeepSeek V3 does there, and as V2 does in vLLM, SGLang and llama.cpp.
#
# Seen: V3 does, V2 keeps the keys and values of all heads, expanded: with the 16 heads of V2 Lite
# 5,120 numbers, 8.9 times as much, with the 128 of the full V2 40,960, 71 times. A context of 32,768
# tokens of V2 Lite is 8.4 GiB, not 1. The two config.json have the same keys; only the class that
# their model type names tells them apart.
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
from mlx_lm.models import deepseek_v2, deepseek_v3
from mlx_lm.models.cache import make_prompt_cache

print("mlx", version("mlx"), "mlx-lm", version("mlx-lm"))
SMALL = {"vocab_size": 8, "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1}


def ask(name, module, heads, latent, rope, nope, value, **more):
    config = SMALL | {"num_attention_heads": heads, "num_key_value_heads": heads} | more
    config |= {"kv_lora_rank": latent, "q_lora_rank": 64, "v_head_dim": value}
    config |= {"qk_rope_head_dim": rope, "qk_nope_head_dim": nope}
    model = module.Model(module.ModelArgs.from_dict(config))
    model.set_dtype(mx.bfloat16)
    (cache,) = make_prompt_cache(model)
    mx.eval(model(mx.zeros((1, 256), mx.int32), cache=[cache]))
    numbers = cache.nbytes // 256 // 2
    print(f"{name}: {numbers} numbers a token and layer, {numbers / (latent + rope):.1f} times")


sizes = {"heads": 16, "latent": 512, "rope": 64, "nope": 128, "value": 128}
yarn = {"type": "yarn", "factor": 40, "original_max_position_embeddings": 4096}
more = {"n_routed_experts": None, "n_shared_experts": None, "rope_scaling": yarn}
ask("DeepSeek V2 Lite", deepseek_v2, **sizes, **more)
ask("DeepSeek V2", deepseek_v2, **sizes | {"heads": 128}, **more)
ask("DeepSeek V3", deepseek_v3, **sizes | {"heads": 128}, **more)
END

env/bin/python ask.py | tee seen
diff - seen <<'END'
mlx 0.32.4 mlx-lm 0.32.2
DeepSeek V2 Lite: 5120 numbers a token and layer, 8.9 times
DeepSeek V2: 40960 numbers a token and layer, 71.1 times
DeepSeek V3: 576 numbers a token and layer, 1.0 times
END
