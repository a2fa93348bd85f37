#!/usr/bin/env bash
# Guess: the GPU memory estimate of xllamacpp (Python bindings with a llama.cpp inside) counts a
# cache as that llama.cpp allocates it: each type of cache by its bits, each model by what it
# caches.
#
# Seen: it knows q8_0, q4_0 and "the rest", and charges the rest as f16. q4_1, a tenth more than
# q4_0 in truth, costs four times as much; going from q8_0 down to q5_1 looks like doubling the
# cache; f32 is charged half of what it takes, q8_0 and q4_0 6 and 11 % too little, their scales
# left out. And each layer is charged keys and values: DeepSeek's one row for both twice, nearly,
# and a model with full attention in every fourth layer four times. Layers that would fit are left
# to the CPU.
#
# The real bytes of a type are from the gguf package's own table.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv env
env/bin/pip install -q --disable-pip-version-check --no-compile \
    xllamacpp==2026.10.11549 gguf==0.19.0

cat > ask.py <<'END'
from importlib.metadata import version

from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFReader, GGUFWriter
from xllamacpp.memory import dump_metadata_json, graph_size

print("xllamacpp", version("xllamacpp"), "gguf", version("gguf"))
TOKENS = 131072


def ask(name, arch, layers, kv_heads, widths, real, cache_type="f16", **numbers):
    writer = GGUFWriter("model.gguf", arch)
    writer.add_embedding_length(4096)
    writer.add_array("tokenizer.ggml.tokens", ["a"] * 1000)
    numbers |= {"block_count": layers, "attention.head_count_kv": kv_heads}
    numbers |= {"attention.key_length": widths[0], "attention.value_length": widths[1]}
    for key, value in numbers.items():
        writer.add_uint32(f"{arch}.{key}", value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    metadata = dump_metadata_json(GGUFReader("model.gguf"), "model.gguf")["metadata"]
    told = sum(graph_size(metadata, TOKENS, 512, 1, cache_type)[0])
    print(f"{name} {cache_type}: {told:.0f} bytes, {told / real:.2f} times the real {real}")


for cache_type in ("f32", "f16", "q8_0", "q5_1", "q4_1", "q4_0"):
    values, size = GGML_QUANT_SIZES[GGMLQuantizationType[cache_type.upper()]]
    real = 32 * TOKENS * 8 * (128 + 128) * size // values
    ask("Llama 3 8B", "llama", 32, 8, (128, 128), real, cache_type)
latent = {"attention.kv_lora_rank": 512}
ask("DeepSeek V3", "deepseek2", 61, 1, (576, 512), 61 * TOKENS * 576 * 2, **latent)
every = {"full_attention_interval": 4}
ask("Qwen3.5 27B", "qwen35", 64, 4, (256, 256), 16 * TOKENS * 4 * 512 * 2, **every)
END

env/bin/python ask.py | tee seen
diff - seen <<'END'
xllamacpp 2026.10.11549 gguf 0.19.0
Llama 3 8B f32: 17179869184 bytes, 0.50 times the real 34359738368
Llama 3 8B f16: 17179869184 bytes, 1.00 times the real 17179869184
Llama 3 8B q8_0: 8589934592 bytes, 0.94 times the real 9126805504
Llama 3 8B q5_1: 17179869184 bytes, 2.67 times the real 6442450944
Llama 3 8B q4_1: 17179869184 bytes, 3.20 times the real 5368709120
Llama 3 8B q4_0: 4294967296 bytes, 0.89 times the real 4831838208
DeepSeek V3 f16: 17397972992 bytes, 1.89 times the real 9210691584
Qwen3.5 27B f16: 34359738368 bytes, 4.00 times the real 8589934592
END
