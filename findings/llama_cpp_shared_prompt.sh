#!/usr/bin/env bash
# Guess: requests to a llama.cpp server that begin with the same 3,000 tokens and go on differently
# compute those 3,000 once, with a Gemma 3 as with a Llama: against the windows, of which only the
# end is kept, the server makes checkpoints (up to 32 a slot), and vLLM's prefix cache hits too.
#
# Seen: Llama computes 600 of 3,600 tokens in each later request, the model with windows all 3,600:
# the only checkpoints are the last two of a prompt, 516 tokens before its end and 4, behind the
# place where the next request departs. Of 8,000 shared tokens none is reused either. Turns of one
# conversation are (each departs from the end of the last), but a system prompt is not. With
# --swa-full, the windowed layers stored in full, both reuse 3,000: the memory that a window saves is
# paid in prefill, 6 times as much here.
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


def ask(shared, **more):
    params = xllamacpp.CommonParams()
    params.model.path, params.n_ctx, params.n_parallel = "model.gguf", 16384, 1
    params.warmup, params.fit_params = False, False
    for name, value in more.items():
        setattr(params, name, value)
    server, computed = xllamacpp.Server(params), []
    for question in range(3):
        prompt = [3 + token % 251 for token in range(shared)] + [3 + question] * 600
        answer = server.handle_completions({"prompt": prompt, "n_predict": 1})
        computed.append(answer["timings"]["prompt_n"])
    print(f"{arch}, window {window}, {shared} + 600 tokens, {more}: computed {computed}", flush=True)


ask(3000)
if window:
    ask(8000)
    ask(3000, checkpoint_min_step=256)
    ask(3000, swa_full=True)
END

for model in "llama 0" "gemma3 512"; do
    env/bin/python ask.py ${model% *} ${model#* } 2> log
done | tee seen
diff - seen <<'END'
llama, window 0, 3000 + 600 tokens, {}: computed [3600, 600, 600]
gemma3, window 512, 3000 + 600 tokens, {}: computed [3600, 3600, 3600]
gemma3, window 512, 8000 + 600 tokens, {}: computed [8600, 8600, 8600]
gemma3, window 512, 3000 + 600 tokens, {'checkpoint_min_step': 256}: computed [3600, 3600, 3600]
gemma3, window 512, 3000 + 600 tokens, {'swa_full': True}: computed [3600, 600, 600]
END
