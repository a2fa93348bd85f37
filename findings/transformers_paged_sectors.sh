#!/usr/bin/env bash
# Guess: num_blocks of transformers' continuous batching is the number of blocks in the cache, as
# its text says, each 256 tokens in all layers: 4 hold a prompt of 1,024 tokens, and the tensor has
# 4 blocks or little more.
#
# Seen: with Gemma 3 27B's 62 layers, 52 of them windowed, 4 blocks hold no token at all, though
# the cache says it has 4, and 5 hold 6,656. Memory is handed out in sectors, which both kinds of
# layers must divide: the least common multiple of 52 and 10 pages, 260, is 4.2 blocks, and a
# request needs a sector for each kind. Two sectors more are never handed out. In the real 27B, a
# sector has 520 MiB and those two 1.02 GiB, whatever num_blocks is. With 48 layers, the 12B's, it
# is 40 pages.
#
# The heads are narrow here, to be quick. The CPU build of torch is enough.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv env
env/bin/pip install -q --disable-pip-version-check --no-compile \
    torch==2.13.0 transformers==5.24.0 psutil==7.0.0

cat > ask.py <<'END'
import torch
import transformers
from transformers import ContinuousBatchingConfig, Gemma3TextConfig
from transformers.generation.continuous_batching.cache import PagedAttentionCache
from transformers.generation.continuous_batching.distributed import DistributedHelper
from transformers.generation.continuous_batching.requests import RequestState

print("transformers", transformers.__version__)


def ask(layers, blocks):
    config = Gemma3TextConfig(
        num_hidden_layers=layers, num_key_value_heads=1, head_dim=8, sliding_window=1024
    )
    asked = ContinuousBatchingConfig(
        num_blocks=blocks, max_batch_tokens=64, max_memory_percent=0.9, use_async_batching=False
    )
    alone = DistributedHelper(None, None)
    cache = PagedAttentionCache(config, asked, "cpu", alone, torch.bfloat16)
    page = 256 * 2 * 8 * 2  # keys and values of 256 tokens, 1 head of 8 elements of 2 bytes
    longest = 0
    request = RequestState("a", [1])
    while cache.can_store_request_tokens(request, longest + 256, dry_run=True):
        longest += 256
    print(
        f"{layers} layers, {blocks} blocks: says {cache.num_blocks}, holds {longest} tokens,",
        f"allocates {cache.cache_tensor.nbytes / page / layers:.1f},",
        f"{cache.num_sectors} + 2 sectors of {cache.bytes_per_sector // page} pages",
    )


for layers, blocks in ((62, 1), (62, 4), (62, 5), (48, 4), (48, 5)):
    ask(layers, blocks)
print("2 sectors of Gemma 3 27B:", 2 * 260 * 256 * 16 * (128 + 128) * 2, "bytes")
END

env/bin/python ask.py | tee seen
diff - seen <<'END'
transformers 5.24.0
62 layers, 1 blocks: says 4, holds 0 tokens, allocates 12.6, 1 + 2 sectors of 260 pages
62 layers, 4 blocks: says 4, holds 0 tokens, allocates 12.6, 1 + 2 sectors of 260 pages
62 layers, 5 blocks: says 8, holds 6656 tokens, allocates 16.8, 2 + 2 sectors of 260 pages
48 layers, 4 blocks: says 4, holds 1280 tokens, allocates 5.8, 5 + 2 sectors of 40 pages
48 layers, 5 blocks: says 5, holds 2560 tokens, allocates 6.7, 6 + 2 sectors of 40 pages
2 sectors of Gemma 3 27B: 1090519040 bytes
END
