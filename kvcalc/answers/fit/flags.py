"""The command line that starts an engine as an answer has it."""

from shlex import quote
from typing import TYPE_CHECKING, NamedTuple

from kvcalc.engines.server import CommandLine

if TYPE_CHECKING:
    from kvcalc.answers.fit.replica import Replica


class Server(NamedTuple):
    """How an engine's server is started: the words before its flags, and the flags' names.

    With `whole_context` its context counts all sequences together.
    """

    start: str
    context: str
    sequences: str
    share: str | None = None
    whole_context: bool = False


SERVERS = {
    "vllm": Server(
        "vllm serve {model}", "--max-model-len", "--max-num-seqs", "--gpu-memory-utilization"
    ),
    "sglang": Server(
        "python -m sglang.launch_server --model-path {model}",
        "--context-length",
        "--max-running-requests",
        "--mem-fraction-static",
    ),
    "llama.cpp": Server("llama-server --model {model}", "--ctx-size", "--parallel", None, True),
    "lmdeploy": Server(
        "lmdeploy serve api_server {model}",
        "--session-len",
        "--max-batch-size",
        "--cache-max-entry-count",
    ),
}
"""Servers that take the context and the sequences as flags."""

NOT_FLAGS = {"gpu"}
"""Settings that say what the engine runs on."""


def command_line(replica: "Replica", context: int, sequences: int, source: str | None) -> str:
    """Write the command line for one copy of the model; "" for an engine without a server.

    `source` is how the model is called there, its name unless given.
    """
    engine = replica.question.engine
    server = SERVERS.get(engine.name)
    if server is None:
        return ""
    words = [server.start.format(model=quote(source or replica.question.model.name))]
    tokens = context * sequences if server.whole_context else context
    words += [server.context, str(tokens), server.sequences, str(sequences)]
    share = replica.budget.share
    if server.share and share is not None:
        words += [server.share, f"{float(share):g}"]
    settings = dict(replica.cost.settings)
    if replica.question.settings.get("kv_cache_dtype") is not None:
        settings["kv_cache_dtype"] = replica.cost.kv_cache_dtype
    command = engine.command or CommandLine({})
    values = {name: flag for flag, name in reversed(list(command.values.items()))}
    for name, value in settings.items():
        if name in NOT_FLAGS:
            continue
        switch = next(
            (flag for flag, sets in command.switches.items() if sets == (name, value)), None
        )
        if switch:
            words.append(switch)
        elif name in values and not isinstance(value, bool):
            words += [values[name], quote(str(value))]
    return " ".join(words)
