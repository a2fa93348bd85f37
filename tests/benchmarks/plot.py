"""Pictures in processes of their own: `python tests/benchmarks/plot.py [runs]`.

A cold `plot` to Vega-Lite against a cold `sweep`; and what vl-convert takes to start and draw 8
curves of 500 points as SVG against what it takes for an empty chart. Times are of the processor,
in pairs; a ratio is of the two medians. Exits 1 where a ratio is over its limit.
"""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.benchmarks.start_up import KVCALC, PYTHON, pair

MODEL = "k-exaone-236b-a23b"
EIGHT = ["-e", "ideal,vllm,sglang,llama.cpp", "-w", "4096,128", "--points", "500"]
DRAW = "import json, sys, vl_convert; vl_convert.vegalite_to_svg({}, vl_version='5.21')"
OF_FILE = "json.load(open(sys.argv[1]))"
EMPTY = {
    "mark": "line",
    "data": {"values": []},
    "encoding": {"x": {"field": "a", "type": "quantitative"}},
}


def main() -> int:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    within = True
    with TemporaryDirectory() as folder:
        plot = [*KVCALC, "plot", MODEL, "--force", "-o"]
        subprocess.run([*plot, f"{folder}/8.vl.json", *EIGHT], check=True)
        cases = {
            "plot, Vega-Lite, against sweep": (
                [*plot, f"{folder}/a.vl.json"],
                [*KVCALC, "sweep", MODEL],
                1.1,
            ),
            "8 x 500 as SVG, against an empty one": (
                [PYTHON, "-c", DRAW.format(OF_FILE), f"{folder}/8.vl.json"],
                [PYTHON, "-c", DRAW.format(EMPTY)],
                1.5,
            ),
        }
        for name, (command, against, limit) in cases.items():
            own, other = pair(command, against, runs)
            ratio = own / other
            within &= ratio <= limit
            verdict = "" if ratio <= limit else "  over"
            times = f"{own * 1e3:7.1f} ms {other * 1e3:7.1f} ms"
            print(f"{name:36} {times} {ratio:6.3f} {limit:5.2f}{verdict}")
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main())
