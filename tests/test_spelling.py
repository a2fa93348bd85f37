"""Names in any case, under other names, and nearly so."""

import pytest

from kvcalc.spelling import alike, nearest, spelled, unknown

KNOWN = ("vllm", "llama.cpp", "tensorrt-llm")
ALIASES = {"trtllm": "tensorrt-llm"}


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("vllm", "vllm"),
        ("vLLM", "vllm"),
        ("llamacpp", "llama.cpp"),
        ("LLAMA_CPP", "llama.cpp"),
        ("TRTLLM", "tensorrt-llm"),
        ("trt_llm", "tensorrt-llm"),
        ("vlm", None),
        ("", None),
        ("...", None),
    ],
)
def test_a_name_is_found_in_any_case_with_any_dashes(name: str, own: str | None) -> None:
    assert spelled(name, KNOWN, ALIASES) == own


def test_names_without_letters_are_alike_only_if_they_are_equal() -> None:
    assert alike("模型", "模型")
    assert not alike("模型", "长度")
    assert not alike("--", "__")


def test_what_is_near_is_named_and_else_what_is_known() -> None:
    assert nearest("vlm", KNOWN) == ["vllm"]
    assert str(unknown("engine", "vlm", KNOWN, field="engine")).endswith("; did you mean vllm")
    assert str(unknown("engine", "zz", KNOWN, field="engine")) == (
        "engine 'zz' is unknown; known are vllm, llama.cpp, tensorrt-llm"
    )
