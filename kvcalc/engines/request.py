"""A request to an engine by its name: the cost of a model."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from kvcalc.costs import Cost
from kvcalc.engines import find, split_release
from kvcalc.engines.engine import Engine, Settings
from kvcalc.errors import RequestError, UnsupportedError, quote
from kvcalc.model import Model


def cost(
    model: Model, engine: str = "ideal", *, settings: Settings | None = None, **given: Any
) -> Cost:
    """Work out what an engine's cache needs for a model, as a formula.

    Settings are the engine's own, by its own names (kv_cache_dtype, tensor_parallel_size ...), or
    its settings class, as `settings=kvcalc.VllmSettings(block_size=32)`. An engine with
    several releases takes one after its name, as "vllm@0.25.1", or as its setting `release`.

    Raises:
        RequestError: there is no such engine or setting, or a value is not valid for any model.
        UnsupportedError: the engine cannot run a kind of layer, or a setting with this model.
    """
    require_model(model)
    return cost_of(model, find(engine), parsed_settings(engine, settings, given))


def cost_of(model: Model, chosen: Engine, parsed: Settings) -> Cost:
    """Work out the cost of a model with settings that are the engine's own.

    Raises:
        UnsupportedError: the engine cannot run a kind of layer, or a setting with this model.
    """
    with said_by(chosen):
        require_run(model, chosen, parsed)
        return replace(
            chosen.cost(model, parsed), engine_version=parsed.engine_version(chosen.version)
        )


def require_run(model: Model, chosen: Engine, parsed: Settings) -> None:
    """Refuse a model that the engine has no code for, and an element type that it does not list.

    Raises:
        UnsupportedError: the sentence names the model's type, or the element types.
    """
    parsed.require_model(model)
    given = parsed.kv_cache_dtype
    if given is not None and chosen.dtypes and given not in chosen.dtypes:
        raise UnsupportedError.of(
            "kv_cache_dtype",
            f"found {given}, expected one of {', '.join(chosen.dtypes)} on {chosen.name}",
        )


@contextmanager
def said_by(engine: Engine) -> Iterator[None]:
    """Name the engine in a refusal, since rules that engines share do not know which it is."""
    try:
        yield
    except UnsupportedError as error:
        error.engine = engine.name
        raise


def require_model(model: object) -> None:
    """Refuse what is not a model.

    Raises:
        RequestError: it is something else, as a model's name.
    """
    if not isinstance(model, Model):
        raise RequestError.of("model", model, "a Model; see kvcalc.load")


def named(settings: Settings | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """Gather settings by name: those that were set in a settings class, and those beside it.

    Raises:
        RequestError: `settings` is not of a settings class, or one of them is given beside it.
    """
    if settings is None:
        return dict(given)
    if not isinstance(settings, Settings):
        raise RequestError.of("settings", settings, "an engine's settings, as VllmSettings()")
    for name in given:
        if name in settings.model_fields_set:
            raise RequestError.about(name, "found in settings and beside them")
    return {name: getattr(settings, name) for name in settings.model_fields_set} | dict(given)


def of_release(engine: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Add the release that stands behind an engine's name to the settings that are given.

    Raises:
        RequestError: another is given beside it, or the engine was read at one release alone.
    """
    asked, release = dict(given), split_release(engine)[1]
    if release is None:
        return asked
    chosen = find(engine)
    if "release" not in chosen.settings.model_fields:
        if release == chosen.version:
            return asked
        own = f"{chosen.version}, the one that was read"
        none = f"none, for {chosen.name} has no releases"
        raise RequestError.of("release", release, none if chosen.version == "-" else own)
    if asked.setdefault("release", release) != release:
        raise RequestError.of("release", asked["release"], f"{release}, as behind the engine")
    return asked


def release_of(engine: str, given: Mapping[str, Any]) -> tuple[str, str]:
    """Name an engine and the release that is asked for, whether or not it takes what is given."""
    chosen, (_, behind) = find(engine), split_release(engine)
    return chosen.name, str(given.get("release") or behind or chosen.version)


def no_setting(engine: str, name: str, known: Sequence[str]) -> RequestError:
    """Say that an engine has no such setting, and which are nearest, or else which it has."""
    from kvcalc.spelling import not_among

    why = f"{engine} has no setting {quote(name)}"
    return not_among(known, name, why, "it has", field=name)


def parsed_settings(called: str, settings: Settings | None, given: Mapping[str, Any]) -> Settings:
    """Check settings, given by class or by name, and make the engine's own of them.

    Raises:
        RequestError: the engine has no such setting, or no such value of it.
    """
    asked, engine = of_release(called, named(settings, given)), find(called)
    for name in asked:
        if name not in engine.settings.model_fields:
            raise no_setting(engine.name, name, [*engine.settings.model_fields])
    if not asked:  # defaults need no check
        return engine.settings.model_construct()
    return engine.settings(**asked)
