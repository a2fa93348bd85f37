"""What config.json and hf_quant_config.json say of the cache: which file counts, and refusals."""

import json
from pathlib import Path
from typing import Any

import pytest

from kvcalc.errors import SourceError
from kvcalc.readers import read
from kvcalc.readers.reading import Reading

LLAMA = {
    "model_type": "llama",
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "hidden_size": 64,
}
SCHEME = {"dynamic": False, "num_bits": 8, "type": "float"}
LEGACY = {
    "producer": {"name": "modelopt", "version": "0.29.0"},
    "quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8"},
}


def reading_of(folder: Path, quantized: Any, beside: Any = None, **more: Any) -> Reading:
    own = {} if quantized is None else {"quantization_config": quantized}
    (folder / "config.json").write_text(json.dumps(LLAMA | own | more))
    if beside is not None:
        (folder / "hf_quant_config.json").write_text(json.dumps(beside))
    return read(folder)


@pytest.mark.parametrize(
    ("quantized", "beside", "method", "algorithm", "second"),
    [
        (None, LEGACY, "modelopt", "FP8", False),
        ({"quant_method": "modelopt", "kv_cache_scheme": SCHEME}, None, "modelopt", "FP8", False),
        ({"quant_method": "modelopt", "kv_cache_quant_algo": "fp8"}, LEGACY, "modelopt", "fp8", 0),
        (
            {"quant_method": "modelopt", "kv_cache_scheme": SCHEME | {"num_bits": 4}},
            None,
            "modelopt",
            "NVFP4",
            False,
        ),
        (
            {"quant_method": "compressed_tensors", "kv_cache_scheme": SCHEME | {"type": "int"}},
            None,
            "compressed-tensors",
            "int of 8 bits",
            False,
        ),
        (
            {"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION"},
            LEGACY,
            "modelopt",
            "FP8",
            1,
        ),
        (None, {"quantization": LEGACY["quantization"]}, "modelopt", "FP8", False),
        *(
            (
                None,
                {"quantization": {"quant_algo": algorithm, "kv_cache_quant_algo": "FP8"}},
                "modelopt",
                "FP8",
                False,
            )
            for algorithm in (
                *("FP8", "FP8_PER_CHANNEL_PER_TOKEN", "FP8_PB_WO", "NVFP4", "MIXED_PRECISION"),
            )
        ),
        (None, LEGACY | {"producer": {"name": "other"}}, "unnamed", "FP8", False),
        ({"quant_algo": "FP8", "kv_cache_scheme": "FP8"}, None, "unnamed", "FP8", False),
        (
            None,
            LEGACY | {"quantization": {"quant_algo": None, "kv_cache_quant_algo": "FP8"}},
            "unnamed",
            "FP8",
            False,
        ),
    ],
)
def test_the_scheme_of_the_file_that_counts(
    tmp_path: Path, quantized: Any, beside: Any, method: str, algorithm: str, second: bool
) -> None:
    scheme = reading_of(tmp_path, quantized, beside).model.cache_scheme
    assert scheme is not None
    assert (scheme.method, scheme.algorithm, scheme.second) == (method, algorithm, second)


@pytest.mark.parametrize(
    ("quantized", "beside"),
    [
        (None, None),
        ({"quant_method": "fp8"}, LEGACY),  # the first file counts, and says nothing
        ({"quant_method": "compressed-tensors", "kv_cache_scheme": None}, LEGACY),
        (
            {"quant_algo": "MIXED_PRECISION", "quantized_layers": {}, "kv_cache_quant_algo": None},
            LEGACY,
        ),
        (None, {"quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": None}}),
    ],
)
def test_no_scheme(tmp_path: Path, quantized: Any, beside: Any) -> None:
    reading = reading_of(tmp_path, quantized, beside)
    assert reading.model.cache_scheme is None
    assert reading.notes == ()


def test_the_language_models_own_and_files_named_after_the_model(tmp_path: Path) -> None:
    text = LLAMA | {"quantization_config": {"kv_cache_scheme": SCHEME}}
    (tmp_path / "x_config.json").write_text(json.dumps({"model_type": "y", "text_config": text}))
    found = read(tmp_path / "x_config.json").model.cache_scheme
    assert found is not None
    assert found.origin == "config.json, text_config.quantization_config, kv_cache_scheme"
    (tmp_path / "z_config.json").write_text(json.dumps(LLAMA))
    (tmp_path / "z_hf_quant_config.json").write_text(json.dumps(LEGACY))
    found = read(tmp_path / "z_config.json").model.cache_scheme
    assert found is not None
    assert found.origin == "hf_quant_config.json, quantization.kv_cache_quant_algo"


def test_a_key_that_may_be_about_the_cache_is_named(tmp_path: Path) -> None:
    quantized = {"quant_method": "quark", "kv_cache_group": ["*k_proj"]}
    assert reading_of(tmp_path, quantized).notes == (
        "config.json, quantization_config: the key 'kv_cache_group' may be about the KV cache, and "
        "was not read",
    )


@pytest.mark.parametrize(
    ("quantized", "beside", "said"),
    [
        ("fp8", None, r"quantization_config: found 'fp8', expected a table"),
        ({"kv_cache_scheme": 8}, None, r"kv_cache_scheme: found 8, expected a word or a table"),
        ({"kv_cache_scheme": {"dynamic": "no"}}, None, r"kv_cache_scheme: found .*expected flags"),
        (None, [1], r"hf_quant_config\.json: found \[1\], expected an object"),
    ],
)
def test_what_is_something_else_is_refused(
    tmp_path: Path, quantized: Any, beside: Any, said: str
) -> None:
    with pytest.raises(SourceError, match=said):
        reading_of(tmp_path, quantized, beside)


def test_a_file_beside_that_is_not_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA))
    (tmp_path / "hf_quant_config.json").write_text("{")
    with pytest.raises(SourceError, match=r"hf_quant_config\.json.*not JSON"):
        read(tmp_path)


def test_a_table_of_compression_is_one_of_quantisation(tmp_path: Path) -> None:
    table = {"quant_method": "compressed-tensors", "kv_cache_scheme": SCHEME}
    scheme = reading_of(tmp_path, None, compression_config=table).model.cache_scheme
    assert scheme is not None
    assert (scheme.method, scheme.algorithm) == ("compressed-tensors", "FP8")
