#!/usr/bin/env bash
# Guess: the memory that llmfit says a model requires follows the quantisation that it picks and
# the context that it is asked for, of a mixture of experts as of a dense model: its note says that
# all experts lie in the GPU's memory.
#
# Seen: of a dense model, yes. Of a mixture of experts it is one number out of llmfit's list of
# models, about 4 bits a parameter, as soon as the GPU has that much, whatever is picked: the same
# 15.6 GB for files of 14.66 GB and of 32.06 GB, at 8,192 tokens and at 40,960. So a file of 69.84 GB
# "fits" a GPU of 64 GB, as 61.7. The subcommand plan, asked for the same quantisation and context,
# counts the file and the cache: 79.34 GB.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export HOME=$work

python3 -m venv env
env/bin/pip install -q --disable-pip-version-check llmfit==1.1.17

cat > show.py <<'END'
import json
import subprocess
import sys


def llmfit(*words):
    command = ["env/bin/llmfit", "--no-dashboard", *words, "--json"]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def ask(model, gpu, context):
    size = "--memory", gpu, "--ram", "64G", "--max-context", context
    (fit,) = llmfit(*size, "info", model)["models"]
    quant = fit["best_quant"]
    plan = llmfit("plan", model, "--context", context, "--quant", quant)
    print(f"{model.split('/')[1]} on {gpu}, {context} tokens: {fit['fit_level']}, {fit['run_mode']},")
    print(f"    {quant}, file {fit['disk_size_gb']}, requires {fit['memory_required_gb']};", end=" ")
    print(f"plan: {plan['minimum']['vram_gb']:.2f}")


ask("Qwen/Qwen3-32B", "24G", "8192")
ask("Qwen/Qwen3-32B", "80G", "8192")
ask("Qwen/Qwen3-32B", "80G", "40960")
ask("Qwen/Qwen3-30B-A3B", "17G", "8192")
ask("Qwen/Qwen3-30B-A3B", "80G", "8192")
ask("Qwen/Qwen3-30B-A3B", "80G", "40960")
ask("openai/gpt-oss-120b", "64G", "131072")
END

env/bin/llmfit --version | tee seen
env/bin/python show.py | tee -a seen
diff - seen <<'END'
llmfit 1.1.17
Qwen3-32B on 24G, 8192 tokens: Marginal, GPU,
    Q4_K_M, file 19.0, requires 21.5; plan: 21.50
Qwen3-32B on 80G, 8192 tokens: Perfect, GPU,
    Q8_0, file 34.4, requires 36.9; plan: 36.90
Qwen3-32B on 80G, 40960 tokens: Perfect, GPU,
    Q8_0, file 34.4, requires 44.9; plan: 44.90
Qwen3-30B-A3B on 17G, 8192 tokens: Marginal, GPU,
    Q3_K_M, file 14.66, requires 15.6; plan: 15.91
Qwen3-30B-A3B on 80G, 8192 tokens: Perfect, GPU,
    Q8_0, file 32.06, requires 15.6; plan: 33.31
Qwen3-30B-A3B on 80G, 40960 tokens: Perfect, GPU,
    Q8_0, file 32.06, requires 15.6; plan: 36.31
gpt-oss-120b on 64G, 131072 tokens: Marginal, GPU,
    Q4_K_M, file 69.84, requires 61.7; plan: 79.34
END
