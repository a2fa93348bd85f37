#!/usr/bin/env bash
# Guess: kvlint's simulation of vLLM's prefix cache evicts as vLLM's own design text says
# (docs/design/prefix_caching.md, "Free"): the last block of a finished request first, since fewer
# prompts share it. A prompt of 4 blocks that loses one block then still hits on its first 3.
#
# Seen: the FIRST block goes first. The 3 blocks that stay can be reached only through it, so they
# fill the cache and serve nobody: the repeated prompt hits 0 of 64 tokens, for want of a single
# block.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# The simulation needs pydantic alone; the tokenizers of the command line are left out.
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check pydantic==2.11.0
env/bin/pip install -q --disable-pip-version-check --no-deps kvlint==0.1.1

cat > ask.py <<'END'
from kvlint import __version__
from kvlint.sim.vllm_blocks import VLLMBlockSimulator

print("kvlint", __version__)
long, short = range(64), range(1000, 1016)  # 4 blocks of 16 tokens, and another prompt's 1

for budget in (None, 5, 4):
    cache = VLLMBlockSimulator(block_size=16, kv_budget_blocks=budget)
    for name, tokens in (("long", long), ("short", short)):
        cache.feed_tokens(name, tokens)
    again = cache.feed_tokens("long again", long)
    print(f"budget {budget} blocks: {again.cached_tokens} of {again.prompt_tokens} tokens hit")
END

env/bin/python ask.py | tee seen
diff - seen <<'END'
kvlint 0.1.1
budget None blocks: 64 of 64 tokens hit
budget 5 blocks: 64 of 64 tokens hit
budget 4 blocks: 0 of 64 tokens hit
END
