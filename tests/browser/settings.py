"""Settings at random, and what the library answers to them."""

import random
from functools import cache
from pathlib import Path
from typing import Any

import kvcalc

DTYPES = ("fp8", "int4", "q8_0")
RANKS = (1, 4)


def page_of(models: list[str], path: Path) -> kvcalc.PagePlan:
    """Write a page of presets on all engines."""
    return kvcalc.page(models, path, kv_cache_dtype=DTYPES, tensor_parallel_size=RANKS)


ANSWERS = """
return arguments[0].map((row) => {
  const big = (value) => (value === null ? null : BigInt(value));
  const [model, engine, dtype, gpus] = row;
  const [context, sequences, window] = row.slice(4).map(big);
  const answer = answered({ model, engine, dtype, gpus, context, sequences, window });
  if (answer.error) return answer.error;
  const groups = answer.groups().map(({ kind, layers, window, bytes }) =>
    [kind, layers, window === null ? null : String(window), String(bytes)]);
  const { bytes, perGpu, peak, full, type } = answer;
  return [String(bytes), String(perGpu), peak && String(peak), full && String(full), type, groups];
});
"""


def amount(draw: random.Random, most: int) -> int:
    """Small and large amounts, and powers of two, around which blocks and windows step."""
    power: int = 2 ** draw.randint(0, most.bit_length() - 1)
    return draw.choice([draw.randint(1, 600), draw.randint(1, most), power, power + 1])


def drawn(plan: kvcalc.PagePlan, draw: random.Random) -> tuple[int | None, ...]:
    """A setting at random; half are of the models' own element types on one GPU."""
    model = draw.randrange(len(plan.models))
    own = plan.dtypes.index(None)
    slides = plan.models[model].model.sliding_windows
    window = draw.choice([None, draw.randint(1, 3), 128, amount(draw, 2**21)])
    return (
        model,
        draw.randrange(len(plan.engines)),
        draw.choice([own, own, draw.randrange(len(plan.dtypes))]),
        draw.choice([0, 0, draw.randrange(len(plan.ranks))]),
        amount(draw, 2**27),
        draw.choice([1, draw.randint(1, 300), amount(draw, 2**17)]),
        window if slides else None,
    )


def by_python(plan: kvcalc.PagePlan, rows: list[tuple[Any, ...]]) -> list[Any]:
    """What the library answers, which is asked for each window by itself."""

    @cache
    def windowed(model: int, window: int | None) -> kvcalc.Model:
        own = plan.models[model].model
        return own if window is None else own.with_window(window)

    own = {
        (one.listed.model, one.engine, one.kv_cache_dtype, one.tensor_parallel_size): one.own.cost
        for one in plan.combinations
    }

    @cache
    def cost(model: kvcalc.Model, engine: str, dtype: str | None, ranks: int) -> Any:
        if (found := own.get((model, engine, dtype, ranks))) is not None:
            return found
        asked: dict[str, Any] = {} if dtype is None else {"kv_cache_dtype": dtype}
        try:
            return kvcalc.cost(model, engine, tensor_parallel_size=ranks, **asked)
        except kvcalc.KvcalcError as error:
            return str(error)

    @cache
    def without_window(model: int) -> kvcalc.Model | None:
        own = plan.models[model].model
        full = own.with_full_attention()
        return None if full == own else full

    def answer(row: tuple[Any, ...]) -> Any:
        model, engine, dtype, gpus, context, sequences, window = row
        asked = (plan.engines[engine].name, plan.dtypes[dtype], plan.ranks[gpus])
        found = cost(windowed(model, window), *asked)
        if isinstance(found, str):
            return found
        full = without_window(model)
        others = None if full is None else cost(full, *asked)

        def at(formula: Any) -> str:
            return str(formula(context, sequences=sequences))

        try:
            return [
                at(found),
                at(found.per_gpu),
                found.peak_formula and at(found.peak_formula),
                at(others) if isinstance(others, kvcalc.Cost) else None,
                found.kv_cache_dtype,
                [
                    [one.kind, one.layers, one.window and str(one.window), at(one.formula)]
                    for one in found.groups
                ],
            ]
        except kvcalc.KvcalcError as error:
            return str(error)

    return [answer(row) for row in rows]
