"""What a planner's workbook holds: models, each with engines, element types and ranks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from kvcalc import engines
from kvcalc.answers.fit.card import card
from kvcalc.answers.listed import Listed, named
from kvcalc.answers.own_settings import own_settings, refuse_unknown
from kvcalc.answers.workbook.combinations import Combination, combination
from kvcalc.answers.workbook.start import USUAL_GPU, own_inputs
from kvcalc.answers.workbook.starts import Starts
from kvcalc.errors import RequestError, quote
from kvcalc.readers.reading import Reading

ALWAYS = ("ideal", "vllm", "llama.cpp")
"""The engines of every workbook."""

USUAL_ENGINES = (*ALWAYS, "sglang")
USUAL_RANKS = (1, 8)

SETTINGS = ("max_num_batched_tokens", "max_num_seqs", "ubatch_size")
"""Engine settings that a planner changes, which formulas or the parts of a start follow."""

MOST = {
    "context": 2**27,
    "sequences": 2**17,
    "window": 2**27,
    "max_num_batched_tokens": 2**22,
    "max_num_seqs": 2**17,
    "ubatch_size": 2**22,
}
"""Upper bounds of inputs; up to these, dividends in formulas stay below 2^47, as they must."""

MOST_GPUS = 2**20

MAX_EXACT = 2**53
"""The largest integer that is exact in a spreadsheet's doubles."""

MAX_COMBINATIONS = 20_000

OTHER_GPUS = "in a workbook a copy of the model has its tensor-parallel ranks alone; ask kvcalc fit"
ONE_TYPE = "a workbook has one element type for keys and values; give it by -d (dtypes)"
NO_CELL = {
    "pipeline_parallel_size": OTHER_GPUS,
    "prefill_context_parallel_size": OTHER_GPUS,
    "cache_type_k": ONE_TYPE,
    "cache_type_v": ONE_TYPE,
    "kv_cache_memory_bytes": "in a workbook the pool is a share of the memory; ask kvcalc fit",
    "release": "give it behind the engine's name, as vllm@0.25.1",
}
"""Settings for which a workbook's formulas have no room, or that it takes otherwise."""


@dataclass(frozen=True)
class Percentile:
    """A class of requests: prompt and output tokens, and its share of all requests in percent."""

    name: str
    tokens_in: int
    tokens_out: int
    share: int


@dataclass(frozen=True)
class Workbook:
    """What the sheets are written from; `inputs` are the values that *Plan* starts with.

    `gpu` is the one that was named, on which the engines' defaults depend; each of the `settings`
    is taken by the engines that have it.
    """

    models: tuple[Listed, ...]
    combinations: tuple[Combination, ...]
    inputs: Mapping[str, str | int]
    workload: tuple[Percentile, ...]
    command: str
    version: str
    date: str
    dtypes: tuple[str, ...] = field(default=())
    ranks: tuple[int, ...] = field(default=())
    gpu: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def engines(self) -> tuple[str, ...]:
        """The engines, with the release if one was asked for, as vllm@0.25.1."""
        asked = (one.engine for one in self.combinations)
        return tuple(dict.fromkeys((*engines.ENGINES, *asked)))

    @cached_property
    def starts(self) -> Starts:
        """What the combinations' starts hold."""
        return Starts(str(self.inputs["gpu"]))

    @property
    def chosen(self) -> Combination:
        """The combination that *Plan* starts with: the first that has a cost."""
        return next(one for one in self.combinations if one.cost is not None)


def workbook(
    readings: Sequence[tuple[str, Reading]],
    *,
    among: Iterable[str] = (),
    dtypes: Iterable[str] = (),
    ranks: Iterable[int] = (),
    context: int | None = None,
    sequences: int = 1,
    gpu: str | None = None,
    gpus: int | None = None,
    settings: Mapping[str, Any] | None = None,
    command: str,
    version: str,
    date: str,
) -> Workbook:
    """Plan a workbook of models, each with the text that named it.

    *Plan* starts with the first of each list. The models' own element types, one rank and the
    engines `ideal`, `vllm` and `llama.cpp` are always there; `context` is tokens of one sequence,
    the first model's maximum unless given. A model is shared by all `gpus`, unless `ranks` are
    given. `settings` are the engines', the share of a GPU's memory too; each has those of its own,
    and an element type or ranks among them stand where none are listed.

    Raises:
        RequestError: an engine, a setting or the GPU is not known, a setting has no room in a
            workbook, there is no context, or there are too many combinations.
        KvcalcError: no combination is accepted by its engine.
    """
    gpu = None if gpu is None else card(gpu).name
    listed = named(readings)
    names = tuple(dict.fromkeys((*map(engines.full_name, among or USUAL_ENGINES), *ALWAYS)))
    own = [one.model.dtype for one in listed]
    given, of_settings = _parted(settings or {})
    asked = [dtype.lower() for dtype in dtypes] or of_settings.dtypes
    types = tuple(dict.fromkeys((*asked, *own) if asked else (*own, "fp8")))
    own_ranks = USUAL_RANKS if gpus is None else (gpus, *USUAL_RANKS)
    sizes = tuple(dict.fromkeys((*(tuple(ranks) or of_settings.ranks or own_ranks), 1)))
    _refuse_many(len(listed) * len(names) * len(types) * len(sizes))
    for name in names:
        engines.find(name)
    refuse_unknown(given, names, share=True)
    _refuse_without_cell(given)
    combinations = tuple(
        combination(one, engine, dtype, size, gpu, given)
        for one in listed
        for engine in names
        for dtype in types
        for size in sizes
    )
    first = _first_with_a_cost(combinations)
    tokens = first.listed.model.longest_context if context is None else context
    _refuse_past(first, tokens, sequences)
    shared = first.tensor_parallel_size
    if gpus is not None and (gpus < shared or gpus > MOST_GPUS):
        raise RequestError.of("gpus", gpus, f"{shared:,} (the ranks) to {MOST_GPUS:,}")
    return Workbook(
        models=listed,
        combinations=combinations,
        inputs={
            "model": first.listed.name,
            "engine": first.engine,
            "kv_cache_dtype": first.kv_cache_dtype,
            "tensor_parallel_size": first.tensor_parallel_size,
            "context": tokens,
            "sequences": sequences,
            "gpu": gpu or USUAL_GPU,
            "gpus": gpus or shared,
            **_own_settings(combinations, gpu or USUAL_GPU),
        },
        workload=_workload(tokens),
        command=command,
        version=version,
        date=date,
        dtypes=types,
        ranks=sizes,
        gpu=gpu,
        settings=given,
    )


def _refuse_many(count: int) -> None:
    if count > MAX_COMBINATIONS:
        raise RequestError.about(
            "sheet",
            f"found {count:,} combinations of model, engine, element type and ranks",
            found=count,
            expected=f"at most {MAX_COMBINATIONS:,}",
        )


def _refuse_without_cell(given: Mapping[str, Any]) -> None:
    """Refuse settings for which the formulas have no room, unless they change nothing."""
    for name, why in NO_CELL.items():
        if given.get(name) not in (None, 1, "1"):
            found = given[name]
            raise RequestError.about(name, f"found {quote(found)}; {why}", found=found)


def _first_with_a_cost(combinations: Sequence[Combination]) -> Combination:
    """The first combination that has a cost.

    Raises:
        KvcalcError: none has; the error of the first.
    """
    first = next((one for one in combinations if one.cost is not None), None)
    if first is None:
        refused = combinations[0]
        assert refused.error is not None
        raise refused.error.within(f"{refused.listed.name} on {refused.engine}")
    return first


class _Lists(NamedTuple):
    """The element types and ranks that settings give."""

    dtypes: list[str]
    ranks: tuple[int, ...]


def _parted(settings: Mapping[str, Any]) -> tuple[dict[str, Any], _Lists]:
    """Take from settings what a workbook has lists of: keys and values are of one type there."""
    given = dict(settings)
    keys, values = given.get("cache_type_k"), given.get("cache_type_v")
    if keys is not None and keys == values:
        given["kv_cache_dtype"] = given.pop("cache_type_k")
        given.pop("cache_type_v")
    dtype, ranks = given.pop("kv_cache_dtype", None), given.pop("tensor_parallel_size", None)
    parsed = engines.find("ideal").settings(tensor_parallel_size=1 if ranks is None else ranks)
    return given, _Lists(
        [] if dtype is None else [str(dtype).lower()],
        () if ranks is None else (parsed.tensor_parallel_size,),
    )


def _refuse_past(first: Combination, context: int, sequences: int) -> None:
    """Refuse starting amounts that a spreadsheet would not take."""
    for name, amount in (("context", context), ("sequences", sequences)):
        if not 1 <= amount <= MOST[name]:
            raise RequestError.about(
                name, f"found {amount:,}", found=amount, expected=f"1 to {MOST[name]:,}"
            )
    assert first.cost is not None
    total = first.cost.formula(context, sequences=sequences)
    if total > MAX_EXACT:
        raise RequestError.about(
            "sheet",
            f"found {total:,} bytes",
            found=total,
            expected="at most 2^53, to which a spreadsheet is exact",
        )


def _own_settings(combinations: Sequence[Combination], gpu: str) -> dict[str, int]:
    """The engines' own values of the settings that a planner changes."""
    own: dict[str, int] = {}
    accepted = {one.engine: one for one in combinations if one.cost is not None}
    for engine, one in accepted.items():
        given = own_settings(engine, one.settings)
        own = {**own_inputs(engine, gpu, given), **own}
    for one in combinations:
        for name in SETTINGS:
            if one.cost is not None and name in one.cost.formula.variables:
                own.setdefault(name, one.cost.formula.variables[name])
    return {name: own.get(name, 1) for name in SETTINGS}


def _workload(context: int) -> tuple[Percentile, ...]:
    """An example to start from: half of all requests take up to a 32nd of the context."""
    parts = (("p50", 32, 50), ("p90", 8, 40), ("p95", 4, 5), ("p99", 2, 4), ("max", 1, 1))
    return tuple(
        Percentile(name, max(1, context // part * 7 // 8), max(1, context // part // 8), share)
        for name, part, share in parts
    )
