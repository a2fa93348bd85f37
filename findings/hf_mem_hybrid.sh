#!/usr/bin/env bash
# Guess: hf-mem reads layer_types and sliding_window of a config.json, so a layer with a window
# costs its window, a layer of linear attention nothing that grows, and a model between all-windowed
# and all-full costs something in between.
#
# Seen: there is nothing in between. 48 windowed layers cost 48 windows; make ONE of them full and
# all 48 are charged for the whole context, 1024 times as much and exactly the price of 48 full
# layers: for windows an upper bound on purpose, so its source says. But 36 layers of linear
# attention, which keep a state of one size, are charged for the whole context too.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv env
env/bin/pip install -q --disable-pip-version-check hf-mem==0.5.6

cat > ask.py <<'END'
from importlib.metadata import version

from hf_mem.safetensors.kv_cache import compute_safetensors_kv_cache_size

print("hf-mem", version("hf-mem"))
heads = {"hidden_size": 2048, "num_attention_heads": 32, "num_key_value_heads": 4, "head_dim": 64}


def ask(**layers):
    types = [f"{kind}_attention" for kind, many in layers.items() for _ in range(many)]
    config = heads | {"num_hidden_layers": 48, "layer_types": types}
    if "sliding" in layers:
        config["sliding_window"] = 128
    print(layers, compute_safetensors_kv_cache_size(config, "BF16", max_model_len=131072))


ask(full=48)
ask(sliding=48)
ask(sliding=47, full=1)
ask(linear=36, full=12)
END

env/bin/python ask.py | tee seen
diff - seen <<'END'
hf-mem 0.5.6
{'full': 48} 6442450944
{'sliding': 48} 6291456
{'sliding': 47, 'full': 1} 6442450944
{'linear': 36, 'full': 12} 6442450944
END
