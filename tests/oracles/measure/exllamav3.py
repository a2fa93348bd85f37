"""Measure ExLlamaV3's cases again: python tests/oracles/measure/exllamav3.py 1.6.5 --sample 50

Runs the engine's own Config, Model and Cache on a folder that holds a config.json, and the `alloc`
of each layer of the cache on PyTorch's meta device, whose tensors have shapes and no storage; of a
request its Sequence.prepare. What stands in for a GPU: an object that answers every call, in the
place of the compiled extension. Models with vision get the two small files beside that their
configuration opens, whose numbers no cache depends on.
"""

import importlib.abc
import importlib.machinery
import json
import re
import sys
import tempfile
import types
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.oracles.measure import comparison, environment
from tests.oracles.measure.comparison import ORACLES, Case, Form

IMAGES: Mapping[str, Any] = {
    "image_processor_type": "Qwen2VLImageProcessorFast",
    "size": {"shortest_edge": 65_536, "longest_edge": 16_777_216},
    "patch_size": 16,
    "temporal_patch_size": 2,
    "merge_size": 2,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "do_convert_rgb": True,
    "do_rescale": True,
    "do_normalize": True,
    "resample": 3,
    "rescale_factor": 1 / 255,
    "max_soft_tokens": 280,
    "pooling_kernel_size": 3,
}
"""How images are cut up, in the words of Qwen3-VL's and of Gemma 4's file."""

DTYPES = {"float16": "f16", "bfloat16": "bf16", "float32": "f32", "int32": "i32"}
"""How the cases name PyTorch's element types."""


class Answering:
    """Answers every call and every name with itself."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *given: Any, **named: Any) -> Any:
        return self


class Kernels(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds an object that answers in the place of the extension, which is compiled for a GPU."""

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,
        target: types.ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        return importlib.machinery.ModuleSpec(name, self) if name == "exllamav3.ext" else None

    def exec_module(self, module: types.ModuleType) -> None:
        module.exllamav3_ext = Answering()  # type: ignore[attr-defined]


@lru_cache(maxsize=1)
def model_of(told: str, swa_full: bool) -> Any:
    """The model's own class, made of what the cases tell of it; its weights are never loaded."""
    engine, said = environment.load("exllamav3"), json.loads(told)
    config = said.get("config") or json.loads((ORACLES / said["source"]).read_text())
    with tempfile.TemporaryDirectory() as folder:
        for file, content in (
            ("config.json", config),
            ("preprocessor_config.json", IMAGES),
            ("processor_config.json", {"image_processor": IMAGES}),
        ):
            (Path(folder) / file).write_text(json.dumps(content))
        config = engine.Config.from_directory(folder)
        return engine.Model.from_config(config, swa_full=swa_full)


def cache_of(model: Any, case: Case) -> Any:
    """The cache that the case asks for."""
    engine, torch = environment.load("exllamav3"), environment.load("torch")
    quant = case["cache_quant"]
    bits = {} if quant is None else {"k_bits": quant[0], "v_bits": quant[1]}
    layers = environment.load("exllamav3.cache")
    return engine.Cache(
        model,
        max_num_tokens=case["max_num_tokens"],
        layer_type=layers.CacheLayer_quant if bits else layers.CacheLayer_fp16,
        max_batch_size=case["max_batch_size"],
        max_history=case["max_history"],
        recurrent_dtype=torch.float if case["recurrent_state_fp32"] else torch.half,
        **bits,
    )


def tensors_of(held: str, layer: Any) -> list[Any]:
    """The tensors of a layer, allocated on the meta device."""
    layer.alloc(environment.load("torch").device("meta"))
    if held == "paged":
        return [one for one in layer.get_tensors() if one is not None]
    if hasattr(layer, "_tensors"):
        return [one for one in layer._tensors() if one is not None]
    return list(layer.get_state_tensors())


def measured(table: Mapping[str, Any], case: Case) -> Case:
    """The tensors of each layer of the cache, or the pages of a request."""
    if "prompt_tokens" in case:
        return request(case)
    try:
        told = json.dumps(table["models"][case["model"]])
        model = model_of(told, case.get("swa_full", False))
        if "max_num_tokens" not in case:
            return {"built": type(model).__name__}
        cache = cache_of(model, case)
    except (AssertionError, ValueError) as error:  # as ExLlamaV3 refuses
        return {"refused": re.sub(r"\S+/config\.json", "config.json", sentence(error))}
    total: Counter[str] = Counter()
    groups: dict[str, dict[str, Any]] = {}
    for held, layers in (("paged", cache.layers), ("state", cache.recurrent_layers)):
        for layer in layers.values():
            tensors = tensors_of(held, layer)
            size = sum(one.numel() * one.element_size() for one in tensors)
            assert size == layer.storage_size()
            total[held] += size
            group = {
                "held": held,
                "cls": type(layer).__name__,
                "bytes_a_layer": size,
                "tensors": [
                    [list(one.shape), DTYPES[str(one.dtype).removeprefix("torch.")]]
                    for one in tensors
                ],
            }
            found = groups.setdefault(json.dumps(group), {**group, "layers": 0})
            found["layers"] += 1
    return {
        "bytes": total.total(),
        "paged_bytes": total["paged"],
        "state_bytes": total["state"],
        "groups": list(groups.values()),
    }


def sentence(error: Exception) -> str:
    """What the engine says, and what kind of error it is."""
    return f"{type(error).__name__}: {error}"


def request(case: Case) -> Case:
    """The pages that a prompt of different tokens and what it may generate take."""
    torch = environment.load("torch")
    ids = torch.arange(case["prompt_tokens"]).unsqueeze(0)
    sequence = environment.load("exllamav3.generator.pagetable").Sequence(ids, ids)
    budget = case["max_new_tokens"] + 1 + case["max_draft_tokens"]
    hashes, fresh = sequence.prepare(case["prefix_token"], budget)
    return {"pages": len(hashes) + fresh}


ASKED = frozenset(
    (
        *("model", "max_num_tokens", "cache_quant", "max_batch_size", "max_history"),
        *(
            "recurrent_state_fp32",
            "swa_full",
            "prompt_tokens",
            "max_new_tokens",
            "max_draft_tokens",
        ),
        "prefix_token",
    )
)


FILES = ("exllamav3", "exllamav3_more")


def cases(table: Mapping[str, Any]) -> list[Any]:
    """The caches, then the requests."""
    return [*table["cases"], *table.get("request_pages", ())]


if __name__ == "__main__":
    given = comparison.arguments(__doc__, FILES)
    version = environment.enter("exllamav3", given.version)
    sys.meta_path.insert(0, Kernels())
    forms = [Form(file, measured, ASKED, cases=cases) for file in FILES]
    comparison.main(forms, given, f"ExLlamaV3 {version} on the CPU")
