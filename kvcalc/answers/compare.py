"""One request on every engine, side by side: bytes, ratio to the least, and why they differ."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kvcalc import engines
from kvcalc.engines import request
from kvcalc.engines.engine import Settings
from kvcalc.errors import KvcalcError, RequestError, quote
from kvcalc.model import Model


@dataclass(frozen=True)
class Compared:
    """One engine's answer, or the sentence by which it refuses: then the bytes are None.

    `bytes` is over all ranks, `bytes_per_gpu` on the fullest, `peak_bytes` while a prompt is read;
    `ratio_to_ideal` is None where `ideal` has no answer.
    """

    model: str
    engine: str
    context: int
    sequences: int
    window: int | None
    kv_cache_dtype: str | None
    settings: Mapping[str, Any]
    bytes: int | None
    bytes_per_gpu: int | None
    peak_bytes: int | None
    ratio_to_ideal: float | None
    why: str
    error: str | None


def compare(
    model: Model,
    *,
    context: int | None = None,
    window: Iterable[int] | int | None = None,
    sequences: int = 1,
    among: Iterable[str] | None = None,
    settings: Settings | None = None,
    **given: Any,
) -> list[Compared]:
    """Ask every engine, or those of `among`, the same: a row for each engine and window.

    `context` is tokens of one sequence, the model's maximum unless given; settings are given as to
    `kvcalc.cost`, and each is passed to the engines that have it.

    Raises:
        KvcalcError: no context, a window for a model without sliding layers, no such engine or
            GPU, or a setting that no engine has.
    """
    names = tuple(engines.ENGINES if among is None else dict.fromkeys(among))
    asked = request.named(settings, given)
    _refuse_unknown(asked, names)
    if "gpu" in asked:
        from kvcalc.catalogue.gpus import find

        find(asked["gpu"])
    if context is None:
        context = model.longest_context
    windows = (window,) if isinstance(window, int) else tuple(dict.fromkeys(window or ()))
    models = [model.with_window(tokens) for tokens in windows] or [model]
    rows = []
    for one in models:
        least = _least(one, context, sequences, asked)
        rows += [_asked(one, name, context, sequences, least, asked) for name in names]
    return sorted(rows, key=lambda row: names.index(row.engine))


def _refuse_unknown(settings: Mapping[str, Any], names: Iterable[str]) -> None:
    known = {field for name in names for field in engines.find(name).settings.model_fields}
    for name in settings:
        if name not in known:
            raise RequestError(
                f"no engine that is compared has the setting {quote(name)}", field=name
            )


def _own(engine: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    fields = engines.find(engine).settings.model_fields
    return {name: value for name, value in settings.items() if name in fields}


def _least(model: Model, context: int, sequences: int, settings: Mapping[str, Any]) -> int | None:
    """What attention itself needs, in the element type asked for where `ideal` knows it."""
    own = _own("ideal", settings)
    for asked in (own, {name: own[name] for name in own if name != "kv_cache_dtype"}):
        try:
            least: int = request.cost(model, "ideal", **asked)(context, sequences=sequences)
        except KvcalcError:
            continue
        return least
    return None


def _asked(
    model: Model,
    engine: str,
    context: int,
    sequences: int,
    least: int | None,
    settings: Mapping[str, Any],
) -> Compared:
    asked: dict[str, Any] = {
        "model": model.name,
        "engine": engine,
        "context": context,
        "sequences": sequences,
        "window": model.window,
    }
    try:
        cost = request.cost(model, engine, **_own(engine, settings))
        total = cost(context, sequences=sequences)
        per_gpu = cost.per_gpu(context, sequences=sequences)
        peak = cost.peak(context, sequences=sequences)
    except KvcalcError as error:
        own = _own(engine, settings)
        dtype = own.pop("kv_cache_dtype", None)
        amounts = ("bytes", "bytes_per_gpu", "peak_bytes", "ratio_to_ideal")
        nothing: dict[str, Any] = dict.fromkeys(amounts)
        return Compared(
            **asked, kv_cache_dtype=dtype, settings=own, **nothing, why="", error=str(error)
        )
    return Compared(
        **asked,
        kv_cache_dtype=cost.kv_cache_dtype,
        settings=cost.settings,
        bytes=total,
        bytes_per_gpu=per_gpu,
        peak_bytes=peak,
        ratio_to_ideal=round(total / least, 4) if least else None,
        why=cost.why,
        error=None,
    )
