#!/usr/bin/env bash
# Guess: after a prompt, a layer with a window of 512 holds 511 tokens in a DynamicCache made with
# the model's config, as is documented. A copy of that cache, the usual way to reuse a shared
# prompt, or a file of it holds no more.
#
# Seen: what it keeps is a slice of the whole prompt's tensor, and that stays allocated behind it
# until the next token comes. nbytes tells of 511 tokens, the storage has 8,192: at the end of a
# prompt a model of windows takes as much as one without. copy.deepcopy and torch.save copy the
# storage, so each kept copy of the prompt has all of it, in every layer: here 4.6 times what
# nbytes tells. With a clone() of each slice it is what the guess said.
#
# The CPU build of torch is enough.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv env
env/bin/pip install -q --disable-pip-version-check --no-compile \
    torch==2.13.0 transformers==5.24.0

cat > ask.py <<'END'
import copy
import os

import torch
import transformers

print("transformers", transformers.__version__)
shape = {"hidden_size": 64, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 64}
config = transformers.Gemma3TextConfig(
    **shape, intermediate_size=64, num_hidden_layers=6, sliding_window=512, vocab_size=100
)
config.dtype = torch.bfloat16
model = transformers.AutoModelForCausalLM.from_config(config)
cache = transformers.DynamicCache(config=config)
print(config.layer_types.count("sliding_attention"), "of", len(cache), "layers have the window")


def tell(name, cache):
    tensors = [tensor for x in cache.layers for tensor in (x.keys, x.values)]
    seen = sum(tensor.nbytes for tensor in tensors)
    held = sum(tensor.untyped_storage().nbytes() for tensor in tensors)
    torch.save(tensors, "file")
    mib = os.path.getsize("file") / 2**20
    print(f"{name}: nbytes {seen}, storage {held}, as a file {mib:.1f} MiB")


with torch.no_grad():
    model(torch.ones(1, 8192, dtype=torch.long), cache=cache, use_cache=True, logits_to_keep=1)
    tell("after the prompt", cache)
    kept = copy.deepcopy(cache)
    model(torch.ones(1, 1, dtype=torch.long), cache=cache, use_cache=True)
    tell("after one token more", cache)
    tell("a copy made before it", kept)
    for layer in kept.layers:
        layer.keys, layer.values = layer.keys.clone(), layer.values.clone()
    tell("that copy, cloned", kept)
END

env/bin/python ask.py | tee seen
diff - seen <<'END'
transformers 5.24.0
5 of 6 layers have the window
after the prompt: nbytes 2751232, storage 12582912, as a file 12.0 MiB
after one token more: nbytes 2751488, storage 2752768, as a file 2.6 MiB
a copy made before it: nbytes 2751232, storage 12582912, as a file 12.0 MiB
that copy, cloned: nbytes 2751232, storage 2751232, as a file 2.6 MiB
END
