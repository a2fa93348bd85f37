"""Lines of Ollama's log (server/sched.go, llm/memory.go, llm/server.go)."""

from kvcalc.readers.logs.pattern import COUNT, SIZE, pattern

PATTERNS = (
    pattern(
        "required",
        "memory.required.kv",
        rf'memory\.required\.kv="(?P<size>{SIZE}) (?P<unit>[KMGT]iB)"',
    ),
    pattern("context", "--ctx-size", rf"--ctx-size (?P<value>{COUNT})"),
    pattern("batch", "--ctx-size", rf"--batch-size (?P<value>{COUNT})"),
    pattern("parallel", "--ctx-size", rf"--parallel (?P<value>{COUNT})"),
    pattern("type", "--ctx-size", r"--kv-cache-type (?P<value>[a-z0-9_]{1,10})"),
)
