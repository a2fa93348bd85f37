"""Where llama.cpp puts a GGUF file's tensors: by hand, from its loader's own rules."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import kvcalc
from kvcalc.engines.llama_cpp.settings import LlamaCppSettings
from kvcalc.engines.llama_cpp.weights import converted, dealt, weigh
from kvcalc.errors import KvcalcError, RequestError, UnsupportedError
from kvcalc.parameters.stored import Stored
from tests.each import each
from tests.shapes import full, model

MODEL = model(*[full()] * 4)


def stored(name: str, dtype: str = "F16", row: int = 1024, rows: int = 64) -> Stored:
    elements = row * rows
    size = {"F16": 2 * elements, "F32": 4 * elements, "Q8_0": elements // 32 * 34}[dtype]
    return Stored(name, dtype, row, elements, size)


SIZE = 1024 * 64 * 2
LAYERS = [
    stored(f"blk.{layer}.{name}.weight")
    for layer in range(4)
    for name in ("attn_q", "ffn_gate_exps", "ffn_gate_shexp")
]
FILE = (stored("token_embd.weight"), *LAYERS, stored("output_norm.weight"), stored("output.weight"))
TIED = tuple(tensor for tensor in FILE if tensor.name != "output.weight")


def loaded(file: tuple[Stored, ...], **settings: Any) -> tuple[list[int], int]:
    """Tensors on each device, and in main memory."""
    found = weigh(MODEL, LlamaCppSettings(**settings), file)
    assert found is not None
    on_devices = [sum(parts.values()) // SIZE for parts in found.stages]
    return on_devices, sum(found.host.values()) // SIZE


@each(
    ("settings", "devices", "tensors_in_main_memory"),
    [
        ({}, [14], 1),
        ({"n_gpu_layers": 5}, [14], 1),
        ({"n_gpu_layers": 4}, [11], 4),
        ({"n_gpu_layers": 1}, [2], 13),
        ({"n_gpu_layers": 0}, [0], 15),
        # Five layers with the head's: 0, 1/5 and 2/5 of them lie before the half.
        ({"tensor_split": (1, 1)}, [9, 5], 1),
        ({"tensor_split": (3, 1)}, [12, 2], 1),
        ({"tensor_split": (1, 1), "n_gpu_layers": 4}, [6, 5], 4),
        # Up to b7446 the output came after all layers: here the last four are all of them.
        ({"n_gpu_layers": 4, "release": "b7446"}, [12], 3),
        ({"n_gpu_layers": 4, "release": "b7475"}, [11], 4),
        ({"n_gpu_layers": 1, "release": "b7446"}, [3], 12),
        ({"n_gpu_layers": 5, "release": "b7446"}, [14], 1),
        ({"n_gpu_layers": 5, "release": "b7447"}, [14], 1),
        ({"n_gpu_layers": 0, "release": "b7447"}, [0], 15),
        ({"n_gpu_layers": 4, "tensor_split": (1, 1), "release": "b7446"}, [6, 6], 3),
        ({"tensor_split": (1, 1), "split_mode": "none"}, [14], 1),
        ({"n_cpu_moe": 3}, [11], 4),
        ({"n_cpu_moe": 2**20}, [10], 5),
        ({"override_tensor": ("exps=CPU",)}, [10], 5),
        ({"override_tensor": ("shexp=CPU", r"blk\.0\.=CPU")}, [8], 7),
        ({"override_tensor": ("token_embd=CUDA0",)}, [15], 0),
        ({"override_tensor": ("exps=CUDA1",), "tensor_split": (1, 1)}, [6, 8], 1),
    ],
)
def test_tensors_stand_where_their_layer_does(
    settings: Mapping[str, Any], devices: list[int], tensors_in_main_memory: int
) -> None:
    assert loaded(FILE, **settings) == (devices, tensors_in_main_memory)


@each(("release", "layers"), [("b7446", 3), ("b7475", 2)])
def test_cells_stand_where_their_layer_does(release: str, layers: int) -> None:
    """Of four layers and the output, three are offloaded."""
    asked: dict[str, Any] = {"engine": "llama.cpp", "release": release}
    some, every = (kvcalc.cost(MODEL, n_gpu_layers=count, **asked).per_gpu(256) for count in (3, 5))
    assert 4 * some == layers * every


def test_whether_the_output_was_counted_first_is_not_guessed() -> None:
    with pytest.raises(UnsupportedError, match="n_gpu_layers: found 3, and whether") as refused:
        kvcalc.cost(MODEL, engine="llama.cpp", release="b7470", n_gpu_layers=3)
    assert vars(refused.value) == {"engine": "llama.cpp", "what": "n_gpu_layers"}


def places(split: tuple[float, ...], blocks: int) -> list[int]:
    """The devices of blocks, in single precision throughout, as load_tensors has its floats."""
    shares = np.array(split, dtype=np.float32)
    sums = np.cumsum(shares, dtype=np.float32)
    each = np.arange(blocks, dtype=np.float32) / np.float32(blocks)
    return [int(place) for place in np.searchsorted(sums / sums[-1], each, side="right")]


@given(
    st.lists(st.integers(1, 4800), min_size=1, max_size=8),
    st.sampled_from([1, 10, 100]),
    st.integers(2, 130),
)
@example([30, 9], 100, 65)
@example([10, 11, 30], 100, 17)
def test_layers_are_dealt_by_sums_of_single_precision(
    parts: list[int], unit: int, blocks: int
) -> None:
    split = tuple(part / unit for part in parts)
    file = [stored(f"blk.{block}.attn_q.weight") for block in range(blocks - 1)]
    file.append(stored("output.weight"))
    devices, _ = dealt(LlamaCppSettings(tensor_split=split), file)
    found = {tensor.name: place for place, held in enumerate(devices) for tensor in held}
    assert [found[tensor.name] for tensor in file] == places(split, blocks)


def test_a_tied_embedding_is_held_twice() -> None:
    assert loaded(TIED) == loaded(FILE)


@each(
    ("tensor", "size"),
    [
        (stored("blk.0.attn_q.weight", "Q8_0", 1024), 1024 * 64 // 32 * 34),
        # 32 of 544 elements stand past 512: 480 more are padded, 34 bytes for each 32 of them.
        (stored("blk.0.attn_q.weight", "Q8_0", 544), 544 * 64 // 32 * 34 + 480 // 32 * 34 + 2),
        (stored("blk.0.attn_q.weight", "F16", 544), 544 * 64 * 2),
        (stored("blk.0.attn_norm.weight", "F32", 3, 1), 128),
    ],
)
def test_rows_and_tensors_are_padded_as_cuda_pads_them(tensor: Stored, size: int) -> None:
    found = weigh(MODEL, LlamaCppSettings(), (tensor,))
    assert found is not None
    assert found.bytes == size


def test_parts_are_named() -> None:
    found = weigh(MODEL, LlamaCppSettings(), FILE)
    assert found is not None
    assert found.parts == {
        "attention and states": 4 * SIZE,
        "experts": 4 * SIZE,
        "mlp": 4 * SIZE,
        "lm_head": 2 * SIZE,
    }
    assert found.host == {"embedding": SIZE}


@pytest.mark.parametrize("mode", ["row", "tensor"])
def test_rows_that_devices_share_are_not_dealt(mode: Any) -> None:
    assert weigh(MODEL, LlamaCppSettings(split_mode=mode), FILE) is None
    assert weigh(MODEL, LlamaCppSettings()) is None


@each("place", ["CUDA1", "RPC0", "cpu"])
def test_a_place_that_is_not_there_is_named(place: str) -> None:
    with pytest.raises(RequestError, match=f"override_tensor: found '{place}', expected"):
        weigh(MODEL, LlamaCppSettings(override_tensor=(f"exps={place}",)), FILE)


@each("pair", ["exps", "=CPU", "([=CPU"])
def test_an_expression_and_a_place_are_expected(pair: str) -> None:
    with pytest.raises(KvcalcError, match="override_tensor"):
        kvcalc.cost(MODEL, "llama.cpp", override_tensor=(pair,))


@each("kind", ["attn", "ssm", "shortconv"])
def test_what_mixes_tokens_is_one_part(kind: str) -> None:
    found = weigh(MODEL, LlamaCppSettings(), (stored(f"blk.0.{kind}_in.weight"),))
    assert found is not None
    assert found.parts == {"attention and states": SIZE}


@each(
    ("name", "dtype", "types"),
    [
        ("llama-3.1-8b", "bfloat16", {"BF16", "F32"}),
        ("llama-3.1-8b", "float16", {"F16", "F32"}),
        ("gpt-oss-120b", "bfloat16", {"BF16", "F32", "MXFP4"}),
        ("llama-3.1-8b", "float32", set()),
    ],
)
def test_a_checkpoint_keeps_its_types(name: str, dtype: str, types: set[str]) -> None:
    """Norms are float32, whatever the checkpoint's type; what becomes of others was not read."""
    file = converted(kvcalc.load(name).model_copy(update={"dtype": dtype}))
    assert {tensor.dtype for tensor in file} == types
