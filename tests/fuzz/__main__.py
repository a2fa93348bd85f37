"""Fuzz the surfaces: `python -m tests.fuzz [--seed N] [--seconds S] [--keep FOLDER] [SURFACE ...]`.

Each surface runs in a process of its own for its share of the time. Whatever is raised but
KvcalcError is a crash, as is an input that takes more than its time; crashing inputs go to the
folder, and the exit code is 1.
"""

import json
import resource
import signal
import subprocess
import sys
import traceback
from argparse import ArgumentParser
from pathlib import Path
from random import Random
from time import perf_counter, process_time
from typing import Any

from kvcalc.errors import KvcalcError
from tests.fuzz.mutators import mutated
from tests.fuzz.surfaces import SURFACES

SLOWEST = 10
"""The most seconds of a processor that one input may take: other programs do not count."""

LONGEST = 300
"""The most seconds by the clock, for what waits and does not work."""


def fuzz(name: str, seed: int, seconds: float, keep: Path) -> dict[str, Any]:
    """Ask one surface hostile questions for so long; what was found, with the peak in MiB."""
    surface, random = SURFACES[name], Random(f"{name} {seed}")
    seeds = surface.seeds()
    inputs, slowest, crashes = 0, 0.0, dict[str, str]()
    end = perf_counter() + seconds
    while perf_counter() < end:
        content = mutated(random, seeds)
        inputs += 1
        start = process_time()
        signal.setitimer(signal.ITIMER_PROF, SLOWEST)
        signal.alarm(LONGEST)
        try:
            surface.ask(content, random)
        except KvcalcError as error:
            str(error).encode()
        except BaseException as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            told = f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
            if told not in crashes:
                keep.mkdir(parents=True, exist_ok=True)
                crashes[told] = str(keep / f"{name}-{seed}-{inputs}")
                Path(crashes[told]).write_bytes(content)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.alarm(0)
        slowest = max(slowest, process_time() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {"inputs": inputs, "crashes": crashes, "slowest": round(slowest, 3), "peak": peak}


def main() -> int:
    """Fuzz each surface in a process of its own, and print a line of each."""
    parser = ArgumentParser(prog="python -m tests.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("surfaces", nargs="*", default=list(SURFACES), metavar="SURFACE")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--keep", type=Path, default=Path(".fuzz"))
    parser.add_argument("--alone", action="store_true", help="one surface, as JSON")
    given = parser.parse_args()
    share = given.seconds / len(given.surfaces)
    if given.alone:
        for late in (signal.SIGALRM, signal.SIGPROF):
            signal.signal(late, signal.default_int_handler)
        print(json.dumps(fuzz(given.surfaces[0], given.seed, share, given.keep)))
        return 0
    failed = False
    print(f"{'surface':12} {'inputs':>9} {'crashes':>8} {'slowest':>9} {'peak':>8}")
    for name in given.surfaces:
        options = ["--seed", str(given.seed), "--seconds", str(share), "--keep", str(given.keep)]
        command = [sys.executable, "-m", "tests.fuzz", name, *options, "--alone"]
        ran = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if ran.returncode:
            failed = True
            print(f"{name:12} ended with {ran.returncode}")
            continue
        found = json.loads(ran.stdout.splitlines()[-1])
        failed |= bool(found["crashes"])
        print(
            f"{name:12} {found['inputs']:9,} {len(found['crashes']):8} "
            f"{found['slowest']:7.3f} s {found['peak']:4} MiB"
        )
        for told, path in found["crashes"].items():
            print(f"  {told}: {path}")
    return int(failed)


raise SystemExit(main())
