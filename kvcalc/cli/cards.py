"""The options of `fit` for its GPUs: which, how many, at what price, and what starts there."""

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kvcalc.answers.fit.card import card
from kvcalc.cli.completion import gpus
from kvcalc.cli.grouped import Options
from kvcalc.cli.options import GPU
from kvcalc.cli.server_line import FromLine
from kvcalc.errors import RequestError
from kvcalc.units import parse_memory

if TYPE_CHECKING:
    from kvcalc.engines.memory import Card


class CardOptions(Options):
    """The GPUs: which kinds, how many and at what price."""

    gpu: Annotated[
        list[str] | None,
        typer.Option(
            "--gpu", help=f"{GPU} Several, as h100,h200, are tried in turn.", autocompletion=gpus
        ),
    ] = None
    gpu_memory: Annotated[
        str | None, typer.Option(help="Memory of a GPU without a name here, as 141GB.")
    ] = None
    gpus: Annotated[
        list[str] | None,
        typer.Option("--gpus", help="Number of GPUs, as 4 or 1,2,4; solved for if not given."),
    ] = None
    price: Annotated[
        list[str] | None,
        typer.Option(metavar="GPU=PRICE", help="Price per GPU and hour, as h200=3.5; repeatable."),
    ] = None
    from_line: FromLine = None
    log: Annotated[
        Path | None,
        typer.Option(
            "--log",
            help="A start-up log of the same server, whose weights and parts are taken.",
            show_default=False,
        ),
    ] = None
    spare: Annotated[int, typer.Option(min=0, help="Spare GPUs to add to those needed.")] = 0

    def cards(self) -> "list[Card]":
        """The kinds of GPUs that are asked about."""
        if self.gpu_memory is not None and self.gpu is None:
            memory = parse_memory(self.gpu_memory, "--gpu-memory")
            return [card(None, memory, self.gpu_memory)]
        if self.gpu_memory is not None or self.gpu is None:
            return [card(None)]
        return [card(name) for text in self.gpu for name in text.split(",")]

    def counts(self) -> list[int | None]:
        """Numbers of GPUs to try; None where that is the question."""
        listed = [item for text in self.gpus or () for item in text.split(",")]
        for item in listed:
            if not (item.isascii() and item.isdigit() and 0 < int(item[:10]) <= 2**20):
                raise RequestError.of("--gpus", item, "a count of at least 1")
        return [int(item) for item in listed] or [None]

    def prices(self) -> dict[str, Decimal]:
        """The hourly price of each kind of GPU."""
        found = {}
        for pair in (pair for text in self.price or () for pair in text.split(",")):
            name, _, text = pair.partition("=")
            try:
                price = Decimal(text)
            except InvalidOperation:
                price = Decimal(-1)
            if not (price.is_finite() and 0 <= price < 10**9):
                raise RequestError.of("--price", pair, "a GPU and its price, as h200=3.5")
            found[name if name == self.gpu_memory else card(name).name] = price
        return found
