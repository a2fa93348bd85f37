"""The options for the GPU, and for what takes its memory besides the cache."""

from typing import TYPE_CHECKING, Annotated

import typer

from kvcalc.cli.completion import weights as weight_formats
from kvcalc.cli.grouped import Options
from kvcalc.errors import RequestError
from kvcalc.units import parse_memory

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kvcalc.engines.server.loading import Loading
    from kvcalc.model import Model
    from kvcalc.readers.weights import Weights


class LoadOptions(Options):
    """What takes a GPU's memory besides the cache."""

    weights: Annotated[str | None, typer.Option(help="Size of all weights, as 240GB.")] = None
    weights_dtype: Annotated[
        str | None,
        typer.Option(
            help="bf16, fp8, awq, nvfp4, mxfp4, Q4_K_M, 4bit ...  [default: as published]",
            autocompletion=weight_formats,
        ),
    ] = None
    reserve: Annotated[
        str | None,
        typer.Option(
            help="Memory per GPU for activations and graphs, as 4GiB.",
            show_default=False,
        ),
    ] = None
    optimistic: Annotated[
        bool,
        typer.Option(
            "--optimistic",
            help="Leave out what the engine's start takes beside weights and cache.",
        ),
    ] = False

    @property
    def given(self) -> str | None:
        """The first of these options that is given."""
        own = (name for name, value in self.values().items() if value != getattr(LoadOptions, name))
        return next(("--" + name.replace("_", "-") for name in own), None)

    @property
    def reserve_bytes(self) -> int | None:
        """Bytes that stand for what a start takes beside: None for what is known of it."""
        if self.reserve is None:
            return 0 if self.optimistic else None
        if self.optimistic:
            raise RequestError.about("--optimistic", "found beside --reserve; give one")
        return parse_memory(self.reserve, "--reserve")

    def require_counted(self, model: "Model", loading: "Iterable[Loading]") -> None:
        """Require that the options say what a model's weights are where flags load others.

        Raises:
            RequestError: they do not.
        """
        for flag in loading:
            flag.require_counted(model, self.weights, self.weights_dtype)

    def read_weights(
        self, source: str | None, model: "Model", loading: "Iterable[Loading]" = ()
    ) -> "Weights":
        """Find the bytes of a model's weights; `source` is its name on the command line.

        Raises:
            RequestError: they are not known, or a flag of `loading` loads others.
        """
        from kvcalc.readers.weights import read_weights

        self.require_counted(model, loading)
        return read_weights(source, model, self.weights_dtype, self.weights)
