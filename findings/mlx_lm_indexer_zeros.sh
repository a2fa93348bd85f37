#!/usr/bin/env bash
# Guess: the indexer of DeepSeek V3.2, which chooses what its sparse attention reads, costs in mlx-lm
# its key on top of the latent row, 128 numbers a token and layer: 576 + 128 = 704.
#
# Seen: 832. The cache that holds the key is one for keys and values, and where the values would be
# lie 128 zeros for each token, written anew in each step and read by nobody. 61 layers of them are
# 1.9 GiB at 131,072 tokens in bfloat16, 15 % of the whole. A saved prompt cache has them too.
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
from mlx_lm.models import deepseek_v32
from mlx_lm.models.cache import load_prompt_cache, make_prompt_cache, save_prompt_cache

print("mlx", version("mlx"), "mlx-lm", version("mlx-lm"))
config = {"vocab_size": 8, "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1}
config |= {"num_attention_heads": 4, "num_key_value_heads": 4, "index_n_heads": 4}
config |= {"kv_lora_rank": 512, "q_lora_rank": 64, "v_head_dim": 128, "index_head_dim": 128}
config |= {"qk_rope_head_dim": 64, "qk_nope_head_dim": 128, "index_topk": 2048}
config |= {"n_routed_experts": None, "n_shared_experts": None}
model = deepseek_v32.Model(deepseek_v32.ModelArgs.from_dict(config))
model.set_dtype(mx.bfloat16)
caches = make_prompt_cache(model)
mx.eval(model(mx.arange(256)[None] % 8, cache=caches))
save_prompt_cache("saved.safetensors", caches)
for name, layers in (("held", caches), ("saved", load_prompt_cache("saved.safetensors"))):
    latent, indexer = layers[0].caches
    kinds = (latent.keys, latent.values, indexer.keys, indexer.values)
    told = (f"{kind.shape[-1]} {'numbers' if mx.any(kind).item() else 'zeros'}" for kind in kinds)
    print(name, *told, sep=", ")
    print(" ", (latent.nbytes + indexer.nbytes) // 256 // 2, "in all, a token and layer")
print("zeros of 61 layers and 131,072 tokens:", 61 * 131072 * 128 * 2, "bytes")
END

env/bin/python ask.py | tee seen
diff - seen <<'END'
mlx 0.32.4 mlx-lm 0.32.2
held, 512 numbers, 64 numbers, 128 numbers, 128 zeros
  832 in all, a token and layer
saved, 512 numbers, 64 numbers, 128 numbers, 128 zeros
  832 in all, a token and layer
zeros of 61 layers and 131,072 tokens: 2046820352 bytes
END
