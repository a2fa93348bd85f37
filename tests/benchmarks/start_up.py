"""Start-up of whole processes: `python tests/benchmarks/start_up.py [runs] [case ...]`.

Against the floor, or a quicker command, or, where KVCALC_BEFORE names the program of another build,
the same command of that. Pairwise: each run beside one of the other, in turns, so that a machine's
moods meet both. Times are of the processor, a ratio is of the two medians. Exits 1 where a ratio is
over its limit.
"""

import os
import subprocess
import sys
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median

import typer

sys.path.insert(0, str(Path(__file__).parents[2]))

from kvcalc.cli.app import app
from tests.benchmarks import floor

PYTHON = sys.executable
FLOOR = [PYTHON, str(Path(__file__).with_name("floor.py"))]
KVCALC = [str(Path(PYTHON).with_name("kvcalc"))]
SWEEP = [*KVCALC, "sweep", "k-exaone-236b-a23b"]
COMPARE = [*KVCALC, "compare", "k-exaone-236b-a23b"]
PYDANTIC = "from pydantic import BaseModel\nclass Answer(BaseModel):\n    bytes: int"

Case = tuple[list[str], list[str], float]

CASES: dict[str, Case] = {
    "sweep, table": (SWEEP, [*FLOOR, "show"], 1.15),
    "sweep, json": ([*SWEEP, "-f", "json"], [*FLOOR, "show"], 1.0),
    "sweep, csv": ([*SWEEP, "-f", "csv"], [*FLOOR, "show"], 1.0),
    "compare, against sweep": (COMPARE, SWEEP, 1.5),
    "--help": ([*KVCALC, "--help"], [*FLOOR, "--help"], 1.2),
    "import kvcalc": ([PYTHON, "-c", "import kvcalc"], [PYTHON, "-c", PYDANTIC], 0.2),
    "import kvcalc, used": (
        [PYTHON, "-c", "import kvcalc; kvcalc.Model, kvcalc.load, kvcalc.cost, kvcalc.sweep"],
        [PYTHON, "-c", PYDANTIC],
        1.2,
    ),
}
"""What is measured, what it is measured against, and the most that the ratio may be."""

COMMANDS = {
    "estimate k-exaone-236b-a23b --json": 0.8,
    "models": 0.6,
    "--help": 1.0,
    "sweep k-exaone-236b-a23b": 1.0,
    "fit k-exaone-236b-a23b --gpu h200": 1.0,
}
"""Commands against those of another build, which the first of these limits were set for."""


def cases() -> dict[str, Case]:
    before = os.environ.get("KVCALC_BEFORE")
    if before is None:
        return CASES
    return {
        command: ([*KVCALC, *command.split()], [before, *command.split()], limit)
        for command, limit in COMMANDS.items()
    }


def seconds(command: list[str]) -> float:
    start = getrusage(RUSAGE_CHILDREN)
    subprocess.run(
        command,
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "COLUMNS": "80", "TERM": "xterm"},
    )
    end = getrusage(RUSAGE_CHILDREN)
    return end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime


def pair(command: list[str], against: list[str], runs: int) -> tuple[float, float]:
    """The medians of both, in seconds, after a first run that only fills the caches.

    Of no runs but the first, its own times.
    """
    times = [(seconds(command), seconds(against)) for _ in range(1 + runs)]
    times = times[1:] or times
    return median(own for own, _ in times), median(other for _, other in times)


def commands_of(program: typer.Typer) -> int:
    group = typer.main.get_group(program)
    return len(group.list_commands(typer.Context(group)))


def main() -> int:
    if commands_of(floor.app) != commands_of(app):
        print(f"the floor has {commands_of(floor.app)} commands, kvcalc {commands_of(app)}")
        return 1
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    chosen = {name: case for name, case in cases().items() if name in (sys.argv[2:] or [name])}
    within = True
    print(
        f"{'':34} {'kvcalc':>9} {'against':>10} {'ratio':>6} {'limit':>6}   medians of {runs} pairs"
    )
    for name, (command, against, limit) in chosen.items():
        own, other = pair(command, against, runs)
        ratio = own / other
        within &= ratio <= limit
        verdict = "" if ratio <= limit else "  over"
        times = f"{own * 1e3:6.1f} ms {other * 1e3:6.1f} ms"
        print(f"{name:34} {times} {ratio:6.3f} {limit:6.2f}{verdict}")
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main())
