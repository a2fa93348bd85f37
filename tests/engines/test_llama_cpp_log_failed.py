"""llama.cpp's lines about a buffer that a device has no room for, and what would have fitted."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

import kvcalc
from kvcalc.answers.check import AGREES, CANNOT, DIFFERS, Checked
from kvcalc.engines.llama_cpp.log.run import NO_CONTEXT
from kvcalc.engines.server.reader import read
from tests.each import each
from tests.engines.log_lines import checked, load
from tests.shapes import full, sliding
from tests.shapes import model as shape

MIB = 2**20

BEFORE = (
    "llama_model_load_from_file_impl: using device CUDA0 (NVIDIA GeForce RTX 4090) "
    "(0000:01:00.0) - {free} MiB free",
    "llama_model_loader: - kv   1:          general.name str              = Qwen3 32B",
    "load_tensors:        CUDA0 model buffer size = 18926.01 MiB",
    "load_tensors:   CPU_Mapped model buffer size =   417.30 MiB",
    "llama_context: n_seq_max     = {sequences}",
    "llama_context: n_ctx         = {context}",
    "llama_context: n_ubatch      = 512",
    "llama_context: kv_unified    = false",
)
FAILED = (
    "ggml_backend_cuda_buffer_type_alloc_buffer: allocating {mib:.2f} MiB on device 0: cudaMalloc "
    "failed: out of memory",
    "alloc_tensor_range: failed to allocate CUDA0 buffer of size {size}",
)
OF_THE_CACHE = (
    "llama_init_from_model: failed to initialize the context: failed to allocate buffer for kv "
    "cache",
)
OTHERS = {
    "weights": "llama_model_load: error loading model: unable to allocate CUDA0 buffer",
    "graph": "graph_reserve: failed to allocate compute buffers",
}


def log(
    size: int, *, free: int = 22_810, sequences: int = 4, context: int = 32_768, **given: Any
) -> list[Checked]:
    lines = [*given.pop("before", ()), *BEFORE, *FAILED, *given.pop("after", OF_THE_CACHE)]
    facts = {"free": free, "sequences": sequences, "context": context}
    text = [line.format(size=size, mib=size / MIB, **facts) for line in lines]
    rows = checked(text, given.pop("model", None), settings=given)
    return [row for row in rows if "failed" in row.figure]


def flags(rows: list[Checked]) -> list[str]:
    return [remedy.flags for row in rows for remedy in row.remedies]


def test_a_cache_that_did_not_fit_is_confirmed_and_the_least_changes_named() -> None:
    """64 layers of 4,096 bytes a token: 32,768 tokens are 8 GiB."""
    (row,) = rows = log(8 * 2**30)
    assert (row.printed, row.ours, row.verdict) == (8 * 2**30, 8 * 2**30, AGREES)
    assert flags(rows) == [
        "--cache-type-k q4_0 --cache-type-v q4_0",
        "--ctx-size 12288",
        "--no-kv-offload",
    ]
    assert flags(log(8 * 2**30, free=24_000))[0] == "--cache-type-k q8_0 --cache-type-v q8_0"


def test_the_room_is_what_was_free_last() -> None:
    """llama.cpp prints it anew where it loads a model again, as after --fit has tried one."""
    earlier = (BEFORE[0].format(free=23_900),)
    assert flags(log(8 * 2**30, before=earlier)) == flags(log(8 * 2**30))
    assert flags(log(8 * 2**30, before=earlier)) != flags(log(8 * 2**30, free=23_900))


@each(("more", "parallel"), [(322, 3), (321, 2), (193, 1), (191, 0)])
def test_the_most_sequences_that_fit_are_named(more: int, parallel: int) -> None:
    """A full layer of 32,768 tokens x 4,096 bytes, 128 MiB, and 16 that hold a window of 512 and a
    micro-batch of 512 of each sequence, 64 MiB; the weights leave `more` MiB. Three
    streams are of 11,008 cells, whole 256 each: 129 MiB."""
    model = shape(full(), *[sliding(window=512)] * 16)
    found = flags(log(128 * MIB, free=18_926 + more, model=model))
    assert [one for one in found if "parallel" in one] == [f"--parallel {parallel}"] * (
        parallel > 0
    )


@each("free", [20_000, 27_000, 40_000])
def test_no_context_is_named_that_is_not_shorter(free: int) -> None:
    _, asked = read(f"llama-server -m x.gguf {' '.join(flags(log(8 * 2**30, free=free)))}")
    assert (asked.context or 0) * (asked.sequences or 1) < 32_768


def test_a_context_that_the_log_does_not_say_may_be_given() -> None:
    lines = [line for line in BEFORE if "n_ctx" not in line]
    text = [one.format(size=2**33, mib=8192, free=22_810, sequences=4) for one in (*lines, *FAILED)]
    (*_, row) = checked(text)
    assert (row.verdict, row.why) == (CANNOT, NO_CONTEXT)
    (*_, row) = checked(text, settings={"context": 8_192})
    assert (row.ours, row.verdict) == (2**33, AGREES)


def test_the_graph_counts_too() -> None:
    """A micro-batch's logits and hidden states, 306.75 MiB of f32, and twice that at the most."""
    for free, shorter in (
        (18_927 + 614 + 16 + 1, []),
        (18_927 + 614 + 256 + 1, ["--ctx-size 1024"]),
    ):
        assert [one for one in flags(log(8 * 2**30, free=free)) if "ctx" in one] == shorter


@each("unsaid", ["MiB free", "CUDA0 model buffer"])
def test_without_what_was_free_or_the_weights_took_nothing_is_named(unsaid: str) -> None:
    said = [line for line in (*BEFORE, *FAILED, *OF_THE_CACHE) if unsaid not in line]
    facts = {"size": 2**33, "mib": 8192, "free": 22_810, "sequences": 4, "context": 32_768}
    (*_, row) = checked([line.format(**facts) for line in said])
    assert (row.verdict, row.remedies) == (AGREES, ())


@each("backend", ["CUDA", "ROCm", "MUSA"])
def test_a_device_that_is_named_by_its_number_is_its_backends(backend: str) -> None:
    """Older builds print no line about it but the allocation's own."""
    facts = {"mib": 8192, "free": 22_810, "sequences": 4, "context": 32_768}
    lines = [one.format(**facts) for one in (*BEFORE, FAILED[0], *OF_THE_CACHE)]
    (*_, row) = checked([line.replace("CUDA0", f"{backend}0") for line in lines])
    assert (row.printed, row.verdict) == (8192, AGREES)
    assert flags([row]) == flags(log(8 * 2**30))


def test_a_size_that_is_not_the_caches_differs_and_nothing_is_named() -> None:
    (row,) = log(8 * 2**30 + 512)
    assert (row.verdict, row.remedies) == (DIFFERS, ())


def test_a_buffer_of_something_else_is_said_to_be() -> None:
    for what, line in OTHERS.items():
        (row,) = log(8 * 2**30, after=(line,))
        assert (row.verdict, row.remedies) == (CANNOT, ())
        assert what in row.why


@given(st.sampled_from([1, 2, 4]), st.integers(18_930, 27_000))
def test_what_is_named_fits_where_the_weights_leave_room(sequences: int, free: int) -> None:
    model, room = load("qwen3-32b"), (free - 18_926.015) * MIB
    for line in flags(log(8 * 2**30, free=free, sequences=sequences)):
        _, asked = read(f"llama-server -m x.gguf -c 32768 -np {sequences} {line}")
        cost = kvcalc.cost(model, "llama.cpp", **asked.settings)
        count = asked.sequences or 1
        assert cost.per_gpu((asked.context or 0), sequences=count) <= room, line


def test_a_smaller_micro_batch_is_named_where_it_is_enough() -> None:
    """Its graph is the smaller; no smaller one than 128 is named."""
    named = {
        free: [flag for flag in flags(log(8 * 2**30, free=free)) if "ubatch" in flag]
        for free in (27_250, 27_400, 27_450, 28_000)
    }
    assert named == {
        27_250: [],
        27_400: ["--ubatch-size 128"],
        27_450: ["--ubatch-size 256"],
        28_000: ["--ubatch-size 256"],
    }
