"""What a shell offers of engines' own flags, and of what they take, beside a command's options."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import typer

TYPED = "kvcalc.typed"
"""Where a context keeps the words, which are read again only where something is offered of them."""


class Typed(NamedTuple):
    """The words of a command before the half-typed one, and its options."""

    words: Sequence[str]
    options: Mapping[str, bool]
    command: str

    @property
    def engines(self) -> list[str]:
        """The engines that the words name, or that the command takes without."""
        from kvcalc import engines
        from kvcalc.cli.engine_flags import named

        found = named(self.words, self.options, self.command)
        return [name for name in found if engines.split_release(name)[0] in engines.ENGINES]

    def steps(self) -> Iterator[tuple[bool, list[str]]]:
        """The command's own words, and engines' flags with their values."""
        from kvcalc.cli.engine_flags import steps
        from kvcalc.engines.server.own_flags import span_of

        names = self.engines
        return steps(self.words, self.options, lambda place: span_of(self.words, place, names))


def own_words(ctx: typer.Context, words: list[str], options: Mapping[str, bool]) -> list[str]:
    """Keep the words for what is offered, and give those that are the command's own."""
    ctx.meta[TYPED] = typed = Typed(words, options, ctx.info_name or "")
    return [word for foreign, step in typed.steps() if not foreign for word in step]


def engines_of(ctx: typer.Context) -> list[str]:
    """The engines that a command line names before the half-typed word."""
    typed = ctx.meta.get(TYPED)
    return typed.engines if isinstance(typed, Typed) else []


def flags(ctx: typer.Context, incomplete: str) -> list[str]:
    """The flags of those engines that begin as the word does."""
    from kvcalc.engines.server.own_flags import known

    return sorted(flag for flag in known(engines_of(ctx)) if flag.startswith(incomplete))


def values(ctx: typer.Context, incomplete: str) -> list[str] | None:
    """What the flag before the word may be; None where there is none, or it has its value."""
    typed = ctx.meta.get(TYPED)
    last = [*typed.steps()][-1:] if isinstance(typed, Typed) else []
    if not last or last[0][0] is False or len(last[0][1]) > 1:
        return None
    return _values_of(ctx, last[0][1][0], incomplete)


def _values_of(ctx: typer.Context, flag: str, incomplete: str) -> list[str] | None:
    from kvcalc.engines.server.own_flags import server_of

    gives = {
        name: server.gives[flag]
        for name in engines_of(ctx)
        if (server := server_of(name)) is not None and flag in server.gives
    }
    offered = dict.fromkeys(word for name, what in gives.items() for word in words_of(what, name))
    return [word for word in offered if word.startswith(incomplete)] if gives else None


def words_of(setting: str, engine: str) -> Iterator[str]:
    """What a setting of an engine, or a flag that gives it, may be, where that is words."""
    from kvcalc import engines
    from kvcalc.answers.engines import describe_engine

    server = engines.find(engine).server
    row = next((row for row in describe_engine(engine).settings if row.setting == setting), None)
    if setting == "gpu":
        from kvcalc.catalogue.gpus import names

        yield from names()
    elif setting == "kv_cache_dtype":
        yield from engines.find(engine).dtypes
    elif server is not None and (words := getattr(server.takes.get(setting), "words", ())):
        yield from words
    elif row is not None and ", " in row.values:
        yield from row.values.replace(" or ", ", ").split(", ")
