"""Settings at random, and what the library answers to them."""

import random
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import kvcalc

DTYPES = ("fp8", "int4", "q8_0")
RANKS = (1, 4)
FULL = 0
"""A window that stands for none."""


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
    cut = [one.model.with_full_attention() != one.model for one in plan.models]
    sizes = map(len, (plan.models, plan.engines, plan.dtypes, plan.ranks))
    own = dict(zip(product(*map(range, sizes)), plan.combinations, strict=True))

    @cache
    def windowed(model: int, window: int | None) -> kvcalc.Model:
        own = plan.models[model].model
        if window is None:
            return own
        return own.with_full_attention() if window == FULL else own.with_window(window)

    @cache  # of places: to look a model up takes longer than to cost it
    def cost(model: int, engine: int, dtype: int, gpus: int, window: int | None) -> Any:
        if window is None and (found := own[model, engine, dtype, gpus].own.cost) is not None:
            return found
        kept = plan.dtypes[dtype]
        asked: dict[str, Any] = {} if kept is None else {"kv_cache_dtype": kept}
        asked["tensor_parallel_size"] = plan.ranks[gpus]
        try:
            return kvcalc.cost(windowed(model, window), plan.engines[engine].name, **asked)
        except kvcalc.KvcalcError as error:
            return str(error)

    def answer(row: tuple[Any, ...]) -> Any:
        model, engine, dtype, gpus, context, sequences, window = row
        found = cost(model, engine, dtype, gpus, window)
        if isinstance(found, str):
            return found
        others = cost(model, engine, dtype, gpus, FULL) if cut[model] else None

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
