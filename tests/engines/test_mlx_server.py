"""What mlx_lm.server makes of its command line, and mlx_lm.generate does not (0.32.2)."""

from typing import Any

import kvcalc
from kvcalc.engines import find
from kvcalc.engines.server.reader import read
from kvcalc.engines.server.writer import write
from tests.each import each

SERVER = "mlx_lm.server --model m"
EARLIER = (
    "mlx_lm.server: the caches of earlier prompts stay in the same memory, and are not counted: up "
    "to 10, or as many as --prompt-cache-size (0 keeps none) and --prompt-cache-bytes say"
)


@each(
    ("line", "notes"),
    [
        (SERVER, [EARLIER]),
        (f"{SERVER} --prompt-cache-size 4", [EARLIER]),
        (f"{SERVER} --prompt-cache-bytes 8GB", [EARLIER]),
        (f"{SERVER} --prompt-cache-size 0", []),
        (f"{SERVER} --draft-model d --num-draft-tokens 4 --prompt-cache-size 0", []),
        (
            f"{SERVER} --kv-bits 8 --prompt-cache-bytes 8GB",
            [EARLIER, "mlx_lm.server: beside --kv-bits, --prompt-cache-bytes bounds nothing"],
        ),
        (
            "mlx_lm.generate --model m --draft-model d --max-kv-size 4096",
            ["mlx_lm: beside --draft-model, --max-kv-size bounds nothing"],
        ),
        (
            "mlx_lm.chat --model m --pipeline",
            ["--pipeline: each Mac then holds whole layers, and how many is not counted"],
        ),
        ("mlx_lm.generate --model m", []),
        (
            "mlx_lm.generate --model m --decode-concurrency 4",
            ["ignored, for kvcalc does not know them: '--decode-concurrency'"],
        ),
        ("python -m mlx_lm chat --model m", []),
        (
            "mlx_lm.generate --model m --prompt-cache-file f",
            ["--prompt-cache-file: the context is to count the tokens in it, too"],
        ),
    ],
)
def test_what_stands_beside_is_said(line: str, notes: list[str]) -> None:
    assert read(line)[1].notes == notes


@each(
    ("flags", "sequences"),
    [
        ("--decode-concurrency 4", 4),
        ("--decode-concurrency 4 --kv-bits 8", 1),
        ("--decode-concurrency 4 --draft-model d", 1),
        ("--kv-bits 8", None),
        ("--draft-model d", None),
    ],
)
def test_requests_with_quantised_caches_or_a_draft_run_one_after_the_other(
    flags: str, sequences: Any
) -> None:
    asked = read(f"{SERVER} {flags}")[1]
    assert asked.sequences == sequences
    said = [note for note in asked.notes if note.endswith("it runs one request at a time")]
    assert len(said) == (sequences == 1)


def test_a_chunked_cache_is_in_no_batch() -> None:
    """ChunkedKVCache has no merge, so mlx_lm.server runs one request of Llama 4 at a time."""
    alone = read(f"{SERVER} --decode-concurrency 4")[1].alone
    assert alone is not None
    assert [alone(kvcalc.load(name)) for name in ("llama-4-scout", "qwen3-8b")] == [True, False]
    mlx = find("mlx")
    for name, batched in (("llama-4-scout", False), ("qwen3-8b", True)):
        line = write(mlx, mlx.settings(), kvcalc.load(name), sequences=4)
        assert ("--decode-concurrency 4" in line) == batched
        assert ("no flag takes this: sequences" in line) != batched


@each("program", ["mlx_lm.server", "mlx_lm.generate"])
def test_a_drafts_caches_stand_beside_packed_alike(program: str) -> None:
    asked = read(f"{program} --model m --draft-model d --kv-bits 8 --prefill-step-size 512")[1]
    (draft,) = asked.beside
    assert (draft.what, draft.model, draft.settings) == ("the draft 'd'", "d", asked.settings)
    assert asked.settings == {"kv_bits": "8", "prefill_step_size": "512"}
