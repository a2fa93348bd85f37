"""A command as typer runs it: it reads its options, offers words to a shell and writes its help."""

from collections.abc import Collection
from typing import Any

from typer.core import TyperCommand

PLAIN = (str, list[str])
"""Types of options whose values are taken as they are typed."""


class Command(TyperCommand):
    """A command that reads only the options that are given; the others have their defaults.

    Typer builds a pydantic validator for every option, given or not, before it reads one. So it
    is handed only the values that are given and are more than plain text.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words of the command line."""
        options = {
            name: not getattr(parameter, "is_flag", False)
            for parameter in self.get_params(ctx)
            for name in parameter.opts
            if name.startswith("-")
        }
        if "--set" in options and ctx.resilient_parsing:
            from kvcalc.cli.flag_completion import own_words

            args = own_words(ctx, args, options)
        elif "--set" in options and _has_others(args, options):
            from kvcalc.cli.engine_flags import moved

            args = moved(args, options, ctx.info_name or "")
        given, extra, order = self.make_parser(ctx).parse_args(list(args))
        if ctx.resilient_parsing or (extra and not ctx.allow_extra_args):
            return super().parse_args(ctx, args)
        parameters: dict[Any, None] = dict.fromkeys([*order, *self.get_params(ctx)])
        for parameter in sorted(parameters, key=lambda parameter: not parameter.is_eager):
            value = given.get(parameter.name)
            is_text = value is not None and parameter.type_descriptor.annotation in PLAIN
            if not is_text and (value is not None or parameter.required):
                parameter.handle_parse_result(ctx, given, extra)
            elif parameter.expose_value:
                ctx.params[parameter.name] = value if is_text else parameter.default
        ctx.args = extra
        return extra

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Offer the options, and those of the engines that are named."""
        from kvcalc.cli.flag_completion import flags

        found = super().shell_complete(ctx, incomplete)
        offered = {item.value for item in found}
        words = [*self.words(incomplete), *flags(ctx, incomplete)]
        if not words:
            return found
        item = type(super().shell_complete(ctx, "--help")[0])
        return [*found, *(item(word) for word in words if word not in offered)]

    def words(self, incomplete: str) -> list[str]:
        """Words that are offered beside options and commands."""
        return []

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, and the options in the order of their use."""
        from kvcalc.cli.help import arguments, options

        for title, rows in (("Arguments", arguments), ("Options", options)):
            if named := rows(self.get_params(ctx), ctx):
                with formatter.section(title):
                    formatter.write_dl(named)


def _has_others(args: list[str], options: Collection[str]) -> bool:
    """Whether a word looks like an option, and is none of the command's own."""
    words = (word.partition("=")[0] for word in args if word.startswith("-"))
    return any(word not in options for word in words)
