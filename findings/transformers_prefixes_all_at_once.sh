#!/usr/bin/env bash
# Guess: when the cache of transformers' continuous batching fills up, the blocks that it keeps of
# finished requests, for prompts that begin alike, go as room is needed, the least used first. A
# system prompt that every other request brings stays.
#
# Seen: all of them go at once, when less than 15 % of the cache is free. Here every other request
# brings the same 160 tokens, the others are new. Each needs 10 of the 100 blocks; the request that
# finds less than 15 % free has all 80 kept blocks cleared for its 10, and the prompt that was hit
# one request before is computed again, as is every other one. A plan that counts on a hot system
# prompt's hit rate must count these clearings: the smaller the cache, the more often they come.
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

import transformers
from transformers import ContinuousBatchingConfig, GenerationConfig, LlamaConfig
from transformers.generation.continuous_batching.cache import PagedAttentionCache

print("transformers", transformers.__version__)
logging.disable(logging.WARNING)
config = LlamaConfig(hidden_size=64, intermediate_size=64, num_hidden_layers=2, vocab_size=100)
model = transformers.AutoModelForCausalLM.from_config(config).eval()
generation = GenerationConfig(do_sample=False, eos_token_id=-1, pad_token_id=0)
asked = ContinuousBatchingConfig(page_size=16, num_blocks=100, max_batch_tokens=512)
search, hits = PagedAttentionCache.search_prefix_match, {}


def tell(self, request, prompt):
    hits[request] = search(self, request, prompt)
    return hits[request]


PagedAttentionCache.search_prefix_match = tell
with model.continuous_batching_context_manager(
    generation_config=generation, continuous_batching_config=asked
) as manager:
    for request in range(22):
        token = 1 if request % 2 == 0 else 1 + request
        manager.add_request([token] * 160, request_id=str(request), max_new_tokens=2)
        while not ((result := manager.get_result(timeout=5)) and result.is_finished()):
            pass
        kept = manager.batch_processor.cache.cache_allocators["full_attention"].ledger
        if token == 1:
            print(f"{hits[str(request)]} of 160 tokens hit, {len(kept.cached_blocks)} blocks kept")
END

timeout 300 env/bin/python ask.py | tee seen
diff - seen <<'END'
transformers 5.24.0
0 of 160 tokens hit, 10 blocks kept
144 of 160 tokens hit, 20 blocks kept
144 of 160 tokens hit, 30 blocks kept
144 of 160 tokens hit, 40 blocks kept
144 of 160 tokens hit, 50 blocks kept
144 of 160 tokens hit, 60 blocks kept
144 of 160 tokens hit, 70 blocks kept
144 of 160 tokens hit, 80 blocks kept
0 of 160 tokens hit, 20 blocks kept
144 of 160 tokens hit, 30 blocks kept
144 of 160 tokens hit, 40 blocks kept
END
