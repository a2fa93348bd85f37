"""A prefix cache of many sizes: `python tests/benchmarks/replay.py TRACE [SIMULATOR [PYTHON]]`.

TRACE is of Mooncake's form. With the path of kvcache-simulator 0.1.3 (PyPI; it is C++), the
same prompts in blocks of 16 tokens go through its LRU, too, and CPU seconds of whole processes
stand side by side. It counts hits of the last half: where they differ, it is by the last block of
a prompt of whole blocks, which vLLM computes again. With a PYTHON that has kvlint 0.1.1 (PyPI) the
prompts' token ids go through its vLLM simulator as well, which hashes each block, hits a prompt's
last block, and lets a prompt's first blocks go before its last. Exits 1 where twenty sizes of Llama
3.1 8B take over three times one, or those of K-EXAONE over twelve times, once one takes a second.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

BLOCKS = [20_000 * place for place in range(1, 21)]
LIMITS = {"llama-3.1-8b": 3, "k-exaone-236b-a23b": 12}
OF_A_BLOCK = 2 * 2**20
"""Bytes of a block of Llama 3.1 8B, by which the simulator's budgets are given."""


def timed(command: Sequence[str]) -> tuple[float, str]:
    """CPU seconds of a process, and what it printed."""
    before = getrusage(RUSAGE_CHILDREN)
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    after = getrusage(RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, out


def ours(model: str, trace: Path, blocks: Sequence[int], *more: str) -> tuple[float, str]:
    sizes = ",".join(str(count + 1) for count in blocks)
    asked = ("replay", model, str(trace), "--prompts-only", "--blocks", sizes, *more)
    return timed([sys.executable, "-m", "kvcalc", *asked])


def theirs(simulator: str, trace: Path, blocks: Sequence[int]) -> None:
    """Time the simulator and hold its hits to ours."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "blocks.jsonl"
        requests = 0
        with path.open("w") as file:
            for line in trace.read_text().splitlines():
                found, requests = json.loads(line), requests + 1
                ids = [one * 32 + place for one in found["hash_ids"] for place in range(32)]
                whole = ids[: found["input_length"] // 16]
                cut = {"input_length": 16 * len(whole), "block_size": 16, "hash_ids": whole}
                file.write(json.dumps(cut) + "\n")
        budgets = ",".join(str(count * OF_A_BLOCK / 2**30) for count in blocks)
        asked = ("run", "--trace", str(path), "--model", "llama-3.1-8b", "--policies", "lru")
        form = ("--kv-precision", "bf16_fp16", "--budgets-gib", budgets, "--format", "json")
        seconds, out = timed([simulator, *asked, *form, "--no-progress"])
    own, text = ours("llama-3.1-8b", trace, blocks, "--each", "--json")
    print(f"{len(blocks)} sizes: kvcache-simulator {seconds:.1f} s, kvcalc {own:.1f} s")
    each = json.loads(text)
    for count, point in zip(blocks, json.loads(out)["points"], strict=False):
        last = [one for one in each if one["blocks"] == count + 1][requests // 2 :]
        hits = sum(one["hit_tokens"] for one in last)
        print(f"  {count:,} blocks: {point['results']['lru']['hitTokens']:,} and {hits:,} tokens")


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


def linted(python: str, trace: Path, blocks: int) -> None:
    """Time kvlint's simulator of one size, and ours."""
    seconds, hits = timed([python, "-c", KVLINT, str(trace), str(blocks)])
    own, text = ours("llama-3.1-8b", trace, [blocks], "--json")
    (row,) = json.loads(text)
    print(f"1 size: kvlint {seconds:.1f} s, kvcalc {own:.1f} s")
    print(f"  {blocks:,} blocks: {int(hits):,} and {row['hit_tokens']:,} tokens")


def main() -> int:
    trace = Path(sys.argv[1])
    if len(sys.argv) > 2:
        theirs(sys.argv[2], trace, BLOCKS[:1])
        theirs(sys.argv[2], trace, BLOCKS[:10])
    if len(sys.argv) > 3:
        linted(sys.argv[3], trace, BLOCKS[7])
    over = False
    for model, limit in LIMITS.items():
        one, all_sizes = (ours(model, trace, blocks)[0] for blocks in (BLOCKS[7:8], BLOCKS))
        print(f"{model}: one size {one:.1f} s, {len(BLOCKS)} sizes {all_sizes:.1f} s")
        over |= one > 1 and all_sizes > limit * one
    return int(over)


if __name__ == "__main__":
    sys.exit(main())
