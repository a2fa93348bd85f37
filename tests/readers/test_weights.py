"""What weights take: from headers, tensor tables, indexes and counts, never a tensor read."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFWriter

from kvcalc.errors import KvcalcError
from kvcalc.parameters.ggml_types import BLOCKS
from kvcalc.readers import load, safetensors
from kvcalc.readers.gguf.tensors import TYPES, read_tensors
from kvcalc.readers.huggingface import reading_of
from kvcalc.readers.safetensors import INDEX
from kvcalc.readers.weights import Weights, of_shape, read_weights
from kvcalc.units import AmountWarning
from tests import shapes
from tests.each import each

K_EXAONE = load("k-exaone-236b-a23b")
TOTAL = 236_533_401_600
K_EXAONE_BYTES = 2 * TOTAL + 4 * 128 * 47
"""In bfloat16, and in float32 a value for each expert of 47 layers (e_score_correction_bias)."""

MODEL = shapes.model()
ORACLES = Path(__file__).parents[1] / "oracles"


def header(tensors: dict[str, Any]) -> bytes:
    content = json.dumps(tensors).encode()
    return struct.pack("<Q", len(content)) + content


def tensor(dtype: str, shape: list[int], size: int) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [0, size]}


SHARD = header({"__metadata__": {"format": "pt"}, "a": tensor("BF16", [4, 8], 64)})
OTHER = header({"b": tensor("F8_E4M3", [100], 100), "c": tensor("F32", [2], 8)})


def test_a_preset_counts_all_its_parameters_not_the_active_ones() -> None:
    found = read_weights("k-exaone-236b-a23b", K_EXAONE)
    assert found == Weights(K_EXAONE_BYTES, "bfloat16", "236,533,401,600 parameters", TOTAL, True)


@each(("dtype", "bits"), [("int8", 8), ("int4", 4), ("float32", 32)])
def test_another_element_type_is_arithmetic(dtype: str, bits: int) -> None:
    assert read_weights("k-exaone-236b-a23b", K_EXAONE, dtype).bytes == TOTAL * bits // 8


def test_a_size_that_is_given_comes_before_all() -> None:
    assert read_weights("k-exaone-236b-a23b", K_EXAONE, None, "240GB").bytes == 240 * 10**9
    with pytest.warns(AmountWarning, match="--weights: '240G' is read as 240GB"):
        assert read_weights(None, MODEL, None, "240G").bytes == 240 * 10**9


def test_a_folders_headers_are_summed(tmp_path: Path) -> None:
    (tmp_path / "model-00001-of-00002.safetensors").write_bytes(SHARD)
    (tmp_path / "model-00002-of-00002.safetensors").write_bytes(OTHER)
    (tmp_path / INDEX).write_text(json.dumps({"metadata": {"total_size": 1}}))
    found = read_weights(str(tmp_path), MODEL)
    assert (found.bytes, found.dtype, found.parameters) == (172, "F8_E4M3", 134)
    assert read_weights(str(tmp_path), MODEL, "int4").bytes == 67


def test_an_index_says_the_total_where_there_are_no_files(tmp_path: Path) -> None:
    (tmp_path / INDEX).write_text(json.dumps({"metadata": {"total_size": 123.0}}))
    assert read_weights(str(tmp_path), MODEL).bytes == 123


def test_a_folder_without_weights_counts_parameters(tmp_path: Path) -> None:
    assert read_weights(str(tmp_path), K_EXAONE).bytes == K_EXAONE_BYTES
    with pytest.raises(KvcalcError, match="does not say how many parameters"):
        read_weights(str(tmp_path), MODEL)
    with pytest.raises(KvcalcError, match="give --weights 240GB"):
        of_shape(MODEL)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 8,
        struct.pack("<Q", 10) + b"{",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 4) + b'"ab"',
        header({"a": []}),
        header({"a": tensor("BF16", [-1], 8)}),
        header({"a": tensor("BF16", [2**60], 8)}),
        header({"a": {"dtype": 3, "shape": [1], "data_offsets": [0, 1]}}),
        header({"a": {"dtype": "BF16", "shape": [1], "data_offsets": [0]}}),
        struct.pack("<Q", 100_000) + b"[" * 100_000,
        header({"a": tensor("BF16", [1], 2)}).replace(b"{", b'{"a": 1, ', 1)[:-1] + b"}",
    ],
)
def test_a_hostile_header_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(KvcalcError, match=r"model\.safetensors"):
        read_weights(str(tmp_path), MODEL)


def test_an_index_past_its_bound_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    length = (tmp_path / INDEX).write_text(json.dumps({"metadata": {"total_size": 123}}))
    monkeypatch.setattr(safetensors, "MAX_INDEX_BYTES", length)
    assert read_weights(str(tmp_path), MODEL).bytes == 123
    monkeypatch.setattr(safetensors, "MAX_INDEX_BYTES", length - 1)
    with pytest.raises(KvcalcError, match=f"larger than the {length - 1} bytes expected of an ind"):
        read_weights(str(tmp_path), MODEL)


@pytest.mark.parametrize("size", [None, 0, -1, "1", True, 2**60, 1.5, 1e300])
def test_an_index_that_does_not_say_is_one_sentence(tmp_path: Path, size: Any) -> None:
    (tmp_path / INDEX).write_text(json.dumps({"metadata": {"total_size": size}}))
    with pytest.raises(KvcalcError, match=r"metadata\.total_size: found"):
        read_weights(str(tmp_path), MODEL)


def write_gguf(path: Path, names: list[str]) -> None:
    writer = GGUFWriter(path, "llama")
    writer.add_block_count(2)
    for name in names:
        writer.add_tensor(name, np.zeros((4, 8), dtype=np.float16))
    writer.add_tensor("q", np.zeros((2, 34), dtype=np.uint8), raw_dtype=GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_a_gguf_tensor_table_is_summed(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    write_gguf(path, ["a", "b"])
    found = read_weights(str(path), MODEL)
    assert (found.bytes, found.dtype, found.parameters) == (2 * 64 + 68, "F16", 64 + 64)


def test_the_parts_of_a_split_gguf_are_summed(tmp_path: Path) -> None:
    for part in (1, 2):
        write_gguf(tmp_path / f"model-0000{part}-of-00002.gguf", ["a"])
    first = tmp_path / "model-00001-of-00002.gguf"
    found = read_weights(str(first), MODEL)
    assert found.bytes == 2 * (64 + 68)
    assert [(one.file, one.start) for one in found.tensors] == [(0, 0), (0, 64), (1, 0), (1, 64)]
    (tmp_path / "model-00002-of-00002.gguf").unlink()
    with pytest.raises(KvcalcError, match="found nothing, expected a file"):
        read_weights(str(first), MODEL)


def test_the_types_are_those_of_the_gguf_package() -> None:
    from gguf import GGML_QUANT_SIZES

    known = {kind.value: (kind.name, *GGML_QUANT_SIZES[kind]) for kind in GGML_QUANT_SIZES}
    assert {value: known[value] for value in TYPES} == {
        value: (name, *BLOCKS[name]) for value, name in TYPES.items()
    }


def gguf_with(count: int, table: bytes) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", 3, count, 0) + table


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (gguf_with(2**40, b""), "tensors, expected at most"),
        (gguf_with(1, b""), "the file ends there"),
        (gguf_with(1, struct.pack("<QI", 0, 9)), "found 9 dimensions"),
        (gguf_with(1, struct.pack("<QI2Q", 0, 2, 2**63, 2**63)), "a tensor of"),
        (gguf_with(1, struct.pack("<QIQIQ", 0, 1, 8, 4, 0)), "found the tensor type 4"),
        (gguf_with(1, struct.pack("<Q", 2**62)), "found a text of"),
    ],
)
def test_a_hostile_tensor_table_is_one_sentence(
    tmp_path: Path, content: bytes, sentence: str
) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    with path.open("rb") as stream, pytest.raises(KvcalcError, match=sentence):
        read_tensors(stream)
    with pytest.raises(KvcalcError, match=r"model\.gguf"):
        read_weights(str(path), MODEL)


@pytest.mark.parametrize(
    ("name", "total_size"), [("gpt-oss-20b", 13_761_264_768), ("gpt-oss-120b", 65_248_815_744)]
)
def test_a_quantised_checkpoint_is_its_tensors_each_in_its_format(
    name: str, total_size: int
) -> None:
    """Of OpenAI's files, the total_size that their model.safetensors.index.json says."""
    found = of_shape(load(name))
    assert (found.bytes, found.published) == (total_size, True)


@each("name", ["deepseek-v3", "kimi-k2", "minimax-m2.5"])
def test_a_block_of_fp8_has_a_scale_and_what_is_kept_two_bytes(name: str) -> None:
    model = load(name)
    assert model.counted is not None
    least = model.counted.total * (1 + 4 / 128**2)
    assert 1 < of_shape(model).bytes / least < 1.01


def test_a_quantisation_that_is_not_known_asks_for_the_size() -> None:
    config = ORACLES / "configs" / "checkpoints" / "Llama-3.1-8B-FP8-KV.json"
    table = json.loads(config.read_text())
    table["quantization_config"] = {"quant_method": "brand_new"}
    model = reading_of(table, "a model", "a test").model
    with pytest.raises(KvcalcError, match="how 'brand_new' stores them here is not known; give"):
        of_shape(model)
    assert of_shape(model, "int8").bytes == 8_030_261_248


def test_files_that_hold_what_the_rule_says_are_as_published(tmp_path: Path) -> None:
    for size, published in ((K_EXAONE_BYTES, True), (K_EXAONE_BYTES // 2, False)):
        (tmp_path / INDEX).write_text(json.dumps({"metadata": {"total_size": size}}))
        found = read_weights(str(tmp_path), K_EXAONE)
        assert (found.bytes, found.published) == (size, published)


def test_files_may_hold_layers_that_draft_with_ends_of_their_own(tmp_path: Path) -> None:
    """DeepSeek-V3's index says 688,586,727,753 bytes: 11.6 of them are its MTP layer's."""
    (tmp_path / INDEX).write_text(json.dumps({"metadata": {"total_size": 688_586_727_753}}))
    assert read_weights(str(tmp_path), load("deepseek-v3")).published
