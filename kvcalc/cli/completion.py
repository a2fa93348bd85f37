"""What a shell offers for a half-typed word; all is looked up where it is asked for."""

from collections.abc import Callable, Iterable, MutableMapping

import typer

from kvcalc import engines

Offer = Callable[[typer.Context, str], list[str]]
"""The words that an option offers, of the options before it and the half-typed word."""


def among(choices: Callable[[], Iterable[str]]) -> Offer:
    """Complete a word, or the last of a list with commas, to one of the choices."""
    return lambda ctx, incomplete: _listed(choices(), incomplete)


def models(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete the names of presets, or what the engine's flag before the word may be."""
    from kvcalc.catalogue.models import names
    from kvcalc.cli.flag_completion import values

    offered = values(ctx, incomplete)
    return _listed(names(), incomplete) if offered is None else offered


def gpus(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete the names of GPUs."""
    from kvcalc.catalogue.gpus import names

    return _listed(names(), incomplete)


def dtypes(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete the element types of a cache: those of the engines that are named, else all."""
    from kvcalc.cli.flag_completion import engines_of
    from kvcalc.dtypes import ALIASES, DTYPES

    named = engines_of(ctx)
    own = dict.fromkeys(one for name in named for one in engines.find(name).dtypes)
    return _listed(own or [*DTYPES, *ALIASES], incomplete)


def weights(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete the formats of weights, in small letters where those are typed."""
    from kvcalc.readers.weight_formats import NAMES

    small = [name.lower() for name in NAMES] if incomplete.islower() else NAMES
    return [name for name in small if name.startswith(incomplete)]


def dialects(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete the dialects of SQL."""
    from kvcalc.formula.languages.sql import DIALECTS

    return _listed(DIALECTS, incomplete)


def settings(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete NAME=VALUE: a setting of the engines that are named, then what it may be."""
    from kvcalc.answers.engines import describe_engine
    from kvcalc.cli.flag_completion import engines_of, words_of

    wanted, equals, _ = incomplete.partition("=")
    offered: dict[str, None] = {}
    for name in engines_of(ctx) or engines.ENGINES:
        for row in describe_engine(name).settings:
            if not equals:
                offered[f"{row.setting}="] = None
            elif row.setting == wanted:
                offered |= dict.fromkeys(f"{wanted}={word}" for word in words_of(wanted, name))
    return [word for word in offered if word.startswith(incomplete)]


def _listed(choices: Iterable[str], incomplete: str) -> list[str]:
    head, comma, last = incomplete.rpartition(",")
    return [f"{head}{comma}{name}" for name in choices if name.startswith(last.lower())]


def joined(environ: MutableMapping[str, str]) -> str:
    """Join what bash parts at equals signs, and give what it keeps before the word it replaces.

    It hands over NAME, = and VALUE as words of their own (COMP_WORDBREAKS).
    """
    import shlex

    place = int(environ["COMP_CWORD"])
    try:
        words = shlex.split(environ["COMP_WORDS"])
    except ValueError:  # a quote is still open
        return ""
    words += [""] * (place + 1 - len(words))
    kept, whole = "", words[:1]
    for number, word in enumerate(words[1 : place + 1], 1):
        if whole and (word == "=" or words[number - 1] == "="):
            kept = whole[-1] if word != "=" else f"{whole[-1]}="
            whole[-1] += word
        else:
            kept = ""
            whole.append(word)
    environ["COMP_WORDS"], environ["COMP_CWORD"] = shlex.join(whole), str(len(whole) - 1)
    return kept
