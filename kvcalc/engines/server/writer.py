"""An engine's own command line, written: what `reader` reads, the same settings again."""

from collections.abc import Mapping
from fractions import Fraction
from shlex import join, quote
from typing import TYPE_CHECKING, Any

from kvcalc.engines.server import MODEL, PAST_MAXIMUM, Server
from kvcalc.engines.server.asked import Wanted

if TYPE_CHECKING:
    from kvcalc.engines.engine import Engine, Settings
    from kvcalc.model import Model

NOT_STARTED = {"gpu", "release", "strict_version"}
"""Settings that no flag gives: which release runs, and on which GPU."""


def write(
    engine: "Engine",
    settings: "Settings",
    model: "Model",
    *,
    context: int | None = None,
    sequences: int | None = None,
    share: Fraction | None = None,
    source: str | None = None,
    weights_dtype: str | None = None,
) -> str:
    """Write the line that starts an engine's server with these settings; "" if it has no server.

    `context` counts one sequence, `share` is the engine's share of the memory, and `source` the
    text that named the model, if any. With a `weights_dtype` the weights are of another format than
    that model's, so that the line names none. What no flag or variable takes, and that format, are
    named in a comment at the line's end, which a shell and `reader` ignore.
    """
    server = engine.server
    if server is None:
        return ""
    amounts = {"context": context, "sequences": sequences, "share": share}
    given: dict[str, Any] = {name: amount for name, amount in amounts.items() if amount is not None}
    given |= settings.model_dump(exclude_defaults=True, exclude=NOT_STARTED)
    if revision := (model.hub_id or "").partition(":")[0].partition("@")[2]:
        given["revision"] = revision
    past_maximum = context is not None and context > (model.max_context or context)
    if past_maximum and PAST_MAXIMUM in server.environment.values():
        given[PAST_MAXIMUM] = 1
    wanted = server.prepare(Wanted(model, given))
    variables, flags, unsaid = [], [], wanted.unsaid
    for name, value in wanted.given.items():
        if (words := flag(server, name, value)) is not None:
            flags.append(words)
        elif (words := _variable(server, name, value)) is not None:
            variables.append(words)
        else:
            unsaid.append(name)
    comments = [f"no flag takes this: {', '.join(unsaid)}"] if unsaid else []
    if weights_dtype is not None:
        comments.insert(0, f"{MODEL} holds its weights in {weights_dtype}")
        model, source = model.model_copy(update={"hub_id": None}), None
    start = server.start.format(model=join(server.names(model, source)))
    comment = [f"# {'; '.join(comments)}"] if comments else []
    return " ".join([*variables, start, *flags, *comment])


def flag(server: Server, name: str, value: Any) -> str | None:
    """Write one thing that a line says as a flag, by its long name; None where no flag takes it."""
    for switch, sets in server.switches.items():
        if sets == (name, value) and switch.startswith("--"):
            return switch
    words = _words(server, name, value)
    valued = next((f for f, gives in server.gives.items() if gives == name and f[1] == "-"), None)
    return None if words is None or valued is None else " ".join([valued, *words])


def flags(server: Server, model: "Model", given: Mapping[str, Any]) -> str | None:
    """Write several things that a line says as flags; None where no flag takes one of them."""
    wanted = server.prepare(Wanted(model, dict(given)))
    words = [flag(server, name, value) for name, value in wanted.given.items()]
    known = [word for word in words if word is not None]
    return None if wanted.unsaid or len(known) < len(words) else " ".join(known)


def _variable(server: Server, name: str, value: Any) -> str | None:
    words = _words(server, name, value)
    variable = next((one for one, gives in server.environment.items() if gives == name), None)
    return None if words is None or variable is None else f"{variable}={words[0]}"


def _words(server: Server, name: str, value: Any) -> list[str] | None:
    """The words of a value, quoted for a shell; None where the option refuses it."""
    words = server.takes[name].written(value) if name in server.takes else None
    return None if words is None else [quote(word) for word in words]
