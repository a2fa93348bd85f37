"""The time that the page takes for a change: `python -m tests.benchmarks.page [models] [changes]`.

20 models on 6 engines within a frame of 16 ms, layout included, in Chromium; exits 1 above. The
median is that of the machine as it is: others on it make it longer.
"""

import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import kvcalc
from kvcalc.catalogue.models import names
from kvcalc.engines import ENGINES
from tests.browser.chromium import chromium

MODELS, SIX = 20, 6
FRAME_MS = 16

TIMED = """
const times = [];
for (let turn = 0; turn < arguments[0]; turn += 1) {
  found("context").value = String(4096 + 977 * turn);
  const before = performance.now();
  show();
  document.body.getBoundingClientRect();
  times.push(performance.now() - before);
}
return times;
"""


def main() -> int:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else MODELS
    changes = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    with TemporaryDirectory() as name:
        path = Path(name) / "plan.html"
        kvcalc.page(names()[:number], path, engine=list(ENGINES)[:SIX])
        with chromium(Path(name) / "profile") as browser:
            browser.get(f"{path.as_uri()}#sequences=4")
            times = browser.execute_script(TIMED, changes)
    middle, least = median(times), min(times)
    print(f"{number} models, {SIX} engines: median {middle:.1f} ms a change, least {least:.1f} ms")
    return 0 if middle <= FRAME_MS and number >= MODELS else 1


if __name__ == "__main__":
    sys.exit(main())
