"""Model types that a release of vLLM or SGLang has no code for are refused, not answered."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import kvcalc
from kvcalc.engines.sglang import unserved as sglang
from kvcalc.engines.vllm import model_types as vllm
from kvcalc.engines.vllm.releases import RELEASES
from kvcalc.errors import UnsupportedError
from tests.each import each
from tests.oracles.measure.environment import release
from tests.shapes import full, model

NEVER = vllm.WENT["0.11.2"].split()

ROWS = [
    *(("vllm", "0.33.0", name) for name in NEVER),
    *(("sglang", "0.5.23", name) for name in sglang.UNSERVED),
]


@each(("engine", "version", "name"), ROWS)
def test_a_type_without_a_class_is_refused_by_name(engine: str, version: str, name: str) -> None:
    with pytest.raises(UnsupportedError, match=f"{engine} {version} does not have .* '{name}'"):
        kvcalc.cost(model(full(), model_type=name), engine)


def test_the_reasons_do_not_overlap() -> None:
    parts = [vllm.NO_INTERFACE, vllm.WITH_A_SOURCE, vllm.WITH_STATES]
    assert sum(map(len, parts)) == len(NEVER)


@each(
    ("name", "last", "without"),
    [("bamba", "0.23.0", "0.24.0"), ("minimax", "0.23.0", "0.24.0"), ("mpt", "0.28.0", "0.29.0")],
)
def test_vllm_lets_go_of_classes(name: str, last: str, without: str) -> None:
    """Whose last release model_executor/models/registry.py names (_PREVIOUSLY_SUPPORTED_MODELS)."""
    given = model(full(), model_type=name)
    assert kvcalc.cost(given, f"vllm@{last}")(16) == kvcalc.cost(model(full()), "vllm")(16)
    with pytest.raises(UnsupportedError, match=f"vllm {without} does not have the model type"):
        kvcalc.cost(given, f"vllm@{without}")


def test_each_version_of_a_table_is_a_release() -> None:
    assert {*vllm.CAME, *vllm.WENT} <= {row.version for row in RELEASES.rows}


@pytest.mark.parametrize("engine", ["vllm", "sglang"])
@pytest.mark.parametrize("name", ["whisper", "gpt_neox", "dots1", "mamba2", "llama"])
def test_others_are_served(engine: str, name: str) -> None:
    """By a class of their own, or, as dots1, by the backend for transformers'."""
    assert kvcalc.cost(model(full(), model_type=name), engine)(16) > 0


@pytest.mark.oracles
@pytest.mark.parametrize(
    ("engine", "version", "sources", "types"),
    [
        ("vllm", "0.33.0", "vllm/model_executor/models/registry.py", NEVER),
        ("sglang", "0.5.23", "sglang/srt/models", sglang.UNSERVED),
    ],
)
def test_no_registry_names_their_classes(
    engine: str, version: str, sources: str, types: Sequence[str]
) -> None:
    python = Path(sys.executable)
    auto = release(python, "transformers", "5.24.0") / "transformers/models/auto"
    listed = re.findall(r'\("([\w-]+)", "(\w+)"\)', (auto / "modeling_auto.py").read_text())
    place = release(python, engine, version) / sources
    files = sorted(place.rglob("*.py")) if place.is_dir() else [place]
    text = "".join(file.read_text() for file in files)
    for kind, name in listed:
        if kind in types and re.search("LMHead|ForCausalLM|ForConditionalGeneration|MTModel", name):
            assert not re.search(rf'(?m)"{name}": \(|^class {name}\(', text), kind
