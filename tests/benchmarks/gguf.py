"""Reading a GGUF file beside the `gguf` package: `python tests/benchmarks/gguf.py [tokens]`.

Exits 1 below ten times faster or above 100 MiB, for the vocabulary of a large model.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from tracemalloc import get_traced_memory, start, stop

sys.path = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).parent]

from gguf import GGUFReader, GGUFWriter  # noqa: E402

from kvcalc.readers.gguf import read  # noqa: E402

TOKENS = 150_000


def main() -> None:
    tokens = int(sys.argv[1]) if len(sys.argv) > 1 else TOKENS
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.gguf"
        _write(path, tokens)
        ours = min(_seconds(lambda: read(path)) for _ in range(5))
        theirs = min(_seconds(lambda: GGUFReader(path)) for _ in range(2))
        start()
        read(path)
        peak = get_traced_memory()[1]
        stop()
    print(f"kvcalc {ours * 1000:.1f} ms, gguf {theirs * 1000:.0f} ms: {theirs / ours:.0f} times")
    print(f"peak {peak / 2**20:.2f} MiB")
    sys.exit(theirs < 10 * ours or peak > 100 * 2**20)


def _seconds(action: object) -> float:
    begin = perf_counter()
    action()  # type: ignore[operator]
    return perf_counter() - begin


def _write(path: Path, tokens: int) -> None:
    writer = GGUFWriter(path, "llama")
    writer.add_block_count(48)
    writer.add_embedding_length(4096)
    writer.add_head_count(32)
    writer.add_head_count_kv(8)
    writer.add_token_list([f"token {at}" for at in range(tokens)])
    writer.add_token_scores([0.0] * tokens)
    writer.add_token_types([1] * tokens)
    writer.add_token_merges([f"merge {at}" for at in range(tokens)])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
