"""The programs that start an engine, by the words that a line begins with."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kvcalc.engines import ENGINES
from kvcalc.engines.server.launch import program_of
from kvcalc.errors import RequestError, quote

MOST_WORDS = 3
"""The most words that name a program."""


class Start(NamedTuple):
    """An engine, and which of its command lines a program takes: its server's unless named."""

    engine: str
    line: str | None = None


ALSO: Mapping[str, Start] = {
    "vllm serve": Start("vllm"),
    "vllm run-batch": Start("vllm", "OPENAI_BATCH_RUNNER"),
    "vllm bench latency": Start("vllm", "LLM_CLASS"),
    "vllm bench throughput": Start("vllm", "LLM_CLASS"),
    "vllm.entrypoints.api_server": Start("vllm", "API_SERVER"),
    "dynamo.vllm": Start("vllm"),
    "sglang serve": Start("sglang"),
    "dynamo.sglang": Start("sglang"),
    "sglang_router.launch_server": Start("sglang"),
    "sglang.bench_offline_throughput": Start("sglang"),
    "sglang.bench_one_batch": Start("sglang"),
    "lmdeploy serve api_server": Start("lmdeploy"),
    "llama serve": Start("llama.cpp"),
    "llama server": Start("llama.cpp"),
    **dict.fromkeys(
        ("llama cli", "llama client", "llama-cli", "llama completion", "llama-completion"),
        Start("llama.cpp", "one sequence"),
    ),
    **dict.fromkeys(("llama-tts", "llama-mtmd-cli"), Start("llama.cpp", "one sequence")),
    "ollama serve": Start("llama.cpp", "ollama"),
    "ollama run": Start("llama.cpp", "ollama"),
    **dict.fromkeys(("chat.py", "perf.py"), Start("exllamav3", "model_init")),
    "mlx_lm server": Start("mlx"),
    **dict.fromkeys(
        ("mlx_lm.generate", "mlx_lm generate", "mlx_lm.chat", "mlx_lm chat"),
        Start("mlx", "one sequence"),
    ),
}
"""Programs beside those of ENGINES, each with the words that must follow it, if any."""

OWN_FLAGS: Mapping[str, str] = dict.fromkeys(
    (
        *("koboldcpp", "koboldcpp.py", "llama_cpp.server", "llamafile"),
        *("llama-bench", "llama-batched-bench"),
    ),
    "llama.cpp",
)
"""Programs whose flags are not read, and the engine that each runs, as its README says."""

UNMEASURED: Mapping[str, str] = {"trtllm-serve": "tensorrt-llm"}
"""Programs of an engine for which kvcalc has no numbers."""

BEGUN = {start.split()[0] for start in ALSO if " " in start}
"""Programs that also do other things; the word after them says what."""


def found(words: Sequence[str], engine: str | None = None) -> tuple[Start, list[str]] | None:
    """Find what words start, and the words after the program; None where they start no engine.

    Arguments without a program are those of `engine`, if one is given.
    """
    if not words:
        return None
    if engine is not None and words[0].startswith("-"):
        return Start(engine), list(words)
    program = program_of(words[0])
    said = [program, *words[1:MOST_WORDS]]
    for count in range(len(said), 0, -1):
        if start := ALSO.get(" ".join(said[:count])):
            return start, list(words[count:])
    if program in BEGUN and len(words) > 1 and not words[1].startswith("-"):
        return None
    for name, row in ENGINES.items():
        if program in row.programs:
            return Start(name), list(words[1:])
    return None


def refusal(words: Sequence[str]) -> RequestError:
    """Say that words start no engine, and what would."""
    program = program_of(words[0]) if words else ""
    if program in BEGUN:
        starts = [start for start in ALSO if start.split()[0] == program]
        said = " ".join([program, *words[1:MOST_WORDS]])
        do = "does" if len(starts) == 1 else "do"
        why = f"found {quote(said)}, which starts no server; {', '.join(starts)} {do}"
        return RequestError.about("--from", why, found=said)
    if program.startswith("-"):
        alone = f"found arguments alone ({quote(program)} ...)"
        return RequestError.about("--from", alone, found=program, expected="a program, or -e")
    if engine := OWN_FLAGS.get(program):
        why = f"found {quote(program)}, which runs {engine} by flags of its own"
        instead = f"no --from, but -e {engine} with --set for each setting"
        return RequestError.about("--from", why, found=program, expected=instead)
    if engine := UNMEASURED.get(program):
        why = f"found {quote(program)}, which runs {engine}: not measured, so no number"
        return RequestError.about("--from", f"{why}; kvcalc check reads its log", found=program)
    known = [one for row in ENGINES.values() for one in row.programs]
    more = sorted(BEGUN.difference(known))
    return RequestError.of("--from", program, f"one of {', '.join([*known, *more])}")
