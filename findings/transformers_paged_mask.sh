#!/usr/bin/env bash
# Guess: the memory of transformers' continuous batching is its cache, 12,288 bytes a token for the
# layers and heads of Qwen2.5 0.5B in bfloat16, and little beside it. max_batch_tokens, when not
# given, follows from the GPU's memory: its documentation says that.
#
# Seen: without flash attention (sdpa, what there is without another package) a mask is allocated
# that has a column for each token the whole cache can hold and a row for each of a batch, and
# max_batch_tokens is 8,192 whatever the memory. So each token of capacity costs 16,384 bytes of
# mask with any model: of 582 MiB here the cache is 198. Models that mix windows and full attention
# have two masks. With max_batch_tokens=512 the mask is a 23rd: it is what to set before buying
# memory for the cache.
#
# The CPU build of torch is enough.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv env
env/bin/pip install -q --disable-pip-version-check --no-compile \
    torch==2.13.0 transformers==5.24.0 psutil==7.0.0

cat > ask.py <<'END'
import logging

import torch
import transformers
from transformers import ContinuousBatchingConfig, GenerationConfig, LlamaConfig

print("transformers", transformers.__version__)
logging.disable(logging.WARNING)
heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 64}
config = LlamaConfig(
    **heads, num_hidden_layers=24, hidden_size=64, intermediate_size=64, vocab_size=100
)
model = transformers.AutoModelForCausalLM.from_config(config).to(torch.bfloat16).eval()
generation = GenerationConfig(do_sample=False, eos_token_id=-1, pad_token_id=0)


def ask(blocks, batch):
    asked = ContinuousBatchingConfig(num_blocks=blocks, max_batch_tokens=batch)
    with model.continuous_batching_context_manager(
        generation_config=generation, continuous_batching_config=asked
    ) as manager:
        manager.add_request([1] * 20, request_id="a", max_new_tokens=2)
        while not ((result := manager.get_result(timeout=5)) and result.is_finished()):
            pass
        cache = manager.batch_processor.cache
        (mask,) = manager.batch_processor.inputs_and_outputs.attention_mask.values()
    print(
        f"{blocks * 256} tokens of capacity, batches of {cache.max_batch_tokens}:",
        f"cache {cache.cache_tensor.nbytes} bytes,",
        f"mask {' x '.join(map(str, mask.shape[2:]))}, {mask.nbytes} bytes",
    )


for blocks, batch in ((32, None), (64, None), (64, 512)):
    ask(blocks, batch)
END

timeout 300 env/bin/python ask.py | tee seen
diff - seen <<'END'
transformers 5.24.0
8192 tokens of capacity, batches of 8192: cache 106954752 bytes, mask 8192 x 16384, 268435456 bytes
16384 tokens of capacity, batches of 8192: cache 207618048 bytes, mask 8192 x 24576, 402653184 bytes
16384 tokens of capacity, batches of 512: cache 207618048 bytes, mask 512 x 16896, 17301504 bytes
END
