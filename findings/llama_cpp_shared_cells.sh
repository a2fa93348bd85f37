#!/usr/bin/env bash
# Guess: with one buffer for all slots (--kv-unified, what llama-server takes unless -np is given),
# requests of llama.cpp that begin alike hold those tokens once, as in vLLM, or at least, where two
# do not fit at once, one waits for the other: each fits alone.
#
# Seen: neither. Of two requests of 1,900 + 200 tokens, 1,800 of them the same, in a buffer of 4,096
# both fail, "Context size has been exceeded", once the buffer is full, after some 148 tokens for
# each. Of four at once none is answered. One after another they are, and one request for four
# answers (n=4) holds its prompt once and fits. So a buffer must have room for all slots at their
# longest, or a burst loses every request in flight, not the last.
#
# The llama.cpp is the one in xllamacpp; the model is a random one, written by the gguf package.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv env
env/bin/pip install -q --disable-pip-version-check --no-compile \
    xllamacpp==2026.10.11549 gguf==0.19.0

cat > ask.py <<'END'
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

import numpy as np
import xllamacpp
from gguf import GGUFWriter, TokenType

print("xllamacpp", version("xllamacpp"), "gguf", version("gguf"))
writer = GGUFWriter("model.gguf", "llama")
for key in ("embedding_length", "feed_forward_length", "attention.key_length"):
    writer.add_uint32(f"llama.{key}", 64)
for key in ("block_count", "attention.head_count", "attention.head_count_kv"):
    writer.add_uint32(f"llama.{key}", 1)
writer.add_context_length(4096)
writer.add_layer_norm_rms_eps(1e-6)
writer.add_tokenizer_model("llama")
writer.add_token_list(["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁"])
writer.add_token_scores([0.0] * 260)
writer.add_token_types([TokenType.UNKNOWN, *[TokenType.CONTROL] * 2, *[TokenType.BYTE] * 256, 1])
matrices = ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"]
draw = np.random.default_rng(0).standard_normal
for name in ("token_embd", "output", *(f"blk.0.{name}" for name in matrices)):
    rows = 64 if "blk" in name else 260
    writer.add_tensor(f"{name}.weight", draw((rows, 64), np.float32))
for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
    writer.add_tensor(f"{name}.weight", np.ones(64, np.float32))
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()

params = xllamacpp.CommonParams()
params.model.path, params.n_ctx, params.n_parallel = "model.gguf", 4096, 4
params.kv_unified, params.warmup, params.fit_params = True, False, False
server = xllamacpp.Server(params)


def ask(request, **more):
    prompt = [3 + token % 251 for token in range(1800)] + [3 + request] * 100
    more |= {"prompt": prompt, "n_predict": 200, "ignore_eos": True}
    answer = server.handle_completions(more)
    if "error" in answer:
        return answer["error"]["message"]
    return f"{answer['usage']['completion_tokens']} tokens"


print("one after another:", [ask(0), ask(1)])
for many in (2, 4):
    with ThreadPoolExecutor(many) as pool:
        print(many, "at once:", list(pool.map(ask, range(many))))
print("one for four answers:", ask(0, n=4))
END

env/bin/python ask.py 2> log | tee seen
diff - seen <<'END'
xllamacpp 2026.10.11549 gguf 0.19.0
one after another: ['200 tokens', '200 tokens']
2 at once: ['Context size has been exceeded.', 'Context size has been exceeded.']
4 at once: ['Context size has been exceeded.', 'Context size has been exceeded.', 'Context size has been exceeded.', 'Context size has been exceeded.']
one for four answers: 200 tokens
END
