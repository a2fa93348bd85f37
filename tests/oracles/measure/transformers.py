"""Measure transformers' cases again: tests/oracles/measure/transformers.py 5.24.0 --sample 50

Runs one forward pass of so many tokens (batch 1, bfloat16, use_cache) of the model that the
library builds from the configuration, and reads the tensors of its cache. PyTorch's meta device,
whose tensors have shapes and no storage, stands in for a GPU. transformers_sparse asks the
configuration classes alone.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.oracles.measure import comparison, environment
from tests.oracles.measure.comparison import ORACLES, Case, Form

FAMILIES = ORACLES / "transformers_families.json"


def tensors(value: Any, seen: set[int]) -> Iterator[Any]:
    """All tensors that an object holds, each once."""
    torch = environment.load("torch")
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, torch.Tensor):
        yield value
        return
    inner: list[Any] = []
    if isinstance(value, Mapping):
        inner = list(value.values())
    elif isinstance(value, list | tuple):
        inner = list(value)
    elif type(value).__module__.startswith("transformers") and not hasattr(value, "to_dict"):
        inner = list(vars(value).values())
    for one in inner:
        yield from tensors(one, seen)


@lru_cache(maxsize=1)
def model_of(config: str, model_type: str) -> Any:
    """The model on the meta device."""
    torch, library = environment.load("torch"), environment.load("transformers")
    mapping = environment.load("transformers.models.auto.configuration_auto").CONFIG_MAPPING
    read = mapping[model_type].from_dict(json.loads(config)).get_text_config(decoder=True)
    kinds = [library.AutoModelForCausalLM, library.AutoModelForSeq2SeqLM, library.AutoModel]
    if getattr(read, "decoder_vocab_size", 0) is None:  # Marian's: the vocabulary's then
        read.decoder_vocab_size = read.vocab_size
    # SDPA reads the values of the mask that a decoder beside an encoder makes; meta has none.
    named = {"attn_implementation": "eager"} if hasattr(read, "decoder_layers") else {}
    for kind in kinds:
        if type(read) in kind._model_mapping:
            with torch.device("meta"):
                return kind.from_config(read, dtype=torch.bfloat16, **named).eval()
    raise LookupError(model_type)


def forward(config: Mapping[str, Any], model_type: str, tokens: int) -> Case:
    """What the cache holds after a prompt of so many tokens."""
    torch = environment.load("torch")
    model = model_of(json.dumps(config), model_type)
    prompt = torch.zeros((1, tokens), dtype=torch.long, device="meta")
    with torch.no_grad():
        out = model(input_ids=prompt, use_cache=True)
    held = list(tensors(cache_of(out), set()))
    buffers = Counter(str((tuple(one.shape), str(one.dtype))) for one in held)
    floats = [one for one in held if one.is_floating_point()]
    return {"bytes": sum(one.nbytes for one in floats), "buffers": dict(buffers)}


def cache_of(out: Any) -> Any:
    """The cache among a forward's results, which some classes name in another way."""
    names = ("past_key_values", "cache_params", "state", "mems")
    return next(found for name in names if (found := getattr(out, name, None)) is not None)


def families() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(FAMILIES.read_text())["families"]
    return table


def of_family(table: Mapping[str, Any], case: Case) -> Case:
    family = families()[case["family"]]
    found = forward(family["config"], case["family"], int(case["context"]))
    return {name: found[name] for name in found if name in case}


def of_model(table: Mapping[str, Any], case: Case) -> Case:
    config = json.loads((ORACLES / "configs" / f"{case['model']}.json").read_text())
    found = forward(config, config["model_type"], int(case["context"]))
    return {name: found[name] for name in found if name in case}


def restored(table: Mapping[str, Any], case: Case) -> Case:
    """Nothing, where the class restores the family's configuration; else the keys that differ."""
    mapping = environment.load("transformers.models.auto.configuration_auto").CONFIG_MAPPING
    whole = families()[case["family"]]["config"]
    left = json.loads(json.dumps(whole))
    text = left.get("text_config") or left
    for name in case["without"]:
        del text[name]
    kind = mapping[case["family"]]
    first, second = (kind.from_dict(one).to_dict() for one in (whole, left))
    differing = [name for name in first if first[name] != second.get(name)]
    return {"differs": differing} if differing else {}


def family_cases(table: Mapping[str, Any]) -> list[Any]:
    return [
        {"family": family, "context": context, **figures}
        for family, one in table["families"].items()
        for context, figures in one["contexts"].items()
    ]


def odd_cases(table: Mapping[str, Any]) -> list[Any]:
    return [
        {"family": family, "context": context, "bytes": bytes_}
        for family, contexts in table["families"].items()
        for context, bytes_ in contexts.items()
    ]


def model_cases(table: Mapping[str, Any]) -> list[Any]:
    return [
        {"model": model, "context": context, **figures}
        for model, one in table["models"].items()
        for context, figures in (one["contexts"] or {}).items()
    ]


def put_family(table: Mapping[str, Any], case: Any, found: Case, asked: frozenset[str]) -> None:
    table["families"][case["family"]]["contexts"][case["context"]] = found


def put_odd(table: Mapping[str, Any], case: Any, found: Case, asked: frozenset[str]) -> None:
    table["families"][case["family"]][case["context"]] = found["bytes"]


def put_model(table: Mapping[str, Any], case: Any, found: Case, asked: frozenset[str]) -> None:
    table["models"][case["model"]]["contexts"][case["context"]] = found


def total_of(table: Mapping[str, Any], case: Case) -> Case:
    """All parameters of a class on the meta device, a tied embedding once."""
    torch, library = environment.load("torch"), environment.load("transformers")
    mapping = environment.load("transformers.models.auto.configuration_auto").CONFIG_MAPPING
    config = mapping[case["config"]["model_type"]].from_dict(dict(case["config"]))
    kinds = [library.AutoModelForImageTextToText, library.AutoModelForCausalLM]
    kind = next(one for one in kinds if type(config) in one._model_mapping)
    with torch.device("meta"):
        model = kind.from_config(config, dtype=torch.bfloat16)
    return {"class": type(model).__name__, "total": sum(p.numel() for p in model.parameters())}


ASKED = frozenset(("family", "model", "context", "without"))

FORMS = [
    Form("transformers_families", of_family, ASKED, cases=family_cases, put=put_family),
    Form("transformers_odd", of_family, ASKED, cases=odd_cases, put=put_odd),
    Form("transformers_models", of_model, ASKED, cases=model_cases, put=put_model),
    Form("transformers_sparse", restored, ASKED),
    Form("parameters", total_of, frozenset(("config",)), cases=lambda table: table["types"]),
]


if __name__ == "__main__":
    given = comparison.arguments(__doc__, [form.file for form in FORMS])
    version = environment.enter("transformers", given.version)
    comparison.main(FORMS, given, f"transformers {version} on PyTorch's meta device")
