#!/usr/bin/env bash
# Guess: fleet-sim, the planner of fleets in the vLLM project's semantic router, gives an instance
# of 8 GPUs with tensor parallelism at least 8 times the sessions of one GPU: each GPU keeps an
# eighth of every token's keys and values, and of the weights.
#
# Seen: 69 sessions instead of 58, for 8 times the price. The weights are divided by the GPUs, but a
# block is charged in full to the free memory of ONE GPU; that a token is divided too it knows
# where it reckons the traffic (decode_efficiency). Llama 70B on 8 GPUs gets 22 sessions of 8K,
# where 443 GiB are free over all of them, room for 177. A fleet planned so buys 8 times too much.
# And one GPU that the weights alone do not fit has 0 blocks, yet serves 1 session, at any context.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv env
env/bin/pip install -q --disable-pip-version-check vllm-sr-sim==0.1.0.dev20260713123629

cat > ask.py <<'END'
from importlib.metadata import version

from fleet_sim.gpu_profiles.builder import ProfileBuilder, ServingConfig
from fleet_sim.hardware.catalog import H100_SXM
from fleet_sim.models.catalog import LLAMA_3_1_8B, LLAMA_3_1_70B

print("vllm-sr-sim", version("vllm-sr-sim"))
for model in LLAMA_3_1_8B, LLAMA_3_1_70B:
    token = model.kv_bytes_per_token
    print(f"{model.name}: {token} bytes a token")
    for gpus in 1, 2, 8:
        profile = ProfileBuilder().build(H100_SXM, model, ServingConfig(tp=gpus))
        each = H100_SXM.mem_capacity * profile.cfg.gpu_memory_utilization
        each -= model.param_bytes_per_gpu(gpus) + H100_SXM.nccl_mem.get(gpus, 0)
        free = max(0, gpus * each)
        print(
            f"    {gpus} GPUs, {profile.cost_per_hr:.2f} an hour: {profile.total_kv_blks} blocks,",
            f"{profile.n_slots(8192)} sessions of 8,192 tokens, {profile.n_slots(131072)} of 131,072;",
            f"free {free / 2**30:.1f} GiB, room for {free // (8192 * token):.0f}",
        )
END

env/bin/python ask.py | tee seen
diff - seen <<'END'
vllm-sr-sim 0.1.0.dev20260713123629
llama-3.1-8b: 131072 bytes a token
    1 GPUs, 4.02 an hour: 29707 blocks, 58 sessions of 8,192 tokens, 3 of 131,072; free 58.0 GiB, room for 58
    2 GPUs, 8.04 an hour: 33114 blocks, 64 sessions of 8,192 tokens, 4 of 131,072; free 129.4 GiB, room for 129
    8 GPUs, 32.16 an hour: 35773 blocks, 69 sessions of 8,192 tokens, 4 of 131,072; free 559.0 GiB, room for 558
llama-3.1-70b: 327680 bytes a token
    1 GPUs, 4.02 an hour: 0 blocks, 1 sessions of 8,192 tokens, 1 of 131,072; free 0.0 GiB, room for 0
    2 GPUs, 8.04 an hour: 1420 blocks, 2 sessions of 8,192 tokens, 1 of 131,072; free 13.9 GiB, room for 5
    8 GPUs, 32.16 an hour: 11353 blocks, 22 sessions of 8,192 tokens, 1 of 131,072; free 443.5 GiB, room for 177
END
