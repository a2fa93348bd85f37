#!/usr/bin/env bash
# Guess: node-llama-cpp's estimateContextResourceRequirements, told that keys and values are stored
# as Q8_0, needs 34/32 bytes a value instead of the 2 of F16: about half; as Q4_0 about a quarter.
#
# Seen: 17 times as much as F16, and 9 times. It multiplies every value by the bytes of a whole
# block of 32 values (34 and 18). So the option that is there to save memory looks like the one that
# bursts it. The function is deprecated. Its heir, estimateContextResourceRequirementsV2, asks
# llama.cpp and is right; but of a file that this llama.cpp cannot load (an architecture newer than
# it) the heir gives the old estimate, with the loader's error in the log and no word in the answer.
#
# Both files are written by the gguf package and differ by the architecture's name alone: 1 layer,
# 4 heads of 64. Needs node and npm, on Linux x86-64.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm install --silent --no-audit --no-fund --ignore-scripts --omit=optional \
    node-llama-cpp@3.22.1 @node-llama-cpp/linux-x64@3.22.1
python3 -m venv env
env/bin/pip install -q --disable-pip-version-check gguf==0.19.0

cat > write.py <<'END'
import numpy as np
from gguf import GGUFWriter

for architecture in "llama", "newer":
    writer = GGUFWriter(architecture + ".gguf", architecture)
    writer.add_block_count(1)
    writer.add_context_length(2**20)
    writer.add_embedding_length(256)
    writer.add_feed_forward_length(256)
    writer.add_head_count(4)
    writer.add_vocab_size(256)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("no_vocab")
    layer = "attn_q attn_k attn_v attn_output ffn_gate ffn_up ffn_down attn_norm ffn_norm"
    for name in ["token_embd", "output", "output_norm"] + ["blk.0." + n for n in layer.split()]:
        shape = 256 if name.endswith("norm") else (256, 256)
        writer.add_tensor(name + ".weight", np.zeros(shape, "f4"))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
END

cat > ask.mjs <<'END'
import { GgufInsights, getModuleVersion, readGgufFileInfo } from "node-llama-cpp";
console.log("node-llama-cpp", await getModuleVersion());
for (const file of ["llama.gguf", "newer.gguf"]) {
    const insights = await GgufInsights.from(await readGgufFileInfo(file));
    for (const [name, type] of [["F16", 1], ["Q8_0", 8], ["Q4_0", 2]]) {
        const ask = { contextSize: 2 ** 20, modelGpuLayers: 0, sequences: 1, batchSize: 1,
                      flashAttention: true, kvCacheKeyType: type, kvCacheValueType: type };
        const old = insights.estimateContextResourceRequirements(ask);
        const heir = await insights.estimateContextResourceRequirementsV2(ask);
        const gib = (bytes) => (bytes / 2 ** 30).toFixed(1) + " GiB";
        console.log(file, name, gib(old.cpuRam), "V2:", gib(heir.cpuRam));
    }
}
process.exit(0);
END

env/bin/python write.py
node ask.mjs | tee seen
diff - seen <<'END'
node-llama-cpp 3.22.1
llama.gguf F16 1.0 GiB V2: 1.0 GiB
llama.gguf Q8_0 17.0 GiB V2: 0.5 GiB
llama.gguf Q4_0 9.0 GiB V2: 0.3 GiB
newer.gguf F16 1.0 GiB V2: 1.0 GiB
newer.gguf Q8_0 17.0 GiB V2: 17.0 GiB
newer.gguf Q4_0 9.0 GiB V2: 9.0 GiB
END
