#!/usr/bin/env bash
# Guess: the policy "optimal" of kvcache-simulator, which knows the future, is the bound: at no
# budget do fifo and lru hit more.
#
# Seen: on these ten requests and 3 blocks of cache, fifo hits 100 % and optimal 85.7 %, no more
# than lru. optimal serves the whole trace, but hits are counted in its second half only: it keeps
# block 2 for a hit that falls in the uncounted half, and pays with a counted miss. The C++ backend
# and the Python one agree. (llama-3.1-8b in BF16 has 8 MiB a block of 64 tokens: 3 blocks are
# 0.0234375 GiB.)
#
# Needs no C++ compiler: the Python backend is asked.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv env
env/bin/pip install -q --disable-pip-version-check kvcache-simulator==0.1.3

for blocks in 1 2 3,4 2 1 3 3,4 1 3 3,4; do
    many=$(tr ',' '\n' <<< "$blocks" | wc -l)
    echo "{\"block_size\": 64, \"input_length\": $((64 * many)), \"hash_ids\": [$blocks]}"
done > trace.jsonl

cat > show.py <<'END'
import json
import sys
from importlib.metadata import version

print("kvcache-simulator", version("kvcache-simulator"))
(point,) = json.load(sys.stdin)["points"]
print(point["cacheBlocks"], "blocks")
for policy, result in point["results"].items():
    print(policy, result["hitTokens"], "of", result["totalTokens"], "tokens hit")
END

env/bin/kvcache-simulator run --trace trace.jsonl --model llama-3.1-8b --kv-precision bf16_fp16 \
    --backend python --budgets-gib 0.0234375 --format json | env/bin/python show.py | tee seen
diff - seen <<'END'
kvcache-simulator 0.1.3
3 blocks
fifo 448 of 448 tokens hit
lru 384 of 448 tokens hit
optimal 384 of 448 tokens hit
END
