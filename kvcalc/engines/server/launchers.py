"""What stands before a program on a line: wrappers such as nohup, containers, a shell's -c."""

import re
from collections.abc import Callable, Mapping

from kvcalc.engines.server.containers import CONTAINERS, contained
from kvcalc.engines.server.launch import VARIABLE, Launch, program_of

MEASURE = re.compile(r"[0-9.]+[smhd]?|0x[0-9a-fA-F]+")
"""A duration or a mask of cores, as `timeout` and `taskset` take them."""

WRAPPERS: Mapping[str, str] = {
    **dict.fromkeys(("nohup", "time", "setsid", "command", "unbuffer", "tini", "dumb-init"), ""),
    "sudo": "-u --user -g --group",
    "env": "-u --unset -C --chdir",
    "exec": "-a",
    "nice": "-n",
    "ionice": "-c -n",
    "stdbuf": "-i -o -e",
    "taskset": "-c --cpu-list",
    "numactl": "-N --cpunodebind -m --membind -C --physcpubind -p --preferred -i --interleave",
    "timeout": "-s --signal -k --kill-after",
    "uv": "--with --python -p --extra --project --directory --env-file --group --index "
    "--index-url --extra-index-url --index-strategy --torch-backend --prerelease",
    "uvx": "--with --python -p --from --index --index-url --extra-index-url --torch-backend",
    **dict.fromkeys(("conda", "mamba", "micromamba"), "-n --name -p --prefix --cwd"),
    **dict.fromkeys(("poetry", "pixi", "pipenv", "rye", "hatch", "pdm"), "-e --environment"),
    "srun": "-N --nodes -n --ntasks -c --cpus-per-task -p --partition -w --nodelist -J --job-name",
}
"""Programs that start another: which of their options take a value."""

WRAPPED = {"run", "tool"}
"""Words of these programs that may stand before the program that they start."""

SHELLS = {"bash", "sh", "zsh", "dash"}
PYTHON = re.compile(r"python[0-9.]*")
PYTHON_SWITCHES = {"-B", "-E", "-I", "-O", "-s", "-u"}


def unwrapped(launch: Launch, known: Callable[[list[str]], bool]) -> Launch:
    """Take off what stands before the program; `known` says whether words start with one."""
    while launch.words:
        _assignments(launch)
        program = program_of(launch.words[0]) if launch.words else ""
        if program in CONTAINERS:
            contained(launch, lambda words: _leads(words, known))
        elif program in WRAPPERS:
            launch.words = launch.words[1:]
            _wrapper(launch, WRAPPERS[program].split())
        elif PYTHON.fullmatch(program):
            _python(launch)
            return launch
        else:
            return launch
    return launch


def script_of(words: list[str]) -> str | None:
    """The script that a shell is given on the line, as in bash -lc 'vllm serve ...'."""
    if words and program_of(words[0]) in SHELLS:
        for at, word in enumerate(words[1:-1], 1):
            if re.fullmatch(r"-[a-z]*c", word):
                return words[at + 1]
    return None


def _assignments(launch: Launch) -> None:
    while launch.words and (match := VARIABLE.fullmatch(launch.words[0])):
        launch.variables[match[1]] = match[2]
        launch.words = launch.words[1:]


def _wrapper(launch: Launch, valued: list[str]) -> None:
    rest = launch.words
    while rest:
        word = rest[0]
        if word in valued:
            rest = rest[2:]
        elif word.startswith("-") or word in WRAPPED or MEASURE.fullmatch(word):
            rest = rest[1:]
        else:
            break
    launch.words = rest


def _python(launch: Launch) -> None:
    rest = launch.words[1:]
    while rest and rest[0] in PYTHON_SWITCHES:
        rest = rest[1:]
    launch.words = rest[1:] if rest[:1] == ["-m"] else rest


def _leads(words: list[str], known: Callable[[list[str]], bool]) -> bool:
    """Whether the words behind an image name a program, or what leads to one."""
    program = program_of(words[0]) if words else ""
    leads = {*WRAPPERS, *SHELLS, *CONTAINERS}
    return known(words) or program in leads or PYTHON.fullmatch(program) is not None
