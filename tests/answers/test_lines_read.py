"""No line about a cache that people posted is passed over: it is read, or says nothing of one."""

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

from kvcalc.answers.check import read
from kvcalc.errors import SourceError

LOGS = Path("tests/oracles/logs")

SAYS_NOTHING = re.compile(
    "|".join(
        (
            # Facts of a context that no memory depends on, or that its own line has too.
            r"llama_context: +(?:n_ctx_seq|n_batch|causal_attn|freq_\w+|n_outputs_\w+) +=",
            r"llama_context: backend_ptrs",
            # What a server does beside.
            r"srv +(?:llama_server|load_model: loading|operator)|cmn +|^OK$",
            # Ollama's sizes of what is no cache.
            r'msg="(?:model weights|compute graph|total memory)"',
        )
    )
)

RETOLD = re.compile(
    "|".join(
        (
            r"^parallel|server [0-9.]+ \(MiB\)|total length = ",
            r"^v0\.2[01]\.0 \||Capped at|^reported max|^8,192 \||On one machine|on the same card",
            r"^with --max-model-len|^8B:|koboldcpp wanted|Total VRAM usage",
        )
    )
)
"""Lines that are the posters' own words or tables."""


def posted() -> Iterator[str]:
    for name in ("start_up", "not_settled", "reports"):
        for log in json.loads((LOGS / f"{name}.json").read_text())["logs"]:
            yield from log["lines"]


def is_read(line: str) -> bool:
    try:
        return bool(read(io.BytesIO(f"{line}\n".encode()), "log"))
    except SourceError:
        return False


def test_every_line_of_a_cache_is_read() -> None:
    unread = [line for line in posted() if not is_read(line)]
    assert [line for line in unread if not (SAYS_NOTHING.search(line) or RETOLD.search(line))] == []


def test_what_is_said_to_say_nothing_is_not_read() -> None:
    assert not any(is_read(line) for line in posted() if SAYS_NOTHING.search(line))
