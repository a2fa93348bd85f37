"""What a planner's workbook holds: models, each with engines, element types and ranks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from kvcalc import engines
from kvcalc.answers.fit.card import card
from kvcalc.answers.workbook.combinations import Combination, Listed, at, combination, named
from kvcalc.answers.workbook.start import USUAL_GPU
from kvcalc.errors import RequestError
from kvcalc.readers.reading import Reading

ALWAYS = ("ideal", "vllm", "llama.cpp")
"""The engines of every workbook."""

USUAL_ENGINES = (*ALWAYS, "sglang")
USUAL_RANKS = (1, 8)

SETTINGS = ("max_num_batched_tokens", "ubatch_size")
"""Engine settings that a planner changes, each a variable of its engine's formulas."""

MOST = {
    "context": 2**27,
    "sequences": 2**17,
    "window": 2**27,
    "max_num_batched_tokens": 2**22,
    "ubatch_size": 2**22,
}
"""Upper bounds of inputs; up to these, dividends in formulas stay below 2^47, as they must."""

MOST_GPUS = 2**20

MAX_EXACT = 2**53
"""The largest integer that is exact in a spreadsheet's doubles."""

MAX_COMBINATIONS = 20_000


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

    `gpu` is the one that was named, on which the engines' defaults depend.
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

    @property
    def engines(self) -> tuple[str, ...]:
        """The engines, with the release if one was asked for, as vllm@0.25.1."""
        asked = (one.engine for one in self.combinations)
        return tuple(dict.fromkeys((*engines.ENGINES, *asked)))

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
    command: str,
    version: str,
    date: str,
) -> Workbook:
    """Plan a workbook of models, each with the text that named it.

    *Plan* starts with the first of each list. The models' own element types, one rank and the
    engines `ideal`, `vllm` and `llama.cpp` are always there; `context` is tokens of one sequence,
    the first model's maximum unless given. A model is shared by all `gpus`, unless `ranks` are
    given.

    Raises:
        RequestError: an engine or the GPU is not known, there is no context, or there are too many
            combinations.
        KvcalcError: no combination is accepted by its engine.
    """
    gpu = None if gpu is None else card(gpu).name
    listed = named(readings)
    names = tuple(dict.fromkeys((*map(engines.called, among or USUAL_ENGINES), *ALWAYS)))
    own = [one.model.dtype for one in listed]
    asked = [dtype.lower() for dtype in dtypes]
    types = tuple(dict.fromkeys((*asked, *own) if asked else (*own, "fp8")))
    own_ranks = USUAL_RANKS if gpus is None else (gpus, *USUAL_RANKS)
    sizes = tuple(dict.fromkeys((*(tuple(ranks) or own_ranks), 1)))
    count = len(listed) * len(names) * len(types) * len(sizes)
    if count > MAX_COMBINATIONS:
        raise RequestError.about(
            "sheet",
            f"found {count:,} combinations of model, engine, element type and ranks, "
            f"expected at most {MAX_COMBINATIONS:,}",
            found=count,
        )
    for name in names:
        engines.find(name)
    combinations = tuple(
        combination(one, engine, dtype, size, gpu)
        for one in listed
        for engine in names
        for dtype in types
        for size in sizes
    )
    first = next((one for one in combinations if one.cost is not None), None)
    if first is None:
        refused = combinations[0]
        raise RequestError(f"{refused.listed.name} on {refused.engine}: {refused.error}")
    tokens = first.listed.model.longest_context if context is None else context
    _refuse_past(first, tokens, sequences)
    shared = first.tensor_parallel_size
    if gpus is not None and (gpus < shared or gpus > MOST_GPUS):
        raise RequestError.of("gpus", gpus, f"{shared:,} (the ranks) to {MOST_GPUS:,}")
    return Workbook(
        listed,
        combinations,
        {
            "model": first.listed.name,
            "engine": first.engine,
            "kv_cache_dtype": first.kv_cache_dtype,
            "tensor_parallel_size": first.tensor_parallel_size,
            "context": tokens,
            "sequences": sequences,
            "gpu": gpu or USUAL_GPU,
            "gpus": gpus or shared,
            **_own_settings(combinations),
        },
        _workload(tokens),
        command,
        version,
        date,
        types,
        sizes,
        gpu,
    )


def _refuse_past(first: Combination, context: int, sequences: int) -> None:
    """Refuse starting amounts that a spreadsheet would not take."""
    for name, amount in (("context", context), ("sequences", sequences)):
        if not 1 <= amount <= MOST[name]:
            raise RequestError.about(
                name, f"found {amount:,}, expected 1 to {MOST[name]:,}", found=amount
            )
    assert first.cost is not None
    total = at(first, first.cost.formula, context, sequences)
    if isinstance(total, str):
        raise RequestError(total)
    if total > MAX_EXACT:
        raise RequestError.about(
            "sheet",
            f"found {total:,} bytes, expected at most 2^53, to which a spreadsheet is exact",
            found=total,
        )


def _own_settings(combinations: Iterable[Combination]) -> dict[str, int]:
    """The engines' own values of the settings that a planner changes."""
    own: dict[str, int] = {}
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
