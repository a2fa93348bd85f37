#!/usr/bin/env bash
# Guess: trim_prompt_cache of mlx-lm, which cuts a cache of 32,768 tokens to the 100 of its system
# prompt, gives back the rest, or a file saved of it does. So five short requests that share those
# 100 tokens with one long conversation cost LRUPromptCache five short caches.
#
# Seen: only the count of tokens goes back. nbytes, the memory and the saved file stay those of
# 32,768 tokens (loaded, it is that large again, for 100). And LRUPromptCache answers each of the
# five with a full copy of the conversation, trimmed: 20 new tokens take 32 MiB each time, and its
# bound in bytes counts them so. mlx_lm.server keeps such copies where it does not batch, as with a
# draft model: the longest conversation sets what each request that begins like it costs.
#
# Runs on mlx's CPU build for Linux.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv env
env/bin/pip install -q --disable-pip-version-check --no-compile 'mlx[cpu]==0.32.4' mlx-lm==0.32.2

cat > ask.py <<'END'
import os
from importlib.metadata import version

import mlx.core as mx
from mlx_lm.models import cache as caches

print("mlx", version("mlx"), "mlx-lm", version("mlx-lm"))


def read(tokens, cache=None):
    cache = cache or [caches.KVCache(), caches.KVCache()]
    new = mx.zeros((1, 2, tokens, 64), mx.float16)
    for layer in cache:
        layer.update_and_fetch(new, new)
    mx.eval([layer.state for layer in cache])
    return cache


def tell(name, cache):
    print(f"{name}: {cache[0].offset} tokens, {sum(layer.nbytes for layer in cache)} bytes")


cache = read(32768)
tell("a long conversation", cache)
caches.trim_prompt_cache(cache, 32668)
tell("trimmed", cache)
caches.save_prompt_cache("file.safetensors", cache)
print(f"its file has {os.path.getsize('file.safetensors') / 2**20:.1f} MiB")
tell("loaded from it", caches.load_prompt_cache("file.safetensors"))
tell("never longer", read(100))

kept = caches.LRUPromptCache()
kept.insert_cache("model", list(range(32768)), read(32768))
del cache
before = mx.get_active_memory()
for request in range(5):
    prompt = list(range(100)) + [50000 + request] * 20
    found, rest = kept.fetch_nearest_cache("model", prompt)
    read(len(rest), found)
    kept.insert_cache("model", prompt, found)
tell(f"{len(kept)} kept, {kept.nbytes} bytes in all, the last", found)
print(f"the five took {(mx.get_active_memory() - before) / 2**20:.1f} MiB of memory")
END

env/bin/python ask.py | tee seen
diff - seen <<'END'
mlx 0.32.4 mlx-lm 0.32.2
a long conversation: 32768 tokens, 33554432 bytes
trimmed: 100 tokens, 33554432 bytes
its file has 32.0 MiB
loaded from it: 100 tokens, 33554432 bytes
never longer: 100 tokens, 262144 bytes
6 kept, 201326592 bytes in all, the last: 120 tokens, 33554432 bytes
the five took 160.0 MiB of memory
END
