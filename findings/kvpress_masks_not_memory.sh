#!/usr/bin/env bash
# Guess: a press of kvpress with compression_ratio 0.5 halves the cache after the prompt. Its FAQ
# promises about that share of the memory back.
#
# Seen: it depends on the press, and the attribute compression_ratio says 0.5 either way. Those
# that prune the same number of tokens in each head do halve it. AdaKVPress and CriticalAdaKVPress,
# which share the budget out among heads, free not one byte: what they prune is masked while
# decoding, and stays. Around the very same scorer that halves it alone, half of the memory becomes
# none.
#
# The CPU build of torch is enough.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv env
env/bin/pip install -q --disable-pip-version-check --no-compile \
    torch==2.13.0 transformers==5.2.0 kvpress==0.5.5

cat > ask.py <<'END'
import logging
from importlib.metadata import version

import torch
from transformers import AutoModelForCausalLM, DynamicCache, LlamaConfig

import kvpress

print("kvpress", version("kvpress"), "transformers", version("transformers"))
logging.disable(logging.WARNING)
torch.manual_seed(0)
config = LlamaConfig(hidden_size=64, intermediate_size=64, num_hidden_layers=2, vocab_size=100)
model = AutoModelForCausalLM.from_config(config).eval()
prompt = torch.randint(0, 100, (1, 1024))


def ask(name, press):
    cache = DynamicCache(config=config)
    with torch.no_grad(), press(model):
        model(prompt, past_key_values=cache)
    size = sum(x.untyped_storage().nbytes() for y in cache.layers for x in (y.keys, y.values))
    print(f"{name}: compression_ratio {press.compression_ratio:.2f}, {size} bytes")


ask("KnormPress(0)", kvpress.KnormPress(0))
for name in ("KnormPress", "SnapKVPress"):
    scorer = getattr(kvpress, name)
    ask(f"{name}(0.5)", scorer(0.5))
    ask(f"AdaKVPress({name}(0.5))", kvpress.AdaKVPress(scorer(0.5)))
    ask(f"CriticalAdaKVPress({name}(0.5))", kvpress.CriticalAdaKVPress(scorer(0.5)))
END

env/bin/python ask.py | tee seen
diff - seen <<'END'
kvpress 0.5.5 transformers 5.2.0
KnormPress(0): compression_ratio 0.00, 1048576 bytes
KnormPress(0.5): compression_ratio 0.50, 524288 bytes
AdaKVPress(KnormPress(0.5)): compression_ratio 0.50, 1048576 bytes
CriticalAdaKVPress(KnormPress(0.5)): compression_ratio 0.50, 1048576 bytes
SnapKVPress(0.5): compression_ratio 0.50, 524288 bytes
AdaKVPress(SnapKVPress(0.5)): compression_ratio 0.50, 1048576 bytes
CriticalAdaKVPress(SnapKVPress(0.5)): compression_ratio 0.50, 1048576 bytes
END
