#!/usr/bin/env bash
# Guess: sliding windows, which make a llama.cpp server's cache smaller on the GPU, make smaller too
# what the server lays by of a conversation in the host's memory (--cache-ram): of two models of one
# shape, 4,800 tokens take a quarter with windows of 512 in five layers of six.
#
# Seen: three times as much as without windows. To be able to go back, the server copies all windows
# twice in each turn, and keeps up to 32 such copies a slot (--ctx-checkpoints). After 16 turns each
# windowed layer has cost 32 windows, however short the turns: only from some 16,000 tokens on do
# these windows save host memory. Of the real Gemma 3 27B 32 copies are 13 GiB a slot, and a slot's
# own are made with --cache-ram 0 too.
#
# The llama.cpp is the one in xllamacpp; the models are random ones, written by the gguf package.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv env
env/bin/pip install -q --disable-pip-version-check --no-compile \
    xllamacpp==2026.10.11549 gguf==0.19.0

cat > ask.py <<'END'
import sys

import numpy as np
import xllamacpp
from gguf import GGUFWriter, TokenType

arch, window = sys.argv[1], int(sys.argv[2])
writer = GGUFWriter("model.gguf", arch)
norms = ["attn_norm", "ffn_norm"]
shapes = {"attn_q": (128, 64), "attn_k": (64, 64), "attn_v": (64, 64), "attn_output": (64, 128)}
shapes |= {"ffn_gate": (64, 64), "ffn_up": (64, 64), "ffn_down": (64, 64)}
if window:
    writer.add_sliding_window(window)
    norms += ["attn_q_norm", "attn_k_norm", "post_attention_norm", "post_ffw_norm"]
for key, value in {
    "context_length": 32768, "embedding_length": 64, "block_count": 6, "feed_forward_length": 64,
    "attention.head_count": 2, "attention.head_count_kv": 1, "attention.key_length": 64,
    "attention.value_length": 64,
}.items():  # fmt: skip
    writer.add_uint32(f"{arch}.{key}", value)
writer.add_layer_norm_rms_eps(1e-6)
writer.add_tokenizer_model("llama")
writer.add_token_list(["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁"])
writer.add_token_scores([0.0] * 260)
writer.add_token_types([TokenType.UNKNOWN, *[TokenType.CONTROL] * 2, *[TokenType.BYTE] * 256, 1])
draw = np.random.default_rng(0).standard_normal
for name in ("token_embd", "output"):
    writer.add_tensor(f"{name}.weight", draw((260, 64), np.float32))
writer.add_tensor("output_norm.weight", np.ones(64, np.float32))
for layer in range(6):
    for name in norms:
        writer.add_tensor(f"blk.{layer}.{name}.weight", np.ones(64, np.float32))
    for name, shape in shapes.items():
        writer.add_tensor(f"blk.{layer}.{name}.weight", draw(shape, np.float32))
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()

params = xllamacpp.CommonParams()
params.model.path, params.n_ctx, params.n_parallel = "model.gguf", 16384, 1
params.warmup, params.fit_params, params.verbosity = False, False, 4
server = xllamacpp.Server(params)
for turn in range(1, 17):
    prompt = [3 + token % 251 for token in range(300 * turn)]
    server.handle_completions({"prompt": prompt, "n_predict": 1})
server.handle_completions({"prompt": [3] * 8, "n_predict": 1})  # another conversation begins
END

{
    for model in "llama 0" "gemma3 512"; do
        env/bin/python ask.py ${model% *} ${model#* } 2> log
        sed -nE "s/.* prompt 0x[0-9a-f]+: *(.*)/${model/ /, window }: \1/p" log | tr -s ' '
    done
    echo "32 copies of Gemma 3 27B: $((32 * 52 * 1024 * 16 * (128 + 128) * 2)) bytes"
} | tee seen
diff - seen <<'END'
llama, window 0: 4800 tokens, checkpoints: 0, 7.086 MiB
gemma3, window 512: 4800 tokens, checkpoints: 31, 20.885 MiB
32 copies of Gemma 3 27B: 13958643712 bytes
END
