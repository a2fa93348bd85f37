#!/usr/bin/env bash
# Guess: generate(cache_implementation="static") of transformers allocates what the call needs.
# max_cache_len is documented so: it is what makes a cache longer than the call it is for.
#
# Seen: the model remembers the longest call it has ever served, and gives each sequence of every
# later call that length, never less. After one prompt of 4,000 tokens a batch of 8 short prompts
# takes 174 times the memory that the same batch took before it: one long prompt fits, many short
# ones fit, and the short ones after the long one do not. Only a new model object forgets.
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

import torch
import transformers

print("transformers", transformers.__version__)
transformers.logging.set_verbosity_error()
shape = {"hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2}
config = transformers.LlamaConfig(
    **shape, intermediate_size=64, num_hidden_layers=2, vocab_size=100, max_position_embeddings=8192
)
model = transformers.AutoModelForCausalLM.from_config(config)


def ask(name, sequences, prompt, model=model):
    answer = model.generate(
        torch.ones(sequences, prompt, dtype=torch.long),
        max_new_tokens=8,
        do_sample=False,
        pad_token_id=0,
        eos_token_id=None,
        cache_implementation="static",
        disable_compile=True,
        return_dict_in_generate=True,
    )
    layers = answer["cache"].layers
    size = sum(tensor.untyped_storage().nbytes() for x in layers for tensor in (x.keys, x.values))
    length = layers[0].keys.shape[2]
    print(f"{name}: {sequences} x {prompt} + 8 tokens, {length} each, {size} bytes")


ask("a batch", 8, 16)
ask("one long prompt", 1, 4000)
ask("the batch again", 8, 16)
ask("in a new model", 8, 16, type(model)(copy.deepcopy(config)))
END

env/bin/python ask.py | tee seen
diff - seen <<'END'
transformers 5.24.0
a batch: 8 x 16 + 8 tokens, 23 each, 94208 bytes
one long prompt: 1 x 4000 + 8 tokens, 4007 each, 2051584 bytes
the batch again: 8 x 16 + 8 tokens, 4007 each, 16412672 bytes
in a new model: 8 x 16 + 8 tokens, 23 each, 94208 bytes
END
