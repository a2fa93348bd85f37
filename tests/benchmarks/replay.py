"""A prefix cache of many sizes.

`python tests/benchmarks/replay.py TRACE [SERIES [SIMULATOR [PYTHON]]]`, a TRACE of Mooncake's form:
CPU seconds of whole processes that print each size's sum, taken in turn in so many SERIES, stand
side by side as medians: one size and twenty, and with the path of kvcache-simulator 0.1.3 (PyPI; it
is C++) its LRU on the same prompts in blocks of 16 tokens. It counts hits of the last half: where
they differ, it is by the last block of a prompt of whole blocks, which vLLM computes again. With a
PYTHON that has kvlint 0.1.1 (PyPI) the prompts' token ids go through its vLLM simulator as well,
which hashes each block, hits a prompt's last block, and lets a prompt's first blocks go before its
last. The most memory that Python takes for one size is told for each run of tokens that the trace
has. Exits 1 where a limit is passed, of a trace that is long enough to tell.
"""

import json
import sys
import tempfile
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median
from subprocess import run

import kvcalc

LLAMA, EXAONE = "llama-3.1-8b", "k-exaone-236b-a23b"
BLOCKS = [20_000 * place for place in range(1, 21)]
TIMES_ONE = {LLAMA: 3, EXAONE: 12}
"""How many times one size all sizes may take."""
FASTER = {(LLAMA, 1): 8, (EXAONE, 1): 3, (LLAMA, 10): 40}
"""How many times faster than the simulator so many sizes are to be."""
BYTES_OF_A_RUN = 150
OF_A_BLOCK = 2 * 2**20
"""Bytes of a block of Llama 3.1 8B, by which the simulator's budgets are given."""
SERIES = int(sys.argv[2]) if len(sys.argv) > 2 else 3
Command = Sequence[str]


def timed(command: Command) -> tuple[float, str]:
    """CPU seconds of a process, and what it printed."""
    before = getrusage(RUSAGE_CHILDREN)
    out = run(command, check=True, capture_output=True, text=True).stdout
    after = getrusage(RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, out


def in_turn(*commands: Command) -> list[float]:
    """The median of each command's seconds, of series that take them in turn."""
    series = [[timed(command)[0] for command in commands] for _ in range(SERIES)]
    return [median(each) for each in zip(*series, strict=True)]


def ours(model: str, trace: Path, blocks: Sequence[int], *more: str) -> Command:
    sizes = ",".join(str(count + 1) for count in blocks)
    asked = ("replay", model, str(trace), "--prompts-only", "--blocks", sizes, *more, "--json")
    return [sys.executable, "-m", "kvcalc", *asked]


def in_blocks(trace: Path, path: Path) -> int:
    """Write the prompts in blocks of 16 tokens, those that are whole; how many prompts they are."""
    lines = [json.loads(line) for line in trace.read_text().splitlines()]
    with path.open("w") as file:
        for found in lines:
            ids = [one * 32 + place for one in found["hash_ids"] for place in range(32)]
            whole = ids[: found["input_length"] // 16]
            cut = {"input_length": 16 * len(whole), "block_size": 16, "hash_ids": whole}
            file.write(json.dumps(cut) + "\n")
    return len(lines)


def beside_the_simulator(simulator: str, trace: Path) -> bool:
    """Time the simulator, and hold its hits to ours; whether we are fast enough."""
    enough = True
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "blocks.jsonl"
        half = in_blocks(trace, path) // 2

        def theirs(count: int) -> Command:
            budgets = ",".join(str(size * OF_A_BLOCK / 2**30) for size in BLOCKS[:count])
            asked = ("run", "--trace", str(path), "--model", LLAMA, "--policies", "lru")
            form = ("--kv-precision", "bf16_fp16", "--budgets-gib", budgets, "--format", "json")
            return [simulator, *asked, *form, "--no-progress"]

        timed(theirs(1))  # which compiles it
        for (model, count), times in FASTER.items():
            simulated, own = in_turn(theirs(count), ours(model, trace, BLOCKS[:count]))
            print(
                f"{model}, sizes {count}: kvcache-simulator {simulated:.1f} s, kvcalc {own:.2f} s: "
                f"{simulated / own:.1f} times, wanted {times}"
            )
            enough &= simulated >= times * own
        points = json.loads(timed(theirs(10))[1])["points"]
    each = json.loads(timed(ours(LLAMA, trace, BLOCKS[:10], "--each"))[1])
    for count, point in zip(BLOCKS, points, strict=False):
        last = [one for one in each if one["blocks"] == count + 1][half:]
        hits = sum(one["hit_tokens"] for one in last)
        print(f"  {count:,} blocks: {point['results']['lru']['hitTokens']:,} and {hits:,} tokens")
    return enough


KVLINT = """
import json, sys
from kvlint.sim.vllm_blocks import VLLMBlockSimulator
simulator, hits = VLLMBlockSimulator(16, int(sys.argv[2])), 0
for number, line in enumerate(open(sys.argv[1])):
    one = json.loads(line)
    ids = [512 * of + place for of in one["hash_ids"] for place in range(512)]
    hits += simulator.feed_tokens(str(number), ids[: one["input_length"]]).cached_tokens
print(hits)
"""


def beside_kvlint(python: str, trace: Path) -> None:
    """Time kvlint's simulator of one size, and ours."""
    seconds, hits = timed([python, "-c", KVLINT, str(trace), str(BLOCKS[7])])
    own, text = timed(ours(LLAMA, trace, BLOCKS[7:8]))
    (row,) = json.loads(text)
    print(f"1 size: kvlint {seconds:.1f} s, kvcalc {own:.1f} s")
    print(f"  {BLOCKS[7]:,} blocks: {int(hits):,} and {row['hit_tokens']:,} tokens")


def many_sizes(model: str, trace: Path) -> bool:
    """Time one size and all; whether all take few enough times as long, where one takes long."""
    one, each = in_turn(ours(model, trace, BLOCKS[7:8]), ours(model, trace, BLOCKS))
    print(
        f"{model}: one size {one:.2f} s, {len(BLOCKS)} sizes {each:.2f} s: {each / one:.1f} times, "
        f"wanted at most {TIMES_ONE[model]}"
    )
    return one < 1 or each <= TIMES_ONE[model] * one


def memory(model: str, trace: Path) -> bool:
    """Take the most memory of one size; whether it is little enough, of a trace of many runs."""
    runs = {one for line in trace.open() for one in json.loads(line)["hash_ids"]}
    read = kvcalc.load(model)
    kvcalc.replay(read, "tests/oracles/traces/mooncake.jsonl", blocks=1)  # imports what it needs
    tracemalloc.start()
    kvcalc.replay(read, trace, blocks=BLOCKS[7] + 1)
    each = tracemalloc.get_traced_memory()[1] / len(runs)
    tracemalloc.stop()
    print(f"{model}: {each:.0f} bytes for each of {len(runs):,} runs, at most {BYTES_OF_A_RUN}")
    return len(runs) < 100_000 or each <= BYTES_OF_A_RUN


def main() -> int:
    trace = Path(sys.argv[1])
    held: list[Callable[[str, Path], bool]] = [many_sizes, memory]
    holds = [hold(model, trace) for hold in held for model in TIMES_ONE]
    if len(sys.argv) > 3:
        holds.append(beside_the_simulator(sys.argv[3], trace))
    if len(sys.argv) > 4:
        beside_kvlint(sys.argv[4], trace)
    return int(not all(holds))


if __name__ == "__main__":
    sys.exit(main())
