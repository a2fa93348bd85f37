"""A skill for agents: what kvcalc answers, the exact commands, and the fields of their JSON."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from kvcalc.answers.schema import FORMS, schema


class Question(NamedTuple):
    """What people ask, the command that answers it, and the fields that hold the answer."""

    asked: str
    command: str
    fields: tuple[str, ...]


QUESTIONS = (
    Question(
        "how much cache memory a model needs at one context, on an engine",
        "kvcalc estimate k-exaone-236b-a23b -c 256K -n 4 -e vllm --json",
        ("bytes", "bytes_per_gpu", "formula"),
    ),
    Question(
        "how it grows with the context, and what the sliding window saves",
        "kvcalc sweep k-exaone-236b-a23b -c 8K,256K -w 4096,128 --json",
        ("context", "window", "bytes", "full_attention_bytes"),
    ),
    Question(
        "how the engines differ, and why",
        "kvcalc compare gpt-oss-20b -c 128K --json",
        ("engine", "bytes", "ratio_to_ideal", "why", "error"),
    ),
    Question(
        "how many sequences fit on GPUs",
        "kvcalc fit qwen3-32b --gpu h100 --gpus 2 -e vllm -c 32K --json",
        ("fits", "promised_sequences", "max_sequences", "binding", "flags"),
    ),
    Question(
        "how many GPUs are needed, and what they cost",
        "kvcalc fit qwen3-32b --gpu h100 -e vllm -c 32K -n 64 --price h100=2.5 --json",
        ("gpus", "fits", "cost_hour"),
    ),
    Question(
        "what a server's command line needs",
        "kvcalc estimate --from 'vllm serve qwen3-32b --max-model-len 32768' --json",
        ("bytes", "settings"),
    ),
    Question(
        "whether a start-up log is right, and what would make a failed start go",
        "kvcalc check server.log --json",
        ("figure", "printed", "ours", "verdict", "why", "remedies"),
    ),
    Question(
        "what an upgrade of an engine changes",
        "kvcalc diff gemma-4-31b vllm@0.25.1 vllm@0.26.0 -c 256K --json",
        ("equal", "causes", "old", "new"),
    ),
    Question(
        "how an engine arrives at its bytes, and which setting would change them most",
        "kvcalc explain k-exaone-236b-a23b -e vllm -c 256K --json",
        ("groups", "steps", "lever"),
    ),
    Question(
        "the shape and the parameters of a model, and where each fact stands",
        "kvcalc show config.json --json",
        ("layers", "parameters", "origins"),
    ),
    Question(
        "the peak over a trace of requests",
        "kvcalc trace qwen3-32b requests.csv --prefill-rate 50000 --decode-rate 30 --json",
        ("rule", "peak_bytes", "peak_sequences", "p99_bytes"),
    ),
    Question(
        "which models and GPUs it knows by name",
        "kvcalc models --json",
        ("model", "max_context", "parameters", "bytes_per_token"),
    ),
    Question("the settings of an engine", "kvcalc engines vllm --json", ("settings",)),
)
"""Each command is run as it stands by the tests, beside files of these names."""

HEAD = """---
name: kvcalc
description: Exact KV-cache memory of language models at inference, per engine (vLLM, SGLang,
  llama.cpp, transformers, MLX, LMDeploy, ExLlamaV3). Use it for how much memory a context takes,
  how many sequences or which context fit on GPUs, why a server ran out of memory at its start, and
  what a setting or an upgrade changes.
---

# kvcalc

Run the command and read its JSON; never work the figures out by hand. `kvcalc COMMAND --help` has
the options, `kvcalc schema COMMAND` the JSON Schema of an answer.

- Bytes are exact integers over all ranks; `bytes_per_gpu` is the fullest rank's. What is an
  estimate says so: `parts` of `fit` have their band and source, and `promised_sequences` is what
  can be promised of them.
- A model is a preset (`kvcalc models`), a config.json or its folder, a .gguf file, or a Hub id.
- Tokens take K and M as powers of 1024 (256K is 262,144); memory takes GB or GiB.
- An engine's settings are its own: `--set name=value`, listed by `kvcalc engines NAME`.
- Exit code 0 is an answer, 1 an answer that is no (does not fit, disagrees), 2 a wrong request: one
  sentence on stderr says what was found and expected. Notes and warnings on stderr belong to the
  answer: repeat them.
- What kvcalc declines (an engine that cannot run the model, a start that no log tells of) has no
  number. Say so; do not guess one.
"""


def skill() -> str:
    """Write a SKILL.md for agents: what kvcalc answers, with the exact commands and JSON fields.

    Its form is that of Agent Skills (https://agentskills.io): a name and a description, then text.
    """
    asked = "\n".join(
        f"- {one.asked}: `{one.command}`; read {', '.join(f'`{name}`' for name in one.fields)}"
        for one in QUESTIONS
    )
    fields = "\n".join(f"- `{command}`: {_fields(command)}" for command in FORMS)
    return (
        f"{HEAD}\n## Which command\n\nTo tell\n\n{asked}\n\n"
        f"## The fields of each answer\n\n{fields}\n"
    )


def _fields(command: str) -> str:
    """The fields of a command's JSON, of all its forms, with their types."""
    found = schema(command)
    shapes, fields = dict[str, None](), dict[str, str]()
    for form in found.get("anyOf", [found]):
        shapes["an array of" if "items" in form else "an object of"] = None
        items = form.get("items") or form
        for one in items.get("anyOf", [items]):
            record = found["$defs"][one["$ref"].rpartition("/")[2]]
            fields |= {name: _type(each) for name, each in record["properties"].items()}
    return f"{' or '.join(shapes)} " + ", ".join(f"{name} ({of})" for name, of in fields.items())


def _type(field: Mapping[str, Any]) -> str:
    options = field.get("anyOf", [field])
    return "|".join(dict.fromkeys(str(one.get("type", "object")) for one in options))
