#!/usr/bin/env bash
# Guess: the capacity planner of llm-d tells one story of one server. Its auto_max_model_len is the
# longest context of which at least one request fits, so it says, and its count of vLLM's blocks
# holds about as many tokens as the requests that it lets in.
#
# Seen: on one GPU, yes. With tensor or pipeline parallelism it divides the bytes of a token by the
# number of GPUs, but the free memory that it fills with them is that of all GPUs together: the
# blocks are as many times too many as there are GPUs. Of a 70B model on 8 GPUs of 141 GiB it
# counts 1,417,369 blocks, 173 contexts of 128K; its own max_concurrent_requests, which divides
# nothing, lets 21 in. On 4 GPUs of 48 GiB it finds the full 131,072 tokens as the length that
# fits, and 0 requests of that length.
#
# The parameters of the weights are given here; the planner would ask the model hub for them.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv env
env/bin/pip install -q --disable-pip-version-check llm-d-planner==0.3.3

cat > ask.py <<'END'
from importlib.metadata import version
from types import SimpleNamespace

from planner import capacity_planner

print("llm-d-planner", version("llm-d-planner"))


def ask(name, weights, gpu, tp, pp, **shape):
    capacity_planner.model_params_by_dtype = lambda name, token=None: {"BF16": weights}
    config = SimpleNamespace(architectures=["LlamaForCausalLM"], torch_dtype="bfloat16", **shape)
    server = dict(tp=tp, pp=pp)
    longest = capacity_planner.auto_max_model_len(name, config, gpu, 0.9, **server)
    fit = capacity_planner.max_concurrent_requests(name, config, longest, gpu, 0.9, **server)
    blocks = capacity_planner.total_kv_cache_blocks(name, config, longest, gpu, 0.9, **server)
    print(f"{name}, {gpu} GiB, tp {tp} pp {pp}: {longest} tokens, {fit} requests of that length;")
    print(f"    {blocks} blocks of 16 tokens, {blocks * 16 // longest} times that length")


heads = dict(num_key_value_heads=8, head_dim=128, max_position_embeddings=131072)
small = dict(num_hidden_layers=32, num_attention_heads=32, hidden_size=4096, **heads)
large = dict(num_hidden_layers=80, num_attention_heads=64, hidden_size=8192, **heads)
ask("8B", 8030261248, 80, 1, 1, **small)
ask("8B", 8030261248, 80, 2, 1, **small)
ask("70B", 70553706496, 141, 8, 1, **large)
ask("70B", 70553706496, 141, 2, 4, **large)
ask("70B", 70553706496, 48, 4, 1, **large)
END

env/bin/python ask.py | tee seen
diff - seen <<'END'
llm-d-planner 0.3.3
8B, 80 GiB, tp 1 pp 1: 131072 tokens, 3 requests of that length;
    28099 blocks of 16 tokens, 3 times that length
8B, 80 GiB, tp 2 pp 1: 131072 tokens, 7 requests of that length;
    125903 blocks of 16 tokens, 15 times that length
70B, 141 GiB, tp 8 pp 1: 131072 tokens, 21 requests of that length;
    1417369 blocks of 16 tokens, 173 times that length
70B, 141 GiB, tp 2 pp 4: 131072 tokens, 21 requests of that length;
    1417369 blocks of 16 tokens, 173 times that length
70B, 48 GiB, tp 4 pp 1: 131072 tokens, 0 requests of that length;
    25471 blocks of 16 tokens, 3 times that length
END
