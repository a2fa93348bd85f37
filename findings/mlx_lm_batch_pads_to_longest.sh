#!/usr/bin/env bash
# Guess: in a batch of mlx-lm's BatchGenerator, which mlx_lm.server serves by (32 requests decoded
# at a time unless told otherwise), each request takes the cache of its own length, in steps of 256
# tokens: a long one beside short ones takes the sum.
#
# Seen: the batch is one tensor, and each row is as long as the longest. A request of 4,000 tokens
# that joins seven of 100 makes them take 4,096 each, until it leaves: 16 MiB where one alone takes
# 2 and the seven take 0.9. One request of 100,000 tokens among the server's 32 takes the memory of
# 32 such. --decode-concurrency is to be planned by the longest request that may come, not by the
# usual.
#
# Runs on mlx's CPU build for Linux.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv env
env/bin/pip install -q --disable-pip-version-check --no-compile 'mlx[cpu]==0.32.4' mlx-lm==0.32.2

cat > ask.py <<'END'
from importlib.metadata import version

from mlx_lm.generate import BatchGenerator
from mlx_lm.models import qwen2

print("mlx", version("mlx"), "mlx-lm", version("mlx-lm"))
shape = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "intermediate_size": 64,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "rms_norm_eps": 1e-5,
    "vocab_size": 100,
}
model = qwen2.Model(qwen2.ModelArgs(model_type="qwen2", **shape))
TOKEN = 2 * 2 * 32 * 4  # bytes: 2 layers, keys and values, 1 head of 32 elements of 4


def ask(name, lengths):
    batch = BatchGenerator(model)
    batch.insert([[1] * length for length in lengths], [8 if n > 1000 else 40 for n in lengths])
    running, sizes = len(lengths), []
    while running:
        running -= sum(answer.finish_reason is not None for answer in batch.next()[1])
        sizes.append(batch.prompt_cache_nbytes)
    batch.close()
    own = sum(-(-(length + 40) // 256) * 256 for length in lengths) * TOKEN
    print(f"{name}: {max(sizes)} bytes at most, {sizes[-2]} at the end, sum of their own {own}")


ask("7 of 100 tokens", [100] * 7)
ask("1 of 4,000", [4000])
ask("all 8", [4000] + [100] * 7)
END

env/bin/python ask.py | tee seen
diff - seen <<'END'
mlx 0.32.4 mlx-lm 0.32.2
7 of 100 tokens: 917504 bytes at most, 917504 at the end, sum of their own 917504
1 of 4,000: 2097152 bytes at most, 2097152 at the end, sum of their own 2097152
all 8: 16777216 bytes at most, 706048 at the end, sum of their own 3014656
END
