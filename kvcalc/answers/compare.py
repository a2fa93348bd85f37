"""One request on every engine, side by side: bytes, ratio to `ideal`, and why they differ."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kvcalc import engines
from kvcalc.answers.own_settings import own_settings, refuse_unknown
from kvcalc.engines import request
from kvcalc.engines.engine import Settings
from kvcalc.errors import KvcalcError, RequestError, UnsupportedError
from kvcalc.model import Model
from kvcalc.records import Records
from kvcalc.units import at_version, format_bytes, plural

if TYPE_CHECKING:
    from kvcalc.charts.bars import Bar
    from kvcalc.charts.chart import Chart


@dataclass(frozen=True)
class Compared:
    """One engine's answer, or the sentence why it refuses; then the bytes are None.

    `bytes` is over all ranks, `bytes_per_gpu` on the fullest, `peak_bytes` at the most on the way
    to the context, as while a prompt is read; `ideal_bytes` is what attention itself needs, and
    with `ratio_to_ideal` None if `ideal` has no answer. `engine_version` is the release that the
    answer holds for.
    """

    model: str
    engine: str
    engine_version: str
    context: int
    sequences: int
    window: int | None
    kv_cache_dtype: str | None
    settings: Mapping[str, Any]
    bytes: int | None
    bytes_per_gpu: int | None
    peak_bytes: int | None
    ratio_to_ideal: float | None
    ideal_bytes: int | None
    why: str
    error: str | None

    @staticmethod
    def _drawn(rows: "Sequence[Compared]") -> "Chart":
        """Draw what attention needs, and what each engine adds to it and why."""
        from kvcalc.charts.bars import chart

        first = rows[0]
        title = (
            f"KV cache of {first.model} by engine, {first.context:,} tokens, "
            f"{plural(first.sequences, 'sequence')}"
        )
        windows = len({row.window for row in rows}) > 1
        return chart(title, [_bar(row, named=windows) for row in rows], "KV cache")


def compare(
    model: Model,
    *,
    context: int | None = None,
    window: Iterable[int] | int | None = None,
    sequences: int = 1,
    among: Iterable[str] | None = None,
    settings: Settings | None = None,
    **given: Any,
) -> Records[Compared]:
    """Answer one request on every engine, or on those of `among`: one row per engine and window.

    `context` is tokens of one sequence, by default the model's maximum; settings are given as to
    `kvcalc.cost`, and each is passed to the engines that have it. Several releases of one engine
    can be compared: among=["vllm@0.25.1", "vllm@0.33.0"].

    Raises:
        RequestError: there is no context, a window is given for a model without sliding layers, an
            engine or GPU is not known, or no engine has a setting.
        KvcalcError: no engine takes the value of a setting.
    """
    names = tuple(
        engines.ENGINES if among is None else dict.fromkeys(map(engines.full_name, among))
    )
    asked = request.named(settings, given)
    refuse_unknown(asked, names)
    if "gpu" in asked:
        from kvcalc.catalogue.gpus import find

        find(asked["gpu"])
    if context is None:
        context = model.longest_context
    windows = (window,) if isinstance(window, int) else tuple(dict.fromkeys(window or ()))
    models = [model.with_window(tokens) for tokens in windows] or [model]
    rows: dict[str, list[Compared]] = {name: [] for name in names}
    refusals: dict[str, KvcalcError] = {}
    for one in models:
        least = _least(one, context, sequences, asked)
        for name in names:
            try:
                rows[name].append(_answered(one, name, context, sequences, least, asked))
            except KvcalcError as error:
                refusals[name] = error
                rows[name].append(_refused(one, name, context, sequences, asked, error))
    answered = {name for name in names if any(row.bytes is not None for row in rows[name])}
    for setting in asked:
        having = [name for name in names if setting in engines.find(name).settings.model_fields]
        if answered.isdisjoint(having):
            _refuse_value(models[0], setting, asked, {name: refusals[name] for name in having})
    return Records(row for name in names for row in rows[name])


def _refuse_value(
    model: Model,
    setting: str,
    settings: Mapping[str, Any],
    refusals: Mapping[str, KvcalcError],
) -> None:
    """Refuse a value that no engine takes, by the sentence of the first that says so.

    An engine that cannot run the model with any value tells nothing about this one.
    """
    others = {name: value for name, value in settings.items() if name != setting}
    for engine, error in refusals.items():
        match error:
            case RequestError(field=fault) | UnsupportedError(what=fault) if fault == setting:
                raise error
        try:
            request.cost(model, engine, **own_settings(engine, others))
        except KvcalcError:
            continue
        raise error


NEEDED, ADDED, IN_ALL = "what attention needs", "what the engine adds", "in all"


def _bar(row: Compared, *, named: bool) -> "Bar":
    """A row as a bar: with the least that attention needs apart, where that is known."""
    from kvcalc.charts.bars import Bar

    window = f", window {row.window:,}" if named and row.window is not None else ""
    label = f"{at_version(row.engine, row.engine_version)}{window}"
    if row.bytes is None:
        return Bar(label, (), f"cannot: {row.error}")
    ratio = "" if row.ratio_to_ideal is None else f", {row.ratio_to_ideal:.3f} x ideal"
    said = f"{format_bytes(row.bytes)}{ratio}\n{row.why}"
    if row.ideal_bytes is None:
        return Bar(label, ((IN_ALL, row.bytes),), said)
    needed = min(row.bytes, row.ideal_bytes)
    return Bar(label, ((NEEDED, needed), (ADDED, row.bytes - needed)), said)


def _least(model: Model, context: int, sequences: int, settings: Mapping[str, Any]) -> int | None:
    """What attention itself needs, in the element type asked for where `ideal` knows it."""
    own = own_settings("ideal", settings)
    for asked in (own, {name: own[name] for name in own if name != "kv_cache_dtype"}):
        try:
            least: int = request.cost(model, "ideal", **asked)(context, sequences=sequences)
        except KvcalcError:
            continue
        return least
    return None


def _answered(
    model: Model,
    engine: str,
    context: int,
    sequences: int,
    least: int | None,
    settings: Mapping[str, Any],
) -> Compared:
    cost = request.cost(model, engine, **own_settings(engine, settings))
    total = cost(context, sequences=sequences)
    return Compared(
        model=model.name,
        engine=cost.engine,
        engine_version=cost.engine_version,
        context=context,
        sequences=sequences,
        window=model.window,
        kv_cache_dtype=cost.kv_cache_dtype,
        settings=cost.settings,
        bytes=total,
        bytes_per_gpu=cost.per_gpu(context, sequences=sequences),
        peak_bytes=cost.peak(context, sequences=sequences),
        ratio_to_ideal=round(total / least, 4) if least else None,
        ideal_bytes=least,
        why=cost.why,
        error=None,
    )


def _refused(
    model: Model,
    engine: str,
    context: int,
    sequences: int,
    settings: Mapping[str, Any],
    error: KvcalcError,
) -> Compared:
    own = own_settings(engine, settings)
    name, version = request.release_of(engine, own)
    for beside in engines.find(engine).settings.BESIDE[1:]:
        own.pop(beside, None)
    return Compared(
        model=model.name,
        engine=name,
        engine_version=version,
        context=context,
        sequences=sequences,
        window=model.window,
        kv_cache_dtype=own.pop("kv_cache_dtype", None),
        settings=own,
        bytes=None,
        bytes_per_gpu=None,
        peak_bytes=None,
        ratio_to_ideal=None,
        ideal_bytes=None,
        why="",
        error=str(error),
    )
