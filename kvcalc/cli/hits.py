"""The options of `fit` that ask for GPUs by what a prefix cache hits of a trace."""

from typing import Annotated

import typer

from kvcalc.answers.fit.grid import Place
from kvcalc.answers.fit.placing import Placing
from kvcalc.cli.grouped import Options
from kvcalc.cli.progress import working
from kvcalc.cli.warnings import note_on_stderr
from kvcalc.errors import RequestError
from kvcalc.units import percent


class HitOptions(Options):
    """A trace, and how much of its prompts a cache should hit."""

    trace: Annotated[
        list[str] | None,
        typer.Option("--trace", help="A trace, for --hit-rate; repeatable."),
    ] = None
    hit_rate: Annotated[
        str | None,
        typer.Option(help="Share of its prompts to hit, as 50%; GPUs are solved for."),
    ] = None

    def counts(self, place: Place, given: list[int | None]) -> list[int | None]:
        """Numbers of GPUs to try on a place: those that hit enough, where that is asked."""
        if self.trace is None and self.hit_rate is None:
            return given
        if self.trace is None or self.hit_rate is None:
            raise RequestError.about("--trace", expected="beside --hit-rate, and the other way")
        if given != [None]:
            raise RequestError.about("--gpus", "found beside --hit-rate, which solves for it")
        if not isinstance(place.placing, Placing):
            return given
        from kvcalc.answers.fit.hits import fewest_hitting

        with working("replaying the trace"):
            found = fewest_hitting(place.placing, self.trace, self.hit_rate)
        note_on_stderr(
            f"{place.gpu}: a copy of {place.model} on {found.gpus:,} hits "
            f"{percent(found.hit_tokens, found.prompt_tokens)} of the trace's prompt tokens, one "
            "request after another; no fewer do"
        )
        return [found.gpus]
