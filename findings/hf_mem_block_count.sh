#!/usr/bin/env bash
# Guess: hf-mem sizes the cache of a GGUF file by <arch>.block_count layers and
# <arch>.context_length tokens. A key that tells nothing of the cache changes nothing.
#
# Seen: it takes the LAST key of the header that ends in "block_count" or "context_length". The key
# leading_dense_block_count of a mixture of experts (how many of its layers are dense) ends so too
# and comes later: a model of 48 layers, one of them dense, is sized as one of 1 layer, 48 times too
# small. rope.scaling.original_context_length shrinks the context in the same way.
#
# The headers are written by the gguf package, in the order of llama.cpp's converter (general
# keys first).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv env
env/bin/pip install -q --disable-pip-version-check hf-mem==0.5.6 gguf==0.19.0

cat > ask.py <<'END'
from importlib.metadata import version
from pathlib import Path

from gguf import GGUFWriter
from hf_mem.gguf.metadata import parse_gguf_metadata

print("hf-mem", version("hf-mem"), "gguf", version("gguf"))


def ask(name, add):
    writer = GGUFWriter("model.gguf", "glm4moe")
    writer.add_block_count(48)
    writer.add_context_length(131072)
    writer.add_embedding_length(2048)
    writer.add_head_count(32)
    writer.add_head_count_kv(4)
    add(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    cache = parse_gguf_metadata(Path("model.gguf").read_bytes(), experimental=True).kv_cache
    print(f"{name}: {cache.max_model_len} tokens, {cache.cache_size} bytes")


ask("48 layers", lambda writer: None)
ask("and leading_dense_block_count 1", lambda writer: writer.add_leading_dense_block_count(1))
ask("and original_context_length", lambda writer: writer.add_rope_scaling_orig_ctx_len(32768))
print("2 * 4 heads * 64 * 2 bytes * 131072 tokens * 48 layers =", 2 * 4 * 64 * 2 * 131072 * 48)
END

env/bin/python ask.py | tee seen
diff - seen <<'END'
hf-mem 0.5.6 gguf 0.19.0
48 layers: 131072 tokens, 6442450944 bytes
and leading_dense_block_count 1: 131072 tokens, 134217728 bytes
and original_context_length: 32768 tokens, 1610612736 bytes
2 * 4 heads * 64 * 2 bytes * 131072 tokens * 48 layers = 6442450944
END
