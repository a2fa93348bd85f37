#!/usr/bin/env bash
# Guess: a cache that is planned for the longest context holds each shorter one. DeepSeek V4's in
# transformers grows by less for a token than others, as its layers keep one row for 4 tokens or for
# 128, but it grows.
#
# Seen: with every 128th token it shrinks. Until a group is whole its layer keeps each of its tokens
# twice beside the rows, as a value and as its weight: 127 tokens in a layer of 128 take 3 times what
# 128 take, and 255 more than 300. A plan is made for 131,072 or another round number, at which these
# buffers are empty: one token less takes more, 5 MiB a sequence in the real V4 Flash.
#
# Window, head and rates are DeepSeek V4's, the other sizes are small. The CPU build of torch is
# enough.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv env
env/bin/pip install -q --disable-pip-version-check --no-compile \
    torch==2.13.0 transformers==5.24.0

cat > ask.py <<'END'
import torch
import transformers

print("transformers", transformers.__version__)
transformers.logging.set_verbosity_error()
LAYERS = ["compressed_sparse_attention", "heavily_compressed_attention"]
small = {"hidden_size": 64, "num_attention_heads": 2, "q_lora_rank": 32, "o_lora_rank": 32}
small |= {"o_groups": 1, "n_routed_experts": 2, "num_experts_per_tok": 1, "vocab_size": 8}
config = transformers.DeepseekV4Config(
    **small, moe_intermediate_size=32, num_hidden_layers=2, layer_types=LAYERS
)
print("window", config.sliding_window, "head", config.head_dim, "rates", config.compress_rates)
model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).eval()
cache = transformers.DynamicCache(config=config)


def held(value, found):
    if isinstance(value, torch.Tensor):
        found[id(value)] = value.nbytes
    elif isinstance(value, dict):
        for item in value.values():
            held(item, found)
    return sum(found.values())


with torch.no_grad():
    for tokens in range(1, 385):
        model(torch.zeros(1, 1, dtype=torch.long), cache=cache, use_cache=True)
        if tokens in (126, 127, 128, 129, 255, 256, 300, 383, 384):
            four, many = (held(vars(layer), {}) for layer in cache.layers)
            print(f"{tokens} tokens: {many} bytes at 128 to a row, {four} at 4")
END

env/bin/python ask.py | tee seen
diff - seen <<'END'
transformers 5.24.0
window 128 head 512 rates {'compressed_sparse_attention': 4, 'heavily_compressed_attention': 128}
126 tokens: 387080 bytes at 128 to a row, 194312 at 4
127 tokens: 390152 bytes at 128 to a row, 200456 at 4
128 tokens: 131080 bytes at 128 to a row, 186376 at 4
129 tokens: 133128 bytes at 128 to a row, 191496 at 4
255 tokens: 391176 bytes at 128 to a row, 241416 at 4
256 tokens: 132104 bytes at 128 to a row, 227336 at 4
300 tokens: 222216 bytes at 128 to a row, 241416 at 4
383 tokens: 392200 bytes at 128 to a row, 282376 at 4
384 tokens: 133128 bytes at 128 to a row, 268296 at 4
END
